"""The job kind ``frequency-filter``: filters by the frequencies that they let through."""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from core.arrays import Array
from core.errors import InvalidInput
from core.frequency import (
    Band,
    Boundary,
    Filter,
    Shape,
    grid,
    keep_largest,
    mask_picture,
    multiply,
    passed,
    transfer,
)
from core.jobs.each import Item, deliver_json, deliver_like, deliver_picture, each, read, real
from core.jobs.inputs import Digest, Input, count, describe, distinct, renamed
from core.jobs.kind import Kind, Planning, Spec
from core.jobs.places import Places, planned
from core.jobs.run import Run
from core.jobs.subjects import Subject, check_axes, plan_each, work
from core.media import JSON, WAV, RangePolicy

_MOST_AXES = 3
# Of a mask of float64, for each place that is taken out; the host makes it, whatever filters.
_SECONDS_A_NOTCH = 6e-9

_Frequency = Annotated[float, Field(allow_inf_nan=False)]


class FrequencyFilterSpec(Spec):
    """Let some frequencies through and not others, or keep only the largest coefficients.

    Pictures are filtered per colour channel, sound per channel, arrays along all axes;
    transparency is left as it is.
    """

    kind: Literal["frequency-filter"]
    inputs: list[Digest | Input] = Field(
        min_length=1,
        description="Artifacts: pictures, .npy or .npz of up to three axes, or WAV; each becomes "
        "one item of the job.",
        examples=[["sha256:" + "0" * 64]],
    )
    band: Band | None = Field(
        default=None,
        description="What goes through: low-pass, high-pass, band-pass, band-stop, or notch: all "
        "but the named frequencies. Either this or keep.",
    )
    shape: Shape = Field(
        default="butterworth",
        description="How the filter falls at its edges: ideal (at once), butterworth (a half at "
        "the cutoff) or gaussian (0.61 at the cutoff).",
    )
    cutoff: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None,
        description="In cycles per pixel or value, where 0.5 is the finest wave; of a sound in "
        "hertz. For a band its lower end, for a notch its radius.",
        examples=[0.1],
    )
    upper: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="The upper end of a band."
    )
    order: int = Field(default=2, ge=1, le=64, description="How steep a butterworth is.")
    notches: Annotated[list[list[_Frequency]], Field(max_length=1000)] = Field(
        default=[],
        description="For a notch: the waves to take out, each by its frequency along x and along "
        "y (along the axes of an array in their order). A wave and its opposite are one.",
    )
    keep: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="Instead of a band: the share of the coefficients to keep, the largest ones.",
    )
    boundary: Boundary = Field(
        default="reflect",
        description="What lies outside: the picture mirrored (the coefficients are those of the "
        "cosine transform) or repeated (wrap: of the Fourier transform).",
    )
    output: Literal["same", "npy"] = Field(
        default="same", description="The input's format, or full precision as .npy."
    )
    range: RangePolicy | None = Field(
        default=None,
        description="How results get into a format with few values: clip, rescale, or signed with "
        "zero at mid-grey. By default signed where the mean does not go through, else clip.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> FrequencyFilterSpec:
        if (self.band is None) == (self.keep is None):
            raise ValueError("either band or keep says what goes through")
        if (self.band is None) != (self.cutoff is None):
            raise ValueError("a band needs a cutoff, and keep has none")
        if self.band is not None:
            filter_of(self, 1.0)
        elif self.upper is not None or self.notches:
            raise ValueError("upper and notches belong to a band")
        return self


def filter_of(spec: FrequencyFilterSpec, per_cycle: float) -> Filter:
    """Return the filter that a Spec states; ``per_cycle`` are its units per cycle per sample."""
    assert spec.band is not None
    assert spec.cutoff is not None
    return Filter(
        spec.band,
        spec.shape,
        spec.cutoff / per_cycle,
        None if spec.upper is None else spec.upper / per_cycle,
        spec.order,
        tuple(tuple(f / per_cycle for f in centre) for centre in spec.notches),
    )


def references(spec: FrequencyFilterSpec) -> tuple[str, ...]:
    """Return the digests of the inputs, each once."""
    return distinct(spec.inputs)


def plan(spec: FrequencyFilterSpec, planning: Planning) -> dict[str, Any]:
    """Price the transforms, from the records of the inputs."""
    plan_one = planned(partial(_plan_one, spec), planning, spec.device)
    return plan_each(spec.inputs, planning, plan_one)


def _plan_one(spec: FrequencyFilterSpec, subject: Subject, planning: Planning) -> dict[str, Any]:
    _check(spec, subject)
    planes = math.prod(subject.shape) // math.prod(subject.extent)
    one = planning.device.fft_seconds(subject.extent, str(subject.precision))
    values = math.prod(subject.shape)
    seconds = 2 * planes * one + 20 * values * 8 * planning.device.copy
    if spec.keep is not None:  # sorting
        seconds += values * math.log2(max(values, 2)) * 4e-9
    mirrored = len(subject.axes) if spec.boundary == "reflect" else 1
    halved = 1 if spec.boundary == "reflect" else 2
    places = len(spec.notches) * 2**mirrored
    seconds += places * math.prod(subject.extent) / halved * _SECONDS_A_NOTCH
    needed = values * (4 * subject.precision.itemsize + 16 * (spec.keep is not None))
    name = "dct" if spec.boundary == "reflect" else "fft"
    why = f"there and back, {' × '.join(map(str, subject.extent))} points"
    return work(name, why, seconds, needed, planning)


def run(spec: FrequencyFilterSpec, run: Run) -> None:
    """Filter one input after another; one that cannot be processed fails alone."""
    places = Places(run, spec.device, partial(_plan_one, spec))
    each(spec.inputs, run, lambda name, digest: _one(spec, run, places, name, digest))


def _one(spec: FrequencyFilterSpec, run: Run, places: Places, name: str, digest: str) -> None:
    with run.stage("load"):
        item = read(run, name, digest)
        _check(spec, item.subject)
        x = real(item)
    with run.stage("filter"):
        y, mask, found = places.compute(item.subject, partial(_filtered, spec, item), x)
        found |= _error(item, x, y)
    with run.stage("store"):
        policy: RangePolicy = spec.range or ("clip" if _keeps_mean(spec) else "signed")
        deliver_like(run, item, y, npy=spec.output == "npy", policy=policy)
        if len(item.subject.axes) == 2:
            if mask.ndim == 3:  # each colour keeps its own coefficients
                mask = mask.mean(axis=2)
            height, width = item.subject.extent
            drawn = mask_picture(mask.astype(float), (height, width), spec.boundary)
            deliver_picture(run, item, "-mask", drawn)
        deliver_json(run, renamed(name, JSON, "-filter"), found, digest)


def _filtered(
    spec: FrequencyFilterSpec, item: Item, x: Array
) -> tuple[Array, Array, dict[str, Any]]:
    subject = item.subject
    if spec.keep is not None:
        kept = keep_largest(x, spec.keep, subject.axes, spec.boundary)
        energy = _energy(kept.values) / (_energy(x) or 1)
        return kept.values, kept.mask, {
            "coefficients_kept": kept.fraction,
            # None is as large as the least to keep where sums are beyond all numbers.
            "compression": 1 / kept.fraction if kept.fraction else None,
            "energy_kept": energy,
        }  # fmt: skip
    rate = item.info.extra.get("sample_rate", 1) if subject.media_type == WAV else 1
    wanted = filter_of(spec, float(rate))
    if item.is_picture:  # x goes along columns, which are the second axis
        turned = tuple(centre[::-1] for centre in wanted.notches)
        wanted = Filter(
            wanted.band, wanted.shape, wanted.cutoff, wanted.upper, wanted.order, turned
        )
    highest = 0.5 * math.sqrt(len(subject.axes))
    if wanted.cutoff > highest:
        raise InvalidInput(
            "beyond the highest frequency",
            field="cutoff",
            given=spec.cutoff,
            accepted=f"at most {highest * rate:g}" + (" Hz" if subject.media_type == WAV else ""),
        )
    mask = transfer(wanted, grid(subject.extent, spec.boundary), spec.boundary)
    y, energy = multiply(x, mask, subject.axes, spec.boundary)
    share = passed(mask, subject.extent, spec.boundary)
    return y, mask, {
        "coefficients_kept": share,
        "compression": 1 / share if share else None,
        "energy_kept": energy,
    }  # fmt: skip


def _error(item: Item, x: NDArray[Any], y: NDArray[Any]) -> dict[str, Any]:
    mse = float(np.mean(np.square(y.astype(float) - x)))
    if item.values.dtype.kind in "iu":
        info = np.iinfo(item.values.dtype)
        peak = float(info.max if info.min == 0 else info.max - info.min)
    else:
        peak = float(x.max()) - float(x.min())
    # Equal pictures, and constant ones, have no finite ratio.
    psnr = 20 * math.log10(peak) - 10 * math.log10(mse) if mse > 0 and peak > 0 else None
    return {"mse": mse, "peak": peak, "psnr": psnr}


def _keeps_mean(spec: FrequencyFilterSpec) -> bool:
    return spec.band not in ("high-pass", "band-pass")


def _energy(x: Array) -> float:
    return float(np.square(x, dtype=float).sum())


def _check(spec: FrequencyFilterSpec, subject: Subject) -> None:
    check_axes(subject, _MOST_AXES)
    ndim = len(subject.axes)
    for centre in spec.notches:
        if len(centre) != ndim:
            raise InvalidInput(
                "a notch has one frequency for each axis",
                field="notches",
                given=centre,
                accepted=f"{ndim} for {describe(subject.shape, subject.dtype)}",
            )


KIND = Kind(
    name="frequency-filter",
    summary="Filter by frequency: low, high, band and notch, or keep the largest coefficients.",
    spec=FrequencyFilterSpec,
    references=references,
    items=count,
    plan=plan,
    run=run,
    on_gpu=True,
)
