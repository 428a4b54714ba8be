"""The job kind ``convolve``: filter pictures, sound and arrays with a kernel or a bank."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, BinaryIO, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from core import conv
from core.arrays import Array, array_module, dtype_name
from core.conv import residency
from core.conv.boundary import Boundary
from core.conv.device import Device
from core.conv.precision import Precision
from core.conv.problem import Mode
from core.conv.residency import Devices, Place
from core.errors import InvalidInput
from core.jobs import convolve_tiles, kernels
from core.jobs.each import each
from core.jobs.inputs import Digest, Input, describe, digests, distinct, renamed
from core.jobs.kernels import Bank, KernelSpec, Loaded
from core.jobs.kind import Kind, Planning, Spec
from core.jobs.places import Begun, Measured, Placed, farthest, placed_group
from core.jobs.run import Run
from core.jobs.subjects import Subject, document, of_record, plan_each
from core.kernels import Normalization
from core.media import (
    NPY,
    PICTURES,
    PNG,
    WAV,
    MediaInfo,
    RangePolicy,
    decode,
    merge_alpha,
    split_alpha,
    to_range,
    write,
)
from core.store.artifacts import Artifact

_ON_GPUS = {algorithm.name for algorithm in conv.ALGORITHMS if algorithm.needs_gpu}


class ConvolveSpec(Spec):
    """Convolve every input with a kernel.

    Pictures are filtered per colour channel, sound per channel; transparency is left as it is.
    """

    kind: Literal["convolve"]
    inputs: list[Digest | Input] = Field(
        min_length=1,
        description="Artifacts: pictures, .npy, .npz or WAV; each becomes one item of the job. "
        "The service bounds their number (CONVQ_MAX_INPUTS).",
        examples=[["sha256:" + "0" * 64]],
    )
    kernel: KernelSpec = Field(
        description="A preset by name, an array written here, or an artifact. An array with one "
        "axis more than the input has spatial axes is a bank: one feature map per kernel.",
        examples=[
            {"preset": "gaussian", "sigma": 2},
            {"values": [[0, 1, 0], [1, -4, 1], [0, 1, 0]]},
        ],
    )
    mode: Mode = Field(
        default="same", description="Size of the output: as SciPy's full, same and valid."
    )
    boundary: Boundary = Field(
        default="reflect", description="What lies outside the input, by SciPy's names."
    )
    cval: float = Field(
        default=0, allow_inf_nan=False, description="Value outside, for boundary constant."
    )
    axes: Annotated[list[int], Field(min_length=1, max_length=3)] | None = Field(
        default=None,
        description="Axes to convolve along. By default the first ones: rows and columns of a "
        "picture, time of a sound, as many axes of an array as the kernel has.",
    )
    normalize: Normalization = Field(
        default="none", description="Scaling of each kernel: by its sum, size, L2 norm or softmax."
    )
    operation: Literal["convolution", "correlation"] = Field(
        default="convolution", description="Correlation does not flip the kernel."
    )
    method: Literal["auto", *(algorithm.name for algorithm in conv.ALGORITHMS)] = Field(  # type: ignore[valid-type]
        default="auto", description="The algorithm; auto chooses the fastest by predicted time."
    )
    precision: Precision = Field(
        default="float32",
        description="What float32 numbers may be rounded to before they are multiplied: to nothing "
        "less; to tf32, eleven significant bits; or to bfloat16, eight. Sums are float32. GPUs "
        "sum a bank of kernels faster so; processors compute in float32.",
    )
    output: Literal["same", "npy", "png"] = Field(
        default="same",
        description="The input's format, full precision as .npy, or PNG.",
    )
    range: RangePolicy = Field(
        default="clip",
        description="How results get into a format with few values: clip to its range, rescale "
        "from their minimum and maximum, or signed with zero at mid-grey.",
    )
    tile_shape: Annotated[list[Annotated[int, Field(ge=1)]], Field(max_length=32)] | None = Field(
        default=None,
        description="Of a chunked array: the shape of the tiles that it is computed in, on each "
        "axis of the input. By default the one that is predicted to be done first.",
    )
    tile: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=32)] | None = Field(
        default=None,
        description="Compute this tile alone, by its place among those of tile_shape: a job over "
        "a chunked array begins one such job for each.",
    )

    @model_validator(mode="after")
    def _bind(self) -> Self:
        # It may be planned for a worker with a GPU, and must not be taken by one without.
        if self.device == "auto" and self.method in _ON_GPUS:
            self.device = "gpu"
        return self


def references(spec: ConvolveSpec) -> tuple[str, ...]:
    """Return the digests of the inputs and of the kernel, each once."""
    return distinct(spec.inputs, *kernels.references(spec.kernel))


def items(spec: ConvolveSpec) -> int:
    """Return the number of inputs."""
    return len(spec.inputs)


def alike(spec: ConvolveSpec, inputs: Mapping[str, Artifact]) -> str | None:
    """Return what jobs of one input have in common that differ in the numbers of it alone."""
    if len(spec.inputs) != 1:
        return None
    subject = of_record(inputs[digests(spec.inputs)[0]])
    if subject is None:
        return None
    common = spec.model_dump(mode="json", exclude={"inputs", "label", "priority"})
    text = json.dumps([common, subject.media_type, subject.shape, subject.dtype], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def plan(spec: ConvolveSpec, planning: Planning) -> dict[str, Any]:
    """Plan the job from the records of its inputs, without reading them.

    Returns
    -------
    dict
        ``device``, ``seconds`` and ``bytes`` of the whole, and ``groups``: a plan for each sort of
        input, or the error that such inputs will fail with.

    Raises
    ------
    InvalidInput
        When no input at all can be processed.
    """
    loaded = kernels.load(spec.kernel, planning.artifacts)
    if convolve_tiles.is_chunked(spec, planning.inputs):
        make = _making(loaded, planning.devices(spec.device), planning.memory_cap)
        return convolve_tiles.plan(spec, planning, make)

    def plan_one(subject: Subject) -> dict[str, Any]:
        devices = planning.devices(spec.device)
        return _work(spec, loaded, subject, devices, planning.memory_cap).group()

    return plan_each(spec.inputs, planning, plan_one)


def run(spec: ConvolveSpec, run: Run) -> None:
    """Convolve one input after another; one that cannot be processed fails alone."""
    if len(spec.inputs) == 1 and run.is_chunked(digests(spec.inputs)[0]):
        taps = kernels.load(spec.kernel, run.artifacts)
        convolve_tiles.run(spec, run, _making(taps, run.devices(spec.device), run.memory_cap))
        return
    loaded = run.common("kernel", lambda: kernels.load(spec.kernel, run.artifacts))
    done: dict[Subject, tuple[_Work, Measured]] = {}

    def work(name: str, digest: str) -> Callable[[], None] | None:
        return _begin(spec, run, loaded, done, name, digest)

    each(spec.inputs, run, work)
    if done:
        groups = [
            measured.group({"input": describe(subject.shape, subject.dtype)} | work.group())
            for subject, (work, measured) in done.items()
        ]
        run.plan = document(farthest([work.placed.place for work, _ in done.values()]), groups)


def _begin(
    spec: ConvolveSpec,
    run: Run,
    loaded: Loaded,
    done: dict[Subject, tuple[_Work, Measured]],
    name: str,
    digest: str,
) -> Callable[[], None] | None:
    """Read an input and begin to convolve it; return what ends it, if there is a rest to do."""
    with run.stage("load"):
        decoded = decode(run.load(digest), max_pixels=run.max_pixels)
        x, alpha = split_alpha(decoded.array, decoded.info)
        subject = Subject(decoded.info.media_type, x.shape, dtype_name(x.dtype))
    with run.stage("convolve"):
        devices = run.devices(spec.device)
        work = run.common(subject, lambda: _work(spec, loaded, subject, devices, run.memory_cap))
        begun = work.begin(x, run)

    def end() -> None:
        with run.stage("convolve"):
            y = begun.result()
            done.setdefault(subject, (work, Measured()))[1].add(begun.seconds())
        with run.stage("store"):
            _deliver(spec, run, y, work.bank.single, alpha, decoded.info, name, digest)

    if not begun.is_over:
        return end
    end()
    return None


def _work(
    spec: ConvolveSpec, loaded: Loaded, subject: Subject, devices: Devices, memory_cap: int
) -> _Work:
    return _Work(spec, loaded, subject, devices, memory_cap, many=len(spec.inputs) > 1)


def _making(loaded: Loaded, devices: Devices, memory_cap: int) -> convolve_tiles.Make:
    return lambda spec, subject: _Work(spec, loaded, subject, devices, memory_cap, many=True)


def _fitting(stack: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the kernels as ``dtype``, or raise InvalidInput where a value becomes infinite."""
    with np.errstate(over="ignore"):
        cast = stack.astype(dtype, copy=False)
    if cast.dtype.kind in "fc" and np.isinf(cast).any() and not np.isinf(stack).any():
        raise InvalidInput(
            f"a value of the kernel does not fit {cast.dtype}, which these inputs are computed in",
            field="kernel",
            given=f"up to {np.abs(stack).max():g}",
            accepted=f"at most {np.finfo(cast.dtype).max:g}",
        )
    return cast


