"""``python -m bench.chaos.soak``: memory and open files of a worker over ten thousand jobs."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import convq
from bench.chaos.arena import usage
from bench.measure import machine
from convq.stack import LocalStack

_PARTS = 20


def main() -> int:
    """Run, write bench/results/soak.json, and return 1 if the worker grew by a tenth."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos.soak", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=Path("bench/results/soak.json"))
    asked = parser.parse_args()
    samples = []
    with (
        tempfile.TemporaryDirectory(prefix="convq-soak-") as folder,
        LocalStack(Path(folder)) as stack,
        convq.Client(stack.url) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        picture = client.upload(np.ones((64, 64), np.float32)).digest

        def work(_: int) -> str:
            return client.wait(client.submit(inputs=[picture], kernel="box")).state

        for part in range(_PARTS):
            states = set(pool.map(work, range(asked.jobs // _PARTS)))
            (worker,) = stack.worker_pids()
            sample = {"jobs": (part + 1) * (asked.jobs // _PARTS)} | usage(worker)
            print(sample, states, flush=True)
            samples.append(sample)
    # The first part fills caches.
    warm, last = samples[len(samples) // 4], samples[-1]
    report = {"machine": machine(), "samples": samples}
    asked.out.write_text(json.dumps(report, indent=2) + "\n")
    grown = last["resident"] > 1.1 * warm["resident"] or last["files"] > warm["files"] + 5
    print("GROWN" if grown else "flat")
    return int(grown)


if __name__ == "__main__":
    sys.exit(main())
