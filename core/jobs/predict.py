"""The job kind ``predict``: what a trained net says of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.conv.precision import Precision
from core.errors import InvalidInput
from core.jobs import on_boxes
from core.jobs.inference import Inference, Row, check_room
from core.jobs.inputs import Digest, Input, digests
from core.jobs.kind import Kind, Planning
from core.jobs.model_reference import ModelSpec, pin, read_model
from core.jobs.prediction_files import File, Format, of_classes, of_outputs
from core.jobs.run import Run
from core.nets.data import DataOptions
from core.nets.model import Model
from core.store.edge import GROUP_PATTERN
from core.store.jobs import Boxes

_FLOAT = 4
_CLASS = 12
# Layers whose outputs are probabilities already.
_PROBABILITIES = ("softmax", "sigmoid")


class PredictSpec(ModelSpec):
    """Run a model over inputs, many images at a time."""

    kind: Literal["predict"]
    inputs: list[Digest | Input] = Field(
        min_length=1,
        description="Artifacts: pictures, WAV, arrays of one image or of many, texts as a table, "
        "or whole data sets, whose labels are not used. Each is one item of the job.",
        examples=[["sha256:" + "0" * 64]],
    )
    reading: DataOptions | None = Field(
        default=None,
        description="How to read the inputs; by default as the data set was read that the model "
        "learned from.",
    )
    output: Literal["classes", "raw", "features"] = Field(
        default="classes",
        description="The most probable classes, the outputs of the net, or those of a layer.",
    )
    top: int = Field(default=5, ge=1, le=1000, description="How many classes of each image.")
    layer: str | None = Field(
        default=None,
        max_length=100,
        description="With output features: the name of the layer.",
        examples=["conv1"],
    )
    format: Format = Field(
        default="json",
        description="JSON or CSV; or npy, with a table of the images besides.",
    )
    precision: Precision = Field(
        default="float32",
        description="What a GPU may round float32 numbers to before layers multiply them: to "
        "nothing less; to tf32, eleven significant bits; or to bfloat16, eight. Sums are float32. "
        "Processors compute in float32, boxes as their bundle was made.",
    )
    on: str | None = Field(
        default=None,
        pattern=GROUP_PATTERN,
        description="A group of boxes at the edge whose bundle was made of this model: they run "
        "the job in place of workers. Each input is one image as the net takes it.",
        examples=["cameras"],
    )


def references(spec: PredictSpec) -> tuple[str, ...]:
    """Return the digests of the model and of the inputs."""
    return tuple(dict.fromkeys((spec.model, *digests(spec.inputs))))


def items(spec: PredictSpec) -> int:
    """Return the number of inputs."""
    return len(spec.inputs)


def plan(spec: PredictSpec, planning: Planning) -> dict[str, Any]:
    """Check the model against the inputs, from their headers.

    Returns
    -------
    dict
        ``seconds`` and ``bytes`` of the whole, ``images``, the ``shape`` of the outputs, what
        ``products`` are made of where tensor cores take them, how many sorts of inputs are
        ``failing``, and the digest of the ``model``; for boxes ``on``, what they run, and no
        ``products``.

    Raises
    ------
    InvalidInput
        The options do not suit the model, or no input at all does.
    TooLarge
        The job would need more memory than a worker may use.
    """
    model = read_model(planning.artifacts, spec.model)
    inference = _inference(spec, model)
    if spec.on is not None:
        shapes = model.network.input_shape, model.network.output_shape
        return on_boxes.plan(spec.on, spec.model, spec.inputs, shapes, planning)
    found = inference.plan(
        spec.inputs, spec.reading, planning, kept=_kept(spec, inference), wish=spec.device
    )
    return found | {"model": spec.model}


def run(spec: PredictSpec, run: Run) -> None:
    """Run the net batch by batch; an input that cannot be read fails alone."""
    with run.stage("load"):
        model = read_model(run.artifacts, spec.model)
    inference = _inference(spec, model)
    rows: list[Row] = []
    found: list[tuple[NDArray[Any], ...]] = []
    for part in inference.parts(spec.inputs, spec.reading, run, spec.device):
        rows += part.rows
        # Data sets may hold more than their headers said.
        check_room(len(rows) * _kept(spec, inference), run.memory_cap)
        found.append(_told(spec, model, part.y))
    _deliver(spec, model, rows, found, run)


def receive(spec: PredictSpec, said: Sequence[bytes | str], run: Run) -> None:
    """Deliver what a box says of the inputs, as `run` does what a worker has computed.

    Parameters
    ----------
    spec : PredictSpec
        Of the job.
    said : sequence of bytes or str
        Of each input the outputs of the net, little-endian float32, or what was wrong with it.
    run : Run
        Of the box.

    Raises
    ------
    InvalidInput
        There are more or fewer of them than inputs, or they are of another shape.
    """
    model = read_model(run.artifacts, spec.model)
    rows, y = on_boxes.outputs(spec.inputs, said, model.network.output_shape, run)
    _deliver(spec, model, rows, [_told(spec, model, y)], run)


def boxes(spec: PredictSpec) -> Boxes | None:
    """Return the boxes that the job is addressed to."""
    return None if spec.on is None else Boxes(spec.on, spec.model)


def _told(spec: PredictSpec, model: Model, y: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    return _best(spec, model, y) if spec.output == "classes" else (y,)


def _deliver(
    spec: PredictSpec,
    model: Model,
    rows: list[Row],
    found: list[tuple[NDArray[Any], ...]],
    run: Run,
) -> None:
    if not rows:
        return
    with run.stage("store"):
        for file in _files(spec, model, rows, found):
            run.deliver(
                file.name,
                source=None,
                media_type=file.media_type,
                write=file.write,
                shape=None if file.array is None else file.array.shape,
                dtype=None if file.array is None else str(file.array.dtype),
            )


def _inference(spec: PredictSpec, model: Model) -> Inference:
    if (spec.output == "features") != (spec.layer is not None):
        raise InvalidInput(
            "features are those of a layer",
            field="layer",
            given=spec.layer,
            accepted=list(model.network.shapes) if spec.output == "features" else "null",
        )
    if spec.output == "classes" and model.classes is None:
        raise InvalidInput(
            "this model knows no classes", field="output", given="classes", accepted="raw, features"
        )
    for name in ("reading", "layer"):
        if spec.on is not None and getattr(spec, name) is not None:
            raise InvalidInput(
                "boxes take inputs as they are, and tell what the net says in the end",
                field=name,
                given=getattr(spec, name),
                accepted="null with on",
            )
    return Inference(model, spec.layer, precision=spec.precision)


def _kept(spec: PredictSpec, inference: Inference) -> int:
    """Return the bytes that are kept of each image."""
    if spec.output == "classes":
        return _CLASS * min(spec.top, inference.shape[0])
    return _FLOAT * int(np.prod(inference.shape))


def _best(spec: PredictSpec, model: Model, y: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Return the numbers of the best classes and their probabilities, each (images, k)."""
    best = np.argsort(-y, axis=1, kind="stable")[:, : spec.top]
    probabilities = y
    if model.network.nodes[-1].layer.name not in _PROBABILITIES:
        with np.errstate(invalid="ignore"):  # of infinities, which are null then
            powers = np.exp(y - y.max(axis=1, keepdims=True))
            probabilities = powers / powers.sum(axis=1, keepdims=True)
    return best, np.take_along_axis(probabilities, best, axis=1)


def _files(
    spec: PredictSpec, model: Model, rows: list[Row], found: list[tuple[NDArray[Any], ...]]
) -> list[File]:
    joined = [np.concatenate(arrays) for arrays in zip(*found, strict=True)]
    if spec.output != "classes":
        return of_outputs(rows, joined[0], spec.format)
    assert model.classes is not None
    return of_classes(rows, joined[0], joined[1], model.classes, spec.format)


KIND = Kind(
    name="predict",
    summary="Run a trained model over pictures, sounds, arrays, texts or data sets.",
    spec=PredictSpec,
    references=references,
    items=items,
    plan=plan,
    run=run,
    pin=pin,
    boxes=boxes,
    on_gpu=True,
)
