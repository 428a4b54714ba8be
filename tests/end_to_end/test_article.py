"""The other kinds of jobs, through HTTP, a real Redis and a real Celery worker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import convq
from convq.cli.app import app
from core.media import PNG, decode, encode

pytestmark = pytest.mark.stack

ROWS, COLUMNS = np.mgrid[:96, :96]
LINES = np.rint(
    127.5 + 100 * np.sin(0.9 * (COLUMNS * np.sin(np.radians(12)) + ROWS * np.cos(np.radians(12))))
).astype(np.uint8)


@pytest.fixture
def command(client: convq.Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run a command in a folder with a picture of lines, and return what it says."""
    monkeypatch.setenv("CONVQ_URL", client.url)
    monkeypatch.chdir(tmp_path)
    Path("lines.png").write_bytes(encode(LINES, PNG))

    def run(*arguments: str) -> Any:
        result = CliRunner().invoke(app, [*arguments, "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run


def test_a_spectrum_tells_the_direction_of_lines(command: Any) -> None:
    said = command("spectrum", "lines.png", "--deskew", "--out", "out")
    assert said["job"]["state"] == "succeeded"
    found = json.loads(Path("out/lines-spectrum.json").read_text())
    assert abs(found["orientation"]["degrees"] - 12) < 0.5
    assert Path("out/lines-deskewed.png").is_file()


def test_a_sharp_cut_takes_the_lines_out(command: Any) -> None:
    command(
        "frequency-filter", "lines.png", "--band", "low-pass", "--cutoff", "0.05", "--out", "out"
    )
    found = json.loads(Path("out/lines-filter.json").read_text())
    assert found["energy_kept"] < 0.9
    assert decode(Path("out/lines.png")).array.std() < LINES.std() / 4


def test_lines_diffuse_to_grey(command: Any) -> None:
    command("diffuse", "lines.png", "--time", "50", "--frames", "3", "--out", "out")
    found = json.loads(Path("out/lines-diffused.json").read_text())
    assert found["conserved"]
    assert decode(Path("out/lines.png")).array.std() < 2
    assert Path("out/lines-film.webp").is_file()


def test_a_part_is_found_in_the_whole(command: Any) -> None:
    scene = np.random.default_rng(0).integers(0, 256, (60, 70), dtype=np.uint8)
    Path("scene.png").write_bytes(encode(scene, PNG))
    Path("part.png").write_bytes(encode(np.ascontiguousarray(scene[20:35, 40:60]), PNG))
    command("match", "part.png", "scene.png", "--threshold", "0.9", "--out", "out")
    (one,) = json.loads(Path("out/scene-matches.json").read_text())["matches"]
    assert (round(one["x"]), round(one["y"])) == (40, 20)
    assert Path("out/scene-matches.png").is_file()


def test_draws_come_near_the_convolution(command: Any) -> None:
    command("stochastic-convolve", "lines.png", "-k", "box:size=3", "-n", "400", "--out", "out")
    found = json.loads(Path("out/lines-samples.json").read_text())
    assert 0.8 < found["error"] / found["expected_error"] < 1.2


def test_a_series_is_forecast(command: Any) -> None:
    np.save("walk.npy", np.cumsum(np.random.default_rng(0).normal(size=300)))
    command("series", "walk.npy", "--ar", "1", "--difference", "1", "--horizon", "5", "-o", "out")
    assert np.load("out/walk-forecast.npy").shape == (5, 3)
    assert Path("out/walk-series.png").is_file()
