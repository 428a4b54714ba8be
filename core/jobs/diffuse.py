"""The job kind ``diffuse``: pictures and fields as heat that spreads."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from core import conv
from core.arrays import Array, to_numpy
from core.conv.boundary import Boundary
from core.diffusion import Conductivity, heat_kernels, perona_malik, propagate, steps_for
from core.diffusion.heat import MAX_TIME
from core.errors import InvalidInput
from core.jobs import kernels
from core.jobs.each import Item, deliver_bytes, deliver_json, deliver_like, each, read, real
from core.jobs.inputs import Digest, Input, count, describe, distinct, renamed
from core.jobs.kernels import KernelSpec, Loaded
from core.jobs.kind import Kind, Planning, Spec
from core.jobs.places import Places, planned
from core.jobs.run import Run
from core.jobs.subjects import Subject, check_axes, plan_each, work
from core.kernels import Normalization
from core.media import JSON, WEBP, RangePolicy, film, film_frame, film_size, to_range

# Nothing leaves and nothing comes in.
_CLOSED = ("reflect", "wrap")

Step = Callable[[Array, int], Array]


class DiffuseSpec(Spec):
    """Let pictures and fields diffuse.

    Pictures diffuse per colour channel, sound per channel, arrays along all axes; transparency is
    left as it is.
    """

    kind: Literal["diffuse"]
    inputs: list[Digest | Input] = Field(
        min_length=1,
        description="Artifacts: pictures, .npy or .npz of up to three axes, or WAV; each becomes "
        "one item of the job.",
        examples=[["sha256:" + "0" * 64]],
    )
    method: Literal["heat", "perona-malik", "kernel"] = Field(
        default="heat",
        description="heat: the propagator of the diffusion equation, for any time at once; "
        "perona-malik: explicit steps, where edges conduct less; kernel: a kernel of your own, "
        "again and again.",
    )
    time: Annotated[float, Field(gt=0, le=MAX_TIME)] | None = Field(
        default=None,
        description="For heat and perona-malik: how long, in pixels squared for a diffusivity of "
        "1. Heat blurs as a Gaussian of sigma sqrt(2 time) does.",
        examples=[8.0],
    )
    boundary: Boundary = Field(
        default="reflect",
        description="Outside: reflect is an insulated wall and wrap a ring, which keep all heat; "
        "the others say what an unlimited medium holds at the start.",
    )
    cval: float = Field(
        default=0, allow_inf_nan=False, description="Value outside, for boundary constant."
    )
    edge: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None,
        description="For perona-malik: the difference of neighbours that counts as an edge, in "
        "the input's own units (0 to 255 in most pictures).",
    )
    conductivity: Conductivity = Field(
        default="exponential",
        description="For perona-malik, with s the difference by edge: exponential is exp(-s²), "
        "rational 1 / (1 + s²).",
    )
    smooth: float = Field(
        default=0,
        ge=0,
        le=50,
        description="For perona-malik: edges are looked for after a Gaussian of this sigma, so "
        "that noise is none.",
    )
    kernel: KernelSpec | None = Field(
        default=None,
        description="For kernel: what a unit becomes in one step, as in a job of the kind "
        "convolve; one kernel, no bank.",
    )
    normalize: Literal["sum", "softmax"] = Field(
        default="sum",
        description="For kernel: how it is made a propagator, which keeps all heat: divided by "
        "its sum, or by softmax, which makes one of any numbers.",
    )
    steps: int = Field(
        default=1, ge=1, le=10_000, description="For kernel: how many times it is applied."
    )
    frames: int = Field(
        default=0,
        ge=0,
        le=200,
        description="Pictures in a film of the process beside the first, as animated WebP; 0 "
        "makes none.",
    )
    output: Literal["same", "npy"] = Field(
        default="same", description="The input's format, or full precision as .npy."
    )
    range: RangePolicy = Field(
        default="clip", description="How results get into a format with few values."
    )

    @model_validator(mode="after")
    def _suits_the_method(self) -> DiffuseSpec:
        if (self.method == "kernel") != (self.time is None):
            raise ValueError("heat and perona-malik take a time, and kernel takes steps")
        if (self.method == "kernel") != (self.kernel is not None):
            raise ValueError("the method kernel takes a kernel, and no other does")
        if (self.method == "perona-malik") != (self.edge is not None):
            raise ValueError("the method perona-malik takes an edge, and no other does")
        if self.method == "perona-malik" and self.boundary != "reflect":
            raise ValueError("perona-malik is computed between insulated walls: boundary reflect")
        if self.method == "kernel" and self.frames > self.steps:
            raise ValueError("a film has at most as many frames as there are steps")
        return self


def references(spec: DiffuseSpec) -> tuple[str, ...]:
    """Return the digests of the inputs and of the kernel, each once."""
    return distinct(spec.inputs, *kernels.references(spec.kernel))


def plan(spec: DiffuseSpec, planning: Planning) -> dict[str, Any]:
    """Plan the convolutions, or price the explicit steps, from the records of the inputs."""
    loaded = _loaded(spec, planning.artifacts)
    plan_one = planned(partial(_plan_one, spec, loaded), planning, spec.device)
    return plan_each(spec.inputs, planning, plan_one)


def _plan_one(
    spec: DiffuseSpec, loaded: Loaded | None, subject: Subject, planning: Planning
) -> dict[str, Any]:
    _check(spec, subject)
    values, device = math.prod(subject.shape), planning.device
    # Frames are kept by the host, wherever the field is.
    is_filmed = spec.frames and device.kind == "cpu"
    filmed = film_size(subject.shape, spec.frames + 1) if is_filmed else 0
    if spec.method == "perona-malik":
        assert spec.time is not None
        steps = steps_for(spec.time, len(subject.axes))
        # About seven passes for an axis and step.
        seconds = steps * len(subject.axes) * 7 * values * subject.precision.itemsize * 2
        why = f"{steps} explicit steps"
        needed = values * subject.precision.itemsize * (3 + 2 * len(subject.axes)) + filmed
        return work("perona-malik", why, seconds * device.copy, needed, planning)
    times = _pieces(spec)
    plans = [
        conv.plan(
            subject.shape,
            conv.FixedKernel(kernel),
            dtype=subject.precision,
            mode="same",
            boundary=spec.boundary,
            cval=spec.cval,
            axes=axes,
            device=device,
            memory_cap=planning.memory_cap,
        )
        for kernel, axes in _convolutions(spec, loaded, subject)
    ]
    group = plans[0].to_dict()
    each_time = sum(found.candidate.seconds or 0 for found in plans)
    return group | {
        "seconds": times * each_time,
        "bytes": max(found.candidate.bytes or 0 for found in plans) + filmed,
        "passes": times * len(plans),
    }


def run(spec: DiffuseSpec, run: Run) -> None:
    """Let one input after another diffuse; one that cannot be processed fails alone."""
    loaded = _loaded(spec, run.artifacts)
    places = Places(run, spec.device, partial(_plan_one, spec, loaded))
    each(spec.inputs, run, lambda name, digest: _one(spec, run, loaded, places, name, digest))


def _one(
    spec: DiffuseSpec, run: Run, loaded: Loaded | None, places: Places, name: str, digest: str
) -> None:
    with run.stage("load"):
        item = read(run, name, digest)
        _check(spec, item.subject)
        x = real(item)
    step = _step(spec, run, loaded, item.subject)

    def diffused(u: Array) -> tuple[Array, list[NDArray[np.uint8]]]:
        frames = []
        for piece in range(_pieces(spec)):
            if spec.frames and _shown(spec, piece):
                frames.append(_frame(item, x, to_numpy(u)))
            u = step(u, piece)
        return u, frames

    with run.stage("diffuse"):
        y, frames = places.compute(item.subject, diffused, x)
        found = _measured(spec, item, x, y)
    with run.stage("store"):
        deliver_like(run, item, y, npy=spec.output == "npy", policy=spec.range)
        if spec.frames:
            data = film([*frames, _frame(item, x, y)])
            deliver_bytes(run, item, "-film", data, WEBP)
        deliver_json(run, renamed(name, JSON, "-diffused"), found, digest)


def _pieces(spec: DiffuseSpec) -> int:
    """Return into how many pieces the time is cut."""
    return spec.steps if spec.method == "kernel" else max(spec.frames, 1)


def _shown(spec: DiffuseSpec, piece: int) -> bool:
    """Return whether the film shows what is there before this piece."""
    count, frames = _pieces(spec), spec.frames
    return piece == 0 or piece * frames // count > (piece - 1) * frames // count


def _step(spec: DiffuseSpec, run: Run, loaded: Loaded | None, subject: Subject) -> Step:
    """Return what takes a field from one piece of the time to the next."""
    axes = subject.axes
    if spec.method == "kernel":
        ((kernel, _),) = _convolutions(spec, loaded, subject)
        fixed = conv.FixedKernel(kernel)

        def convolved(u: Array, piece: int) -> Array:
            y: Array = conv.convolve(
                u,
                fixed,
                "same",
                spec.boundary,
                cval=spec.cval,
                axes=axes,
                memory_cap=run.memory_cap,
                check=run.check,
            )
            return y

        return convolved
    assert spec.time is not None
    time = spec.time / _pieces(spec)
    if spec.method == "heat":

        def spread(u: Array, piece: int) -> Array:
            y: Array = propagate(
                u,
                time,
                axes,
                spec.boundary,
                spec.cval,
                memory_cap=run.memory_cap,
                check=run.check,
            )
            return y

        return spread
    assert spec.edge is not None
    edge = spec.edge

    def conducted(u: Array, piece: int) -> Array:
        y: Array = perona_malik(
            u, time, edge, axes, spec.conductivity, spec.smooth, check=run.check
        )
        return y

    return conducted


def _convolutions(
    spec: DiffuseSpec, loaded: Loaded | None, subject: Subject
) -> list[tuple[NDArray[Any], tuple[int, ...]]]:
    """Return the kernels that a piece of the time takes, and the axes of each."""
    if loaded is None:
        assert spec.time is not None
        time = spec.time / _pieces(spec)
        return [
            (kernel, subject.axes)
            for kernel in heat_kernels(time, len(subject.axes), subject.precision)
        ]
    how: Normalization = "none" if spec.normalize == "sum" else "softmax"
    taps = kernels.single(loaded, len(subject.axes), how).astype(subject.precision)
    if spec.normalize == "sum":
        if taps.min() < 0 or not 0 < taps.sum() < np.inf:
            raise InvalidInput(
                "a kernel with negative values, or without any others, is no propagator",
                field="kernel",
                given=f"from {taps.min():g}, with sum {taps.sum():g}",
                accepted="values of 0 and more, or normalize softmax",
            )
        taps = taps / taps.sum()
    return [(taps, subject.axes)]


def _frame(item: Item, first: NDArray[Any], u: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a picture of a field; all of a film have the scale of the first."""
    if item.is_picture and item.values.dtype == np.uint8:
        levels = to_range(u, np.uint8, "clip")
    else:
        low, high = float(first.min()), float(first.max())
        levels = to_range((u - low) * (255 / ((high - low) or 1)), np.uint8, "clip")
    return film_frame(levels)


