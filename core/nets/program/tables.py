"""From a schedule to tables of calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.conv.codegen import calls, chain
from core.conv.codegen.calls import Call

Table = NDArray[np.int64]


class Work(NamedTuple):
    """Something to compute.

    Attributes
    ----------
    calls : callable
        ``(groups, core) -> calls``: for all groups, which may be made at the same time; or for one,
        to be made in order. ``core`` says whose scratch memory is used.
    whole : bool
        Whether it is for all groups.
    """

    calls: Callable[[Sequence[int], int], list[Call]]
    whole: bool = False


@dataclass
class Tables:
    """Tables to be run one after the other; every row of a table at the same time as the others.

    Attributes
    ----------
    runs : list of array
        As `core.conv.codegen.calls.run` takes them.
    chains : list of array
        The tables of chains that they refer to.
    """

    runs: list[Table] = field(default_factory=list)
    chains: list[Table] = field(default_factory=list)

    def run(self) -> None:
        """Make all calls."""
        for table in self.runs:
            calls.run(table)


def tables(works: Iterable[Work], groups: int, cores: int) -> Tables:
    """Return the tables of works in order.

    Between works for all groups each core takes its groups through all others, one after the other.

    Parameters
    ----------
    works : iterable of Work
    groups : int
        How many there are.
    cores : int
        How many chains to divide them among.
    """
    found = Tables()
    for whole, run in groupby(works, key=lambda work: work.whole):
        rows: list[Call] = []
        for part in _parts(list(run), whole, groups, cores):
            if whole:
                found.runs.append(calls.table(part))
                continue
            found.chains.append(chain.table(part))
            rows.append(chain.call(found.chains[-1]))
        if not whole:
            found.runs.append(calls.table(rows))
    return found


def _parts(works: Sequence[Work], whole: bool, groups: int, cores: int) -> Iterator[list[Call]]:
    if whole:
        for work in works:
            yield work.calls(range(groups), 0)
        return
    for core in range(min(cores, groups)):
        own = range(core, groups, cores)
        yield [call for group in own for work in works for call in work.calls([group], core)]
