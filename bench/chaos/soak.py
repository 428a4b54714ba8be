"""``python -m bench.chaos.soak``: memory and open files of a service over ten thousand jobs."""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import convq
from bench.chaos.arena import usage
from bench.measure import machine, publish
from convq.stack import LocalStack

_PARTS = 20
# Of what is warm. Files come and go with connections.
_GROWTH, _MORE_FILES = 1.1, 5


def main() -> int:
    """Run, write bench/results/soak.{json,md}, and return 1 if a process grew by a tenth."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos.soak", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=Path("bench/results/soak"))
    asked = parser.parse_args()
    report = {"machine": machine(), "samples": samples(asked.jobs)}
    publish(report, markdown(report), asked.out)
    print(markdown(report))
    return int(bool(grown(report["samples"])))


def samples(jobs: int) -> list[dict[str, Any]]:
    """Run the jobs, each on a picture of its own, and look at the processes now and then."""
    found = []
    with (
        tempfile.TemporaryDirectory(prefix="convq-soak-") as folder,
        LocalStack(Path(folder)) as stack,
        convq.Client(stack.url) as client,
        ThreadPoolExecutor(4) as pool,
    ):

        def work(number: int) -> str:
            picture = np.full((64, 64), number, np.float32)
            return client.wait(client.submit(inputs=[picture], kernel="box")).state

        each = jobs // _PARTS
        for part in range(_PARTS):
            states = set(pool.map(work, range(part * each, (part + 1) * each)))
            assert states == {"succeeded"}, states
            (worker,) = stack.worker_pids()
            found.append(
                {
                    "jobs": (part + 1) * each,
                    "worker": usage(worker),
                    "api": usage(stack.api_pid),
                }
            )
            print(found[-1], flush=True)
    return found


def grown(samples: list[dict[str, Any]]) -> list[str]:
    """Return which processes have grown since they were warm."""
    # The first part fills caches.
    warm, last = samples[len(samples) // 4], samples[-1]
    return [
        who
        for who in ("worker", "api")
        if last[who]["resident"] > _GROWTH * warm[who]["resident"]
        or last[who]["files"] > warm[who]["files"] + _MORE_FILES
    ]


def markdown(report: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    about = report["machine"]
    lines = [
        "# Soak",
        "",
        "Memory and open files of a worker (its parent and its child) and of the API, while jobs "
        "of one small picture each are run. `python -m bench.chaos.soak` repeats it.",
        "",
        f"{about['date']}, commit {about['commit']}, {about['cores']} cores of {about['cpu']}.",
        "",
        "| jobs | worker MiB | files | API MiB | files |",
        "|---:|---:|---:|---:|---:|",
    ]
    for sample in report["samples"]:
        cells = [sample["jobs"]]
        for who in ("worker", "api"):
            cells += [sample[who]["resident"] >> 20, sample[who]["files"]]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    found = grown(report["samples"])
    verdict = f"Grown: {', '.join(found)}." if found else "Neither has grown since it was warm."
    return "\n".join([*lines, "", verdict]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
