"""The job kind ``deconvolve``, from Spec to stored results, without a queue."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from pydantic import ValidationError
from skimage import data

from core.deconvolution import richardson_lucy, wiener
from core.errors import Cancelled, InvalidInput
from core.jobs import deconvolve
from core.media import PNG, WAV

RNG = np.random.default_rng(0)
SHARP = data.camera()[100:240, 150:310]
BLURRED = np.rint(scipy.ndimage.gaussian_filter(SHARP.astype(float), 2)).astype(np.uint8)
GAUSSIAN = {"preset": "gaussian", "sigma": 2.0}


def test_a_picture_becomes_sharper_than_it_was(works: Any) -> None:
    alpha = RNG.integers(0, 256, SHARP.shape, dtype=np.uint8)
    picture = np.stack([BLURRED, BLURRED, BLURRED, alpha], axis=-1)
    run = works.run("deconvolve", works.named(picture, "a.png", PNG), kernel=GAUSSIAN, noise=1e-3)
    assert works.names(run) == ["a.png", "a-deconvolved.json"]
    y = works.array(run, "a.png")
    before, after = (np.square(z.astype(float) - SHARP).mean() for z in (BLURRED, y[..., 1]))
    assert after < 0.6 * before
    assert (y[..., 3] == alpha).all()
    found = works.json(run, "a-deconvolved.json")
    assert found["sigma"] is None
    assert found["residual"] < 2
    assert found["deviation"]["after"] > found["deviation"]["before"]


def test_an_unknown_blur_is_estimated(works: Any) -> None:
    run = works.run("deconvolve", works.named(BLURRED, "a.png", PNG), noise=1e-3, output="npy")
    sigma = works.json(run, "a-deconvolved.json")["sigma"]
    assert abs(sigma - 2) < 0.4
    reach = int(np.ceil(4 * sigma))
    line = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    kernel = np.outer(line, line) / line.sum() ** 2
    expected = wiener(BLURRED.astype(np.float32), kernel, [0, 1], 1e-3)
    np.testing.assert_allclose(works.array(run, "a.npy"), expected, atol=0.5)


def test_counts_stay_positive(works: Any) -> None:
    counts = RNG.poisson(scipy.ndimage.gaussian_filter(RNG.random((20, 24)) * 9, 1)).astype(float)
    run = works.run("deconvolve", works.named(counts, "c.npy"), method="richardson-lucy",
                    iterations=5, kernel={"values": [[1, 2, 1], [2, 4, 2], [1, 2, 1]]})  # fmt: skip
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    expected = richardson_lucy(counts, kernel, [0, 1], 5)
    np.testing.assert_allclose(works.array(run, "c.npy"), expected)
    assert works.json(run, "c-deconvolved.json")["least"] >= 0
    run = works.run("deconvolve", works.upload(-counts), method="richardson-lucy",
                    kernel={"preset": "box"})  # fmt: skip
    assert run.failures[0]["field"] == "inputs"


def test_an_echo_is_taken_out_of_a_sound(works: Any) -> None:
    dry = np.zeros((600, 2), np.int16)
    dry[100:400] = RNG.integers(-9000, 9000, (300, 2))
    echo = np.zeros(41)
    echo[20], echo[40] = 1, 0.5
    wet = np.rint(scipy.ndimage.convolve1d(dry.astype(float), echo / 1.5, axis=0)).astype(np.int16)
    run = works.run("deconvolve", works.upload(wet, WAV, sample_rate=8000), noise=1e-6,
                    kernel={"values": echo.tolist()})  # fmt: skip
    np.testing.assert_allclose(works.array(run, run.results[0]["name"]), dry, atol=12)


@pytest.mark.parametrize(
    "fields", [{"noise": 0}, {"regularisation": -1.0}, {"iterations": 0}, {"method": "magic"}]
)
def test_what_makes_no_sense_is_refused(works: Any, fields: Any) -> None:
    with pytest.raises(ValidationError):
        works.spec("deconvolve", "sha256:" + "0" * 64, **fields)


def test_plans(works: Any) -> None:
    large = works.upload(np.zeros((300, 400), np.float32))
    (group,) = works.plan("deconvolve", large, kernel=GAUSSIAN)["groups"]
    assert group["chosen"] == "fft"
    (group,) = works.plan("deconvolve", large, method="richardson-lucy", iterations=7)["groups"]
    assert group["passes"] == 14
    assert group["candidates"]
    for kernel in ({"preset": "laplacian"}, {"preset": "sobel-magnitude"}):
        with pytest.raises(InvalidInput, match="kernel"):
            works.plan("deconvolve", large, kernel=kernel)
    with pytest.raises(InvalidInput, match="not a picture"):
        works.plan("deconvolve", works.upload(np.zeros(40)))


def test_a_cancelled_job_stops(works: Any) -> None:
    spec = works.spec("deconvolve", works.upload(BLURRED, PNG))
    run = works.make_run("deconvolve", spec)
    run.ask_to_stop("cancel")
    with pytest.raises(Cancelled):
        deconvolve.run(spec, run)
