"""The job kind ``match``, from Spec to stored results, without a queue."""

from __future__ import annotations

import sys
import weakref
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter

from core.errors import Cancelled, InvalidInput
from core.jobs import match
from core.match import Match, warp
from core.media import PNG, WAV

RNG = np.random.default_rng(0)
SCENE = np.rint(np.clip(
    128 + 300 * gaussian_filter(RNG.normal(size=(90, 120, 3)), (2, 2, 0)), 0, 255
)).astype(np.uint8)  # fmt: skip


def found(works: Any, run: Any, name: str = "scene") -> Any:
    return works.json(run, f"{name}-matches.json")


def scene(works: Any, array: Any = SCENE) -> Any:
    return works.named(array, "scene.png", PNG)


def test_a_part_of_a_picture_is_found_in_it(works: Any) -> None:
    template = works.upload(np.ascontiguousarray(SCENE[30:50, 70:95]), PNG)
    run = works.run("match", scene(works), template=template, threshold=0.9, scores=True)
    assert works.names(run) == ["scene-matches.json", "scene-scores.npy", "scene-matches.png"]
    (one,) = found(works, run)["matches"]
    assert (round(one["x"]), round(one["y"]), one["width"], one["height"]) == (70, 30, 25, 20)
    assert one["score"] == pytest.approx(1)
    assert works.array(run, "scene-scores.npy").shape == (71, 96)
    drawn = works.array(run, "scene-matches.png")
    assert drawn.shape == SCENE.shape
    assert (drawn != SCENE).any()


def test_several_places_are_told_once_each(works: Any) -> None:
    picture = SCENE.copy()
    for top, left in ((5, 5), (5, 60), (60, 30)):
        picture[top : top + 16, left : left + 16] = SCENE[40:56, 90:106]
    template = works.upload(np.ascontiguousarray(SCENE[40:56, 90:106]), PNG)
    run = works.run("match", scene(works, picture), template=template, threshold=0.95)
    places = {(round(m["y"]), round(m["x"])) for m in found(works, run)["matches"]}
    assert places == {(5, 5), (5, 60), (60, 30), (40, 90)}
    few = works.run("match", scene(works, picture), template=template, count=2)
    assert found(works, few)["count"] == 2


def test_other_sizes_and_directions_are_found(works: Any) -> None:
    image = Image.fromarray(SCENE)
    turned = np.asarray(image.rotate(25, resample=Image.Resampling.BICUBIC, expand=True))
    large = np.asarray(
        Image.fromarray(turned).resize(
            (round(turned.shape[1] * 1.25), round(turned.shape[0] * 1.25)), Image.Resampling.BICUBIC
        )
    )
    template = works.upload(np.ascontiguousarray(SCENE[35:65, 45:80]), PNG)
    run = works.run(
        "match", scene(works, large), template=template, scales=[0.8, 1.0, 1.25],
        rotations=[-25.0, 0.0, 25.0], threshold=0.8,
    )  # fmt: skip
    best = found(works, run)["best"]
    assert (best["scale"], best["rotation"]) == (1.25, 25.0)
    assert best["score"] > 0.95
    # Where the middle of the template comes to lie.
    x, y = (45 + 17 - 59.5, 35 + 14.5 - 44.5)
    cos, sin = np.cos(np.radians(25)), np.sin(np.radians(25))
    middle = np.mean(best["corners"], axis=0)
    expected = [
        1.25 * (cos * x + sin * y) + large.shape[1] / 2,
        1.25 * (-sin * x + cos * y) + large.shape[0] / 2,
    ]
    np.testing.assert_allclose(middle, expected, atol=1.5)


