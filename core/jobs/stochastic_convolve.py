"""The job kind ``stochastic-convolve``: a kernel read as the probabilities of where to look."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core import conv
from core.arrays import Array
from core.conv.boundary import Boundary
from core.errors import InvalidInput
from core.jobs import kernels
from core.jobs.each import deliver_array, deliver_json, deliver_like, deliver_picture, each, real
from core.jobs.each import read as read_item
from core.jobs.inputs import Digest, Input, count, describe, distinct, renamed
from core.jobs.kernels import KernelSpec, Loaded
from core.jobs.kind import Kind, Planning, Spec
from core.jobs.places import Places, planned
from core.jobs.run import Run
from core.jobs.subjects import Subject, plan_each
from core.kernels import Normalization, normalize
from core.media import JSON, NPY, RangePolicy, to_range
from core.needs import Wish
from core.stochastic import BLOCK_ON_GPU, Sampled, Sampler, batches

# Measured on one core of an AMD EPYC (Zen 5): a position, or a binomial number, of one output.
_SECONDS_A_DRAW = 3e-8
# On a GPU: the arrays of eight bytes that are read and written for one, about 25. Counted, not
# measured; nothing is decided by it.
_BYTES_A_DRAW = 200
# What a GPU holds at a time of the draws, in such arrays.
_HELD, _HELD_A_CHANNEL = 4, 4
_MOST_TAPS = 1 << 16


class StochasticConvolveSpec(Spec):
    """Convolve by drawing positions with the probabilities of a kernel.

    For each output, positions are drawn with probabilities in proportion to the magnitudes of the
    kernel's values, and what lies there is averaged, times the sum of the magnitudes and the sign
    of the value. The mean over all draws is the convolution. Colours of one place share draws.
    """

    kind: Literal["stochastic-convolve"]
    inputs: list[Digest | Input] = Field(
        min_length=1,
        description="Artifacts: pictures, .npy, .npz or WAV; each becomes one item of the job.",
        examples=[["sha256:" + "0" * 64]],
    )
    kernel: KernelSpec = Field(
        description="As in a job of the kind convolve; one kernel, no bank. An array is convolved "
        "along as many of its first axes as the kernel has: words along time, for each of their "
        "features.",
        examples=[{"preset": "gaussian", "sigma": 2}],
    )
    samples: int = Field(
        default=100, ge=1, le=1_000_000, description="Positions drawn for each output."
    )
    seed: int = Field(
        default=0,
        ge=0,
        lt=1 << 63,
        description="The same seed gives the same result. A job whose device is gpu draws others, "
        "with the same probabilities; with auto a job is computed on the processor.",
    )
    normalize: Normalization = Field(
        default="none",
        description="Scaling of the kernel before: by its sum, size, L2 norm or softmax, which "
        "makes probabilities of any values.",
    )
    words: bool = Field(
        default=False,
        description="For arrays (words, features): the kernel has a row for each word and a column "
        "for each feature. Each row is normalized by itself, and what all rows give is added up: "
        "one number for each word.",
    )
    boundary: Boundary = Field(
        default="reflect", description="What lies outside the input, by SciPy's names."
    )
    cval: float = Field(
        default=0, allow_inf_nan=False, description="Value outside, for boundary constant."
    )
    output: Literal["same", "npy"] = Field(
        default="same", description="The input's format, or full precision as .npy."
    )
    range: RangePolicy = Field(
        default="clip", description="How results get into a format with few values."
    )


def references(spec: StochasticConvolveSpec) -> tuple[str, ...]:
    """Return the digests of the inputs and of the kernel, each once."""
    return distinct(spec.inputs, *kernels.references(spec.kernel))


def plan(spec: StochasticConvolveSpec, planning: Planning) -> dict[str, Any]:
    """Plan the convolution to compare with, and price the draws."""
    plan_one = planned(
        partial(_plan_one, spec, kernels.load(spec.kernel, planning.artifacts)),
        planning,
        _wish(spec),
    )
    return plan_each(spec.inputs, planning, plan_one)


def _wish(spec: StochasticConvolveSpec) -> Wish:
    # Where a seed has to give the same result on every worker, all draw NumPy's numbers.
    return "gpu" if spec.device == "gpu" else "cpu"


def _plan_one(
    spec: StochasticConvolveSpec, loaded: Loaded, subject: Subject, planning: Planning
) -> dict[str, Any]:
    kernel, device = _kernel(spec, loaded, subject), planning.device
    ndim = 1 if spec.words else kernel.ndim
    outputs, channels = math.prod(subject.shape[:ndim]), math.prod(subject.shape[ndim:])
    found = conv.plan(
        subject.shape[:ndim],
        kernel[:, 0] if spec.words else kernel,
        dtype="float64",
        mode="same",
        boundary=spec.boundary,
        cval=spec.cval,
        device=device,
        memory_cap=planning.memory_cap,
    )
    taps = int(np.count_nonzero(kernel))
    ends = batches(spec.samples)
    counts = [end - start for start, end in zip((0, *ends), ends, strict=False)]
    draws = sum(min(count, 2 * taps) for count in counts)
    exact = 2 * channels * (found.candidate.seconds or 0)
    seen = 1 if spec.words else channels
    each_draw, held = _SECONDS_A_DRAW, 0
    if device.kind == "gpu":
        each_draw = _BYTES_A_DRAW * device.copy
        held = 8 * (_HELD + _HELD_A_CHANNEL * seen) * min(outputs * taps, BLOCK_ON_GPU)
    return found.to_dict() | {
        "seconds": exact + draws * outputs * seen * each_draw,
        "bytes": int((found.candidate.bytes or 0) + 64 * outputs * channels + held),
        "draws": spec.samples * outputs,
    }


def run(spec: StochasticConvolveSpec, run: Run) -> None:
    """Draw for one input after another; one that cannot be processed fails alone."""
    loaded = kernels.load(spec.kernel, run.artifacts)
    places = Places(run, _wish(spec), partial(_plan_one, spec, loaded))
    each(spec.inputs, run, lambda name, digest: _one(spec, run, loaded, places, name, digest))


def _one(
    spec: StochasticConvolveSpec, run: Run, loaded: Loaded, places: Places, name: str, digest: str
) -> None:
    with run.stage("load"):
        item = read_item(run, name, digest)
        x = real(item)
        kernel = _kernel(spec, loaded, item.subject)

    def drawn(x: Array, kernel: Array) -> tuple[Array, Array, float, list[dict[str, float]]]:
        with run.stage("convolve"):
            sampler = Sampler(
                x if spec.words else x.reshape(*x.shape[: kernel.ndim], -1),
                kernel,
                spec.boundary,
                spec.cval,
                seed=spec.seed,
                memory_cap=run.memory_cap,
                check=run.check,
            )
        course = []
        with run.stage("draw"):
            for seen in sampler.run(spec.samples, batches(spec.samples)):
                course.append(_error(sampler, seen))
        return seen.mean, seen.variance, float(sampler.variance.mean()), course

    mean, variance, expected, course = places.compute(item.subject, drawn, x, kernel)
    with run.stage("store"):
        shape = x.shape[:1] if spec.words else x.shape
        shaped = mean.reshape(shape).astype(x.dtype)
        deliver_like(run, item, shaped, npy=spec.output == "npy", policy=spec.range)
        if spec.samples > 1:
            shaped = variance.reshape(shape)
            deliver_array(run, item, renamed(name, NPY, "-variance"), shaped, NPY)
            if len(item.subject.axes) == kernel.ndim == 2 and not spec.words:
                levels = to_range(np.sqrt(shaped), np.uint8, "rescale")
                deliver_picture(run, item, "-deviation", levels)
        document = {
            "samples": spec.samples,
            "seed": spec.seed,
            "taps": int(np.count_nonzero(kernel)),
            "variance": expected,
            "course": course,
            "error": course[-1]["error"],
            "expected_error": course[-1]["expected_error"],
        }
        deliver_json(run, renamed(name, JSON, "-samples"), document, digest)


def _error(sampler: Sampler, seen: Sampled) -> dict[str, float]:
    """Return the root mean square distance from the convolution, and what it is on average."""
    return {
        "samples": seen.draws,
        "error": float(np.sqrt(np.mean(np.square(seen.mean - sampler.expected)))),
        "expected_error": float(np.sqrt(sampler.variance.mean() / seen.draws)),
    }


def _kernel(spec: StochasticConvolveSpec, loaded: Loaded, subject: Subject) -> NDArray[np.float64]:
    if spec.words:
        kernel = _of_words(spec, loaded, subject)
    else:
        kernel = kernels.single(loaded, _axes(loaded, subject), spec.normalize)
    taps = int(np.count_nonzero(kernel))
    if not 1 <= taps <= _MOST_TAPS:
        raise InvalidInput(
            "no kernel to draw by",
            field="kernel",
            given=f"{taps} values that are not zero",
            accepted=f"1 to {_MOST_TAPS}",
        )
    return kernel


def _axes(loaded: Loaded, subject: Subject) -> int:
    ndim = len(subject.axes)
    if subject.is_array and loaded.array is not None:
        ndim = min(ndim, loaded.array.ndim)
    return ndim


def _of_words(spec: StochasticConvolveSpec, loaded: Loaded, subject: Subject) -> NDArray[Any]:
    """Return a kernel (words, features), each of its rows normalised."""
    if not subject.is_array or len(subject.shape) != 2:
        raise InvalidInput(
            "no words",
            field="inputs",
            given=describe(subject.shape, subject.dtype),
            accepted="arrays (words, features)",
        )
    kernel, features = loaded.array, subject.shape[1]
    if kernel is None or kernel.shape[1:] != (features,) or kernel.dtype.kind == "c":
        raise InvalidInput(
            "not a row of values for each word, one for each feature",
            field="kernel",
            given="a preset" if kernel is None else describe(kernel.shape, str(kernel.dtype)),
            accepted=f"real values (words, {features})",
        )
    return normalize(kernel, spec.normalize).astype(np.float64)


KIND = Kind(
    name="stochastic-convolve",
    summary="Convolve by drawing positions with a kernel's probabilities, with mean and variance.",
    spec=StochasticConvolveSpec,
    references=references,
    items=count,
    plan=plan,
    run=run,
    on_gpu=True,
)
