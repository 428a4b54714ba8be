"""What docs/running-locally.md says is so."""

import re
from pathlib import Path

import pytest

from convq.stack import LocalStack, logs, supervisor
from core.settings import Settings

TEXT = (Path(__file__).parents[3] / "docs" / "running-locally.md").read_text()


def test_the_variables_exist():
    named = {name.lower() for name in re.findall(r"CONVQ_([A-Z_]+)", TEXT)}
    assert named
    assert named <= Settings.model_fields.keys()


def test_the_numbers_are_those_of_the_code():
    words = " ".join(TEXT.split())
    assert f"first after {supervisor.FIRST_DELAY:g} s" in words
    assert f"up to {supervisor.LONGEST_DELAY:g} s" in words
    assert f"after {supervisor.STABLE:g} healthy seconds" in words
    assert f"`CONVQ_DRAIN` seconds ({Settings.model_fields['drain'].default})" in words
    assert logs.KEPT == 3


@pytest.mark.stack
@pytest.mark.usefixtures("stand_ins")
def test_the_data_folder_looks_as_drawn(tmp_path):
    with LocalStack(tmp_path):
        (tmp_path / "artifacts").mkdir()  # the stand-ins store nothing
        there = {path.name for path in tmp_path.iterdir() if path.suffix != ".worker"}
        there_logs = {path.name for path in (tmp_path / "logs").iterdir()}
    tree = TEXT.split("convq-data/\n")[1].split("```")[0]
    assert set(re.findall(r"── (\w+)", tree)) == there
    assert set(re.findall(r"[\w-]+\.log", tree)) == there_logs
