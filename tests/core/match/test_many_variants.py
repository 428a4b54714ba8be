"""The best places of a template among those of many sizes and directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.match import Match, Template, best_matches, raw
from core.match import search as searching
from core.match.search import Variant, search

RNG = np.random.default_rng(0)


def test_candidates_of_many_variants_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    x, template = RNG.normal(size=(40, 50, 1)), Template(RNG.normal(size=(5, 6, 1)))
    variants = [Variant(1, turn) for turn in np.linspace(0, 359, 25)]
    options: dict[str, Any] = {"threshold": None, "count": 12, "overlap": 0.3}
    seen: list[int] = []

    def counted(candidates: list[Match], count: int, overlap: float) -> list[Match]:
        seen.append(len(candidates))
        return best_matches(candidates, count, overlap)

    monkeypatch.setattr(searching, "best_matches", counted)
    expected, _ = search(x, template, variants, raw, **options)
    monkeypatch.setattr(searching, "_MOST", 300)
    found, _ = search(x, template, variants, raw, **options)
    assert found == expected
    assert len(found) == 12
    of_all, bounded = seen
    of_one = of_all // len(variants)
    assert bounded < 600 + 2 * of_one < of_all