class _Work:
    """One sort of input: its kernels, where it is computed, and by which plan.

    ``many`` says that what is made of the kernels is made for other inputs, too.
    """

    def __init__(
        self,
        spec: ConvolveSpec,
        loaded: Loaded,
        subject: Subject,
        devices: Devices,
        memory_cap: int,
        *,
        many: bool,
    ) -> None:
        ndim = _spatial_ndim(spec, loaded, subject)
        self.bank = kernels.bank(loaded, ndim, spec.normalize)
        taps_dtype = _taps_dtype(subject, self.bank, loaded.has_dtype)
        self._kernel = conv.FixedKernel(_fitting(self.bank.stack, taps_dtype))
        planned = self._kernel if many else self._kernel.host

        def plan_on(device: Device) -> conv.Plan:
            return conv.plan(
                subject.shape,
                planned,
                "convolve" if spec.operation == "convolution" else "correlate",
                dtype=subject.dtype,
                method=spec.method,
                memory_cap=memory_cap,
                device=device,
                bank=True,
                mode=spec.mode,
                boundary=spec.boundary,
                cval=spec.cval,
                axes=tuple(spec.axes) if spec.axes else tuple(range(ndim)),
                precision=spec.precision,
            )

        self.placed: Placed[conv.Plan] = Placed(
            lambda devices: residency.choose(plan_on, _seconds, devices, self._moved),
            devices,
            lambda plan: plan.candidate.bytes or 0,
        )
        self._told: tuple[Place[conv.Plan], dict[str, Any]] | None = None
        _check_size(spec, self.plan)
        _check_output(spec, subject, self.plan)

    @property
    def plan(self) -> conv.Plan:
        """The plan for the device where it is computed."""
        return self.placed.place.plan

    def begin(self, x: NDArray[Any], run: Run) -> Begun:
        """Convolve: the result is of shape ``(M, *out)`` for a bank, ``out`` for one kernel."""
        x = x.astype(self.plan.problem.x_dtype, copy=False)
        return self.placed.begin(lambda x: self._convolved(x, run), x)

    def compute(self, x: NDArray[Any], run: Run) -> NDArray[Any]:
        """Do what `begin` does, and return the result."""
        y: NDArray[Any] = self.begin(x, run).result()
        return y

    def _convolved(self, x: Array, run: Run) -> Array:
        y = self.plan.run(x, self._kernel, run.check)
        if self.bank.combine == "magnitude":
            return array_module(y).sqrt(array_module(y).square(y).sum(axis=0))
        return y[0] if self.bank.single else y

    def _moved(self, plan: conv.Plan) -> tuple[int, int]:
        problem = plan.problem
        there = math.prod(problem.x_shape) * np.dtype(problem.x_dtype).itemsize
        back = math.prod(problem.out_shape) * np.dtype(problem.dtype).itemsize
        one = self.bank.single or self.bank.combine == "magnitude"
        return there, back // len(self.bank.stack) if one else back

    def group(self) -> dict[str, Any]:
        """Return the plan's group, but for the inputs that it is of."""
        place = self.placed.place
        # Jobs that run together tell of the same plan.
        if self._told is None or self._told[0] is not place:
            self._told = (place, placed_group(place, place.plan.to_dict()))
        return self._told[1]


