"""The job kind ``embed``: images as vectors, in an index that can be searched."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any, Literal

import numpy as np
from pydantic import Field

from core.conv.precision import Precision
from core.errors import InvalidInput
from core.jobs.contact_sheet import SIDE, thumbnails
from core.jobs.index import Index, normalised, save
from core.jobs.inference import Inference, Part, check_room
from core.jobs.inputs import Digest, Input, digests
from core.jobs.kind import Kind, Planning
from core.jobs.model_reference import ModelSpec, pin, read_model
from core.jobs.run import Run
from core.kernels import PresetKernel
from core.media import NPZ
from core.nets.data import DataOptions
from core.nets.model import Model

INDEX = "index.npz"
CODE = "code"
"""The layer of an autoencoder that ends its encoder."""

_FLOAT = 4
# Of names and digests, as an array of texts holds them.
_ROW = 4 * (255 + 71)


class EmbedSpec(ModelSpec):
    """Make an index of images by what a layer of a model says of them."""

    kind: Literal["embed"]
    inputs: list[Digest | Input] = Field(
        min_length=1,
        description="Artifacts: pictures, WAV, arrays of one image or of many, texts as a table, "
        "or whole data sets. Each is one item of the job.",
        examples=[["sha256:" + "0" * 64]],
    )
    reading: DataOptions | None = Field(
        default=None,
        description="How to read the inputs; by default as the data set was read that the model "
        "learned from.",
    )
    layer: str | None = Field(
        default=None,
        max_length=100,
        description="Whose outputs are the vectors; by default the layer called code, which ends "
        "the encoder of an autoencoder.",
        examples=["code"],
    )
    filter: PresetKernel | None = Field(
        default=None,
        description="A kernel preset that images go through before the net, as by its layer "
        "filter.",
        examples=[{"preset": "sobel-magnitude"}],
    )
    precision: Precision = Field(
        default="float32",
        description="What a GPU may round float32 numbers to before layers multiply them: to "
        "nothing less; to tf32, eleven significant bits; or to bfloat16, eight. Sums are float32. "
        "Processors compute in float32.",
    )


def references(spec: EmbedSpec) -> tuple[str, ...]:
    """Return the digests of the model and of the inputs."""
    return tuple(dict.fromkeys((spec.model, *digests(spec.inputs))))


def items(spec: EmbedSpec) -> int:
    """Return the number of inputs."""
    return len(spec.inputs)


def plan(spec: EmbedSpec, planning: Planning) -> dict[str, Any]:
    """Check the model against the inputs, from their headers; as `core.jobs.predict.plan`."""
    inference = _inference(spec, read_model(planning.artifacts, spec.model))
    found = inference.plan(
        spec.inputs, spec.reading, planning, kept=_kept(inference), wish=spec.device
    )
    return found | {"model": spec.model}


def run(spec: EmbedSpec, run: Run) -> None:
    """Run the net batch by batch, and store the index."""
    with run.stage("load"):
        model = read_model(run.artifacts, spec.model)
    inference = _inference(spec, model)
    parts: list[Part] = []
    rows = 0
    for part in inference.parts(spec.inputs, spec.reading, run, spec.device):
        rows += len(part.rows)
        check_room(rows * _kept(inference), run.memory_cap)
        # The images themselves are not kept.
        parts.append(part._replace(x=thumbnails(part.x)))
    if not parts:
        return
    with run.stage("store"):
        index = _index(spec, parts, run)
        run.deliver(INDEX, source=None, media_type=NPZ, write=partial(save, index))


def _inference(spec: EmbedSpec, model: Model) -> Inference:
    layer = spec.layer
    if layer is None:
        if CODE not in model.network.shapes:
            raise InvalidInput(
                "this model is no autoencoder: it has no layer called code",
                field="layer",
                given=None,
                accepted=list(model.network.shapes),
            )
        layer = CODE
    return Inference(model, layer, spec.filter, compared=True, precision=spec.precision)


def _kept(inference: Inference) -> int:
    return _FLOAT * prod(inference.shape) + 3 * SIDE**2 + _ROW


def _index(spec: EmbedSpec, parts: list[Part], run: Run) -> Index:
    rows = [row for part in parts for row in part.rows]
    vectors, norms = normalised(np.concatenate([part.y for part in parts]))
    options = spec.model_dump(mode="json", include={"reading", "filter"}, exclude_none=True)
    return Index(
        vectors=vectors,
        norms=norms,
        names=np.array([row.input for row in rows]),
        digests=np.array([row.digest for row in rows]),
        images=np.array([row.image for row in rows], np.int64),
        thumbnails=np.concatenate([part.x for part in parts]),
        model=run.artifacts.read(spec.model),
        about={"model": spec.model, "layer": spec.layer or CODE} | options,
    )


KIND = Kind(
    name="embed",
    summary="Make an index of images by what a layer of a model says of them.",
    spec=EmbedSpec,
    references=references,
    items=items,
    plan=plan,
    run=run,
    pin=pin,
    on_gpu=True,
)
