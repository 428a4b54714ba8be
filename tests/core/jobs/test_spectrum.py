"""The job kind ``spectrum``, from Spec to stored results, without a queue."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.errors import Cancelled, InvalidInput, TooLarge
from core.jobs import spectrum
from core.media import PNG, WAV
from core.spectrum import ring_power, transform

ROWS, COLUMNS = np.mgrid[:64, :80]
LINES = np.rint(
    127.5 + 100 * np.sin(0.8 * (COLUMNS * np.sin(np.radians(8)) + ROWS * np.cos(np.radians(8))))
).astype(np.uint8)


def test_pictures_and_numbers(works: Any) -> None:
    run = works.run("spectrum", works.named(LINES, "page.png", PNG), window="none", rings=5,
                    directions=4, coefficients=True)  # fmt: skip
    assert works.names(run) == [
        "page-magnitude.png", "page-phase.png", "page-coefficients.npy", "page-spectrum.json",
    ]  # fmt: skip
    assert works.array(run, "page-magnitude.png").shape == (64, 80)
    assert works.array(run, "page-phase.png").shape == (64, 80, 3)
    coefficients = works.array(run, "page-coefficients.npy")
    expected = np.fft.fftshift(np.fft.fft2(LINES))
    np.testing.assert_allclose(coefficients, expected, atol=1e-5 * abs(expected).max())
    found = works.json(run, "page-spectrum.json")
    assert abs(found["orientation"]["degrees"] - 8) < 0.5
    np.testing.assert_allclose(sum(found["rings"]["power"]), LINES.var(), rtol=1e-5)
    assert found["directions"]["degrees"] == [0, 45, 90, 135]
    assert int(np.argmax(found["directions"]["power"])) == 2
    assert set(run.timings) == {"load", "transform", "measure", "store"}


def test_colours_are_seen_by_their_brightness(works: Any) -> None:
    red = np.zeros((64, 80, 4), np.uint8)
    red[..., 0], red[..., 3] = LINES, 77
    run = works.run("spectrum", works.named(red, "red.png", PNG), deskew=True, rings=3)
    found = works.json(run, "red-spectrum.json")
    _, power = ring_power(transform(0.299 * LINES.astype(float)), 3)
    np.testing.assert_allclose(found["rings"]["power"], power, rtol=1e-4)
    level = works.array(run, "red-deskewed.png")
    assert (level[..., 3] == 77).all()
    assert found["turned"] == pytest.approx(-8, abs=0.5)
    again = works.run("spectrum", works.upload(level, PNG), deskew=True)
    (name,) = [name for name in works.names(again) if name.endswith(".json")]
    assert abs(works.json(again, name)["turned"]) < 0.3


def test_lines_that_are_nearly_upright_are_made_upright(works: Any) -> None:
    run = works.run("spectrum", works.named(LINES.T.copy(), "a.png", PNG), deskew=True)
    found = works.json(run, "a-spectrum.json")
    assert found["orientation"]["degrees"] == pytest.approx(82, abs=0.5)
    assert found["turned"] == pytest.approx(8, abs=0.5)


def test_what_is_no_picture_fails_alone(works: Any) -> None:
    volume = works.upload(np.zeros((3, 4, 5)))
    holes = works.upload(np.array([[1.0, np.nan], [2.0, 3.0]]))
    imaginary = works.upload(np.array([[1j, 2]]))
    nothing = works.upload(np.empty((0, 3)))
    run = works.run("spectrum", volume, holes, imaginary, nothing, works.upload(np.ones((2, 3))))
    assert [failure["code"] for failure in run.failures] == ["invalid_input"] * 4
    assert "1 of 4 values" in run.failures[1]["given"]
    assert len(run.results) == 3
    document = works.json(run, run.results[-1]["name"])
    assert document["orientation"] is None


def test_small_pictures_cannot_be_turned(works: Any) -> None:
    run = works.run("spectrum", works.upload(np.eye(5)), deskew=True)
    (failure,) = run.failures
    assert failure["field"] == "deskew"
    assert run.results == []


def test_the_plan_prices_each_sort(works: Any) -> None:
    small, large = works.upload(LINES, PNG), works.upload(np.zeros((640, 800), np.float32))
    sound = works.upload(np.zeros(100, np.int16), WAV, sample_rate=8000)
    plan = works.plan("spectrum", small, large, large, sound)
    first, second, third = plan["groups"]
    assert first["seconds"] < second["seconds"]
    assert plan["seconds"] == pytest.approx(first["seconds"] + 2 * second["seconds"])
    assert plan["bytes"] == second["bytes"]
    assert third["error"]["accepted"] == "pictures, and arrays of two axes"
    with pytest.raises(InvalidInput, match="two axes"):
        works.plan("spectrum", sound)
    with pytest.raises(TooLarge):
        works.plan("spectrum", large, memory_cap=1 << 20)


def test_a_cancelled_job_stops(works: Any) -> None:
    spec = works.spec("spectrum", works.upload(LINES, PNG))
    run = works.make_run("spectrum", spec)
    run.ask_to_stop("cancel")
    with pytest.raises(Cancelled):
        spectrum.run(spec, run)
    assert run.results == []
