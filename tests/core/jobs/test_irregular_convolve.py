"""The job kind ``irregular-convolve``, from Spec to stored results, without a queue."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from core.errors import Cancelled, InvalidInput, TooLarge
from core.irregular import Sampled, error_bound, exact, sums
from core.jobs import irregular_convolve

RNG = np.random.default_rng(0)
T = np.sort(RNG.uniform(0, 10, 30))
TABLE = np.column_stack([T, np.sin(T), np.cos(T)])
KERNEL = [[0.0, 0.0], [0.5, 1.0], [2.0, 0.0]]
F = Sampled(T, TABLE[:, 1:])
G = Sampled.of(np.array(KERNEL), "kernel")


def test_a_table_is_convolved_at_all_sums(works: Any) -> None:
    shuffled = RNG.permutation(TABLE)
    run = works.run("irregular-convolve", works.named(shuffled, "f.npy"), kernel={"values": KERNEL})
    assert works.names(run) == ["f-convolved.npy", "f-convolved.json"]
    table = works.array(run, "f-convolved.npy")
    np.testing.assert_array_equal(table[:, 0], sums(F, G))
    np.testing.assert_allclose(table[:, 1:], exact(F, G, sums(F, G)))
    found = works.json(run, "f-convolved.json")
    assert found["method"] == "exact"
    np.testing.assert_allclose(found["integral"], F.integral() * G.integral())
    np.testing.assert_allclose(found["error_bound"], error_bound(F, G))
    assert found["error_is"] == "estimated"


def test_transforms_give_the_same_at_even_steps(works: Any) -> None:
    kernel = works.upload(np.array(KERNEL))
    run = works.run("irregular-convolve", works.named(TABLE[:, :2], "f.npy"), at="even", points=50,
                    kernel={"artifact": kernel}, method="nonuniform", tolerance=1e-7,
                    curvature=[1.0, 0.0])  # fmt: skip
    table = works.array(run, "f-convolved.npy")
    np.testing.assert_allclose(table[:, 0], np.linspace(T[0], T[-1] + 2, 50))
    np.testing.assert_allclose(table[:, 1:], exact(F, G, table[:, 0])[:, :1], atol=1e-6)
    found = works.json(run, "f-convolved.json")
    assert (found["method"], found["error_is"]) == ("nonuniform", "bounded")
    assert works.array(run, "f-convolved.png").shape == (320, 800, 3)


def test_places_may_be_listed(works: Any) -> None:
    run = works.run("irregular-convolve", works.named(TABLE, "f.npy"), at=[3.0, 1.0],
                    kernel={"values": KERNEL})  # fmt: skip
    table = works.array(run, "f-convolved.npy")
    np.testing.assert_allclose(table[:, 1:], exact(F, G, np.array([3.0, 1.0])))


def test_a_table_that_is_none_fails_alone(works: Any) -> None:
    twice = np.array([[1.0, 2.0], [1.0, 3.0]])
    run = works.run("irregular-convolve", works.upload(twice), works.upload(TABLE),
                    kernel={"values": KERNEL})  # fmt: skip
    assert [failure["field"] for failure in run.failures] == ["inputs"]
    assert run.results


@pytest.mark.parametrize(
    "fields",
    [
        {"at": []},
        {"at": [float("inf")]},
        {"at": "odd"},
        {"tolerance": 0.0},
        {"curvature": [1.0]},
        {"kernel": {"preset": "box"}},
    ],
)
def test_what_makes_no_sense_is_refused(works: Any, fields: Any) -> None:
    fields = {"kernel": {"values": KERNEL}} | fields
    with pytest.raises(ValidationError):
        works.spec("irregular-convolve", "sha256:" + "0" * 64, **fields)


def test_plans(works: Any) -> None:
    kernel = {"values": KERNEL}
    (group,) = works.plan("irregular-convolve", works.upload(TABLE), kernel=kernel)["groups"]
    assert group["why"] == "90 integrals over 33 knots"
    large = works.upload(np.zeros((30_000, 2)))
    plan = works.plan("irregular-convolve", large, kernel=kernel, at="even", points=30_000)
    assert plan["groups"][0]["chosen"] == "nonuniform"
    with pytest.raises(TooLarge, match="sums"):
        works.plan("irregular-convolve", large, kernel={"artifact": large})
    with pytest.raises(InvalidInput, match="two columns"):
        works.plan("irregular-convolve", large, kernel={"values": [1, 2, 3]})
    with pytest.raises(InvalidInput, match="no table"):
        works.plan("irregular-convolve", works.upload(np.zeros(9)), kernel=kernel)


def test_a_cancelled_job_stops(works: Any) -> None:
    spec = works.spec("irregular-convolve", works.upload(TABLE), kernel={"values": KERNEL})
    run = works.make_run("irregular-convolve", spec)
    run.ask_to_stop("cancel")
    with pytest.raises(Cancelled):
        irregular_convolve.run(spec, run)
