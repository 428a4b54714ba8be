"""Measure a device's constants, and the kernel sizes at which algorithms cross over."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Array, array_module, is_on_gpu, to_numpy
from core.conv import codegen, overlap_save
from core.conv import device as devices
from core.conv.algorithm import Cost
from core.conv.algorithms import ALGORITHMS, direct
from core.conv.algorithms.cudnn import ALGORITHM as CUDNN
from core.conv.algorithms.direct import ALGORITHM as DIRECT
from core.conv.algorithms.fft_tiled import ALGORITHM as FFT_TILED
from core.conv.blocks import Check, never
from core.conv.cuda import tensor
from core.conv.cuda.transfers import transfers
from core.conv.device import Device
from core.conv.functions import plan
from core.conv.normal import NormalForm, Shape

KERNELS = (3, 5, 7, 9, 11, 15, 21, 31, 45, 63)
# How much longer and wider problems are on a GPU, which smaller ones do not fill; and its kernels,
# under which reading and writing do not count.
_LARGER, _TAPS = 8, 31
# Values that are brought to a GPU and back.
_BROUGHT = 1 << 24
# For each constant, and each time of the table.
_SECONDS = 0.1
# Seconds between which every constant is looked for.
_LEAST, _MOST = 1e-18, 1e-2
# A candidate that is predicted to take longer than this many times the best is not timed.
_HOPELESS = 50

CostOf = Callable[[NormalForm, Device, int | None], Cost]
Run = Callable[[NormalForm, Array, Array, Array], None]


@dataclass(frozen=True)
class Row:
    """Measured seconds for one kernel size.

    Parameters
    ----------
    kernel : int
        The side of a square kernel. ``separable`` is timed with a kernel of rank 1, the others
        with one of full rank.
    seconds : dict of str to float or None
        Per algorithm; ``None`` where it was too slow to be timed.
    chosen : str
        What the plan chooses for the kernel of full rank.
    """

    kernel: int
    seconds: dict[str, float | None]
    chosen: str


@dataclass(frozen=True)
class Calibration:
    """What `calibrate` measured. Print it for the table.

    Parameters
    ----------
    device : Device
        With the measured constants.
    shape : tuple of int
        The picture that was convolved, float32.
    rows : tuple of Row
        Measured times, by kernel size.
    path : Path or None
        Where the constants are stored.
    """

    device: Device
    shape: Shape
    rows: tuple[Row, ...]
    path: Path | None

    @property
    def crossover(self) -> int | None:
        """The smallest kernel from which on the best FFT is faster than direct."""
        found = None
        for row in reversed(self.rows):
            direct = row.seconds["direct"]
            timed = (s for n, s in row.seconds.items() if n.startswith("fft") and s is not None)
            if direct is not None and direct <= min(timed, default=math.inf):
                break
            found = row.kernel
        return found

    def __str__(self) -> str:
        """Return the table of measured times."""
        names = list(self.rows[0].seconds)
        lines = [
            f"{self.device.name}: {self.shape[0]} x {self.shape[1]} float32, milliseconds",
            "  kernel" + "".join(f"{name:>12}" for name in names) + "  chosen",
        ]
        for row in self.rows:
            cells = ("-" if s is None else f"{s * 1e3:.2f}" for s in row.seconds.values())
            side = f"{row.kernel}x{row.kernel}"
            lines.append(f"{side:>8}" + "".join(f"{c:>12}" for c in cells) + f"  {row.chosen}")
        if self.crossover is None:
            lines.append("direct is faster throughout")
        else:
            lines.append(f"FFT is faster than direct from {self.crossover}x{self.crossover} on")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as a JSON-ready dict."""
        return {
            "device": self.device.name,
            "shape": list(self.shape),
            "crossover": self.crossover,
            "path": None if self.path is None else str(self.path),
            "rows": [
                {"kernel": r.kernel, "seconds": dict(r.seconds), "chosen": r.chosen}
                for r in self.rows
            ],
        }


