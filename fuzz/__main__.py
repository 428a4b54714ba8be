"""``make fuzz``: a bounded, seeded campaign against every parser, kind of job and the HTTP service.

Writes ``bench/results/fuzz.json`` and ``fuzz.md``; the exit status is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from pathlib import Path

from fuzz import http, parent, report
from fuzz.parsers import PARSERS

_RESULTS = Path("bench/results")


def main() -> int:
    """Parse the arguments, run the campaign, and write the report."""
    # What readers say of broken files, and the server of broken requests, would bury what is found.
    warnings.simplefilter("ignore")
    logging.disable()
    arguments = _arguments()
    outcomes = {}
    for parser in PARSERS:
        outcomes[parser.name] = parent.feed(parser.name, arguments.seed, arguments.seconds)
        _tell(parser.name, outcomes[parser.name])
    with http.service() as url:
        for name, attack in http.ATTACKS.items():
            outcomes[name] = attack(url, arguments.seed, arguments.http_seconds)
            _tell(name, outcomes[name])
    report.write(_RESULTS, outcomes, seed=arguments.seed)
    return int(any(outcome["failures"] for outcome in outcomes.values()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20, help="for each parser and kind of job")
    parser.add_argument("--http-seconds", type=float, default=60, help="for each attack by HTTP")
    return parser.parse_args()


def _tell(name: str, outcome: dict[str, object]) -> None:
    failures = outcome["failures"]
    assert isinstance(failures, list)
    sys.stdout.write(f"{name}: {outcome['tried']} inputs, {len(failures)} failures\n")
    for failure in failures[:5]:
        sys.stdout.write(f"  {failure}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
