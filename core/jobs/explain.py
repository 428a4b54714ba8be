"""The job kind ``explain``: a convolution seen in several ways, and what its kernel does."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, field_validator

from core import conv
from core.errors import InvalidInput
from core.explain import (
    character,
    draw_step,
    frequency_view,
    probability_view,
    spread_view,
    steps,
)
from core.jobs import kernels
from core.jobs.each import (
    Item,
    brightness,
    deliver_bytes,
    deliver_json,
    deliver_picture,
    each,
    read,
    real,
)
from core.jobs.inputs import Digest, Input, count, distinct, renamed
from core.jobs.kernels import KernelSpec, Loaded
from core.jobs.kind import Kind, Planning, Spec
from core.jobs.run import Run
from core.jobs.subjects import Subject, check_plane, plan_each, work
from core.kernels import Normalization
from core.media import JSON, WEBP, film, to_range

View: TypeAlias = Literal["patches", "frequency", "diffusion", "probability"]

# Pixels a side of what is shown: single pixels in the film of patches, a whole picture elsewhere.
_TINY, _SMALL = 24, 240
_FRAMES = 48
_SPREADS = 24
# Measured on one core of an AMD EPYC (Zen 5): all views of a small picture.
_SECONDS = 2.0


class ExplainSpec(Spec):
    """Show a convolution patch by patch, as a product of frequencies, as diffusion and as chance.

    Pictures are shown by their brightness, made smaller where they are large. The kernel is told
    what it does: whether it blurs, finds edges or sharpens, in which direction, of which rank.
    """

    kind: Literal["explain"]
    inputs: list[Digest | Input] = Field(
        min_length=1,
        description="Artifacts: pictures, or .npy and .npz of two axes; each becomes one item of "
        "the job.",
        examples=[["sha256:" + "0" * 64]],
    )
    kernel: KernelSpec = Field(
        description="As in a job of the kind convolve; one kernel of two axes, at most "
        f"{_SMALL} a side.",
        examples=[{"preset": "sobel-x"}],
    )
    normalize: Normalization = Field(
        default="none",
        description="Scaling of the kernel before: by its sum, size, L2 norm or softmax.",
    )
    views: list[View] = Field(
        default=["patches", "frequency", "diffusion", "probability"],
        min_length=1,
        description="What is shown: patches, a film of outputs that come about one by one; "
        "frequency, the product of two spectra; diffusion, a film of the kernel's magnitudes as a "
        "propagator; probability, draws by them.",
    )

    @field_validator("views")
    @classmethod
    def _each_once(cls, views: list[View]) -> list[View]:
        if len(set(views)) < len(views):
            raise ValueError("a view is named once")
        return views


def references(spec: ExplainSpec) -> tuple[str, ...]:
    """Return the digests of the inputs and of the kernel, each once."""
    return distinct(spec.inputs, *kernels.references(spec.kernel))


def plan(spec: ExplainSpec, planning: Planning) -> dict[str, Any]:
    """Check kernel and inputs; what is shown is small, whatever they are."""
    kernel = _kernel(spec, kernels.load(spec.kernel, planning.artifacts))

    def plan_one(subject: Subject) -> dict[str, Any]:
        check_plane(subject)
        _check_fits(kernel, _reduced_shape(subject.extent, _SMALL))
        values = math.prod(subject.shape)
        seconds = _SECONDS * len(spec.views) / 4 + 4 * values * 8 * planning.device.copy
        why = ", ".join(spec.views)
        return work("explain", why, seconds, 3 * values * subject.precision.itemsize + 5e7,
                    planning)  # fmt: skip

    return plan_each(spec.inputs, planning, plan_one)


def run(spec: ExplainSpec, run: Run) -> None:
    """Explain the kernel on one input after another; one that cannot be shown fails alone."""
    kernel = _kernel(spec, kernels.load(spec.kernel, run.artifacts))
    each(spec.inputs, run, lambda name, digest: _one(spec, run, kernel, name, digest))


def _one(spec: ExplainSpec, run: Run, kernel: NDArray[np.float64], name: str, digest: str) -> None:
    with run.stage("load"):
        item = read(run, name, digest)
        check_plane(item.subject)
        x = _levels(brightness(real(item)))
        small = _reduced(x, _SMALL)
        _check_fits(kernel, small.shape)
    for view in spec.views:
        with run.stage(view):
            match view:
                case "patches":
                    frames = _patches(run, _reduced(x, max(_TINY, *kernel.shape)), kernel)
                    deliver_bytes(run, item, "-patches", film(frames), WEBP)
                case "frequency":
                    deliver_picture(run, item, "-frequency", frequency_view(small, kernel))
                case "diffusion":
                    frames = spread_view(small, kernel, _SPREADS, check=run.check)
                    deliver_bytes(run, item, "-diffusion", film(frames), WEBP)
                case "probability":
                    drawn = probability_view(small, kernel, check=run.check)
                    deliver_picture(run, item, "-probability", drawn)
    with run.stage("store"):
        _deliver_about(run, item, kernel)


def _patches(run: Run, x: NDArray[Any], kernel: NDArray[np.float64]) -> list[NDArray[np.uint8]]:
    """Return the frames of a film; what is drawn of results is brought to the shades of grey."""
    done = conv.convolve(x, kernel, "same", "reflect", check=run.check)
    policy: Any = "clip" if kernel.min() >= 0 else "signed"
    shades = to_range(done, np.uint8, policy).astype(float)
    # Ends with the last output, so that the film ends with all of them.
    every = math.ceil(x.size / _FRAMES)
    frames = []
    for step in steps(x, kernel, "reflect", first=(x.size - 1) % every, every=every):
        run.check()
        frames.append(draw_step(x, kernel, shades, step))
    return frames


def _deliver_about(run: Run, item: Item, kernel: NDArray[np.float64]) -> None:
    about = {"shape": list(kernel.shape)} | asdict(character(kernel))
    deliver_json(run, renamed(item.name, JSON, "-explained"), about, item.digest)


def _levels(x: NDArray[Any]) -> NDArray[Any]:
    """Return values from 0 to 255: those of a picture of bytes as they are."""
    low, high = float(x.min()), float(x.max())
    if low >= 0 and high <= 255 and high > 1:
        return x.astype(np.float64)
    levels: NDArray[Any] = (x.astype(np.float64) - low) * (255 / ((high - low) or 1))
    return levels


def _reduced(x: NDArray[Any], side: int) -> NDArray[Any]:
    """Return a picture of at most so many pixels a side, each the mean of what it stands for."""
    height, width = _reduced_shape(x.shape, side)
    image = Image.fromarray(x.astype(np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BOX), np.float64)


def _reduced_shape(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    share = min(1.0, side / max(shape))
    return max(1, round(shape[0] * share)), max(1, round(shape[1] * share))


def _kernel(spec: ExplainSpec, loaded: Loaded) -> NDArray[np.float64]:
    kernel = kernels.single(loaded, 2, spec.normalize)
    # Before anything is computed: the rank of a kernel of thousands of taps a side takes minutes.
    _check_fits(kernel, (_SMALL, _SMALL))
    character(kernel)  # refuses what has no value but 0
    return kernel


def _check_fits(kernel: NDArray[np.float64], shape: tuple[int, ...]) -> None:
    if any(k > n for k, n in zip(kernel.shape, shape, strict=True)):
        raise InvalidInput(
            "the kernel is larger than the picture that is shown",
            field="kernel",
            given=" × ".join(map(str, kernel.shape)),
            accepted=f"at most {' × '.join(map(str, shape))}",
        )


KIND = Kind(
    name="explain",
    summary="Show a convolution in several ways, and tell what its kernel does.",
    spec=ExplainSpec,
    references=references,
    items=count,
    plan=plan,
    run=run,
)
