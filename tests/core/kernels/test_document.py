from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from core.kernels import PRESETS, Preset
from core.kernels.document import render

DOCUMENT = Path(__file__).parents[3] / "docs" / "kernels.md"


def test_the_document_is_what_the_registry_says() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render(), (
        "run: python -m core.kernels.document docs/kernels.md"
    )


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_the_arrays_in_the_document_are_the_kernels(preset: Preset) -> None:
    sections = re.split(r"^## ", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (section,) = (one for one in sections if one.startswith(f"{preset.name}\n"))
    (block,) = re.findall(r"```\n(.*?)\n```", section, flags=re.DOTALL)
    arrays = [
        [[float(tap) for tap in row.split()] for row in array.splitlines()]
        for array in block.split("\n\n")
    ]
    np.testing.assert_allclose(arrays, preset.default().stack, atol=5e-5)
