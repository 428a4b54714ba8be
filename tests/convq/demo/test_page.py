import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from convq.client.models import Failure, Job
from convq.demo.exhibits import Exhibit, make_exhibits
from convq.demo.page import Shown, write_page

CANDIDATES = [
    {"algorithm": "direct", "seconds": 0.0042, "bytes": 3 << 20},
    {"algorithm": "fft-whole", "seconds": 0.012, "bytes": 40 << 20},
    {"algorithm": "separable", "refused": "the kernel has <full> rank"},
]


def job_of(groups=None):
    group = {
        "inputs": 1,
        "problem": {"x_shape": [40, 60], "kernel_shape": [3, 3]},
        "chosen": "direct",
        "why": "predicted 2.9 times as fast as fft-whole",
        "seconds": 0.0042,
        "measured_seconds": 0.0051,
        "candidates": CANDIDATES,
    }
    plan = {"seconds": 0.0042, "groups": [group] if groups is None else groups}
    return Job.model_validate({"id": "1", "kind": "convolve", "state": "succeeded", "plan": plan})


@pytest.fixture
def folder(tmp_path):
    for name in ("inputs/a.png", "results/b.png"):
        path = tmp_path / name
        path.parent.mkdir()
        Image.fromarray(np.full((40, 60), 128, np.uint8)).save(path)
    return tmp_path


def exhibit(folder, view="picture", **changes):
    parts = {
        "slug": "sharper",
        "title": "Sharper & <better>",
        "text": "A text.",
        "inputs": (folder / "inputs" / "a.png",),
        "spec": {"kernel": {"preset": "sharpen", "strength": 1.0}, "range": "clip"},
        "kernel": np.ones((1, 3, 3)),
        "view": view,
    }
    return Exhibit(**(parts | changes))


def written(folder, *shown):
    return write_page(folder, shown, "2 cores & more").read_text()


class Checker(HTMLParser):
    """Sees that every element is closed in order, and collects what is linked."""

    VOID = frozenset({"meta", "link", "img", "br", "line", "polyline"})

    def __init__(self):
        super().__init__()
        self.open, self.links = [], []

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("href", "src")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def check(page, folder):
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    for link in checker.links:
        if not link.startswith(("data:", "#")):
            assert (folder / link).exists(), link
    return checker.links


def test_the_page_needs_nothing_from_outside(folder):
    shown = Shown(exhibit(folder), job_of(), (folder / "results" / "b.png",), ())
    page = written(folder, shown)
    assert "results/b.png" in check(page, folder)
    assert "http" not in re.sub(r"base64,[^\"]*", "", page).replace("HTTP", "")
    assert "$" not in re.sub(r"base64,[^\"]*", "", page)


def test_the_chosen_row_is_marked_and_reasons_are_shown(folder):
    shown = Shown(exhibit(folder), job_of(), (folder / "results" / "b.png",), ())
    page = written(folder, shown)
    assert re.findall(r'<tr class="chosen"><td>([^<]*)', page) == ["direct"]
    assert "the kernel has &lt;full&gt; rank" in page
    assert "predicted 2.9 times as fast" in page
    assert "4.2 ms" in page
    assert "5.1 ms" in page
    assert "41.9 MB" in page


def test_words_cannot_become_markup(folder):
    shown = Shown(exhibit(folder), job_of(), (folder / "results" / "b.png",), ())
    assert "<h2>Sharper &amp; &lt;better&gt;</h2>" in written(folder, shown)


def test_the_command_is_what_one_would_type(folder):
    assert exhibit(folder).command == (
        "convq submit convolve a.png --kernel sharpen:strength=1 --range clip"
    )
    saved = exhibit(folder, spec={"kernel": Path("taps.npy"), "boundary": "zero"})
    assert saved.command == "convq submit convolve a.png --kernel taps.npy --boundary zero"


def test_failures_are_named(folder):
    failure = Failure(name="a.png", message="half of it is missing")
    shown = Shown(exhibit(folder, view="sheet"), job_of(), (), (failure,))
    page = written(folder, shown)
    check(page, folder)
    assert "a.png: half of it is missing" in page


def test_a_job_with_several_sorts_of_inputs_lists_them(folder):
    groups = [
        {"inputs": 7, "problem": {"x_shape": [8, 9], "kernel_shape": [3, 3]}, "chosen": "direct",
         "seconds": 0.001, "measured_seconds": 0.002},
        {"inputs": 2, "problem": {"x_shape": [5, 6, 3], "kernel_shape": [3, 3]},
         "chosen": "separable", "seconds": 0.001, "measured_seconds": 0.003},
    ]  # fmt: skip
    shown = Shown(exhibit(folder, view="sheet"), job_of(groups), (), ())
    assert shown.algorithms == "direct, separable"
    assert shown.computed == pytest.approx(7 * 0.002 + 2 * 0.003)
    page = written(folder, shown)
    check(page, folder)
    assert "5 × 6 × 3" in page


def test_sound_and_maps_have_views_of_their_own(folder):
    wav = folder / "inputs" / "tone.wav"
    wavfile.write(wav, 8000, np.zeros(8000, np.int16))
    sound = exhibit(folder, view="sound", inputs=(wav,), kernel=np.ones((1, 5)))
    maps = exhibit(folder, view="maps", slug="maps", kernel=np.ones((8, 3, 3)))
    output = folder / "results" / "b.png"
    page = written(
        folder, Shown(sound, job_of(), (wav,), ()), Shown(maps, job_of(), (output,) * 8, ())
    )
    check(page, folder)
    assert page.count("<audio") == 2
    assert page.count("<polyline") == 1
    assert "8 feature maps" in page


def test_the_exhibits_are_whole(tmp_path):
    exhibits = make_exhibits(tmp_path)
    assert len({exhibit.slug for exhibit in exhibits}) == len(exhibits)
    for exhibit in exhibits:
        assert all(path.exists() for path in exhibit.inputs)
        assert exhibit.kernel.ndim in (2, 3)
    shapes = {exhibit.slug: exhibit.kernel.shape for exhibit in exhibits}
    assert shapes["large-3x3"] == (1, 3, 3)
    assert shapes["large-63x63"] == (1, 63, 63)
    assert shapes["gabor-bank"] == (8, 31, 31)
