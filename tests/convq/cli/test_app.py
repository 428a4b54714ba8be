from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

import convq as package
from convq.cli.app import app
from convq.cli.boundary import AWAY, FAILED, INTERRUPTED, USAGE

ROOT = Path(__file__).parents[3]
GROUP: Any = typer.main.get_command(app)
COMMANDS = [
    [],
    *([name] for name in GROUP.commands),
    *([name, inner] for name, c in GROUP.commands.items() for inner in getattr(c, "commands", ())),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(convq: Callable[..., Any], command: list[str]) -> None:
    result = convq(*command, "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "bool" not in result.stdout


def test_the_commands() -> None:
    names = "submit plan train sweep predict embed search"
    ideas = "spectrum frequency-filter diffuse match stochastic-convolve series"
    ideas += " deconvolve irregular-convolve video explain"
    following = "jobs show watch logs results cancel retry delete gc top stats workers kernels"
    last = "doctor calibrate serve api demo models keys queue datasets bundle edge worker"
    assert GROUP.list_commands(None) == f"{names} {ideas} {following} {last}".split()


def test_every_reading_command_has_json(convq: Callable[..., Any]) -> None:
    reading = [
        "train",
        "sweep",
        "predict",
        "embed",
        "search",
        "spectrum",
        "frequency-filter",
        "diffuse",
        "match",
        "stochastic-convolve",
        "series",
        "deconvolve",
        "irregular-convolve",
        "video",
        "explain",
        "jobs",
        "show",
        "watch",
        "logs",
        "stats",
        "results",
        "queue",
        "workers",
        "kernels",
        "doctor",
    ]
    inner = [["submit", "convolve"], ["plan", "convolve"], ["datasets", "show"]]
    inner += [["models", name] for name in ("list", "show", "register", "alias")]
    for command in [*inner, *([name] for name in reading)]:
        assert "--json" in convq(*command, "--help").stdout


def test_help_and_the_package_load_nothing_heavy() -> None:
    code = (
        "import sys, convq, convq.cli.app\n"
        "heavy = {'numpy', 'scipy', 'httpx', 'pydantic', 'celery', 'redis', 'fastapi', 'PIL'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert shown.stdout == "[]\n", shown.stderr


def test_the_version_is_the_distribution_s(convq: Callable[..., Any]) -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert package.__version__ == stated
    assert convq("--version").stdout == f"convq {stated}\n"


def test_the_package_s_names() -> None:
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert dir(package) == sorted(package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = package.nonsense


def test_unknown_commands_and_options_are_usage_errors(convq: Callable[..., Any]) -> None:
    assert convq("nonsense").exit_code == 2
    assert convq("jobs", "--state", "odd").exit_code == 2


def test_the_exit_codes_are_documented() -> None:
    text = (ROOT / "docs" / "client.md").read_text()
    documented = [int(code) for code in re.findall(r"^\| (\d+) \|", text, flags=re.MULTILINE)]
    assert documented == [0, FAILED, USAGE, AWAY, INTERRUPTED]
