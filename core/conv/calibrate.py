"""Measure a device's constants, and the kernel sizes at which algorithms cross over."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.conv import codegen, overlap_save
from core.conv import device as devices
from core.conv.algorithm import Cost
from core.conv.algorithms import ALGORITHMS, direct
from core.conv.algorithms.direct import ALGORITHM as DIRECT
from core.conv.algorithms.fft_tiled import ALGORITHM as FFT_TILED
from core.conv.blocks import Check, never
from core.conv.device import Device
from core.conv.functions import plan
from core.conv.normal import NormalForm, Shape

KERNELS = (3, 5, 7, 9, 11, 15, 21, 31, 45, 63)
# A candidate that is predicted to take longer than this many times the best is not timed.
_HOPELESS = 50


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
            fft = min(s for n, s in row.seconds.items() if n.startswith("fft") and s is not None)
            if direct is not None and direct <= fft:
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
    *,
    kernels: tuple[int, ...] = KERNELS,
    shape: Shape = (1024, 1024),
    save: bool = True,
    check: Check = never,
) -> Calibration:
    """Measure this machine's processor; planning uses the result from then on.

    Parameters
    ----------
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
    device = measure(devices.cpu(), check)
    path = devices.save(device) if save else None
    rows = tuple(_row(k, shape, device, check) for k in kernels)
    return Calibration(device, shape, rows, path)


def measure(device: Device, check: Check = never) -> Device:
    """Return ``device`` with every constant solved from a timed run that it dominates."""
    source = np.ones(1 << 24, np.float32)
    device = replace(device, copy=_best(source.copy, check) / (2 * source.nbytes))

    tiny = _form((64, 64), (5, 5), "float32")
    call = _solve(_numpy_cost, tiny, device, "call", None, _run_numpy(tiny), check)
    device = replace(device, call=call)
    for dtype in device.multiply_add:
        small = dtype == "object"
        form = _form((64, 64) if small else (1024, 512), (3, 3) if small else (7, 7), dtype)
        device = _measured(device, "multiply_add", dtype, form, check)
    for dtype in device.gemm:
        form = _form((8, 8) if dtype == "object" else (96, 96), (3, 3), dtype, channels=32)
        device = _measured(device, "gemm", dtype, form, check)
    if codegen.available():
        for dtype in device.direct:
            form = _form((256, 512), (9, 9), dtype)
            solved = _solve(DIRECT.cost, form, device, "direct", dtype, _run_direct(form), check)
            device = _with(device, "direct", dtype, solved)
        for dtype in device.fft_tile:
            form = _form((1024, 1024), (33, 33), dtype)
            solved = _solve(FFT_TILED.cost, form, device, "fft_tile", dtype, _run_fft(form), check)
            device = _with(device, "fft_tile", dtype, solved)
    for dtype in device.fft:
        form = _form((1024, 1024), (33, 33), dtype)
        how = overlap_save.tiling(form, 1 << 15)
        assert how is not None
        run = _run_tiles(form, how, device.workers)
        solved = _solve(_tiles_cost(how), form, device, "fft", dtype, run, check)
        device = _with(device, "fft", dtype, solved)
    return device


def _solve(
    cost: Callable[[NormalForm, Device, int | None], Cost],
    form: NormalForm,
    device: Device,
    constant: str,
    dtype: str | None,
    run: Callable[[], object],
    check: Check,
) -> float:
    # A predicted time is linear in each constant: two predictions give the line, one run a point.
    def predicted(value: float) -> float:
        return cost(form, _with(device, constant, dtype, value), None).seconds

    fixed, slope = predicted(0.0), predicted(1.0) - predicted(0.0)
    seconds = _best(run, check)
    # What else is predicted may be too much; at least a fifth of the time is this constant's.
    return max(seconds - fixed, seconds / 5) / slope


def _measured(device: Device, constant: str, dtype: str, form: NormalForm, check: Check) -> Device:
    value = _solve(_numpy_cost, form, device, constant, dtype, _run_numpy(form), check)
    return _with(device, constant, dtype, value)


def _tiles_cost(how: overlap_save.Tiling) -> Callable[[NormalForm, Device, int | None], Cost]:
    return lambda form, device, _: overlap_save.cost(form, device, how, device.workers)


def _with(device: Device, constant: str, dtype: str | None, value: float) -> Device:
    changes: dict[str, Any] = {
        constant: value if dtype is None else getattr(device, constant) | {dtype: value}
    }
    return replace(device, **changes)


def _row(kernel: int, shape: Shape, device: Device, check: Check) -> Row:
    random = np.random.default_rng(kernel)
    x = random.standard_normal(shape, np.float32)
    full = random.standard_normal((kernel, kernel), np.float32)
    rank_one = np.outer(full[0], full[1])
    chosen = plan(x, full, mode="same", device=device)
    fastest = chosen.candidate.seconds or 0.0
    seconds: dict[str, float | None] = {}
    for algorithm in ALGORITHMS:
        # One is for tests, the other for sums over channels.
        if algorithm.name in ("reference", "winograd"):
            continue
        w = rank_one if algorithm.name == "separable" else full
        planned = plan(x, w, mode="same", method=algorithm.name, device=device)
        predicted = planned.candidate.seconds or 0.0
        run = lambda p=planned, w=w: p.run(x, w, check)  # noqa: E731
        seconds[algorithm.name] = None if predicted > _HOPELESS * fastest else _best(run, check)
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


def _operands(form: NormalForm) -> tuple[np.ndarray[Any, Any], ...]:
    # Python's integers are slow only where they are large.
    value = 1 << 70 if form.dtype == "object" else 1
    x = np.full((form.batch, form.in_channels, *form.spatial), value, form.dtype)
    w = np.ones((form.out_channels, form.group_channels, *form.kernel), form.dtype)
    return x, w, np.empty(form.out_shape, form.dtype)


def _numpy_cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    return direct.numpy_cost(form, device)


def _run_numpy(form: NormalForm) -> Callable[[], object]:
    x, w, out = _operands(form)
    return lambda: direct.numpy_run(form, x, w, out, never)


def _run_direct(form: NormalForm) -> Callable[[], object]:
    x, w, out = _operands(form)
    return lambda: DIRECT.run(form, x, w, out, check=never, memory_cap=None)


def _run_fft(form: NormalForm) -> Callable[[], object]:
    x, w, out = _operands(form)
    return lambda: FFT_TILED.run(form, x, w, out, check=never, memory_cap=None)


def _run_tiles(form: NormalForm, how: overlap_save.Tiling, workers: int) -> Callable[[], object]:
    x, w, out = _operands(form)
    return lambda: overlap_save.run(form, x, w, out, how, check=never, workers=workers)


def _best(run: Callable[[], object], check: Check) -> float:
    # The first call warms caches and threads; others on the machine only ever add time.
    run()
    best, started = float("inf"), time.perf_counter()
    while best == float("inf") or time.perf_counter() - started < 0.1:
        check()
        begun = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - begun)
    return best
