"""The job kind ``video``, from Spec to stored results, without a queue."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from PIL import Image
from pydantic import ValidationError

from core.errors import Cancelled, InvalidInput
from core.jobs import video
from core.jobs.run import Run
from core.media import PNG

RNG = np.random.default_rng(0)
CLIP = RNG.integers(0, 256, (12, 14, 17), dtype=np.uint8)
BOX = {"values": (np.ones((3, 3, 3)) / 27).tolist()}


def test_a_volume_is_convolved_in_time_and_space(works: Any) -> None:
    run = works.run("video", works.named(CLIP, "v.npy"), kernel=BOX, output="npy")
    assert works.names(run) == ["v.npy", "v-video.json"]
    expected = scipy.ndimage.uniform_filter(CLIP.astype(float), 3)
    np.testing.assert_allclose(works.array(run, "v.npy"), expected, rtol=1e-5, atol=1e-4)
    found = works.json(run, "v-video.json")
    np.testing.assert_allclose(found["means"], expected.mean(axis=(1, 2)), rtol=1e-5)


def test_few_bits_stay_few(works: Any) -> None:
    run = works.run("video", works.named(CLIP, "v.npy"), kernel=BOX)
    y = works.array(run, "v.npy")
    assert y.dtype == np.uint8
    expected = scipy.ndimage.uniform_filter(CLIP.astype(float), 3)
    np.testing.assert_allclose(y, expected, atol=0.501)


def test_each_frame_alone(works: Any) -> None:
    clip = RNG.normal(size=(5, 9, 8, 3))
    run = works.run("video", works.named(clip, "v.npy"), over="frames", boundary="wrap",
                    kernel={"preset": "gaussian", "sigma": 1.0})  # fmt: skip
    expected = scipy.ndimage.gaussian_filter(clip, 1, mode="wrap", axes=(1, 2))
    np.testing.assert_allclose(works.array(run, "v.npy"), expected, atol=1e-12)


def test_each_pixel_along_time(works: Any) -> None:
    clip = RNG.normal(size=(9, 4, 5))
    run = works.run("video", works.named(clip, "v.npy"), over="time", boundary="zero",
                    kernel={"values": [1, 0, -1]}, frames=4)  # fmt: skip
    expected = scipy.ndimage.convolve1d(clip, [1.0, 0, -1], axis=0, mode="constant")
    np.testing.assert_allclose(works.array(run, "v.npy"), expected, atol=1e-12)
    with Image.open(BytesIO(works.bytes(run, "v-film.webp"))) as image:
        assert image.n_frames == 4


def test_pictures_are_frames_of_one_video(works: Any) -> None:
    frames = RNG.integers(0, 256, (6, 8, 9, 4), dtype=np.uint8)
    inputs = [works.named(frame, f"f{index}.png", PNG) for index, frame in enumerate(frames)]
    run = works.run("video", *inputs, sequence=True, over="time", boundary="wrap", frames=6,
                    kernel={"preset": "box", "size": 3})  # fmt: skip
    assert works.names(run)[:6] == [f"f{index}.png" for index in range(6)]
    y = np.stack([works.array(run, f"f{index}.png") for index in range(6)])
    expected = scipy.ndimage.uniform_filter1d(frames.astype(float), 3, axis=0, mode="wrap")
    np.testing.assert_allclose(y[..., :3], expected[..., :3], atol=0.51)
    assert (y[..., 3] == frames[..., 3]).all()
    assert works.names(run)[6:] == ["f0-film.webp", "f0-video.json"]


def test_memory_does_not_grow_with_the_video(works: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    stack = np.stack

    def counted(window: Any) -> Any:
        seen.append(len(window))
        return stack(window)

    monkeypatch.setattr("core.video.filter.np.stack", counted)
    clip = np.zeros((200, 4, 5), np.uint8)
    works.run("video", works.upload(clip), kernel={"values": [1.0, 2.0, 1.0]}, over="time")
    assert max(seen) <= 32 + 2


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_film_shows_colours(works: Any, channels: int) -> None:
    clip = RNG.integers(0, 256, (3, 8, 9, channels), dtype=np.uint8)
    run = works.run("video", works.named(clip, "v.npy"), kernel=BOX, frames=2)
    with Image.open(BytesIO(works.bytes(run, "v-film.webp"))) as image:
        assert (image.n_frames, image.size) == (2, (9, 8))


def test_a_film_of_what_are_no_colours_is_refused(works: Any) -> None:
    clip = works.upload(np.zeros((3, 8, 9, 5)))
    assert works.run("video", clip, kernel=BOX).results
    with pytest.raises(InvalidInput, match="colours"):
        works.plan("video", clip, kernel=BOX, frames=2)


def test_the_result_takes_room_frame_by_frame(works: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Room that is taken without being there costs the process its life, not the write an error.
    sizes = []

    def report(run: Run, metrics: Any) -> None:
        sizes.append((run.scratch / "video.npy").stat().st_size)

    monkeypatch.setattr(Run, "report", report)
    works.run("video", works.upload(np.zeros((3, 100, 100))), kernel=BOX)
    assert np.diff(sizes).tolist() == [80_000] * 2


def test_frames_that_differ_fail_the_job(works: Any) -> None:
    inputs = [works.upload(CLIP[0], PNG), works.upload(CLIP[0, :5], PNG)]
    fields: Any = {"sequence": True, "over": "frames", "kernel": {"preset": "box"}}
    with pytest.raises(InvalidInput, match="one size"):
        works.plan("video", *inputs, **fields)
    with pytest.raises(InvalidInput, match="one size"):
        works.run("video", *inputs, **fields)


def test_one_bad_video_fails_alone(works: Any) -> None:
    bad = np.zeros((3, 4, 4))
    bad[1, 2, 2] = np.nan
    run = works.run("video", works.upload(bad), works.upload(CLIP), kernel=BOX)
    assert [failure["field"] for failure in run.failures] == ["inputs"]
    assert run.results


@pytest.mark.parametrize(
    "fields", [{}, {"kernel": BOX, "over": "all"}, {"kernel": BOX, "sequence": True, "frames": 2}]
)
def test_what_makes_no_sense_is_refused(works: Any, fields: Any) -> None:
    with pytest.raises(ValidationError):
        works.spec("video", "sha256:" + "0" * 64, **fields)


def test_plans(works: Any) -> None:
    large = works.upload(np.zeros((100, 60, 80), np.uint8))
    (group,) = works.plan("video", large, kernel=BOX)["groups"]
    assert (group["frames_at_once"], group["windows"]) == (32, 4)
    assert group["candidates"]
    for wrong in (works.upload(np.zeros((5, 5))), works.upload(CLIP[0], PNG)):
        with pytest.raises(InvalidInput, match="no video"):
            works.plan("video", wrong, kernel=BOX)
    with pytest.raises(InvalidInput, match="axes"):
        works.plan("video", large, kernel=BOX, over="time")
    with pytest.raises(InvalidInput, match="film"):
        works.plan("video", works.upload(CLIP), kernel=BOX, frames=13)


def test_a_cancelled_job_stops(works: Any) -> None:
    spec = works.spec("video", works.upload(CLIP), kernel=BOX)
    run = works.make_run("video", spec)
    run.ask_to_stop("cancel")
    with pytest.raises(Cancelled):
        video.run(spec, run)
