from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convq.cli.reading import data_options
from convq.datasets import SAMPLES
from core.errors import InvalidInput
from core.media import PNG, encode
from core.nets.data import FORMATS, DataOptions, load

Convq = Callable[..., Any]


def test_list(convq: Convq) -> None:
    shown = convq("datasets", "list").stdout
    assert all(known.name in shown for known in (*SAMPLES, *FORMATS))
    listed = json.loads(convq("datasets", "list", "--json").stdout)
    assert [entry["name"] for entry in listed["datasets"]] == [sample.name for sample in SAMPLES]
    assert [entry["name"] for entry in listed["formats"]] == [known.name for known in FORMATS]


def test_make_and_show(convq: Convq, tmp_path: Path) -> None:
    made = convq("datasets", "make", "digits")
    assert made.exit_code == 0
    assert "digits.npz" in made.stdout
    assert "1797 of 1 × 8 × 8 uint8" in made.stdout
    assert "3 (183)" in made.stdout
    assert convq("datasets", "make", "digits", "--out", "d.npz").exit_code == 0
    assert (tmp_path / "d.npz").read_bytes() == (tmp_path / "digits.npz").read_bytes()
    assert convq("datasets", "show", "digits.npz", "--check").stdout == made.stdout
    shown = convq("datasets", "show", "digits.npz", "--with", "reconstruct=true", "--json")
    assert json.loads(shown.stdout)["task"] == "reconstruction"


def test_there_is_no_such_data_set(convq: Convq) -> None:
    result = convq("datasets", "make", "cifar")
    assert result.exit_code == 2
    assert "accepted: digits, mnist-small" in result.stderr


def test_pack(convq: Convq, tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        picture = encode(np.zeros((4, 5, 3), np.uint8), PNG)
        (tmp_path / "pets" / name / "1.png").write_bytes(picture)
    result = convq(
        "datasets", "pack", "pets", "-o", "p.zip", "--with", "resize=2,3", "--with", "colour=grey"
    )
    assert result.exit_code == 0
    assert "cat (1), dog (1)" in result.stdout
    assert "2 of 1 × 2 × 3 uint8" in result.stdout
    assert load(tmp_path / "p.zip").shape == (3, 4, 5)


def test_targets_words_and_rates_are_shown(convq: Convq, tmp_path: Path) -> None:
    (tmp_path / "films.csv").write_text("text,stars\nfine film,4.5\ndull,1\n")
    shown = convq("datasets", "show", "films.csv").stdout
    assert "regression" in shown
    assert shown.splitlines()[-1].split() == ["words", "5"]


def test_many_classes_are_cut_short(convq: Convq, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((50, 3)), y=np.arange(50))
    assert "19 (1), and 30 more" in " ".join(convq("datasets", "show", "a.npz").stdout.split())


def test_a_broken_data_set(convq: Convq, tmp_path: Path) -> None:
    x = np.zeros((3, 4))
    x[1, 2] = np.nan
    np.savez(tmp_path / "a.npz", x=x)
    assert convq("datasets", "show", "a.npz").exit_code == 0
    for command, said in (
        (("a.npz", "--check"), "data.x: number 1 holds nan"),
        (("no.npz",), "there is no such file"),
        (("a.npz", "--with", "resize=4,4"), "data.resize: this option says nothing"),
    ):
        result = convq("datasets", "show", *command)
        assert result.exit_code == 2
        assert said in result.stderr


def test_options_for_reading() -> None:
    given = ["resize=28,30", "colour=grey", "reconstruct=true", "words=9"]
    expected = DataOptions(resize=[28, 30], colour="grey", reconstruct=True, words=9)
    assert data_options(given) == expected
    assert data_options(None) == DataOptions()


@pytest.mark.parametrize(
    ("pair", "match"),
    [
        ("size=3", "with: no such option.*resize="),
        ("resize", "with: no such option"),
        ("resize=28", r"with\.resize"),
        ("colour=green", r"with\.colour.*'grey' or 'rgb'"),
        ("words=0", r"with\.words"),
    ],
)
def test_options_that_there_are_not(pair: str, match: str) -> None:
    with pytest.raises(InvalidInput, match=match):
        data_options([pair])
