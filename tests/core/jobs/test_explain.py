"""The job kind ``explain``, from Spec to stored results, without a queue."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from core.errors import Cancelled, InvalidInput
from core.jobs import explain
from core.media import PNG

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)
SOBEL = {"preset": "sobel-x"}


def test_a_kernel_is_shown_in_four_ways(works: Any) -> None:
    run = works.run("explain", works.named(PICTURE, "a.png", PNG), kernel=SOBEL)
    assert works.names(run) == [
        "a-patches.webp", "a-frequency.png", "a-diffusion.webp", "a-probability.png",
        "a-explained.json",
    ]  # fmt: skip
    found = works.json(run, "a-explained.json")
    assert (found["sort"], found["rank"], found["orientation"]) == ("edge", 1, -90)
    with Image.open(BytesIO(works.bytes(run, "a-patches.webp"))) as image:
        assert image.n_frames == 46  # of 19 × 24 outputs one in ten, and the rest
    with Image.open(BytesIO(works.bytes(run, "a-diffusion.webp"))) as image:
        assert (image.n_frames, image.size) == (25, (50, 40))


def test_only_what_is_wanted_is_shown(works: Any) -> None:
    field = works.named(RNG.normal(size=(300, 20)), "f.npy")
    run = works.run("explain", field, kernel={"values": [[1, 2], [0, 1]]}, normalize="sum",
                    views=["frequency"])  # fmt: skip
    assert works.names(run) == ["f-frequency.png", "f-explained.json"]
    assert works.json(run, "f-explained.json")["is_probability"]


@pytest.mark.parametrize(
    "fields", [{}, {"kernel": SOBEL, "views": []}, {"kernel": SOBEL, "views": ["patches"] * 2}]
)
def test_what_makes_no_sense_is_refused(works: Any, fields: Any) -> None:
    with pytest.raises(ValidationError):
        works.spec("explain", "sha256:" + "0" * 64, **fields)


def test_plans(works: Any) -> None:
    picture = works.upload(PICTURE, PNG)
    (group,) = works.plan("explain", picture, kernel=SOBEL)["groups"]
    assert group["why"] == "patches, frequency, diffusion, probability"
    with pytest.raises(InvalidInput, match="larger"):
        works.plan("explain", picture, kernel={"preset": "box", "size": 45})
    with pytest.raises(InvalidInput, match="no kernel"):
        works.plan("explain", picture, kernel={"values": [[0, 0]]})
    with pytest.raises(InvalidInput, match="one kernel"):
        works.plan("explain", picture, kernel={"preset": "sobel-magnitude"})
    with pytest.raises(InvalidInput, match="not a picture"):
        works.plan("explain", works.upload(np.zeros(9)), kernel=SOBEL)


def test_a_kernel_that_is_too_large_is_not_looked_at(
    works: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[tuple[int, ...]] = []
    monkeypatch.setattr(explain, "character", lambda kernel: looked_at.append(kernel.shape))
    with pytest.raises(InvalidInput) as refused:
        works.plan("explain", works.upload(PICTURE, PNG), kernel={"preset": "box", "size": 241})
    assert (refused.value.field, refused.value.accepted) == ("kernel", "at most 240 × 240")
    assert looked_at == []


def test_a_cancelled_job_stops(works: Any) -> None:
    spec = works.spec("explain", works.upload(PICTURE, PNG), kernel=SOBEL)
    run = works.make_run("explain", spec)
    run.ask_to_stop("cancel")
    with pytest.raises(Cancelled):
        explain.run(spec, run)
