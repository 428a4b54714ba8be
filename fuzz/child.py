"""The process that feeds one parser: a crash or a hang ends this one and not the campaign."""

from __future__ import annotations

import faulthandler
import json
import sys
import tempfile
import time
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Final

from fuzz.campaign import run
from fuzz.parsers import PARSERS

HANG_SECONDS: Final = 20


def main() -> None:
    """Run ``python -m fuzz.child PARSER SEED FIRST SECONDS NOTE``; print the outcome as JSON."""
    name, seed, first, seconds, note = sys.argv[1:]
    parser = next(parser for parser in PARSERS if parser.name == name)
    deadline = time.monotonic() + float(seconds)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch, Path(note).open("wb", buffering=0) as file:

        def before(number: int, _content: bytes) -> None:
            # Who finds this process dead knows which input it was.
            file.seek(0)
            file.write(f"{number:12d}".encode())
            faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)

        outcome = run(
            parser,
            seed=int(seed),
            first=int(first),
            scratch=Path(scratch),
            goes_on=lambda _: time.monotonic() < deadline,
            before=before,
        )
        faulthandler.cancel_dump_traceback_later()
    print(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    faulthandler.enable()
    main()