def _measured(spec: DiffuseSpec, item: Item, x: NDArray[Any], y: NDArray[Any]) -> dict[str, Any]:
    axes = item.subject.axes
    before, after = (np.sum(u, axis=axes, dtype=float) for u in (x, y))
    size = np.sum(np.abs(x), axis=axes, dtype=float)
    error = float(np.max(np.abs(after - before) / np.where(size > 0, size, 1)))
    # Roundings of single values are random, those of a step at most that of the largest.
    tolerance = 64 * float(np.finfo(x.dtype).eps) * max(_pieces(spec), 1)
    return {
        "mass": {"before": np.ravel(before).tolist(), "after": np.ravel(after).tolist()},
        "mass_error": error,
        "conserved": error <= tolerance if spec.boundary in _CLOSED else None,
        "variance": {"before": float(x.var(dtype=float)), "after": float(y.var(dtype=float))},
        "least": float(y.min()),
        "greatest": float(y.max()),
    }


def _loaded(spec: DiffuseSpec, artifacts: Any) -> Loaded | None:
    return None if spec.kernel is None else kernels.load(spec.kernel, artifacts)


def _check(spec: DiffuseSpec, subject: Subject) -> None:
    check_axes(subject, 3)
    if spec.frames and len(subject.axes) != 2:
        raise InvalidInput(
            "a film shows pictures and arrays of two axes",
            field="frames",
            given=describe(subject.shape, subject.dtype),
            accepted="0 for these",
        )


KIND = Kind(
    name="diffuse",
    summary="Let pictures and fields diffuse: by heat, around edges, or by a kernel of your own.",
    spec=DiffuseSpec,
    references=references,
    items=count,
    plan=plan,
    run=run,
    on_gpu=True,
)