def calibrate(
    like: Array | None = None,
    *,
    kernels: tuple[int, ...] = KERNELS,
    shape: Shape = (1024, 1024),
    save: bool = True,
    check: Check = never,
) -> Calibration:
    """Measure this machine's processor or GPU; planning uses the result from then on.

    Parameters
    ----------
    like : array, optional
        The device that has it is measured; without it, the processor.
    kernels : tuple of int
        Sides of the kernels in the crossover table.
    shape : tuple of two int
        The picture of the crossover table.
    save : bool
        Whether to store the constants in ``Settings().cache_dir``.
    check : callable, optional
        Called often; it raises to stop.

    Returns
    -------
    Calibration
        The constants and the table. Takes about 15 seconds with the default arguments.
    """
    like = np.empty(0) if like is None else like
    device = measure(like, check)
    path = devices.save(device) if save else None
    rows = tuple(_row(k, shape, device, like, check) for k in kernels)
    return Calibration(device, shape, rows, path)


def measure(like: Array, check: Check = never) -> Device:
    """Return the device of ``like`` with every constant solved from a timed run it dominates."""
    there = is_on_gpu(like)
    device, larger, taps = devices.device_of(like), *((_LARGER, _TAPS) if there else (1, 9))
    source = array_module(like).ones(larger << 24, np.float32)
    copied = _best(lambda: source.copy(), like, check)
    device = replace(device, copy=copied / (2 * source.nbytes))
    if there:
        device = replace(device, **_transfers(source[:_BROUGHT], check))

    def solved(
        cost: CostOf, run: Run, constant: str, dtype: str | None, form: NormalForm
    ) -> Device:
        value = _solve(cost, run, form, device, constant, dtype, like, check)
        return _with(device, constant, dtype, value)

    device = solved(_numpy_cost, _run_numpy, "call", None, _form((64, 64), (5, 5), "float32"))
    for dtype in _dtypes(device.multiply_add):
        small = dtype == "object"
        form = _form((64, 64) if small else (1024 * larger, 512), (3 if small else 7,) * 2, dtype)
        device = solved(_numpy_cost, _run_numpy, "multiply_add", dtype, form)
    for dtype in _dtypes(device.gemm):
        form = _form((8, 8) if dtype == "object" else (96, 96), (3, 3), dtype, channels=32)
        device = solved(_numpy_cost, _run_numpy, "gemm", dtype, form)
    if there or codegen.available():
        for dtype in device.direct:
            form = _form((256 * larger, 512 * larger), (taps, taps), dtype)
            device = solved(DIRECT.cost, _run_direct, "direct", dtype, form)
        for dtype in device.fft_tile:
            form = _form((1024 * larger, 1024), (33, 33), dtype)
            device = solved(FFT_TILED.cost, _run_fft, "fft_tile", dtype, form)
    for precision in device.tensor:
        form = _form((64 * larger, 512), (3, 3), "float32", channels=64)
        form = replace(form, precision=precision)
        device = solved(tensor.cost, _run_tensor, "tensor", precision, form)
    for number in device.cudnn:
        precise = {"tf32": "float32", "float16": "float32"}.get(number, number)
        form = _form((64 * larger, 512), (3, 3), precise, channels=64)
        form = replace(form, precision="float32" if precise == number else number)
        if CUDNN.refuses_on(form, device) is None:
            device = solved(CUDNN.cost, _run_cudnn, "cudnn", number, form)
    for dtype in device.fft:
        form = _form((1024, 1024), (33, 33), dtype)
        how = overlap_save.tiling(form, 1 << 15)
        assert how is not None
        run = _run_tiles(how, device.workers)
        device = solved(_tiles_cost(how), run, "fft", dtype, form)
    return device


def _transfers(brought: Array, check: Check) -> dict[str, Any]:
    """Return the seconds that a byte takes to a GPU and back, as jobs bring theirs."""
    ferry, host = transfers(array_module(brought)), to_numpy(brought)
    calls = {
        "to_device": lambda: ferry.begin(lambda x: x[:1], host).result(),
        "to_host": lambda: ferry.begin(lambda _: brought, host[:1]).result(),
    }
    return {name: _best(call, brought, check) / host.nbytes for name, call in calls.items()}


def _dtypes(constants: dict[str, float]) -> list[str]:
    # Without those that the device does not have.
    return [dtype for dtype, seconds in constants.items() if np.isfinite(seconds)]


def _solve(
    cost: CostOf,
    run: Run,
    form: NormalForm,
    device: Device,
    constant: str,
    dtype: str | None,
    like: Array,
    check: Check,
) -> float:
    # It takes a while to import, and is needed here only.
    from scipy.optimize import brentq

    def predicted(value: float) -> float:
        return cost(form, _with(device, constant, dtype, value), None).seconds

    operands = _operands(form, like)
    seconds = _best(lambda: run(form, *operands), like, check)
    # What else is predicted may be too much; at least a fifth of the time is this constant's.
    seconds = max(seconds, predicted(0.0) + seconds / 5)
    # The best tile depends on the constant, so a predicted time is no line, but it only grows.
    power = brentq(lambda p: predicted(math.exp(p)) - seconds, math.log(_LEAST), math.log(_MOST))
    return math.exp(power)