def _seconds(plan: conv.Plan) -> float:
    return plan.candidate.seconds or 0.0


def _deliver(
    spec: ConvolveSpec,
    run: Run,
    y: NDArray[Any],
    single: bool,
    alpha: NDArray[Any] | None,
    info: MediaInfo,
    name: str,
    digest: str,
) -> None:
    media_type = {"same": info.media_type, "npy": NPY, "png": PNG}[spec.output]
    if (media_type in PICTURES or media_type == WAV) and not single:
        width = len(str(len(y) - 1))
        maps = [(f"-map{index:0{width}}", feature_map) for index, feature_map in enumerate(y)]
    else:
        maps = [("", y)]
    for suffix, array in maps:
        array = _in_format(array, media_type, spec, info, alpha)

        def write_file(file: BinaryIO, array: NDArray[Any] = array) -> None:
            write(array, file, media_type, extra=info.extra)

        run.deliver_file(
            renamed(name, media_type, suffix),
            source=digest,
            media_type=media_type,
            write=write_file,
            shape=array.shape,
            dtype=dtype_name(array.dtype),
        )


def _in_format(
    array: NDArray[Any],
    media_type: str,
    spec: ConvolveSpec,
    info: MediaInfo,
    alpha: NDArray[Any] | None,
) -> NDArray[Any]:
    if media_type not in PICTURES and media_type != WAV:
        return array
    if media_type == info.media_type:
        assert info.dtype is not None
        dtype = info.dtype
    else:
        dtype = "uint16" if info.dtype == "uint16" and array.ndim == 2 else "uint8"
    array = to_range(array, dtype, spec.range)
    if media_type == WAV and array.shape[1:] == (1,):
        array = array[:, 0]  # as a sound of one channel is read
    # In the other modes the result has another size than the opacity of the input.
    if alpha is not None and spec.mode == "same" and alpha.dtype == array.dtype:
        return merge_alpha(array, alpha)
    return array