@pytest.mark.parametrize("opacity", [True, False])
def test_what_is_transparent_or_masked_does_not_count(works: Any, opacity: bool) -> None:
    part = SCENE[30:50, 70:95].copy()
    mask = np.full(part.shape[:2], 255, np.uint8)
    part[5:12], mask[5:12] = 255, 0
    fields: dict[str, Any] = {}
    if opacity:
        part = np.dstack([part, mask])
    else:
        fields["mask"] = works.upload(mask, PNG)
    run = works.run("match", scene(works), template=works.upload(part, PNG), **fields)
    best = found(works, run)["best"]
    assert (round(best["y"]), round(best["x"])) == (30, 70)
    assert best["score"] == pytest.approx(1)


def test_grey_is_compared_with_brightness(works: Any) -> None:
    grey = (SCENE @ [0.299, 0.587, 0.114])[30:50, 70:95]
    template = works.upload(np.rint(grey).astype(np.uint8), PNG)
    best = found(works, works.run("match", scene(works), template=template))["best"]
    assert (round(best["y"]), round(best["x"])) == (30, 70)
    assert best["score"] > 0.999


def test_raw_scores_are_highest_where_it_is_bright(works: Any) -> None:
    picture = np.zeros((20, 20))
    picture[10:12, 4:6] = 3
    run = works.run("match", works.named(picture, "scene.npy"), method="raw", count=1,
                    template=works.upload(np.ones((2, 2))))  # fmt: skip
    best = found(works, run)["best"]
    assert (best["y"], best["x"], best["score"]) == (10, 4, pytest.approx(12))


def test_pictures_are_registered(works: Any) -> None:
    template = works.upload(np.ascontiguousarray(SCENE[:80, :100]), PNG)
    shifted = np.ascontiguousarray(SCENE[4:84, 7:107])
    run = works.run("match", scene(works, shifted), template=template, method="phase")
    shift = found(works, run)["shift"]
    assert (shift["x"], shift["y"]) == (pytest.approx(-7, abs=0.1), pytest.approx(-4, abs=0.1))


def recording(seconds: float, rate: int = 4000) -> np.ndarray:
    noise = np.random.default_rng(1).normal(size=int(seconds * rate))
    return 6000 * gaussian_filter(noise, 2)


