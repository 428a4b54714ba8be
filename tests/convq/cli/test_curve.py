"""Curves in the terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from convq.cli.curve import Curve, draw, figures

BLANK = 0x2800


def dots(rows: list[Any]) -> set[tuple[int, int]]:
    """Return (x, y) of every dot, from the bottom left, read from the characters themselves."""
    order = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)]
    height = 4 * len(rows)
    found = set()
    for line, row in enumerate(rows):
        for column, character in enumerate(row.plain):
            bits = 0 if character == " " else ord(character) - BLANK
            for bit, (x, y) in enumerate(order):
                if bits >> bit & 1:
                    found.add((2 * column + x, height - 1 - (4 * line + y)))
    return found


@given(points=st.lists(st.tuples(st.integers(0, 19), st.integers(0, 15)), min_size=1, max_size=8))
def test_every_point_has_its_dot_and_neighbours_are_joined(points: list[tuple[int, int]]) -> None:
    points = sorted(dict(points).items())
    rows = draw([(points, "")], (0, 19), (0, 15), 10, 4)
    drawn = dots(rows)
    assert set(points) <= drawn
    xs = [x for x, _ in points]
    assert {x for x, _ in drawn} == set(range(min(xs), max(xs) + 1))


def test_of_two_curves_in_a_cell_both_have_their_dots() -> None:
    rows = draw([([(0, 0), (1, 0)], "red"), ([(0, 1), (1, 1)], "blue")], (0, 1), (0, 1), 1, 1)
    assert dots(rows) == {(0, 0), (1, 0), (0, 3), (1, 3)}


def metrics(epoch: int, step: int, loss: float | None, **further: Any) -> dict[str, Any]:
    return {"epoch": epoch, "epochs": 4, "step": step, "steps": 10, "loss": loss} | further


def shown(curve: Curve) -> str:
    file = io.StringIO()
    Console(file=file, width=60).print(curve)
    return file.getvalue()


def test_a_curve_has_its_scale_a_legend_and_the_latest_figures() -> None:
    curve = Curve()
    assert shown(curve) == ""
    for epoch in range(1, 4):
        curve.add(metrics(epoch, 5, 2.0 / epoch))
        curve.add(
            metrics(epoch, 10, 1.5 / epoch, validation_loss=3.0 / epoch, validation_accuracy=0.5)
        )
    lines = shown(curve).splitlines()
    assert lines[0].strip().startswith("3 ┤")
    assert lines[7].strip().startswith("0.5 ┤")
    assert "validation loss" in lines[8]
    assert "epoch 3 of 4, loss 0.5000, validation loss 1.0000" in lines[9]


def test_what_is_told_again_after_a_crash_replaces_what_was_told_before() -> None:
    curve, straight = Curve(), Curve()
    told = [metrics(1, step, 1.0 / step) for step in (2, 4, 6)]
    for report in [*told, *told[1:], metrics(1, 8, 0.1)]:
        curve.add(report)
    for report in [*told, metrics(1, 8, 0.1)]:
        straight.add(report)
    assert shown(curve) == shown(straight)


@pytest.mark.parametrize("loss", [None, 0.25])
def test_figures_that_there_are_not_are_left_out(loss: float | None) -> None:
    assert ("loss" in figures({"loss": loss, "accuracy": None}).plain) is (loss is not None)
