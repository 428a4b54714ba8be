"""The job kind ``spectrum``: the Fourier transform of pictures, and where their lines point."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.conv.device import Device
from core.errors import InvalidInput
from core.jobs.each import (
    Item,
    brightness,
    deliver_array,
    deliver_json,
    deliver_like,
    deliver_picture,
    each,
    read,
    real,
)
from core.jobs.inputs import Digest, Input, count, describe, distinct, renamed
from core.jobs.kind import Kind, Planning, Spec
from core.jobs.places import Places, planned
from core.jobs.run import Run
from core.jobs.subjects import Subject, check_plane, plan_each, work
from core.media import JSON, NPY
from core.spectrum import (
    Window,
    direction_power,
    magnitude_picture,
    orientation,
    phase_picture,
    ring_power,
    rotate,
    transform,
)
from core.spectrum.orientation import SMALLEST


class SpectrumSpec(Spec):
    """Look at pictures in the frequency domain.

    Pictures with colours are seen by their brightness (0.299 red, 0.587 green, 0.114 blue).
    """

    kind: Literal["spectrum"]
    inputs: list[Digest | Input] = Field(
        min_length=1,
        description="Artifacts: pictures, or .npy and .npz of two axes; each becomes one item of "
        "the job.",
        examples=[["sha256:" + "0" * 64]],
    )
    window: Window = Field(
        default="periodic",
        description="What is done about the jumps between opposite edges, which make a bright "
        "cross: periodic takes the smooth part away that makes them, hann fades the picture out, "
        "none is the plain transform.",
    )
    rings: int = Field(
        default=64, ge=1, le=4096, description="Rings of frequencies that power is told for."
    )
    directions: int = Field(
        default=180, ge=1, le=3600, description="Sectors of half a turn that power is told for."
    )
    deskew: bool = Field(
        default=False,
        description="Also turn the picture so that its lines are level, or upright if that is "
        "nearer.",
    )
    coefficients: bool = Field(
        default=False, description="Also deliver the complex coefficients, centred, as .npy."
    )


def references(spec: SpectrumSpec) -> tuple[str, ...]:
    """Return the digests of the inputs, each once."""
    return distinct(spec.inputs)


def plan(spec: SpectrumSpec, planning: Planning) -> dict[str, Any]:
    """Price the transforms, from the records of the inputs."""
    plan_one = planned(partial(_plan_one, spec, planning.device), planning, spec.device)
    return plan_each(spec.inputs, planning, plan_one)


def _plan_one(
    spec: SpectrumSpec, cpu: Device, subject: Subject, planning: Planning
) -> dict[str, Any]:
    _check(spec, subject)
    shape, device = subject.shape[:2], planning.device
    precision = str(subject.precision)
    complex_bytes = 2 * subject.precision.itemsize
    padded = (2 * max(shape), 2 * max(shape))
    transforms = 2 if spec.window == "periodic" else 1
    seconds = transforms * device.fft_seconds(shape, f"complex{8 * complex_bytes}")
    # The rest is done on the processor, whatever transforms.
    seconds += cpu.fft_seconds(padded, precision)
    # Drawing, sorting into rings and sectors: about fifty passes over the values.
    seconds += 50 * np.prod(shape) * 8 * cpu.copy
    needed = np.prod(shape) * (3 * complex_bytes + 48) + np.prod(padded) * complex_bytes
    why = f"one transform of {' × '.join(map(str, shape))} points, and one to find directions"
    moved = (int(np.prod(shape)) * complex_bytes // 2, int(np.prod(shape)) * complex_bytes)
    planned = work("fft", why, float(seconds), float(needed), planning)
    return planned | {"moved_bytes": moved}


def run(spec: SpectrumSpec, run: Run) -> None:
    """Transform one input after another; one that cannot be processed fails alone."""
    places = Places(run, spec.device, partial(_plan_one, spec, run.device))
    each(spec.inputs, run, lambda name, digest: _one(spec, run, places, name, digest))


def _check(spec: SpectrumSpec, subject: Subject) -> None:
    check_plane(subject)
    if spec.deskew and min(subject.shape[:2]) < SMALLEST:
        raise InvalidInput(
            "too small to have a direction",
            field="deskew",
            given=describe(subject.shape, subject.dtype),
            accepted=f"at least {SMALLEST} pixels a side",
        )


def _one(spec: SpectrumSpec, run: Run, places: Places, name: str, digest: str) -> None:
    with run.stage("load"):
        item = read(run, name, digest)
        _check(spec, item.subject)
        values = real(item)
    with run.stage("transform"):
        x = brightness(values)
        spectrum = places.compute(item.subject, lambda x: transform(x, spec.window), x)
    with run.stage("measure"):
        found = _measured(spec, x, spectrum)
    with run.stage("store"):
        deliver_picture(run, item, "-magnitude", magnitude_picture(spectrum))
        deliver_picture(run, item, "-phase", phase_picture(spectrum))
        if spec.coefficients:
            deliver_array(run, item, renamed(name, NPY, "-coefficients"), spectrum, NPY)
    if spec.deskew:
        _deskew(run, item, values, found)
    deliver_json(run, renamed(name, JSON, "-spectrum"), found, digest)


def _measured(spec: SpectrumSpec, x: NDArray[Any], spectrum: NDArray[Any]) -> dict[str, Any]:
    edges, power = ring_power(spectrum, spec.rings)
    sectors = direction_power(spectrum, spec.directions)
    direction = None
    if min(x.shape) >= SMALLEST:
        seen = orientation(x)
        direction = {"degrees": seen.degrees, "confidence": seen.confidence}
    return {
        "shape": list(x.shape),
        "window": spec.window,
        "mean": float(x.mean(dtype=float)),
        "variance": float(x.var(dtype=float)),
        "orientation": direction,
        "rings": {"edges": edges.tolist(), "power": power.tolist()},
        "directions": {
            "degrees": (np.arange(spec.directions) * 180 / spec.directions).tolist(),
            "power": sectors.tolist(),
        },
    }


def _deskew(run: Run, item: Item, values: NDArray[Any], found: dict[str, Any]) -> None:
    # Lines that are nearly upright are made upright, or a page would lie on its side.
    turned = -((found["orientation"]["degrees"] + 45) % 90 - 45)
    with run.stage("deskew"):
        level = rotate(values, turned)
    found["turned"] = turned
    with run.stage("store"):
        deliver_like(run, item, level, "-deskewed")


KIND = Kind(
    name="spectrum",
    summary="Show the frequencies of pictures, and find and mend the direction of their lines.",
    spec=SpectrumSpec,
    references=references,
    items=count,
    plan=plan,
    run=run,
    on_gpu=True,
)
