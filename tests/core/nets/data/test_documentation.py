"""What docs/datasets.md says is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.nets.data import FORMATS, LIMITS, ROOM, DataOptions

TEXT = (Path(__file__).parents[4] / "docs" / "datasets.md").read_text()


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        exec(example, {})


def test_the_formats_and_their_options_are_listed() -> None:
    listed = re.findall(r"^\| `(\w+)` \| an? .*\| (.*) \|$", TEXT, re.MULTILINE)
    listed += re.findall(r"^\| `(\w+)` \| IDX .*\| (.*) \|$", TEXT, re.MULTILINE)
    found = {name: tuple(re.findall(r"`(\w+)`", options)) for name, options in listed}
    assert found == {known.name: known.options for known in FORMATS}


def test_the_options_are_listed() -> None:
    section = TEXT.split("## Options")[1].split("##")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(
        DataOptions.model_fields
    )
    assert f"{DataOptions().vocabulary:,} by default" in section


def test_the_limits_are_those_of_the_code() -> None:
    assert f"{LIMITS.members:,} files, {LIMITS.expanded >> 30} GiB" in TEXT
    assert f"{LIMITS.ratio} times their own size beyond {LIMITS.harmless >> 30} GiB" in TEXT
    assert f"({ROOM.memory >> 30} GiB by default)" in TEXT
