"""The model of a job: a file by its digest, or a name that becomes one when the job is queued."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

from pydantic import Field

from core.nets.model import Model, load
from core.store.artifacts import ArtifactStore

_DIGEST = "sha256:"

ModelReference = Annotated[
    str,
    Field(
        pattern=r"^(sha256:[0-9a-f]{64}"
        r"|[A-Za-z0-9][A-Za-z0-9._-]{0,63}(@[A-Za-z0-9][A-Za-z0-9._-]{0,63})?)$",
        description="A registered model: name, name@version or name@alias; or the digest of a "
        "model's file. The job keeps the digest that a name means when it is queued.",
        examples=["digits@production"],
    ),
]


def is_digest(reference: str) -> bool:
    """Return whether it names a file.

    Examples
    --------
    >>> is_digest("digits@3"), is_digest("sha256:" + "0" * 64)
    (False, True)
    """
    return reference.startswith(_DIGEST)


def read_model(artifacts: ArtifactStore, digest: str) -> Model:
    """Return a stored model, all of it checked.

    Raises
    ------
    InvalidInput
        It is no model's file (`core.errors.UnsupportedMedia`).
    TooLarge
        As `core.nets.model.load`.
    """
    with tempfile.TemporaryDirectory(prefix="convq-") as scratch:
        return load(artifacts.fetch(digest, Path(scratch)))