def _tiles_cost(how: overlap_save.Tiling) -> CostOf:
    return lambda form, device, _: overlap_save.cost(form, device, how, device.workers)


def _with(device: Device, constant: str, dtype: str | None, value: float) -> Device:
    changes: dict[str, Any] = {
        constant: value if dtype is None else getattr(device, constant) | {dtype: value}
    }
    return replace(device, **changes)


def _row(kernel: int, shape: Shape, device: Device, like: Array, check: Check) -> Row:
    random, bring = np.random.default_rng(kernel), array_module(like).asarray
    x = bring(random.standard_normal(shape, np.float32))
    host = random.standard_normal((kernel, kernel), np.float32)
    full, rank_one = bring(host), bring(np.outer(host[0], host[1]))
    chosen = plan(x, full, mode="same", device=device)
    fastest = chosen.candidate.seconds or 0.0
    seconds: dict[str, float | None] = {}
    for algorithm in ALGORITHMS:
        # One is for tests, the others for sums over channels.
        if algorithm.name in ("reference", "winograd", "cudnn"):
            continue
        w = rank_one if algorithm.name == "separable" else full
        planned = plan(x, w, mode="same", method=algorithm.name, device=device)
        predicted = planned.candidate.seconds or 0.0
        run = lambda p=planned, w=w: p.run(x, w, check)  # noqa: E731
        seconds[algorithm.name] = (
            None if predicted > _HOPELESS * fastest else _best(run, like, check)
        )
    return Row(kernel, seconds, chosen.chosen)


def _form(spatial: Shape, kernel: Shape, dtype: str, channels: int = 1) -> NormalForm:
    return NormalForm(
        batch=1,
        in_channels=channels,
        out_channels=channels,
        groups=1,
        spatial=spatial,
        kernel=kernel,
        start=tuple((k - 1) // 2 for k in kernel),
        out=spatial,
        stride=(1,) * len(spatial),
        dilation=(1,) * len(spatial),
        dtype=dtype,
        bits=20 if np.dtype(dtype).kind not in "fc" else None,
    )


def _operands(form: NormalForm, like: Array) -> tuple[Array, ...]:
    # Python's integers are slow only where they are large.
    xp, value = array_module(like), 1 << 70 if form.dtype == "object" else 1
    x = xp.full((form.batch, form.in_channels, *form.spatial), value, form.dtype)
    w = xp.ones((form.out_channels, form.group_channels, *form.kernel), form.dtype)
    return x, w, xp.empty(form.out_shape, form.dtype)


def _numpy_cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    return direct.numpy_cost(form, device)


def _run_numpy(form: NormalForm, x: Array, w: Array, out: Array) -> None:
    direct.numpy_run(form, x, w, out, never)


def _run_direct(form: NormalForm, x: Array, w: Array, out: Array) -> None:
    DIRECT.run(form, x, w, out, check=never, memory_cap=None)


def _run_tensor(form: NormalForm, x: Array, w: Array, out: Array) -> None:
    tensor.run(form, x, w, out, check=never, memory_cap=None)


def _run_fft(form: NormalForm, x: Array, w: Array, out: Array) -> None:
    FFT_TILED.run(form, x, w, out, check=never, memory_cap=None)


def _run_cudnn(form: NormalForm, x: Array, w: Array, out: Array) -> None:
    CUDNN.run(form, x, w, out, check=never, memory_cap=None)


def _run_tiles(how: overlap_save.Tiling, workers: int) -> Run:
    return lambda form, x, w, out: overlap_save.run(
        form, x, w, out, how, check=never, workers=workers
    )


def _best(run: Callable[[], object], like: Array, check: Check) -> float:
    def finished() -> None:
        run()
        if is_on_gpu(like):
            array_module(like).cuda.Device().synchronize()

    # The first call warms caches and threads; others on the machine only ever add time.
    finished()
    best, started = float("inf"), time.perf_counter()
    while best == float("inf") or time.perf_counter() - started < _SECONDS:
        check()
        begun = time.perf_counter()
        finished()
        best = min(best, time.perf_counter() - begun)
    return best
