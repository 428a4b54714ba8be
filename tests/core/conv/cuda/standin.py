"""A stand-in for CuPy on a processor: its arrays hold NumPy's, and refuse to become them by chance.

It is as strict as CuPy where host and device could be mixed up: a NumPy array among the arguments
is an error except where it is brought over on purpose, results of reductions are arrays, there are
no objects, and `numpy.asarray` of an array is an error. It has no function, method or option that
CuPy 14.2 does not have (`cupy_names.json`: what each module holds, and the parameters of functions
whose signature can be read). Compiled sources run on the processor (`emulated.h`).
"""

import contextlib
import ctypes
import hashlib
import json
import operator
import re
import subprocess
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft
import scipy.ndimage
import scipy.signal
import scipy.special

from tests.core.conv.cuda import streams

HEADER = Path(__file__).with_name("emulated.h")
# What brings arrays of the host over.
_BRINGING = {"array", "asarray"}
# What CuPy has: names by module, and the names of a function's parameters where they are known.
NAMES: dict[str, dict[str, str | None]] = json.loads(
    Path(__file__).with_name("cupy_names.json").read_text()
)
# What its ufuncs take beside arrays.
OF_UFUNCS = "out dtype casting"


class Mixed(TypeError):
    """Arrays of host and device met."""


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):  # noqa: N801 (CuPy's name)
    """What `cupy.ndarray` offers, as far as NumPy's has it too."""

    __module__ = "cupy"
    __array_priority__ = 100

    def __init__(self, host: np.ndarray) -> None:
        if host.dtype.kind == "O":
            raise TypeError("there are no objects on a device")
        streams.MEMORY.created(host, streams.CURRENT[-1])
        self._memory = host

    @property
    def host(self) -> np.ndarray:
        """What it holds, for whoever computes with it on the current stream."""
        # What the stream was given before, such as to wait for another, comes first.
        streams.CURRENT[-1].run()
        streams.MEMORY.touched(self._memory, streams.CURRENT[-1])
        return self._memory

    def get(
        self, stream: Any = None, order: str = "C", out: np.ndarray | None = None,
        blocking: bool = True,
    ) -> np.ndarray:  # fmt: skip
        """Return a copy in host memory."""
        stream = stream or streams.CURRENT[-1]
        found = np.empty(self._memory.shape, self._memory.dtype, order) if out is None else out
        assert (found.shape, found.dtype) == (self._memory.shape, self._memory.dtype)
        if blocking:
            found[...] = self.host
            stream.synchronize()
        else:
            streams.MEMORY.touched(self._memory, stream)
            streams.copy_later(found, self._memory, found, stream)
        return found

    def set(self, host: np.ndarray, stream: Any = None) -> None:
        """Copy from host memory."""
        assert type(host) is np.ndarray
        if stream is None:
            self.host[...] = host
        else:
            streams.MEMORY.touched(self._memory, stream)
            streams.copy_later(self._memory, host, host, stream)

    @property
    def device(self) -> types.SimpleNamespace:
        return types.SimpleNamespace(id=0)

    @property
    def data(self) -> types.SimpleNamespace:
        return types.SimpleNamespace(ptr=self.host.ctypes.data)

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise Mixed("an array of the device does not become one of the host by itself")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if getattr(np, ufunc.__name__, None) is not ufunc or ufunc.__name__ not in NAMES["cupy"]:
            return NotImplemented
        call = getattr(ufunc, method)
        call = _limited(call, OF_UFUNCS) if method == "__call__" else call
        return _wrapped(call(*_unwrapped(inputs), **_unwrapped(options)))

    def __array_function__(self, function: Any, _: Any, args: Any, options: Any) -> Any:
        names = NAMES.get(function.__module__.replace("numpy", "cupy"), {})
        if function.__name__ not in names:
            return NotImplemented
        call = _limited(function, names[function.__name__])
        return _wrapped(call(*_unwrapped(args), **_unwrapped(options)))

    def __getattr__(self, name: str) -> Any:
        names = NAMES["cupy.ndarray"]
        if name.startswith("__") or name not in names:
            raise AttributeError(name)
        # Neither its shape nor a view is a use of its memory.
        found = getattr(self._memory, name)
        if not callable(found):
            return _wrapped(found)
        return _limited(_called(getattr(self.host, name)), names[name])

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_memory":
            object.__setattr__(self, name, value)
        else:
            setattr(self.host, name, value)

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        is_view = all(part is None or isinstance(part, slice | int | type(...)) for part in parts)
        return _wrapped((self._memory if is_view else self.host)[_unwrapped(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self.host[_unwrapped(index)] = _unwrapped(value)

    def __len__(self) -> int:
        return len(self.host)

    def __iter__(self) -> Any:
        return map(_wrapped, self.host)

    def item(self, *at: int) -> Any:
        """Return a number in host memory."""
        return self.host.item(*at)

    def tolist(self) -> Any:
        """Return numbers in host memory."""
        return self.host.tolist()

    def __bool__(self) -> bool:
        return bool(self.host)

    def __int__(self) -> int:
        return int(self.host)

    def __float__(self) -> float:
        return float(self.host)

    def __complex__(self) -> complex:
        return complex(self.host)

    __hash__ = None  # type: ignore[assignment]
    __index__ = __int__


def _unwrapped(value: Any) -> Any:
    if isinstance(value, ndarray):
        return value.host
    if isinstance(value, np.ndarray):
        raise Mixed("an array of the host among those of the device")
    if isinstance(value, tuple | list):
        return type(value)(map(_unwrapped, value))
    if isinstance(value, dict):
        return {name: _unwrapped(each) for name, each in value.items()}
    return value


def _wrapped(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return ndarray(value)
    if isinstance(value, np.generic):
        return ndarray(np.asarray(value))
    if isinstance(value, list):
        return list(map(_wrapped, value))
    if isinstance(value, tuple):
        return tuple(map(_wrapped, value))  # CuPy's have no names
    return value


def _called(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        return _wrapped(function(*_unwrapped(args), **_unwrapped(options)))

    return call


def _bringing(function: Callable[..., Any]) -> Callable[..., Any]:
    def bring(value: Any, *args: Any, **options: Any) -> ndarray:
        host = value.host if isinstance(value, ndarray) else value
        found = function(host, *args, **options)
        # What is brought over is a copy.
        return ndarray(found.copy() if isinstance(value, np.ndarray) else found)

    return bring


def _limited(call: Callable[..., Any], parameters: str | None) -> Callable[..., Any]:
    def limited(*args: Any, **options: Any) -> Any:
        if parameters is not None and (unknown := set(options) - set(parameters.split())):
            raise TypeError(f"CuPy's function has no parameters {unknown}")
        return call(*args, **options)

    return limited


class _Linalg(types.ModuleType):
    """Where CuPy keeps how products of matrices are computed."""

    COMPUTE_TYPE_DEFAULT, COMPUTE_TYPE_TF32 = 1, 7

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._type = self.COMPUTE_TYPE_DEFAULT

    def get_compute_type(self, dtype: Any) -> int:
        """Return that of float32."""
        assert dtype is np.float32
        return self._type

    def set_compute_type(self, dtype: Any, compute_type: int) -> None:
        """Set that of float32."""
        assert dtype is np.float32
        self._type = compute_type


LINALG = _Linalg("cupy._core._routines_linalg")


def _matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if LINALG.get_compute_type(np.float32) == LINALG.COMPUTE_TYPE_TF32:
        # Cut, as good as rounded.
        a, b = (
            (x.view(np.int32) & ~0x1FFF).view(x.dtype) if x.dtype.char in "fF" else x
            for x in map(np.ascontiguousarray, (a, b))
        )
    return np.matmul(a, b)


_matmul.__name__ = "matmul"


class _Module(types.ModuleType):
    """A module of NumPy or SciPy, for arrays of the device."""

    def __init__(self, name: str, original: Any) -> None:
        super().__init__(name)
        self._original = original

    def __getattr__(self, name: str) -> Any:
        names = NAMES[self.__name__]
        if name not in names:
            raise AttributeError(name)
        found = _matmul if name == "matmul" else getattr(self._original, name)
        if isinstance(found, types.ModuleType):
            return _Module(f"{self.__name__}.{name}", found)
        if isinstance(found, type) or not callable(found):
            return found
        call = _bringing(found) if name in _BRINGING else _called(found)
        return _limited(call, OF_UFUNCS if isinstance(found, np.ufunc) else names[name])


class Device:
    """The only one."""

    id = 0

    def synchronize(self) -> None:
        """Do nothing: everything has happened."""


def _rfftn(x: ndarray, s: Any = None, axes: Any = None, norm: str | None = None) -> ndarray:
    """Transform; along several axes cuFFT is given what is contiguous as it lies."""
    aligned = x.data.ptr % (2 * x.itemsize) == 0
    along = x.ndim if axes is None else len(axes)
    assert aligned or along == 1 or not x.flags.c_contiguous, "cuFFT reads pairs of numbers"
    return ndarray(scipy.fft.rfftn(x.host, s, axes, norm))


class Generator:
    """What `cupy.random.Generator` offers of what is used: no multinomial numbers, for one."""

    def __init__(self, seed: int) -> None:
        self._numpy = np.random.default_rng(seed)

    def random(self, size: int) -> ndarray:
        """Return uniform numbers."""
        return ndarray(self._numpy.random(size))

    def binomial(self, n: ndarray, p: float) -> ndarray:
        """Return binomial numbers; CuPy takes neither arrays of the host nor numbers of NumPy."""
        assert isinstance(n, ndarray)
        assert type(p) is float
        return ndarray(self._numpy.binomial(n.host, p))


PLANS: dict[Any, Any] = {}
"""Plans of cuFFT by what they are for, as CuPy keeps them."""


def _pad(x: ndarray, widths: Any, mode: str = "constant", **options: Any) -> ndarray:
    """Pad, where CuPy does as NumPy: from further than the length of an axis it does not."""
    each = np.broadcast_to(np.asarray(widths), (x.ndim, 2))
    assert mode in ("constant", "edge") or (each.max(axis=1) <= x.shape).all()
    return ndarray(np.pad(x.host, widths, mode, **options))


DRIVER = """
static long long given[{count}];
static void call() {{ {name}({arguments}); }}
extern "C" void launch(
    const int *grid, const int *block, const long long *values, long long shared)
{{
    for (int i = 0; i < {count}; i++) given[i] = values[i];
    emulated::run(
        {{grid[0], grid[1], grid[2]}}, {{block[0], block[1], block[2]}}, call, shared);
}}
"""


class RawModule:
    """What `cupy.RawModule` offers, for kernels that take addresses and 64-bit integers."""

    counted = False
    """Whether what is compiled counts its touches of shared memory."""

    def __init__(self, code: str, options: tuple[str, ...], folder: Path) -> None:
        self._code, self._options, self._folder = code, options, folder

    def get_function(self, name: str) -> Any:
        """Compile, and return ``(grid, block, arguments) -> None``."""
        listed = re.search(rf"\b{name}\(([^)]*)\)\s*\{{", self._code)
        assert listed is not None
        types = [p.strip().rpartition(" ")[0] for p in listed[1].split(",")]
        pointers = [" *" in p or "*__restrict__" in p for p in types]
        passed = [f"({kind.replace('__restrict__', '')})given[{i}]" for i, kind in enumerate(types)]
        text = f'#include "{HEADER}"\n{self._code}\n' + DRIVER.format(
            count=len(types), name=name, arguments=", ".join(passed)
        )
        options = (*self._options, *(["-DCOUNTED"] if self.counted else []))
        # A unit's end is named after its text, so that g++ is asked once for each.
        target = self._folder / hashlib.sha256((text + str(options)).encode()).hexdigest()
        if not target.exists():
            command = ["g++", "-O1", "-shared", "-fPIC", "-w", *options, "-x", "c++", "-"]
            subprocess.run([*command, "-o", str(target)], input=text, text=True, check=True)
        return _Kernel(ctypes.CDLL(str(target)), pointers)


class _Kernel:
    last: Any
    """The program of the kernel that was launched last."""
    most_shared = 48 << 10
    """Bytes that blocks of the device may have."""

    def __init__(self, program: Any, pointers: list[bool]) -> None:
        self._program, self._pointers = program, pointers
        self._shared = 48 << 10

    @property
    def max_dynamic_shared_size_bytes(self) -> int:
        """Bytes that a block of it may have."""
        return self._shared

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, size: int) -> None:
        assert size <= self.most_shared
        self._shared = size

    def __call__(
        self, grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple[Any, ...],
        *, shared_mem: int = 0,
    ) -> None:  # fmt: skip
        assert len(arguments) == len(self._pointers)
        assert shared_mem <= self.max_dynamic_shared_size_bytes
        assert 0 < np.prod(block) <= 1024
        assert max(grid[1:]) <= 65535
        assert grid[0] < 1 << 31
        values = np.empty(len(arguments), np.int64)
        for i, (value, is_pointer) in enumerate(zip(arguments, self._pointers, strict=True)):
            # CuPy passes an array's address, and a NumPy number with its own size.
            assert isinstance(value, ndarray if is_pointer else np.int64)
            values[i] = value.host.ctypes.data if is_pointer else value
        sizes = [(ctypes.c_int * 3)(*map(operator.index, three)) for three in (grid, block)]
        _Kernel.last = self._program
        self._program.launch(
            *sizes, ctypes.c_void_p(values.ctypes.data), ctypes.c_longlong(shared_mem)
        )


def turns() -> tuple[int, int]:
    """Return the turns that banks took in all launches of the last kernel, and the least possible.

    Both are of warps' accesses; `RawModule.counted` was set when it was compiled.
    """
    found = (ctypes.c_longlong * 2)()
    _Kernel.last.counts(found)
    return found[0], found[1]


def modules(folder: Path, properties: dict[str, Any]) -> dict[str, types.ModuleType]:
    """Return what is to be found under CuPy's names.

    Parameters
    ----------
    folder : Path
        Where what g++ compiled is kept.
    properties : dict
        Of the device, as `cupy.cuda.runtime.getDeviceProperties` returns them.
    """
    cupy = _Module("cupy", np)
    cupy.ndarray = ndarray  # type: ignore[attr-defined]
    cupy.RawModule = lambda code, options: RawModule(code, options, folder)  # type: ignore[attr-defined]
    cupy.asnumpy = lambda x: x.get()  # type: ignore[attr-defined]
    cupy.is_available = lambda: True  # type: ignore[attr-defined]
    cupy.__version__ = "0"  # type: ignore[attr-defined]
    cupy.pad = _pad  # type: ignore[attr-defined]
    cupy.fft = _Module("cupy.fft", np.fft)  # type: ignore[attr-defined]
    cupy.fft.config = types.SimpleNamespace(get_plan_cache=lambda: PLANS)
    PLANS.clear()
    _Kernel.most_shared = properties["sharedMemPerBlockOptin"]
    cupy.random = types.SimpleNamespace(default_rng=Generator)  # type: ignore[attr-defined]
    runtime = types.SimpleNamespace(
        getDeviceProperties=lambda _: properties,
        driverGetVersion=lambda: 0,
        memGetInfo=lambda: (1 << 20, 1 << 30),
        CUDARuntimeError=streams.CUDARuntimeError,
    )
    streams.reset()
    pool = types.SimpleNamespace(
        free_all_blocks=lambda: None, set_limit=streams.MEMORY.set_limit, malloc=None
    )
    cupy.get_default_memory_pool = lambda: pool  # type: ignore[attr-defined]
    memory = types.SimpleNamespace(OutOfMemoryError=streams.OutOfMemoryError)
    cupy.cuda = types.SimpleNamespace(  # type: ignore[attr-defined]
        Device=Device,
        Event=streams.Event,
        Stream=streams.Stream,
        alloc_pinned_memory=bytearray,
        get_current_stream=lambda: streams.CURRENT[-1],
        get_elapsed_time=lambda begin, end: 1e3 * (end.seconds - begin.seconds),
        memory=memory,
        runtime=runtime,
        using_allocator=lambda malloc: contextlib.nullcontext(),
    )
    of_scipy = {
        f"cupyx.scipy.{name}": _Module(f"cupyx.scipy.{name}", getattr(scipy, name))
        for name in ("fft", "ndimage", "signal", "special")
    }
    of_scipy["cupyx.scipy.fft"].rfftn = _rfftn  # type: ignore[attr-defined]
    return {
        "cupy": cupy,
        LINALG.__name__: LINALG,
        "cupyx": types.ModuleType("cupyx"),
        "cupyx.scipy": types.ModuleType("cupyx.scipy"),
        **of_scipy,
    }
