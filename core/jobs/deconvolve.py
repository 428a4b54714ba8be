"""The job kind ``deconvolve``: from what was blurred back to what it was."""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core import conv
from core.arrays import Array, array_module
from core.deconvolution import (
    Boundary,
    extended_shape,
    gaussian_width,
    inverse,
    richardson_lucy,
    wiener,
)
from core.deconvolution.inverse import padded_shape
from core.errors import InvalidInput
from core.jobs import kernels
from core.jobs.each import Item, brightness, deliver_json, deliver_like, each, read, real
from core.jobs.inputs import Digest, Input, count, describe, distinct, renamed
from core.jobs.kernels import KernelSpec, Loaded
from core.jobs.kind import Kind, Planning, Spec
from core.jobs.places import Places, planned
from core.jobs.run import Run
from core.jobs.subjects import Subject, check_axes, check_plane, plan_each, work
from core.kernels import build
from core.kernels.smoothing import GaussianParameters
from core.media import JSON, RangePolicy

_MOST_AXES = 3
# Of a Gaussian whose width is not known yet, to plan with.
_GUESS = 2.0
_LEAST_SIGMA = 0.01


class DeconvolveSpec(Spec):
    """Undo a convolution whose kernel is known, or a Gaussian blur whose width is not.

    Pictures are sharpened per colour channel, sound per channel, arrays along all axes;
    transparency is left as it is.
    """

    kind: Literal["deconvolve"]
    inputs: list[Digest | Input] = Field(
        min_length=1,
        description="Artifacts: pictures, .npy or .npz of up to three axes, or WAV; each becomes "
        "one item of the job.",
        examples=[["sha256:" + "0" * 64]],
    )
    kernel: KernelSpec | None = Field(
        default=None,
        description="What the input was convolved with, as in a job of the kind convolve; it is "
        "divided by its sum. By default a Gaussian, whose width is estimated from each picture.",
    )
    method: Literal["wiener", "inverse", "richardson-lucy"] = Field(
        default="wiener",
        description="wiener: the best of the linear filters for a known share of noise; inverse: "
        "least squares with a price on roughness; richardson-lucy: step by step, for counts, "
        "keeps values positive.",
    )
    noise: Annotated[float, Field(gt=0, le=1e6)] = Field(
        default=0.01,
        description="For wiener: the power of the noise, as a share of that of the signal.",
    )
    regularisation: Annotated[float, Field(gt=0, le=1e6)] = Field(
        default=0.001, description="For inverse: the price of roughness; more is smoother."
    )
    iterations: int = Field(
        default=30,
        ge=1,
        le=10_000,
        description="For richardson-lucy: how many steps; more are sharper and noisier.",
    )
    boundary: Boundary = Field(
        default="reflect",
        description="For wiener and inverse: what lay outside. reflect takes it as unknown, and "
        "lets mirrored values blend from one edge into the other; wrap is a ring, undone exactly. "
        "richardson-lucy assumes nothing.",
    )
    output: Literal["same", "npy"] = Field(
        default="same", description="The input's format, or full precision as .npy."
    )
    range: RangePolicy = Field(
        default="clip", description="How results get into a format with few values."
    )


def references(spec: DeconvolveSpec) -> tuple[str, ...]:
    """Return the digests of the inputs and of the kernel, each once."""
    return distinct(spec.inputs, *kernels.references(spec.kernel))


def plan(spec: DeconvolveSpec, planning: Planning) -> dict[str, Any]:
    """Price the transforms, or plan the convolutions of a step, from the records of the inputs."""
    loaded = _loaded(spec, planning.artifacts)
    plan_one = planned(partial(_plan_one, spec, loaded), planning, spec.device)
    return plan_each(spec.inputs, planning, plan_one)


def _plan_one(
    spec: DeconvolveSpec, loaded: Loaded | None, subject: Subject, planning: Planning
) -> dict[str, Any]:
    _check(spec, subject)
    kernel = _gaussian(_GUESS) if loaded is None else _kernel(loaded, subject)
    device, itemsize = planning.device, subject.precision.itemsize
    if spec.method != "richardson-lucy":
        lengths = padded_shape(subject.extent, kernel.shape, spec.boundary)
        planes = math.prod(subject.shape) // math.prod(subject.extent)
        points = math.prod(lengths)
        seconds = (2 * planes + 1) * device.fft_seconds(lengths, str(subject.precision))
        seconds += (planes + 6) * 4 * points * itemsize * device.copy
        why = f"division of {' × '.join(map(str, lengths))} coefficients"
        return work("fft", why, seconds, (4 * planes + 6) * points * itemsize, planning)
    found = conv.plan(
        extended_shape(subject.shape, subject.axes, kernel.shape),
        conv.FixedKernel(kernel),
        dtype=subject.precision,
        mode="valid",
        axes=subject.axes,
        device=device,
        memory_cap=planning.memory_cap,
    )
    values = math.prod(found.problem.out_shape)
    return found.to_dict() | {
        "seconds": (2 * spec.iterations + 1) * (found.candidate.seconds or 0)
        + spec.iterations * 8 * values * itemsize * device.copy,
        "bytes": int((found.candidate.bytes or 0) + 6 * values * itemsize),
        "passes": 2 * spec.iterations,
    }


