"""The job kind ``match``: where a picture is in another, or an excerpt in a recording."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from core import conv
from core.arrays import Array
from core.errors import InvalidInput
from core.jobs.each import (
    Item,
    brightness,
    deliver_array,
    deliver_json,
    deliver_picture,
    each,
    read,
    real,
)
from core.jobs.inputs import Digest, Input, count, describe, distinct, renamed
from core.jobs.kind import Kind, Planning, Spec
from core.jobs.places import Places, planned
from core.jobs.run import Run
from core.jobs.subjects import Subject, of_record, plan_each, work
from core.match import Match, Registration, Template, normalised, raw, register
from core.match.boxes import draw_boxes
from core.match.search import BLOCK, Variant, candidates_size, search
from core.media import JSON, NPY, decode, split_alpha, to_range

_DEFAULT_THRESHOLD = 0.5


class MatchSpec(Spec):
    """Find a template in pictures, or an excerpt in recordings.

    Where only one of the two has colours, or several channels of sound, brightness is compared, or
    the mean of the channels.
    """

    kind: Literal["match"]
    inputs: list[Digest | Input] = Field(
        min_length=1,
        description="What is searched: pictures, WAV, or .npy and .npz of one or two axes; each "
        "becomes one item of the job.",
        examples=[["sha256:" + "0" * 64]],
    )
    template: Digest = Field(
        description="What is looked for: a picture, a WAV or an array. Where a picture is "
        "transparent, it counts as little as it is seen.",
        examples=["sha256:" + "1" * 64],
    )
    mask: Digest | None = Field(
        default=None,
        description="How much each value of the template counts: a grey picture or an array of "
        "its size, 0 for nothing, its greatest value for all.",
    )
    method: Literal["normalised", "raw", "phase"] = Field(
        default="normalised",
        description="normalised: the correlation coefficient, from -1 to 1, whatever brightness "
        "and contrast; raw: the sum of the products; phase: by how much the input is shifted "
        "against a template of its own size, to parts of a pixel.",
    )
    scales: Annotated[
        list[Annotated[float, Field(ge=0.05, le=20)]], Field(min_length=1, max_length=100)
    ] = Field(default=[1.0], description="Sizes in which a picture is looked for.")
    rotations: Annotated[
        list[Annotated[float, Field(ge=-360, le=360)]], Field(min_length=1, max_length=360)
    ] = Field(
        default=[0.0],
        description="Directions in which it is looked for, in degrees counter-clockwise.",
    )
    threshold: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        default=None,
        description="The least score of a match. By default 0.5 for normalised, and none for raw.",
    )
    count: int = Field(default=100, ge=1, le=10_000, description="The most matches of an input.")
    overlap: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="Two matches are one if their boxes share more than this part of what both "
        "cover; the better one is told.",
    )
    scores: bool = Field(
        default=False,
        description="Also deliver the scores of all places as .npy; for one scale and rotation.",
    )

    @model_validator(mode="after")
    def _suits_the_method(self) -> MatchSpec:
        varied = len(self.scales) * len(self.rotations) > 1
        if self.method == "phase" and (
            self.scales != [1.0]
            or self.rotations != [0.0]
            or self.mask is not None
            or self.threshold is not None
            or self.scores
        ):
            raise ValueError("phase takes no scales, rotations, mask, threshold or scores")
        if self.scores and varied:
            raise ValueError("scores are those of one scale and rotation")
        if self.method == "raw" and varied:
            raise ValueError("raw scores of several scales and rotations cannot be compared")
        return self


@dataclass(frozen=True, eq=False)
class _Wanted:
    """The template as it was read."""

    values: NDArray[Any]
    weights: NDArray[Any] | None
    subject: Subject
    rate: int | None

    @property
    def axes(self) -> tuple[int, ...]:
        """Those of space or time."""
        return self.subject.axes


def references(spec: MatchSpec) -> tuple[str, ...]:
    """Return the digests of the inputs, the template and the mask, each once."""
    others = [spec.template] if spec.mask is None else [spec.template, spec.mask]
    return distinct(spec.inputs, *others)


def plan(spec: MatchSpec, planning: Planning) -> dict[str, Any]:
    """Plan the correlations, from the records of inputs and template."""
    template = of_record(planning.inputs[spec.template])
    if template is None:
        raise _no_template(planning.inputs[spec.template].media_type)
    plan_one = planned(partial(_plan_one, spec, template), planning, spec.device)
    return plan_each(spec.inputs, planning, plan_one)


def _plan_one(
    spec: MatchSpec, template: Subject, subject: Subject, planning: Planning
) -> dict[str, Any]:
    _check(spec, subject, template)
    shape = subject.extent
    if spec.method == "phase":
        one = planning.device.fft_seconds(shape, "complex128")
        needed = 16.0 * 8 * math.prod(shape)
        return work("phase", "three transforms", 4 * one, needed, planning)
    block = (min(shape[0], BLOCK + template.extent[0]),) if len(shape) == 1 else shape
    found = conv.plan(
        block,
        template.extent,
        "correlate",
        dtype="float64",
        mode="valid",
        device=planning.device,
        memory_cap=planning.memory_cap,
    )
    variants = len(spec.scales) * len(spec.rotations)
    channels = 3 if len(subject.shape) == len(template.shape) == 3 else 1
    times = variants * channels * _correlations(spec, len(shape))
    blocks = math.ceil(math.prod(shape) / math.prod(block))
    held = 40 * math.prod(block)
    if planning.device.kind == "cpu":  # where candidates are, wherever scores are computed
        held += candidates_size(math.prod(block), variants * blocks)
    return found.to_dict() | {
        "seconds": times * blocks * (found.candidate.seconds or 0),
        "bytes": int((found.candidate.bytes or 0) + held),
        "correlations": times * blocks,
    }


def _correlations(spec: MatchSpec, ndim: int) -> int:
    """Return how many correlations a search takes as long as."""
    if spec.method == "raw":
        return 1
    # What normalises are the sums of the values and of their squares. Where all count alike in a
    # picture, both take as long as one.
    weighted = spec.mask is not None or any(turn % 90 for turn in spec.rotations)
    return 3 if weighted or ndim == 1 else 2


def run(spec: MatchSpec, run: Run) -> None:
    """Search one input after another; one that cannot be processed fails alone."""
    with run.stage("load"):
        wanted = _wanted(spec, run)
    places = Places(run, spec.device, partial(_plan_one, spec, wanted.subject))
    each(spec.inputs, run, lambda name, digest: _one(spec, run, wanted, places, name, digest))


def _one(
    spec: MatchSpec, run: Run, wanted: _Wanted, places: Places, name: str, digest: str
) -> None:
    with run.stage("load"):
        item = read(run, name, digest)
        x, template = _alike(spec, item, wanted)
    if spec.method == "phase":
        _phase(run, item, places, x, template)
        return
    with run.stage("match"):
        found, scores = places.compute(item.subject, partial(_searched, spec, run, template), x)
    variants = _variants(spec)
    described = [_described(match, variants[match.variant], wanted) for match in found]
    with run.stage("store"):
        deliver_json(run, renamed(name, JSON, "-matches"), _document(spec, described), digest)
        if spec.scores:
            deliver_array(run, item, renamed(name, NPY, "-scores"), scores, NPY)
        if len(wanted.axes) == 2:
            policy: Any = "clip" if item.values.dtype == np.uint8 else "rescale"
            picture = to_range(item.values, np.uint8, policy)
            corners = [[(c[0], c[1]) for c in match["corners"]] for match in described]
            labels = [f"{match['score']:.2f}" for match in described]
            deliver_picture(run, item, "-matches", draw_boxes(picture, corners, labels))


def _variants(spec: MatchSpec) -> list[Variant]:
    """Return the scales and rotations in which the template is looked for."""
    return [Variant(scale, turn) for scale in spec.scales for turn in spec.rotations]


def _searched(
    spec: MatchSpec, run: Run, template: Template, x: Array
) -> tuple[list[Match], NDArray[Any]]:
    is_normalised = spec.method == "normalised"
    threshold = spec.threshold
    if threshold is None and is_normalised:
        threshold = _DEFAULT_THRESHOLD
    return search(
        x,
        template,
        _variants(spec),
        normalised if is_normalised else raw,
        threshold=threshold,
        count=spec.count,
        overlap=spec.overlap,
        keep_scores=spec.scores,
        memory_cap=run.memory_cap,
        check=run.check,
    )


def _phase(run: Run, item: Item, places: Places, x: NDArray[Any], template: Template) -> None:
    def registered(x: Array, values: Array) -> Registration:
        return register(x.sum(axis=-1, dtype=np.float64), values.sum(axis=-1))

    with run.stage("match"):
        found = places.compute(item.subject, registered, x, template.values)
    shift: dict[str, Any]
    if len(found.shift) == 2:
        shift = {"x": found.shift[1], "y": found.shift[0]}
    else:
        shift = {"samples": found.shift[0]}
        rate = item.info.extra.get("sample_rate")
        if rate:
            shift["seconds"] = found.shift[0] / rate
    with run.stage("store"):
        document = {"method": "phase", "shift": shift, "score": found.score}
        deliver_json(run, renamed(item.name, JSON, "-matches"), document, item.digest)


def _described(match: Match, variant: Variant, wanted: _Wanted) -> dict[str, Any]:
    if len(wanted.axes) == 1:
        at: dict[str, Any] = {"sample": match.start[0], "length": match.size[0]}
        if wanted.rate:
            at |= {"seconds": match.start[0] / wanted.rate}
        return at | {"score": match.score}
    scale, degrees = variant
    top, left = match.start
    height, width = match.size
    middle = left + (width - 1) / 2, top + (height - 1) / 2
    half = [scale * n / 2 for n in wanted.values.shape[:2]]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [
        [middle[0] + cos * dx + sin * dy, middle[1] - sin * dx + cos * dy]
        for dy, dx in (
            (-half[0], -half[1]),
            (-half[0], half[1]),
            (half[0], half[1]),
            (half[0], -half[1]),
        )
    ]
    return {
        "x": left,
        "y": top,
        "width": width,
        "height": height,
        "scale": scale,
        "rotation": degrees,
        "score": match.score,
        "corners": corners,
    }


def _document(spec: MatchSpec, described: list[dict[str, Any]]) -> dict[str, Any]:
    best = described[0] if described else None
    return {"method": spec.method, "count": len(described), "best": best, "matches": described}


def _alike(spec: MatchSpec, item: Item, wanted: _Wanted) -> tuple[NDArray[Any], Template]:
    """Return input and template with the same channels, as the last axis."""
    _check_axes(item.subject, wanted.axes)
    rate = item.info.extra.get("sample_rate")
    if None not in (rate, wanted.rate) and rate != wanted.rate:
        raise InvalidInput(
            "recording and excerpt have other sample rates",
            field="inputs",
            given=f"{rate} Hz",
            accepted=f"{wanted.rate} Hz, that of the template",
        )
    x, values, ndim = real(item), wanted.values, len(wanted.axes)
    if x.ndim != values.ndim or x.shape[ndim:] != values.shape[ndim:]:
        x, values = (_single(plane, ndim) for plane in (x, values))
    x, values = (plane.reshape(*plane.shape[:ndim], -1) for plane in (x, values))
    if spec.method == "phase" and x.shape != values.shape:
        raise _other_shape(item.subject, values.shape[:ndim])
    return x, Template(values.astype(np.float64), wanted.weights)


def _single(values: NDArray[Any], ndim: int) -> NDArray[Any]:
    if values.ndim == ndim:
        return values
    if ndim == 2:
        return brightness(values)
    mean: NDArray[Any] = values.mean(axis=-1)
    return mean


def _wanted(spec: MatchSpec, run: Run) -> _Wanted:
    item = read(run, "template", spec.template)
    values = real(item)
    weights = None
    if spec.mask is not None:
        weights = _mask(run.fetch(spec.mask), values.shape[: len(item.subject.axes)], run)
    elif item.alpha is not None:
        weights = item.alpha.astype(float) / np.iinfo(item.alpha.dtype).max
    return _Wanted(values, weights, item.subject, item.info.extra.get("sample_rate"))


def _mask(path: Path, shape: tuple[int, ...], run: Run) -> NDArray[Any]:
    decoded = decode(path, max_pixels=run.max_pixels)
    weights, _ = split_alpha(decoded.array, decoded.info)
    if weights.shape != shape or weights.dtype.kind not in "biuf":
        raise InvalidInput(
            "not of the size of the template",
            field="mask",
            given=describe(weights.shape, str(weights.dtype)),
            accepted=" × ".join(map(str, shape)),
        )
    weights = weights.astype(float)
    if not (np.isfinite(weights).all() and weights.min() >= 0 and weights.max() > 0):
        raise InvalidInput(
            "says of no value that it counts, or of some that they count less than nothing",
            field="mask",
            accepted="values of 0 and more, not all 0",
        )
    scaled: NDArray[Any] = weights / weights.max()
    return scaled


def _check(spec: MatchSpec, subject: Subject, template: Subject) -> None:
    _check_axes(subject, template.axes)
    if len(template.axes) == 1 and (spec.scales != [1.0] or spec.rotations != [0.0]):
        raise InvalidInput(
            "only pictures have other sizes and directions",
            field="scales",
            given=describe(template.shape, template.dtype),
            accepted="a picture as the template",
        )
    if spec.method == "phase" and subject.extent != template.extent:
        raise _other_shape(subject, template.extent)
    least = min(spec.scales)
    if spec.method != "phase" and any(
        least * k > 1.5 * n for k, n in zip(template.extent, subject.extent, strict=True)
    ):
        raise InvalidInput(
            "the template is larger than the input",
            field="template",
            given=describe(template.shape, template.dtype),
            accepted=f"what fits into {describe(subject.shape, subject.dtype)}",
        )


def _check_axes(subject: Subject, axes: tuple[int, ...]) -> None:
    if len(axes) > 2 or subject.axes != axes:
        raise InvalidInput(
            "not of the same sort as the template",
            field="inputs",
            given=describe(subject.shape, subject.dtype),
            accepted="pictures and arrays of two axes in their like, sounds and arrays of one "
            "axis in theirs",
        )


def _other_shape(subject: Subject, shape: tuple[int, ...]) -> InvalidInput:
    return InvalidInput(
        "phase correlation compares inputs of one size",
        field="inputs",
        given=describe(subject.shape, subject.dtype),
        accepted=" × ".join(map(str, shape)),
    )


def _no_template(given: str) -> InvalidInput:
    return InvalidInput(
        "this is no picture, array or sound that convq reads",
        field="template",
        given=given,
        accepted="a picture, an npy, an npz of one array, or a WAV",
    )


KIND = Kind(
    name="match",
    summary="Find a picture in pictures, or an excerpt in recordings, by correlation.",
    spec=MatchSpec,
    references=references,
    items=count,
    plan=plan,
    run=run,
    on_gpu=True,
)
