"""The job kind ``video``: filters over space and time, with few frames in memory."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from core import conv
from core.arrays import Array, to_numpy
from core.conv.boundary import Boundary
from core.errors import InvalidInput
from core.jobs import kernels
from core.jobs.each import Item, deliver_bytes, deliver_json, deliver_like, each, finite, read
from core.jobs.inputs import Digest, Input, count, describe, digests, distinct, names, renamed
from core.jobs.kernels import KernelSpec, Loaded
from core.jobs.kind import Kind, Planning, Spec
from core.jobs.places import Places, planned
from core.jobs.run import Run
from core.jobs.subjects import Subject, of_record, plan_each
from core.kernels import Normalization
from core.media import JSON, NPY, PICTURES, WEBP, film, film_frame, to_range
from core.media.npy import header_of
from core.video import Frames, filtered, frames_at_once

# With opacity, which a film does not show.
_MOST_COLOURS = 4
_NARROW = ("uint8", "int16", "uint16")


class VideoSpec(Spec):
    """Filter videos: frame by frame, along time, or over both at once.

    A video is an array of frames (T, H, W) or (T, H, W, C), or a sequence of pictures.
    """

    kind: Literal["video"]
    inputs: list[Digest | Input] = Field(
        min_length=1,
        description="Artifacts: .npy of shape (T, H, W) or (T, H, W, C), each an item of the job; "
        "or, with sequence, pictures of one size, in the order of time.",
        examples=[["sha256:" + "0" * 64]],
    )
    sequence: bool = Field(
        default=False, description="The inputs are the frames of one video, in their order."
    )
    kernel: KernelSpec = Field(
        description="As in a job of the kind convolve; one kernel, no bank, with as many axes as "
        "it goes over.",
        examples=[{"preset": "gaussian", "sigma": 2}],
    )
    over: Literal["frames", "time", "volume"] = Field(
        default="volume",
        description="frames: each frame alone, by a kernel of two axes; time: each pixel along "
        "time, by one axis; volume: time, height and width together, by three.",
    )
    normalize: Normalization = Field(
        default="none",
        description="Scaling of the kernel before: by its sum, size, L2 norm or softmax.",
    )
    boundary: Boundary = Field(
        default="reflect",
        description="What lies outside of a frame, and before and after all, by SciPy's names.",
    )
    cval: float = Field(
        default=0, allow_inf_nan=False, description="Value outside, for boundary constant."
    )
    frames: int = Field(
        default=0,
        ge=0,
        le=100,
        description="Frames in a film of the result, as animated WebP; 0 makes none.",
    )
    output: Literal["same", "npy"] = Field(
        default="same",
        description="same: the format of the input, and its dtype where that has 8 or 16 bits, "
        "with values cut to its range; npy: full precision.",
    )

    @model_validator(mode="after")
    def _film_of_some(self) -> VideoSpec:
        if self.sequence and self.frames > len(self.inputs):
            raise ValueError("a film has at most as many frames as there are inputs")
        return self


def references(spec: VideoSpec) -> tuple[str, ...]:
    """Return the digests of the inputs and of the kernel, each once."""
    return distinct(spec.inputs, *kernels.references(spec.kernel))


def plan(spec: VideoSpec, planning: Planning) -> dict[str, Any]:
    """Plan the convolution of one window of frames, from the records of the inputs."""
    loaded = kernels.load(spec.kernel, planning.artifacts)
    if spec.sequence:
        found = {of_record(planning.inputs[digest]) for digest in digests(spec.inputs)}
        if len(found) > 1:
            raise _uneven(", ".join(sorted(str(one and one.shape) for one in found)))
    plan_one = planned(partial(_plan_one, spec, loaded), planning, spec.device)
    return plan_each(spec.inputs, planning, plan_one)


def _plan_one(
    spec: VideoSpec, loaded: Loaded, subject: Subject, planning: Planning
) -> dict[str, Any]:
    shape = _video_shape(spec, subject)
    kernel = _kernel(spec, loaded, subject)
    at_once = _at_once(shape, kernel, planning.memory_cap)
    window = min(shape[0], at_once) + len(kernel) - 1
    made = conv.plan(
        (window, *shape[1:]),
        conv.FixedKernel(kernel),
        dtype=kernel.dtype,
        mode="same",
        boundary=spec.boundary,
        cval=spec.cval,
        axes=(0, 1, 2),
        device=planning.device,
        memory_cap=planning.memory_cap,
    )
    windows = math.ceil(shape[0] / at_once)
    seconds = windows * (made.candidate.seconds or 0)
    held = window * math.prod(shape[1:]) * kernel.itemsize
    return made.to_dict() | {
        "seconds": seconds / (shape[0] if spec.sequence else 1),
        "bytes": int((made.candidate.bytes or 0) + 2 * held),
        "windows": windows,
        "frames_at_once": at_once,
    }


def run(spec: VideoSpec, run: Run) -> None:
    """Filter one video after another, or the frames of one."""
    loaded = kernels.load(spec.kernel, run.artifacts)
    places = Places(run, spec.device, partial(_plan_one, spec, loaded))
    if spec.sequence:
        _sequence(spec, run, loaded, places)
    else:
        each(spec.inputs, run, lambda name, digest: _array(spec, run, loaded, places, name, digest))


class _Array:
    """The frames of an array, of which only the wanted ones are read from the disk."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._values = values
        self.shape = values.shape

    def read(self, index: int) -> NDArray[Any]:
        """Return a frame."""
        return finite(np.asarray(self._values[index]))


