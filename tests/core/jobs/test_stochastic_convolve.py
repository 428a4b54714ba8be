"""The job kind ``stochastic-convolve``, from Spec to stored results, without a queue."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.ndimage

from core.errors import Cancelled, InvalidInput
from core.jobs import stochastic_convolve
from core.media import PNG, WAV

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (20, 24, 4), dtype=np.uint8)
BOX = {"preset": "box", "size": 3}
KIND = "stochastic-convolve"


def test_a_picture_is_drawn(works: Any) -> None:
    run = works.run(KIND, works.named(PICTURE, "a.png", PNG), kernel=BOX, samples=5000)
    assert works.names(run) == ["a.png", "a-variance.npy", "a-deviation.png", "a-samples.json"]
    y = works.array(run, "a.png")
    expected = scipy.ndimage.uniform_filter(PICTURE[..., 1].astype(float), 3)
    assert abs(y[..., 1] - expected).max() < 10
    assert (y[..., 3] == PICTURE[..., 3]).all()
    found = works.json(run, "a-samples.json")
    assert found["error"] == pytest.approx(found["expected_error"], rel=0.1)
    assert [row["samples"] for row in found["course"]] == [*(1 << np.arange(13)), 5000]
    assert found["variance"] == pytest.approx(works.array(run, "a-variance.npy").mean(), rel=0.02)


def test_one_draw_has_no_variance(works: Any) -> None:
    run = works.run(KIND, works.named(PICTURE[..., 0], "a.png", PNG), kernel=BOX, samples=1)
    assert works.names(run) == ["a.png", "a-samples.json"]
    assert set(np.unique(works.array(run, "a.png"))) <= set(np.unique(PICTURE[..., 0]))


def test_words_are_drawn_along_time(works: Any) -> None:
    words = RNG.normal(size=(30, 7))
    run = works.run(KIND, works.named(words, "words.npy"), kernel={"values": [1.0, 2.0, -0.5]},
                    normalize="softmax", samples=20_000)  # fmt: skip
    weights = np.exp([1.0, 2.0, -0.5])
    expected = scipy.ndimage.convolve1d(words, weights / weights.sum(), axis=0)
    np.testing.assert_allclose(works.array(run, "words.npy"), expected, atol=0.06)
    assert works.names(run) == ["words.npy", "words-variance.npy", "words-samples.json"]


def test_a_kernel_has_a_row_for_each_word(works: Any) -> None:
    words, rows = RNG.normal(size=(30, 4)), RNG.normal(size=(3, 4))
    run = works.run(KIND, works.named(words, "words.npy"), kernel={"values": rows.tolist()},
                    words=True, normalize="softmax", samples=20_000)  # fmt: skip
    chances = np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)
    expected = sum(
        scipy.ndimage.convolve1d(words[:, f], chances[:, f], mode="reflect") for f in range(4)
    )
    assert works.array(run, "words.npy").shape == (30,)
    np.testing.assert_allclose(works.array(run, "words.npy"), expected, atol=0.15)
    assert works.names(run) == ["words.npy", "words-variance.npy", "words-samples.json"]
    with pytest.raises(InvalidInput, match="a row of values for each word"):
        works.plan(KIND, works.named(words, "words.npy"), kernel=BOX, words=True)
    with pytest.raises(InvalidInput, match="no words"):
        works.plan(KIND, works.named(PICTURE, "a.png", PNG), kernel=BOX, words=True)


def test_sound_is_drawn_per_channel(works: Any) -> None:
    sound = RNG.integers(-9000, 9000, (300, 2)).astype(np.int16)
    run = works.run(KIND, works.upload(sound, WAV, sample_rate=8000), kernel=BOX, samples=4000)
    y = works.array(run, run.results[0]["name"])
    expected = scipy.ndimage.uniform_filter1d(sound.astype(float), 3, axis=0)
    assert abs(y - expected).max() < 600


def test_seeds_repeat(works: Any) -> None:
    fields = {"kernel": BOX, "samples": 3}
    digests = [
        works.run(KIND, works.upload(PICTURE, PNG), seed=seed, **fields).results[0]["digest"]
        for seed in (1, 1, 2)
    ]
    assert digests[0] == digests[1] != digests[2]


def test_what_gives_no_probabilities_is_refused(works: Any) -> None:
    digest = works.upload(PICTURE, PNG)
    for kernel in (
        {"preset": "sobel-magnitude"},
        {"values": np.ones((2, 3, 3)).tolist()},
        {"values": [[0, 0], [0, 0]]},
    ):
        with pytest.raises(InvalidInput) as caught:
            works.plan(KIND, digest, kernel=kernel)
        assert caught.value.field == "kernel"


def test_the_plan_prices_the_draws(works: Any) -> None:
    digest = works.upload(np.zeros((400, 500), np.float32))
    few, more, many = (
        works.plan(KIND, digest, kernel=BOX, samples=n)["seconds"] for n in (1, 10, 1_000_000)
    )
    assert few < more < many
    assert many < 100 * more  # how often each of nine taps comes, not a million positions


def test_a_cancelled_job_stops(works: Any) -> None:
    spec = works.spec(KIND, works.upload(PICTURE, PNG), kernel=BOX)
    run = works.make_run(KIND, spec)
    run.ask_to_stop("cancel")
    with pytest.raises(Cancelled):
        stochastic_convolve.run(spec, run)
