"""A short campaign against every parser; ``make fuzz`` is the long one."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UnsupportedMedia
from core.media import Decoded, inspect
from core.store.artifacts import ArtifactStore
from fuzz import jobs
from fuzz.campaign import Outcome, attempt, content_of, run
from fuzz.containers import changed, mutated_inside
from fuzz.mutate import MUTATIONS, mutated
from fuzz.parsers import PARSERS, Parser

TRIES = 120
JOBS = 20
FED = [parser for parser in PARSERS if parser.draw is None]
DRAWN = [parser for parser in PARSERS if parser.draw is not None]


@pytest.mark.parametrize("parser", FED, ids=lambda parser: parser.name)
def test_a_parser_reads_or_refuses(parser: Parser, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = Outcome()
        for content in parser.samples():
            attempt(parser, content, -1, tmp_path, whole)
        outcome = run(parser, seed=0, first=0, scratch=tmp_path, goes_on=lambda n: n < TRIES)
    # Moving pictures and several pages are whole files that are refused.
    assert whole.read >= whole.tried - 1 > 0 or whole.read == whole.tried == 1
    assert outcome.tried == TRIES
    assert outcome.failures == []


@pytest.mark.parametrize("parser", DRAWN, ids=lambda parser: parser.name)
def test_a_job_is_done_or_refused(
    parser: Parser, artifacts: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_artifacts", lambda: artifacts)
    # The first of a kind loads libraries; how long that takes says more of the machine.
    monkeypatch.setattr("fuzz.campaign.SLOW_SECONDS", math.inf)
    monkeypatch.setattr("fuzz.campaign.LARGE_BYTES", math.inf)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcome = run(parser, seed=0, first=0, scratch=tmp_path, goes_on=lambda n: n < JOBS)
    assert outcome.failures == []
    assert min(outcome.read, outcome.refused) > 0


def test_a_result_that_is_not_what_its_record_says_is_a_defect(
    artifacts: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_artifacts", lambda: artifacts)
    monkeypatch.setattr(jobs, "decode", lambda data: Decoded(np.zeros(1), inspect(data)))
    parser = DRAWN[0]
    outcome = run(parser, seed=0, first=0, scratch=tmp_path, goes_on=lambda n: n < JOBS)
    assert {failure.what.split(":")[0] for failure in outcome.failures} == {"AssertionError"}


def test_the_same_seed_gives_the_same_inputs() -> None:
    for parser in (*FED[:3], DRAWN[0]):
        samples = parser.samples()
        for number in range(40):
            first, second = (content_of(parser, samples, 7, number) for _ in range(2))
            assert first == second
        assert content_of(parser, samples, 7, 1) != content_of(parser, samples, 8, 1)


def test_every_defect_is_seen(tmp_path: Path) -> None:
    def fragile(content: bytes, _: Path) -> None:
        if len(content) % 2:
            raise IndexError(len(content))
        if len(content) % 3:
            raise UnsupportedMedia("odd")

    parser = Parser("fragile", lambda: [bytes(6)], fragile)
    outcome = run(parser, seed=0, first=0, scratch=tmp_path, goes_on=lambda n: n < 100)
    assert outcome.tried == 100
    assert outcome.read + outcome.refused + len(outcome.failures) == 100
    assert min(outcome.read, outcome.refused, len(outcome.failures)) > 0
    assert all(failure.what.startswith("IndexError") for failure in outcome.failures)


def test_what_is_slow_or_large_is_a_defect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parser = Parser("any", lambda: [b"x"], lambda content, scratch: None)
    for bound, what in (("SLOW_SECONDS", "took"), ("LARGE_BYTES", "grew")):
        with monkeypatch.context() as patch:
            patch.setattr(f"fuzz.campaign.{bound}", -1)
            failure = attempt(parser, b"x", 3, tmp_path, Outcome())
        assert failure is not None
        assert (failure.number, failure.what.split()[0]) == (3, what)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
@given(sample=st.binary(min_size=1, max_size=300), seed=st.integers(0, 1000))
def test_mutations_take_anything(mutation: object, sample: bytes, seed: int) -> None:
    data = bytearray(sample)
    mutation(data, Random(seed), [sample])  # type: ignore[operator]


def test_mutants_differ_and_some_are_still_read() -> None:
    sample = b"a sample of some length"
    made = {mutated(sample, Random(seed), [sample]) for seed in range(200)}
    assert len(made) > 150
    document = {"a": [1, {"b": "c"}], "d": True}
    assert len({str(changed(document, Random(seed))) for seed in range(100)}) > 20
    assert mutated_inside(b"plain", Random(1), [b"plain"]) == mutated(
        b"plain", Random(1), [b"plain"]
    )
