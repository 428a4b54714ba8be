"""The job kind ``frequency-filter``, from Spec to stored results, without a queue."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.fft
from pydantic import ValidationError

from core.errors import Cancelled, InvalidInput
from core.jobs import frequency_filter
from core.media import PNG, WAV

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (20, 24, 4), dtype=np.uint8)
LOW = {"band": "low-pass", "cutoff": 0.1}


def test_a_picture_is_filtered_per_colour(works: Any) -> None:
    run = works.run("frequency-filter", works.named(PICTURE, "a.png", PNG), **LOW, shape="gaussian")
    assert works.names(run) == ["a.png", "a-mask.png", "a-filter.json"]
    y = works.array(run, "a.png")
    assert (y[..., 3] == PICTURE[..., 3]).all()
    rows, columns = (np.arange(n) / (2 * n) for n in (20, 24))
    mask = np.exp(-(rows[:, None] ** 2 + columns**2) / 2 / 0.1**2)
    expected = scipy.fft.idctn(scipy.fft.dctn(PICTURE[..., 1]) * mask)
    np.testing.assert_allclose(y[..., 1], np.rint(expected), atol=1)
    found = works.json(run, "a-filter.json")
    assert found["psnr"] == pytest.approx(10 * np.log10(255**2 / found["mse"]))
    assert found["compression"] == pytest.approx(1 / found["coefficients_kept"])
    assert works.array(run, "a-mask.png").shape == (39, 47)


def test_a_notch_takes_a_wave_out_of_a_picture(works: Any) -> None:
    y, x = np.mgrid[:64, :80]
    clean = 128 + 40 * np.cos(2 * np.pi * x / 80)
    noisy = clean + 30 * np.cos(2 * np.pi * (0.25 * x + 0.125 * y))
    run = works.run(
        "frequency-filter", works.named(np.rint(noisy).astype(np.uint8), "a.png", PNG),
        band="notch", cutoff=0.03, shape="ideal", notches=[[0.25, 0.125]], boundary="wrap",
        output="npy",
    )  # fmt: skip
    np.testing.assert_allclose(works.array(run, "a.npy"), clean, atol=1)


def test_the_largest_coefficients(works: Any) -> None:
    run = works.run("frequency-filter", works.named(PICTURE[..., 0], "a.png", PNG), keep=0.25,
                    output="npy")  # fmt: skip
    found = works.json(run, "a-filter.json")
    assert found["coefficients_kept"] == pytest.approx(0.25, abs=0.01)
    assert found["compression"] == pytest.approx(4, rel=0.05)
    lost = np.mean((works.array(run, "a.npy") - PICTURE[..., 0].astype(float)) ** 2)
    assert found["mse"] == pytest.approx(lost, rel=1e-5)
    energy = 1 - found["mse"] / np.mean(PICTURE[..., 0].astype(float) ** 2)
    assert found["energy_kept"] == pytest.approx(energy, rel=1e-5)
    assert (works.array(run, "a-mask.png") > 0).any()


def test_sound_is_filtered_in_hertz(works: Any) -> None:
    t = np.arange(8000) / 8000
    sound = np.rint(8000 * (np.sin(2 * np.pi * 200 * t) + np.sin(2 * np.pi * 2000 * t)))
    stereo = np.stack([sound, -sound], axis=1).astype(np.int16)
    digest = works.upload(stereo, WAV, sample_rate=8000)
    run = works.run("frequency-filter", digest, band="low-pass", cutoff=600, shape="ideal")
    y = works.array(run, run.results[0]["name"])
    expected = 8000 * np.sin(2 * np.pi * 200 * t)
    np.testing.assert_allclose(y[100:-100, 0], expected[100:-100], atol=80)
    np.testing.assert_allclose(y[:, 1], -y[:, 0], atol=1)
    assert [result["media_type"] for result in run.results] == [WAV, "application/json"]
    run = works.run("frequency-filter", digest, band="low-pass", cutoff=4001)
    assert run.failures[0]["accepted"] == "at most 4000 Hz"


def test_what_loses_its_mean_is_drawn_around_grey(works: Any) -> None:
    run = works.run("frequency-filter", works.named(PICTURE[..., :3], "a.png", PNG),
                    band="high-pass", cutoff=0.2)  # fmt: skip
    assert abs(works.array(run, "a.png").mean() - 128) < 2


def test_volumes_have_no_mask_to_look_at(works: Any) -> None:
    run = works.run("frequency-filter", works.named(RNG.normal(size=(4, 5, 6)), "a.npy"), **LOW)
    assert works.names(run) == ["a.npy", "a-filter.json"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_figures_beyond_all_numbers_are_null(works: Any) -> None:
    large = 1e300 * RNG.normal(size=(8, 9))
    run = works.run("frequency-filter", works.named(large, "a.npy"), band="low-pass", cutoff=0.1)
    found = works.json(run, "a-filter.json")
    assert (found["mse"], found["psnr"]) == (None, None)
    assert np.isfinite(works.array(run, "a.npy")).all()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_coefficients_are_left_of_sums_beyond_all_numbers(works: Any) -> None:
    large = (1e38 * RNG.uniform(-1, 1, (40, 40))).astype(np.float32)
    run = works.run("frequency-filter", works.named(large, "a.npy"), keep=1)
    found = works.json(run, "a-filter.json")
    assert (found["coefficients_kept"], found["compression"]) == (0, None)


def test_equal_results_have_no_psnr(works: Any) -> None:
    run = works.run("frequency-filter", works.named(np.zeros((4, 5)), "a.npy"), **LOW)
    assert works.json(run, "a-filter.json")["psnr"] is None


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"band": "low-pass"},
        {"keep": 0.1, "band": "low-pass", "cutoff": 0.1},
        {"keep": 0.0},
        {"keep": 0.1, "notches": [[0.1, 0.1]]},
        {"band": "band-pass", "cutoff": 0.2, "upper": 0.1},
        {"band": "notch", "cutoff": 0.2},
    ],
)
def test_what_makes_no_sense_is_refused(works: Any, fields: Any) -> None:
    with pytest.raises(ValidationError):
        works.spec("frequency-filter", "sha256:" + "0" * 64, **fields)


def test_what_cannot_be_filtered_is_told_by_the_plan(works: Any) -> None:
    plane, volume = works.upload(np.zeros((8, 9))), works.upload(np.zeros((2, 2, 2, 2)))
    plan = works.plan("frequency-filter", plane, volume, **LOW)
    assert plan["groups"][0]["chosen"] == "dct"
    assert plan["groups"][1]["error"]["accepted"] == "at most 3"
    with pytest.raises(InvalidInput, match="one frequency for each axis"):
        works.plan("frequency-filter", plane, band="notch", cutoff=0.1, notches=[[0.1]])


def test_the_plan_prices_every_notch(works: Any) -> None:
    plane, sound = works.upload(np.zeros((60, 80))), works.upload(np.zeros(9000))

    def seconds(digest: str, axes: int, count: int, boundary: str = "reflect") -> float:
        notches = RNG.uniform(0.1, 0.4, (count, axes)).tolist()
        plan = works.plan("frequency-filter", digest, band="notch", cutoff=0.01,
                          notches=notches, boundary=boundary)  # fmt: skip
        return float(plan["seconds"])

    for digest, axes, mirrored in ((plane, 2, 4), (sound, 1, 2)):
        wrapped = seconds(digest, axes, 1000, "wrap") - seconds(digest, axes, 1, "wrap")
        reflected = seconds(digest, axes, 1000) - seconds(digest, axes, 1)
        # A wave and its opposite, or all its mirror images; of a real transform a half is stored.
        assert reflected == pytest.approx(mirrored * wrapped)
        assert reflected > 100 * seconds(digest, axes, 1)


def test_a_cancelled_job_stops(works: Any) -> None:
    spec = works.spec("frequency-filter", works.upload(PICTURE, PNG), **LOW)
    run = works.make_run("frequency-filter", spec)
    run.ask_to_stop("cancel")
    with pytest.raises(Cancelled):
        frequency_filter.run(spec, run)
