"""What docs/nets.md says about architectures and nets of one's own is so."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from core.nets.architectures import ARCHITECTURES
from core.nets.network import Network

PAGE = Path(__file__).parents[4] / "docs" / "nets.md"


def test_the_examples_run() -> None:
    found = doctest.testfile(str(PAGE), module_relative=False)
    assert found.attempted > 8
    assert found.failed == 0


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_the_page_counts_as_the_nets_do(architecture) -> None:
    required = {"vocabulary": 20_000} if architecture.name == "kim" else {}
    spec = architecture.spec.model_validate({"architecture": architecture.name} | required)
    network = Network(architecture.build(spec, architecture.input, architecture.outputs))
    cells = [
        f"`{architecture.name}`",
        " x ".join(map(str, architecture.input)) + (" words" if required else ""),
        str(architecture.outputs),
        f"{network.parameter_count:,}",
        f"{network.multiply_adds / 1e6:,.2f} million",
    ]
    assert f"| {' | '.join(cells)} |" in PAGE.read_text()