class _Pictures:
    """Pictures as the frames of a video; those that were read are kept until they are taken."""

    def __init__(self, spec: VideoSpec, run: Run) -> None:
        self._run = run
        self._inputs = list(zip(names(spec.inputs), digests(spec.inputs), strict=True))
        self._items: dict[int, Item] = {}
        self.first = self._load(0)
        self.shape = (len(self._inputs), *self.first.values.shape)

    def read(self, index: int) -> NDArray[Any]:
        """Return a frame."""
        item = self._items[index] = self._load(index)
        return finite(item.values)

    def take(self, index: int) -> Item:
        """Return what is known of a frame besides its values, and forget it."""
        return self._items.pop(index, None) or self._load(index)

    def _load(self, index: int) -> Item:
        item = read(self._run, *self._inputs[index])
        if index and item.subject != self.first.subject:
            raise _uneven(f"{describe(item.values.shape, str(item.values.dtype))}: {item.name}")
        return item


def _array(
    spec: VideoSpec, run: Run, loaded: Loaded, places: Places, name: str, digest: str
) -> None:
    with run.stage("load"):
        item = read(run, name, digest)
        shape = _video_shape(spec, item.subject)
        kernel = _kernel(spec, loaded, item.subject)
    is_narrow = spec.output == "same" and item.values.dtype.name in _NARROW
    stored = (item.values if is_narrow else kernel).dtype.newbyteorder("<")
    shown: list[NDArray[np.uint8]] = []
    means = []
    path = run.scratch / "video.npy"
    # Not by a memory map: where the disk has no room left, the kernel kills who writes to one.
    with run.stage("filter"), path.open("wb") as target:
        target.write(header_of(stored, shape))
        there = places.bring(item.subject, kernel)
        for index, frame in enumerate(_filtered(spec, run, _Array(item.values), there)):
            kept = to_range(frame, stored, "clip") if is_narrow else frame
            target.write(np.ascontiguousarray(kept, stored).data)
            means.append(float(frame.mean(dtype=float)))
            if _is_shown(spec, index, shape[0]):
                shown.append(_picture(item, frame))
            run.report({"frame": index + 1, "frames": shape[0]})
    with run.stage("store"):
        run.deliver(
            renamed(name, NPY),
            source=digest,
            media_type=NPY,
            write=lambda stored_as: _copy(path, stored_as),
            shape=shape,
            dtype=stored.name,
        )
        path.unlink()
        _deliver_about(spec, run, item, shown, means)


