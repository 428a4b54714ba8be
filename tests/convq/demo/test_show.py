import io

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from convq.client import Client
from convq.demo import sources
from convq.demo.exhibits import Exhibit
from convq.demo.page import write_page
from convq.demo.show import run_exhibits
from convq.stack import LocalStack

pytestmark = pytest.mark.stack


@pytest.fixture
def printed(tmp_path):
    """Run two exhibits through a real service: what was shown, and what the terminal said."""
    (tmp_path / "inputs").mkdir()
    whole = sources.photograph("coins.png", tmp_path / "inputs")
    damaged = sources.damaged_photograph(tmp_path / "inputs")
    kernel = np.full((1, 5, 5), 1 / 25)
    np.save(tmp_path / "inputs" / "box.npy", kernel[0])
    exhibits = [
        Exhibit("blur", "Blur", "", (whole,), {"kernel": tmp_path / "inputs" / "box.npy"}, kernel),
        Exhibit(
            "folder", "Folder", "", (whole, damaged), {"kernel": {"preset": "box", "size": 5}},
            kernel, "sheet",
        ),
    ]  # fmt: skip
    console = Console(file=io.StringIO(), width=160)
    with (
        LocalStack(tmp_path / "data", settings={"drain": 1}) as stack,
        Client(stack.url) as client,
        Progress("{task.description} {task.fields[state]}", console=console) as bars,
    ):
        shown = run_exhibits(client, exhibits, tmp_path / "results", bars)
    return shown, console.file.getvalue()


def test_real_jobs_are_shown(printed, tmp_path):
    shown, terminal = printed
    blur, folder = shown
    assert [one.job.state for one in shown] == ["succeeded", "succeeded"]
    with (
        Image.open(tmp_path / "inputs" / "coins.png") as before,
        Image.open(blur.outputs[0]) as after,
    ):
        assert after.size == before.size
        middle = np.asarray(before, float)[100:105, 200:205].mean()
        assert after.getpixel((202, 102)) == round(middle)
    assert blur.predicted > 0
    assert blur.computed > 0
    assert "✓ Blur" in terminal
    assert blur.groups[0].why in terminal
    # The damaged file fails alone, by name.
    assert len(folder.outputs) == 1
    assert [failure.name for failure in folder.failures] == ["damaged.png"]
    assert "damaged.png: " in terminal
    page = write_page(tmp_path, shown, "here").read_text()
    assert page.count("<section") == 2
    assert 'class="chosen"' in page