def run(spec: DeconvolveSpec, run: Run) -> None:
    """Deconvolve one input after another; one that cannot be processed fails alone."""
    loaded = _loaded(spec, run.artifacts)
    places = Places(run, spec.device, partial(_plan_one, spec, loaded))
    each(spec.inputs, run, lambda name, digest: _one(spec, run, loaded, places, name, digest))


def _one(
    spec: DeconvolveSpec, run: Run, loaded: Loaded | None, places: Places, name: str, digest: str
) -> None:
    with run.stage("load"):
        item = read(run, name, digest)
        _check(spec, item.subject)
        y = real(item)
    sigma = None
    if loaded is None:
        with run.stage("estimate"):
            sigma = gaussian_width(brightness(y))
        kernel = _gaussian(sigma)
    else:
        kernel = _kernel(loaded, item.subject)

    def deconvolved(y: Array) -> tuple[Array, dict[str, Any]]:
        there = array_module(y).asarray(kernel)
        x = _deconvolved(spec, run, y, there, item.subject.axes)
        return x, _measured(run, item, y, x, there)

    with run.stage("deconvolve"):
        x, found = places.compute(item.subject, deconvolved, y)
    with run.stage("store"):
        deliver_like(run, item, x, npy=spec.output == "npy", policy=spec.range)
        document = {"method": spec.method, "sigma": sigma} | found
        deliver_json(run, renamed(name, JSON, "-deconvolved"), document, digest)


def _deconvolved(
    spec: DeconvolveSpec,
    run: Run,
    y: Array,
    kernel: Array,
    axes: tuple[int, ...],
) -> Array:
    x: Array
    match spec.method:
        case "wiener":
            x = wiener(y, kernel, axes, spec.noise, spec.boundary)
        case "inverse":
            x = inverse(y, kernel, axes, spec.regularisation, spec.boundary)
        case "richardson-lucy":
            x = richardson_lucy(
                y, kernel, axes, spec.iterations, memory_cap=run.memory_cap, check=run.check
            )
    return x


def _measured(run: Run, item: Item, y: Array, x: Array, kernel: Array) -> dict[str, Any]:
    """Return how well the result explains the input, once it is convolved again."""
    again = conv.convolve(
        x,
        kernel.astype(x.dtype),
        "same",
        "reflect",
        axes=item.subject.axes,
        memory_cap=run.memory_cap,
        check=run.check,
    )
    return {
        "residual": float(np.sqrt(np.mean(np.square(again - y, dtype=float)))),
        "deviation": {"before": float(y.std(dtype=float)), "after": float(x.std(dtype=float))},
        "least": float(x.min()),
        "greatest": float(x.max()),
    }


def _loaded(spec: DeconvolveSpec, artifacts: Any) -> Loaded | None:
    return None if spec.kernel is None else kernels.load(spec.kernel, artifacts)


def _gaussian(sigma: float) -> NDArray[np.float64]:
    # A picture that looks sharp has the kernel of one tap.
    parameters = GaussianParameters(preset="gaussian", sigma=max(sigma, _LEAST_SIGMA))
    kernel: NDArray[np.float64] = build(parameters, 2).stack[0]
    return kernel


def _kernel(loaded: Loaded, subject: Subject) -> NDArray[np.float64]:
    taps = kernels.single(loaded, len(subject.axes))
    total, size = float(taps.sum()), float(np.abs(taps).sum())
    if not (math.isfinite(size) and abs(total) > 1e-6 * size):
        raise InvalidInput(
            "a kernel whose sum is 0 leaves nothing of the mean, which nothing brings back",
            field="kernel",
            given=f"sum {total:g}",
            accepted="a blur",
        )
    kernel: NDArray[np.float64] = taps / total
    return kernel


def _check(spec: DeconvolveSpec, subject: Subject) -> None:
    check_axes(subject, _MOST_AXES)
    if spec.kernel is None:
        check_plane(subject)
        if subject.dtype.startswith("complex"):
            raise InvalidInput(
                "only real numbers have a blur to estimate",
                field="inputs",
                given=describe(subject.shape, subject.dtype),
                accepted="real numbers",
            )


KIND = Kind(
    name="deconvolve",
    summary="Undo a blur: by Wiener's filter, regularised inversion, or Richardson and Lucy.",
    spec=DeconvolveSpec,
    references=references,
    items=count,
    plan=plan,
    run=run,
    on_gpu=True,
)