def _sequence(spec: VideoSpec, run: Run, loaded: Loaded, places: Places) -> None:
    with run.stage("load"):
        frames = _Pictures(spec, run)
        subject = frames.first.subject
        _video_shape(spec, subject)
        kernel = _kernel(spec, loaded, subject)
    shown: list[NDArray[np.uint8]] = []
    means = []
    with run.stage("filter"):
        there = places.bring(subject, kernel)
        for index, frame in enumerate(_filtered(spec, run, frames, there)):
            item = frames.take(index)
            deliver_like(run, item, frame, npy=spec.output == "npy")
            means.append(float(frame.mean(dtype=float)))
            if _is_shown(spec, index, len(spec.inputs)):
                shown.append(_picture(item, frame))
            run.advance()
    with run.stage("store"):
        _deliver_about(spec, run, frames.first, shown, means)


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def _filtered(spec: VideoSpec, run: Run, frames: Frames, kernel: Array) -> Iterator[NDArray[Any]]:
    """Compute where the kernel is."""
    found = filtered(
        frames,
        kernel,
        spec.boundary,
        spec.cval,
        at_once=_at_once(frames.shape, kernel, run.memory_cap),
        memory_cap=run.memory_cap,
        check=run.check,
    )
    return map(to_numpy, found)


def _deliver_about(
    spec: VideoSpec,
    run: Run,
    item: Item,
    shown: list[NDArray[np.uint8]],
    means: list[float],
) -> None:
    if shown:
        deliver_bytes(run, item, "-film", film(shown), WEBP)
    about = {"over": spec.over, "frames": len(means), "means": means}
    deliver_json(run, renamed(item.name, JSON, "-video"), about, item.digest)


def _is_shown(spec: VideoSpec, index: int, count: int) -> bool:
    """Return whether a film of ``spec.frames`` of them shows this frame."""
    return index * spec.frames // count > (index - 1) * spec.frames // count


def _picture(item: Item, frame: NDArray[Any]) -> NDArray[np.uint8]:
    if frame.shape[2:] == (1,):
        frame = frame[..., 0]
    if item.values.dtype == np.uint8:
        return film_frame(to_range(frame, np.uint8, "clip"))
    # One scale for all frames: that of the first one of the video.
    first = item.values if item.is_picture else item.values[0]
    low, high = float(first.min()), float(first.max())
    return film_frame(to_range((frame - low) * (255 / ((high - low) or 1)), np.uint8, "clip"))


def _kernel(spec: VideoSpec, loaded: Loaded, subject: Subject) -> NDArray[Any]:
    """Return the kernel over time, height and width, in the precision to compute in."""
    ndim = {"frames": 2, "time": 1, "volume": 3}[spec.over]
    kernel = kernels.single(loaded, ndim, spec.normalize).astype(subject.precision)
    if spec.over == "frames":
        return kernel[None]
    return kernel[:, None, None] if spec.over == "time" else kernel


def _at_once(shape: tuple[int, ...], kernel: Array, memory_cap: int) -> int:
    return frames_at_once(shape, len(kernel), kernel.itemsize, memory_cap)


def _video_shape(spec: VideoSpec, subject: Subject) -> tuple[int, ...]:
    """Return (T, H, W) or (T, H, W, C), or refuse what is no video."""
    if spec.sequence:
        shape = (len(spec.inputs), *subject.shape)
        good = subject.media_type in PICTURES or (subject.is_array and len(subject.shape) == 2)
    else:
        shape = subject.shape
        good = subject.is_array and len(shape) in (3, 4)
    if not good or math.prod(shape) == 0 or np.dtype(subject.dtype).kind not in "biuf":
        raise InvalidInput(
            "no video",
            field="inputs",
            given=describe(subject.shape, subject.dtype),
            accepted="pictures, with sequence; or real arrays (T, H, W) or (T, H, W, C)",
        )
    if spec.frames and shape[3:] > (_MOST_COLOURS,):
        raise InvalidInput(
            "a film shows colours, and these are more",
            field="frames",
            given=describe(subject.shape, subject.dtype),
            accepted=f"0, or frames of at most {_MOST_COLOURS} channels",
        )
    if spec.frames > shape[0]:
        raise InvalidInput(
            "a film has at most as many frames as the video",
            field="frames",
            given=spec.frames,
            accepted=f"at most {shape[0]}",
        )
    return shape


def _uneven(given: str) -> InvalidInput:
    return InvalidInput(
        "the frames of a video have one size and dtype",
        field="inputs",
        given=given,
        accepted="pictures that are alike",
    )


KIND = Kind(
    name="video",
    summary="Filter videos over space and time, with few frames in memory.",
    spec=VideoSpec,
    references=references,
    items=count,
    plan=plan,
    run=run,
    on_gpu=True,
)
