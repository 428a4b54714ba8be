from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from convq.cli.crossover import plot, remarks
from core.errors import Unavailable

# By name, since the package has a function of that name too.
calibration = import_module("core.conv.calibrate")


def measured(*rows: tuple[int, dict[str, float | None], str]) -> Any:
    device = calibration.devices.cpu()
    table = tuple(calibration.Row(*row) for row in rows)
    return calibration.Calibration(device, (480, 640), table, None)


def test_a_choice_that_was_not_the_fastest_is_remarked() -> None:
    found = remarks(
        measured(
            (3, {"direct": 1.0, "separable": 0.1, "fft-whole": 2.0}, "direct"),
            (9, {"direct": 3.0, "separable": 0.3, "fft-whole": 2.0}, "direct"),
            (21, {"direct": None, "separable": 0.5, "fft-whole": 2.0}, "fft-whole"),
        )
    )
    assert found.startswith("chosen: what the planner takes, by the constants")
    assert "another was measured faster for 9x9: " in found
    assert max(map(len, found.splitlines())) <= 80


def test_nothing_to_remark() -> None:
    found = remarks(measured((3, {"direct": 1.0, "fft-whole": 0.99}, "direct")))
    assert len(found.splitlines()) == 1


def test_the_picture_says_what_was_convolved_and_covers_no_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *args: Any, **kwargs: Any) -> None:
        drawn.append(figure)
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", keep)
    found = measured(
        (3, {"direct": 1e-3, "separable": 5e-4, "fft-whole": 2e-3}, "direct"),
        (63, {"direct": None, "separable": 8e-3, "fft-whole": 2e-3}, "fft-whole"),
    )
    plot(found, tmp_path / "crossover.png")
    with Image.open(tmp_path / "crossover.png") as picture:
        assert picture.format == "PNG"
    (figure,) = drawn
    (axes,) = figure.axes
    assert axes.get_title().startswith("Convolving 480 × 640 float32 values, mode same")
    (legend,) = figure.legends
    assert {text.get_text() for text in legend.get_texts()} >= {"direct", "fft-whole", "separable"}
    assert not legend.get_window_extent().overlaps(axes.get_window_extent())


def test_the_picture_needs_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(Unavailable, match=r"convq\[plot\]"):
        plot(measured((3, {"direct": 1.0}, "direct")), tmp_path / "crossover.png")
