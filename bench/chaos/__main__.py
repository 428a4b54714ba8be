"""``python -m bench.chaos``: work under fire, and the verdict in bench/results/chaos.{json,md}."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench.chaos.report import broken, markdown
from bench.chaos.run import run
from bench.measure import machine, publish

# By default a training goes on for an hour before it makes room for others.
_SETTINGS = {"continue_after": 2}


def main() -> int:
    """Run, write the report, and return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=900, help="over which the faults spread")
    parser.add_argument("--workers", type=int, default=3, help="beside the two special ones")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("bench/results/chaos"))
    parser.add_argument("--keep", type=Path, help="folder for the stack's data and logs; kept")
    parser.add_argument("--note", help="what else is to be known of the machine")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="convq-chaos-") as scratch:
        report = run(
            asked.keep or Path(scratch),
            jobs=asked.jobs,
            kills=asked.kills,
            seconds=asked.seconds,
            seed=asked.seed,
            workers=asked.workers,
            settings=_SETTINGS,
            say=lambda line: print(line, flush=True),
        )
    report["machine"] = machine()
    report["note"] = asked.note
    publish(report, markdown(report), asked.out)
    print(markdown(report))
    for fault in (found := broken(report)):
        print("BROKEN:", fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
