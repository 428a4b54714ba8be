"""Successive halving: all begin, and at each rung only the better part goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field


class Halving(BaseModel):
    """Stop the worst early (K. Jamieson and A. Talwalkar, 2016)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    first: int = Field(ge=1, le=100_000, description="Epochs before the first choice.")
    factor: int = Field(
        default=3,
        ge=2,
        le=100,
        description="One of so many goes on, for so many times the epochs.",
    )


class Rung(NamedTuple):
    """How many candidates train at most, and until which epoch."""

    candidates: int
    until: int


def rungs(candidates: int, epochs: int, halving: Halving | None) -> list[Rung]:
    """Return the rungs; the last one trains to the end.

    K. Jamieson and A. Talwalkar, "Non-stochastic best arm identification and hyperparameter
    optimization", 2016.

    Examples
    --------
    >>> rungs(9, 27, Halving(first=3))
    [Rung(candidates=9, until=3), Rung(candidates=3, until=9), Rung(candidates=1, until=27)]
    >>> rungs(9, 27, None)
    [Rung(candidates=9, until=27)]
    """
    found = []
    if halving is not None:
        until = halving.first
        while until < epochs and candidates > 1:
            found.append(Rung(candidates, until))
            candidates = max(1, candidates // halving.factor)
            until *= halving.factor
    return [*found, Rung(candidates, epochs)]


def best(figures: Mapping[int, float], count: int, *, highest: bool) -> list[int]:
    """Return the candidates with the best figures, best first; of equal ones the first ones.

    Examples
    --------
    >>> best({0: 0.5, 1: 0.9, 2: 0.5}, 2, highest=True)
    [1, 0]
    """
    return sorted(figures, key=lambda i: (-figures[i] if highest else figures[i], i))[:count]
