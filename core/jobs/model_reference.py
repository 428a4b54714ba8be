"""The model of a job: a file by its digest, or a name that becomes one when the job is queued."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field

from core.jobs.kind import DigestOf, Spec
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


class ModelSpec(Spec):
    """Base of the jobs that use a model."""

    model: ModelReference


SpecT = TypeVar("SpecT", bound=ModelSpec)


def pin(spec: SpecT, digest_of: DigestOf) -> SpecT:
    """Return the Spec with the digest of the model in place of its name."""
    if spec.model.startswith(_DIGEST):
        return spec
    return spec.model_copy(update={"model": digest_of(spec.model)})


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