def _check_size(spec: ConvolveSpec, plan: conv.Plan) -> None:
    # SciPy swaps the two then; for a picture that gives one that nobody meant.
    spatial, kernel = plan.problem.spatial, plan.problem.kernel
    if spec.mode == "valid" and any(k > n for n, k in zip(spatial, kernel, strict=True)):
        raise InvalidInput(
            "with mode valid the kernel must fit into the input",
            field="kernel",
            given=f"{_by(kernel)} on {_by(spatial)}",
            accepted="a smaller kernel, or mode same or full",
        )


def _check_output(spec: ConvolveSpec, subject: Subject, plan: conv.Plan) -> None:
    """Refuse what the wanted format cannot hold, before it is computed."""
    if spec.output == "npy" or (spec.output == "same" and subject.is_array):
        return
    wanted = "PNG" if spec.output == "png" else subject.media_type
    shape = plan.problem.out_shape[1:]
    pictured = len(shape) == 2 or (len(shape) == 3 and shape[2] <= 4)
    if np.dtype(plan.problem.dtype).kind == "c":
        reason = "complex results"
    elif spec.output == "png" and (subject.media_type == WAV or not pictured):
        reason = f"results of shape {_by(shape)}"
    else:
        return
    raise InvalidInput(
        f"a {wanted} holds no {reason}", field="output", given=spec.output, accepted="npy"
    )


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _spatial_ndim(spec: ConvolveSpec, loaded: Loaded, subject: Subject) -> int:
    if spec.axes:
        return len(spec.axes)
    if not subject.is_array:
        return 1 if subject.media_type == WAV else 2
    own = 2 if loaded.array is None else loaded.array.ndim
    return min(own, len(subject.shape))


def _taps_dtype(subject: Subject, bank: Bank, has_dtype: bool) -> np.dtype[Any]:
    """Return the dtype of the taps, which decides, by NumPy's promotion, that of the result."""
    taps = bank.stack.dtype
    if subject.is_array:
        if taps.kind == "b":
            return np.dtype(subject.dtype)
        if has_dtype or (taps.kind in "iu" and np.dtype(subject.dtype).kind in "iub"):
            return taps
        # The taps of presets, and of values in a job, have no precision of their own.
        return np.finfo(np.result_type(subject.dtype, 0.0)).dtype
    precision = subject.precision
    return np.result_type(precision, np.complex64) if taps.kind == "c" else precision


KIND = Kind(
    name="convolve",
    summary="Filter pictures, signals and arrays with a kernel or a bank of kernels.",
    spec=ConvolveSpec,
    references=references,
    items=items,
    plan=plan,
    run=run,
    alike=alike,
    on_gpu=True,
)
