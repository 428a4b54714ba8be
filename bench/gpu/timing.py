"""Times on a device, by its own events; contenders in turn."""

from __future__ import annotations

import importlib.metadata
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench import measure
from bench.cells import Cell
from bench.gpu.contenders import PEERS, convq_call, methods
from bench.peers import Skip

Call = Callable[[], Any]

_TURNS = 5
# Between two events: enough calls that launches are hidden where a queue can hide them.
_TURN_SECONDS, _MOST_CALLS = 0.02, 200
# What else sums in another order may differ by, of the largest output.
_CLOSE = 1e-3


def seconds_of(cupy: Any, call: Call) -> float:
    """Return the median seconds of a call."""
    return in_turn(cupy, {"": call})[""]


def in_turn(cupy: Any, calls: dict[str, Call]) -> dict[str, float]:
    """Return the median over turns of the seconds that a call takes on the device, back to back."""
    counts = {name: _count(cupy, call) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(_TURNS):
        for name, call in calls.items():
            times[name].append(_elapsed(cupy, call, counts[name]) / counts[name])
    return {name: statistics.median(values) for name, values in times.items()}


def _count(cupy: Any, call: Call) -> int:
    # The first call compiles, plans and measures.
    call()
    once = _elapsed(cupy, call, 1)
    return max(1, min(_MOST_CALLS, int(_TURN_SECONDS / max(once, 1e-6))))


def _elapsed(cupy: Any, call: Call, count: int) -> float:
    begin, end = cupy.cuda.Event(), cupy.cuda.Event()
    begin.record()
    for _ in range(count):
        call()
    end.record()
    end.synchronize()
    return float(cupy.cuda.get_elapsed_time(begin, end)) / 1e3


def launching(cupy: Any, call: Call) -> float:
    """Return the seconds that the host is busy with a call.

    Where they are as long as the call takes, the device waits for the host.
    """
    count = _count(cupy, call)
    cupy.cuda.Device().synchronize()
    begin = time.perf_counter()
    for _ in range(count):
        call()
    spent = time.perf_counter() - begin
    cupy.cuda.Device().synchronize()
    return spent / count


class Differs(Exception):
    """A contender computes something else than convq."""


def row(cupy: Any, cell: Cell) -> dict[str, Any]:
    """Time convq and all peers that can do ``cell``, after comparing what they return.

    A peer that fails is one that did not take part: its reason is among ``skipped``. ``differing``
    names those that computed something else.
    """
    host_x, host_w = cell.arrays()
    x, w = cupy.asarray(host_x), cupy.asarray(host_w)
    calls = {"convq": convq_call(cell, x, w)}
    expected = np.asarray(_host(calls["convq"]())).squeeze()
    skipped: dict[str, str] = {}
    differing: list[str] = []
    for name, peer in PEERS.items():
        try:
            call = peer(cell, x, w)
            compare(np.asarray(_host(call())).squeeze(), expected)
        except Skip as reason:
            skipped[name] = str(reason)
        except Differs as reason:
            differing.append(name)
            skipped[name] = f"{cell.name}: {reason}"
        except Exception as error:  # noqa: BLE001 - its own trouble, such as too little memory
            skipped[name] = f"{cell.name}: {in_short(error)}"
        else:
            calls[name] = call
    for method in methods(cell):
        calls[f"convq {method}"] = convq_call(cell, x, w, method)
    return {
        "family": cell.family,
        "cell": cell.name,
        "kernel": cell.kernel[-1],
        "bytes": host_x.nbytes + expected.nbytes,
        "multiply_adds": cell.multiply_adds,
        "seconds": in_turn(cupy, calls),
        "host": {name: launching(cupy, call) for name, call in calls.items()},
        "skipped": skipped,
        "differing": differing,
    }


def in_short(error: Exception) -> str:
    """Return what happened, in one line.

    Examples
    --------
    >>> in_short(ValueError("too long" + chr(10) + "for a table"))
    'ValueError: too long'
    """
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def compare(got: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> None:
    """Refuse what differs from what convq computes, except near borders of even kernels.

    Raises
    ------
    Differs
        By how much.
    """
    window = tuple(slice(n // 4, n // 4 + max(1, n // 2)) for n in expected.shape)
    difference = np.abs(got[window].astype(float) - expected[window])
    most = np.abs(expected[window]).max()
    if not np.median(difference) <= _CLOSE * most:
        raise Differs(f"differs from convq by {np.median(difference):.1e}, at most {most:.1e}")


def machine(cupy: Any) -> dict[str, Any]:
    """Describe the device, and what was measured with what."""
    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    about = measure.machine()
    about["versions"] |= {"cupy": cupy.__version__, "torch": _version("torch")}
    return about | {
        "device": properties["name"].decode(),
        "compute_capability": f"{properties['major']}.{properties['minor']}",
        "multiprocessors": properties["multiProcessorCount"],
        "memory": properties["totalGlobalMem"],
        "driver": cupy.cuda.runtime.driverGetVersion(),
    }


def _host(y: Any) -> Any:
    if isinstance(y, list):
        return np.stack([np.asarray(_host(one)).squeeze() for one in y])
    if isinstance(y, np.ndarray):
        return y
    return y.get() if hasattr(y, "get") else y.cpu().float()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
