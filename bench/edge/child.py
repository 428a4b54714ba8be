"""One runtime in a process of its own: ``python -m bench.edge.child RUNTIME PATH SECONDS``.

Prints three lines of JSON: after the first result, so that the parent sees how long a cold start
takes; the time and the memory that loading took; and the times of many predictions.
"""

from __future__ import annotations

import json
import sys
import time

_BEGIN = time.perf_counter()


def main() -> None:
    """Measure."""
    name, path, seconds = sys.argv[1:]
    import numpy as np

    x = np.load(path + ".npy")
    from bench.edge.runtimes import RUNTIMES

    predict = RUNTIMES[name].load(path)
    loaded = time.perf_counter() - _BEGIN
    resident = _resident()
    y = np.asarray(predict(x)).copy()
    _say({"first": True})
    expected = np.load(path + ".expected.npy")
    difference = float(np.abs(y.reshape(expected.shape) - expected).max() / np.abs(expected).max())
    _say({"load": loaded, "resident": resident, "difference": difference})
    for _ in range(20):
        predict(x)
    times = []
    end = time.perf_counter() + float(seconds)
    while time.perf_counter() < end:
        begin = time.perf_counter()
        predict(x)
        times.append(time.perf_counter() - begin)
    found = np.percentile(times, [50, 99]).tolist()
    _say({"p50": found[0], "p99": found[1], "calls": len(times), "peak": _resident("VmHWM")})


def _resident(field: str = "VmRSS") -> int:
    """Return how much memory this process has, in bytes."""
    with open("/proc/self/status") as file:  # noqa: PTH123 - pathlib would be counted
        line = next(line for line in file if line.startswith(field))
    return int(line.split()[1]) * 1024


def _say(document: dict[str, object]) -> None:
    print(json.dumps(document), flush=True)


if __name__ == "__main__":
    main()
