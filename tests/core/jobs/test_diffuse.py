"""The job kind ``diffuse``, from Spec to stored results, without a queue."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from PIL import Image
from pydantic import ValidationError

from core.diffusion import perona_malik, propagate
from core.errors import Cancelled, InvalidInput
from core.jobs import diffuse
from core.media import PNG, WAV, film

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (20, 24, 4), dtype=np.uint8)
FIELD = RNG.normal(size=(12, 15))
ROWS, COLUMNS = np.mgrid[:48, :60]
WAVE = np.sin(ROWS / 8) + np.cos(COLUMNS / 5)


def test_frames_of_a_film_are_kept_as_small_as_it_shows_them(
    works: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two hundred of a large picture's own size are more than a worker's memory.
    shapes = []

    def shown(frames: Any) -> bytes:
        shapes.extend(frame.shape for frame in frames)
        return film(frames)

    monkeypatch.setattr(diffuse, "film", shown)
    works.run("diffuse", works.upload(np.zeros((8, 1280))), time=2.0, frames=2)
    assert shapes == [(4, 640)] * 3


def test_a_picture_diffuses_per_colour(works: Any) -> None:
    run = works.run("diffuse", works.named(PICTURE, "a.png", PNG), time=3.0)
    assert works.names(run) == ["a.png", "a-diffused.json"]
    y = works.array(run, "a.png")
    expected = scipy.ndimage.gaussian_filter(PICTURE[..., 2].astype(float), np.sqrt(6))
    np.testing.assert_allclose(y[..., 2], expected, atol=3)  # the Gaussian is another a little
    assert (y[..., 3] == PICTURE[..., 3]).all()
    found = works.json(run, "a-diffused.json")
    assert found["conserved"] is True
    assert len(found["mass"]["before"]) == 3


def test_a_film_ends_where_the_result_is(works: Any) -> None:
    run = works.run("diffuse", works.named(PICTURE[..., :3], "a.png", PNG), time=4.0, frames=5)
    whole = works.run("diffuse", works.named(PICTURE[..., :3], "a.png", PNG), time=4.0)
    np.testing.assert_allclose(works.array(run, "a.png"), works.array(whole, "a.png"), atol=1)
    with Image.open(BytesIO(works.bytes(run, "a-film.webp"))) as image:
        assert (image.n_frames, image.size) == (6, (24, 20))


def test_open_boundaries_lose_heat_and_say_nothing_of_it(works: Any) -> None:
    run = works.run("diffuse", works.named(FIELD, "f.npy"), time=2.0, boundary="constant", cval=1.5)
    expected = propagate(FIELD, 2.0, [0, 1], "constant", 1.5)
    np.testing.assert_allclose(works.array(run, "f.npy"), expected)
    assert works.json(run, "f-diffused.json")["conserved"] is None


def test_edges_stay(works: Any) -> None:
    run = works.run("diffuse", works.named(FIELD, "f.npy"), method="perona-malik", time=2.0,
                    edge=0.5, conductivity="rational", smooth=1.0)  # fmt: skip
    expected = perona_malik(FIELD, 2.0, 0.5, [0, 1], "rational", 1.0)
    np.testing.assert_array_equal(works.array(run, "f.npy"), expected)
    assert works.json(run, "f-diffused.json")["conserved"] is True


def test_a_kernel_walks(works: Any) -> None:
    kernel = RNG.random((3, 3))
    run = works.run("diffuse", works.named(WAVE, "f.npy"), method="kernel", steps=7, frames=3,
                    kernel={"values": kernel.tolist()}, boundary="wrap")  # fmt: skip
    expected = WAVE
    for _ in range(7):
        expected = scipy.ndimage.convolve(expected, kernel / kernel.sum(), mode="wrap")
    np.testing.assert_allclose(works.array(run, "f.npy"), expected, atol=1e-12)
    assert works.json(run, "f-diffused.json")["conserved"] is True
    with Image.open(BytesIO(works.bytes(run, "f-film.webp"))) as image:
        assert image.n_frames == 4


def test_softmax_makes_a_propagator_of_any_numbers(works: Any) -> None:
    kernel = np.array([-1.0, 2.0, 0.5])
    run = works.run("diffuse", works.named(FIELD[0], "f.npy"), method="kernel",
                    kernel={"values": kernel.tolist()}, normalize="softmax")  # fmt: skip
    weights = np.exp(kernel) / np.exp(kernel).sum()
    expected = scipy.ndimage.convolve(FIELD[0], weights, mode="reflect")
    np.testing.assert_allclose(works.array(run, "f.npy"), expected)
    run = works.run("diffuse", works.upload(FIELD[0]), method="kernel",
                    kernel={"values": kernel.tolist()})  # fmt: skip
    assert run.failures[0]["field"] == "kernel"


def test_sound_diffuses_in_time(works: Any) -> None:
    sound = RNG.integers(-9000, 9000, (300, 2)).astype(np.int16)
    run = works.run("diffuse", works.upload(sound, WAV, sample_rate=8000), time=5.0)
    expected = propagate(sound.astype(float), 5.0, [0])
    np.testing.assert_allclose(works.array(run, run.results[0]["name"]), expected, atol=0.6)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"time": -1.0},
        {"time": 1e9},
        {"time": 1.0, "edge": 2.0},
        {"time": 1.0, "kernel": {"preset": "box"}},
        {"method": "perona-malik", "time": 1.0},
        {"method": "perona-malik", "time": 1.0, "edge": 1.0, "boundary": "wrap"},
        {"method": "kernel"},
        {"method": "kernel", "kernel": {"preset": "box"}, "steps": 2, "frames": 3},
    ],
)
def test_what_makes_no_sense_is_refused(works: Any, fields: Any) -> None:
    with pytest.raises(ValidationError):
        works.spec("diffuse", "sha256:" + "0" * 64, **fields)


def test_plans(works: Any) -> None:
    large = works.upload(np.zeros((300, 400), np.float32))
    plan = works.plan("diffuse", large, time=8.0)
    (group,) = plan["groups"]
    assert group["passes"] == 2
    assert group["candidates"]
    filmed = works.plan("diffuse", large, time=8.0, frames=10)
    assert filmed["groups"][0]["passes"] == 20
    one, many = (works.plan("diffuse", large, time=8.0, frames=n)["bytes"] for n in (1, 200))
    assert many - one >= 199 * 300 * 400 * (1 + 3)
    steps = works.plan("diffuse", large, method="perona-malik", time=10.0, edge=1.0)
    assert steps["groups"][0]["why"] == "40 explicit steps"
    with pytest.raises(InvalidInput, match="film"):
        works.plan("diffuse", works.upload(FIELD[0]), time=1.0, frames=2)
    with pytest.raises(InvalidInput, match="one kernel"):
        works.plan("diffuse", large, method="kernel", kernel={"preset": "sobel-magnitude"})


def test_a_cancelled_job_stops(works: Any) -> None:
    spec = works.spec("diffuse", works.upload(PICTURE, PNG), time=2.0)
    run = works.make_run("diffuse", spec)
    run.ask_to_stop("cancel")
    with pytest.raises(Cancelled):
        diffuse.run(spec, run)
