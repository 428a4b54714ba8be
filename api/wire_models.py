"""What the service takes and answers where models are concerned."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from api.described import DIGEST, JOB_ID, JOB_ID_PATTERN
from core.jobs.inputs import Digest
from core.store.references import MAX_VERSION

_CREATED = "2026-11-22T12:00:00Z"
_VERSION: dict[str, Any] = {
    "model": "digits",
    "version": 3,
    "digest": DIGEST,
    "job": JOB_ID,
    "aliases": ["production"],
    "metrics": {"validation_accuracy": 0.993, "validation_loss": 0.024},
    "created": _CREATED,
    "links": {
        "self": "/v1/models/digits/versions/3",
        "file": "/v1/models/digits/versions/3/file",
        "onnx": "/v1/models/digits/versions/3/onnx",
        "job": f"/v1/jobs/{JOB_ID}",
    },
}
_MODEL: dict[str, Any] = {
    "name": "digits",
    "count": 3,
    "latest": 3,
    "aliases": {"production": 3},
    "created": _CREATED,
    "links": {"self": "/v1/models/digits"},
}


class FromJob(BaseModel):
    """The model that a job made."""

    model_config = ConfigDict(extra="forbid", strict=True)

    job: Annotated[str, Field(pattern=JOB_ID_PATTERN)] = Field(
        description="Id of a training that has succeeded.", examples=[JOB_ID]
    )


class FromArtifact(BaseModel):
    """A model's file that was uploaded."""

    model_config = ConfigDict(extra="forbid", strict=True)

    artifact: Digest


def _form(value: Any) -> str | None:
    keys = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    return next((form for form in ("job", "artifact") if form in keys), None)


Origin = Annotated[
    Annotated[FromJob, Tag("job")] | Annotated[FromArtifact, Tag("artifact")],
    Discriminator(
        _form,
        custom_error_type="model_origin",
        custom_error_message='A model comes from {"job": id} or {"artifact": digest}',
    ),
]


class Pointing(BaseModel):
    """What an alias means."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: int = Field(ge=1, le=MAX_VERSION, description="Number of the version.", examples=[3])


class VersionLinks(BaseModel):
    """Where to go from a version."""

    self: str
    file: str = Field(description="The model's file (safetensors).")
    onnx: str = Field(description="The model as ONNX.")
    job: str | None = Field(description="The job that made it, which may be deleted since.")


class VersionSummary(BaseModel):
    """A version as it is listed."""

    model: str
    version: int = Field(description="Counted from 1; never given twice.")
    digest: str = Field(description="Of the artifact with the model's file.")
    job: str | None = Field(description="Id of the job that made it.")
    aliases: list[str] = Field(description="That point to it.")
    metrics: dict[str, float] = Field(description="How good it was when it was made.")
    created: datetime
    links: VersionLinks


class Version(VersionSummary):
    """A version with everything that is known of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                _VERSION
                | {
                    "spec": {"input": [1, 28, 28], "layers": [{"layer": "flatten"}]},
                    "input_shape": [1, 28, 28],
                    "output_shape": [784],
                    "classes": None,
                    "parameters": 0,
                    "multiply_adds": 0,
                    "lineage": {"data": DIGEST, "convq": "0.1.0", "job": JOB_ID},
                    "warnings": [],
                }
            ]
        }
    )

    spec: dict[str, Any] = Field(description="The net: its input and its layers.")
    input_shape: list[int] = Field(description="Of one image, channels first.")
    output_shape: list[int]
    classes: list[str] | None = Field(description="Names of the outputs, if they are classes.")
    parameters: int = Field(description="How many numbers were learned.")
    multiply_adds: int = Field(description="For one image.")
    lineage: dict[str, Any] = Field(
        description="Where it comes from: digest of the data, body of the job, version of convq."
    )
    warnings: list[str] = Field(description="What is odd about it, such as weights that are NaN.")


class ModelLinks(BaseModel):
    """Where to go from a model."""

    self: str


class ModelSummary(BaseModel):
    """A model as it is listed."""

    name: str
    count: int = Field(description="How many versions there are.")
    latest: int = Field(description="Number of the newest version.")
    aliases: dict[str, int] = Field(description="Number of a version by alias.")
    created: datetime
    links: ModelLinks


class Model(ModelSummary):
    """A model with its newest versions."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [_MODEL | {"versions": [_VERSION], "next": None}]}
    )

    versions: list[VersionSummary] = Field(description="Newest first.")
    next: int | None = Field(description="The cursor of the next page; null on the last.")


class ModelPage(BaseModel):
    """Some models, by name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"models": [_MODEL], "next": None}]})

    models: list[ModelSummary]
    next: str | None = Field(description="The cursor of the next page; null on the last.")
