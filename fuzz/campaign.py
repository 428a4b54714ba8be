"""Feeding one parser with broken files, one after another, and noting what came of it."""

from __future__ import annotations

import resource
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from fuzz.containers import mutated_inside
from fuzz.mutate import mutated
from fuzz.parsers import Parser, refused

SLOW_SECONDS: Final = 2.0
"""No input of a few kilobytes may take longer."""

LARGE_BYTES: Final = 256 << 20
"""Nor may the process grow by more for one."""

_RANDOM_EVERY: Final = 16


@dataclass(frozen=True)
class Failure:
    """An input that a parser neither read nor refused as it should.

    Attributes
    ----------
    number : int
        Of the input; with the seed it gives the same bytes again.
    what : str
        The exception, or which bound was exceeded.
    where : str
        The innermost line of convq's own code, which tells one defect from another.
    """

    number: int
    what: str
    where: str


@dataclass
class Outcome:
    """What became of the inputs of one parser."""

    tried: int = 0
    read: int = 0
    refused: int = 0
    slowest: float = 0.0
    grown: int = 0
    failures: list[Failure] = field(default_factory=list)


def content_of(parser: Parser, samples: list[bytes], seed: int, number: int) -> bytes:
    """Return input ``number``: the same for the same seed, whatever came before."""
    random = Random(f"{seed} {parser.name} {number}")
    if parser.draw is not None:
        return parser.draw(random)
    if number % _RANDOM_EVERY == 0:
        return random.randbytes(random.randrange(300))
    change = random.choice((mutated, mutated_inside))
    return change(random.choice(samples), random, samples)


def attempts(parser: Parser, seed: int, first: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield the numbers and bytes of all inputs from ``first`` on; never ends."""
    samples = parser.samples()
    number = first
    while True:
        yield number, content_of(parser, samples, seed, number)
        number += 1


def check_samples(parser: Parser, scratch: Path) -> int:
    """Read all samples; return how many are accepted, so that the mutants begin at valid files."""
    outcome = Outcome()
    for content in parser.samples():
        attempt(parser, content, -1, scratch, outcome)
    return outcome.read


def attempt(
    parser: Parser, content: bytes, number: int, scratch: Path, outcome: Outcome
) -> Failure | None:
    """Feed one input; note the outcome, and return the failure if it is one."""
    before, start = _resident(), time.perf_counter()
    failure: Failure | None = None
    try:
        parser.read(content, scratch)
        outcome.read += 1
    except Exception as error:  # noqa: BLE001 - which ones come is what is looked for
        if refused(error):
            outcome.refused += 1
        else:
            failure = Failure(number, f"{type(error).__name__}: {error}"[:200], _place(error))
    seconds, grown = time.perf_counter() - start, _resident() - before
    outcome.tried += 1
    outcome.slowest = max(outcome.slowest, seconds)
    outcome.grown = max(outcome.grown, grown)
    if failure is None and seconds > SLOW_SECONDS:
        failure = Failure(number, f"took more than {SLOW_SECONDS:.0f} s", "")
    if failure is None and grown > LARGE_BYTES:
        failure = Failure(number, f"grew by more than {LARGE_BYTES >> 20} MiB", "")
    if failure is not None:
        outcome.failures.append(failure)
    return failure


def run(
    parser: Parser,
    *,
    seed: int,
    first: int,
    scratch: Path,
    goes_on: Callable[[int], bool],
    before: Callable[[int, bytes], Any] = lambda number, content: None,
) -> Outcome:
    """Feed inputs as long as ``goes_on(number)``; ``before`` sees each of them first."""
    outcome = Outcome()
    for number, content in attempts(parser, seed, first):
        if not goes_on(number):
            return outcome
        before(number, content)
        attempt(parser, content, number, scratch, outcome)
    raise AssertionError("there is always another input")


def _resident() -> int:
    """Return the most memory that the process has ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/site-packages/" not in frame.filename]
    own = [frame for frame in own if "/core/" in frame.filename or "/api/" in frame.filename]
    last = (own or frames)[-1]
    return f"{'/'.join(Path(last.filename).parts[-3:])}:{last.lineno}"
