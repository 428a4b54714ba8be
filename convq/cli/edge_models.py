"""The models that bundles are made of: files, or versions that the service keeps."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from core.nets.model import Model


class Named(NamedTuple):
    """A model with its name, the number of its version, and the digest of its file."""

    model: Model
    name: str
    version: int
    digest: str


def find(reference: str, url: str | None) -> Named:
    """Return the model that a file holds, or that the service keeps under a name.

    A file has the version 1.
    """
    from convq.client import Client
    from core.nets.model import load
    from core.store.artifacts import digest_of_file

    path = Path(reference)
    if path.is_file():
        with path.open("rb") as opened:
            return Named(load(path), path.stem, 1, digest_of_file(opened))
    with Client(url) as client, tempfile.TemporaryDirectory() as folder:
        version = client.model_version(reference)
        file = Path(folder) / "model.safetensors"
        client.download_model(version.reference, file)
        return Named(load(file), version.model, version.version, version.digest)