def test_an_excerpt_is_found_in_a_recording_in_noise_and_at_another_level(
    works: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = recording(20)
    excerpt = 0.2 * sound[37_123:45_123] + 300 * RNG.normal(size=8000)
    template = works.upload(np.rint(excerpt).astype(np.int16), WAV, sample_rate=4000)
    stereo = np.rint(np.stack([sound, sound], axis=1)).astype(np.int16)
    digest = works.upload(stereo, WAV, sample_rate=4000)
    runs = [works.run("match", digest, template=template)]
    # Also where the seams of blocks are, and wherever they fall around the place.
    for block in (5000, 37_123, 37_122, 37_124):
        monkeypatch.setattr("core.match.search.BLOCK", block)
        runs.append(works.run("match", digest, template=template))
    for run in runs:
        (one,) = works.json(run, run.results[0]["name"])["matches"]
        assert one["seconds"] == pytest.approx(37_123 / 4000, abs=1e-4)
        assert one["score"] > 0.5
    # In a library only the recording that holds it has a match.
    other = works.upload(stereo[::-1].copy(), WAV, sample_rate=4000)
    library = works.run("match", other, digest, template=template)
    counts = [works.json(library, result["name"])["count"] for result in library.results]
    assert counts == [0, 1]


def test_blocks_give_all_scores(works: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sound, part = works.named(recording(1), "scene.npy"), works.upload(recording(1)[500:560])
    whole = works.run("match", sound, template=part, scores=True)
    monkeypatch.setattr("core.match.search.BLOCK", 700)
    pieces = works.run("match", sound, template=part, scores=True)
    scores = [works.array(run, "scene-scores.npy") for run in (whole, pieces)]
    np.testing.assert_allclose(*scores, atol=1e-9)
    assert [found(works, run)["matches"][0]["sample"] for run in (whole, pieces)] == [
        pytest.approx(500, abs=0.01)
    ] * 2


def test_other_sample_rates_are_refused(works: Any) -> None:
    one, two = (
        works.upload(np.arange(100, dtype=np.int16) ** 2, WAV, sample_rate=rate)
        for rate in (4000, 8000)
    )
    run = works.run("match", one, template=two)
    assert run.failures[0]["accepted"] == "8000 Hz, that of the template"


@pytest.mark.parametrize(
    "fields",
    [
        {"method": "phase", "scales": [1.0, 2.0]},
        {"method": "phase", "threshold": 0.5},
        {"method": "raw", "rotations": [0.0, 5.0]},
        {"scores": True, "scales": [1.0, 2.0]},
        {"scales": []},
        {"scales": [0.0]},
    ],
)
def test_what_makes_no_sense_is_refused(works: Any, fields: Any) -> None:
    digest = "sha256:" + "0" * 64
    with pytest.raises(ValidationError):
        works.spec("match", digest, template=digest, **fields)


def test_sizes_and_directions_are_made_one_by_one(
    works: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All of a job's at a time are gigabytes, and so is a single one that is much too large.
    made: list[weakref.ref[Any]] = []
    alive: list[int] = []

    def counted(*how: Any) -> Any:
        alive.append(sum(one() is not None for one in made))
        template = warp(*how)
        made.append(weakref.ref(template))
        return template

    monkeypatch.setattr("core.match.search.warp", counted)
    template = works.upload(np.ascontiguousarray(SCENE[30:50, 70:95]), PNG)
    turns = [float(turn) for turn in range(10, 70, 10)]
    run = works.run("match", scene(works), template=template, scales=[1, 20], rotations=turns)
    assert works.names(run)
    assert len(alive) == len(turns)
    assert max(alive) <= 1


def test_what_cannot_match_fails_with_the_reason(works: Any) -> None:
    small, large = works.upload(SCENE[:10, :10].copy(), PNG), works.upload(SCENE, PNG)
    with pytest.raises(InvalidInput, match="larger than the input"):
        works.plan("match", small, template=large)
    run = works.run("match", small, template=large)
    assert run.failures[0]["field"] == "template"
    with pytest.raises(InvalidInput, match="not of the same sort"):
        works.plan("match", works.upload(np.zeros(50)), template=large)
    with pytest.raises(InvalidInput, match="one size"):
        works.plan("match", small, template=large, method="phase")
    with pytest.raises(InvalidInput, match="sizes and directions"):
        works.plan("match", works.upload(np.zeros(50)), template=works.upload(np.zeros(5)),
                   scales=[1.0, 2.0])  # fmt: skip
    wrong = works.upload(np.ones((3, 3)))
    with pytest.raises(InvalidInput, match="size of the template"):
        works.run("match", large, template=small, mask=wrong)


def test_the_plan_prices_every_variant(works: Any) -> None:
    small, large = works.upload(SCENE[:10, :10].copy(), PNG), works.upload(SCENE, PNG)
    one = works.plan("match", large, template=small)["groups"][0]
    many = works.plan("match", large, template=small, scales=[0.5, 1.0], rotations=[0.0, 9.0, 5.0])
    # Three channels; what lies below is as much work as one more, or two where corners do not
    # count.
    assert one["correlations"] == 3 * 2
    assert many["groups"][0]["correlations"] == 6 * 3 * 3
    assert many["seconds"] == pytest.approx(9 * one["seconds"])
    # Of each map every place may be a candidate.
    more = many["bytes"] - one["bytes"]
    assert more >= 5 * 90 * 120 * sys.getsizeof(Match((1.0, 2.0), (3, 4), 5.0))


def test_a_cancelled_job_stops(works: Any) -> None:
    digest = works.upload(SCENE, PNG)
    spec = works.spec("match", digest, template=digest)
    run = works.make_run("match", spec)
    run.ask_to_stop("cancel")
    with pytest.raises(Cancelled):
        match.run(spec, run)
