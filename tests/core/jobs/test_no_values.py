"""Arrays without an axis or without values: refused by all kinds, each alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.errors import InvalidInput

BOX = {"preset": "box"}
FIELDS: dict[str, dict[str, Any]] = {
    "convolve": {"kernel": BOX},
    "spectrum": {},
    "frequency-filter": {"keep": 0.5},
    "diffuse": {"time": 1.0},
    "stochastic-convolve": {"kernel": BOX},
    "series": {"method": "moving-average", "weights": [1.0]},
    "deconvolve": {"kernel": BOX},
    "irregular-convolve": {"kernel": {"values": [[0, 0], [1, 1]]}},
    "video": {"kernel": BOX, "over": "frames"},
    "explain": {"kernel": BOX},
}


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (0, 4, 4)])
@pytest.mark.parametrize("kind", FIELDS)
def test_nothing_is_refused(works: Any, kind: str, shape: tuple[int, ...]) -> None:
    nothing = works.upload(np.zeros(shape))
    with pytest.raises(InvalidInput):
        works.plan(kind, nothing, **FIELDS[kind])
    run = works.run(kind, nothing, **FIELDS[kind])
    assert [failure["code"] for failure in run.failures] == ["invalid_input"]


@pytest.mark.parametrize("kind", ["convolve", "stochastic-convolve"])
@pytest.mark.parametrize("values", [np.zeros((3, 0)), np.array(2)])
def test_a_kernel_of_nothing_is_refused(works: Any, kind: str, values: Any) -> None:
    kernel = {"artifact": works.upload(values)}
    with pytest.raises(InvalidInput, match="cannot be a kernel"):
        works.plan(kind, works.upload(np.zeros((5, 5))), kernel=kernel, normalize="softmax")
