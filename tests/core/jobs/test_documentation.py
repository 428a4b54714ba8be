"""The tables of fields in the documentation are what the Specs say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from core.jobs.kind import Spec
from core.jobs.registry import by_name

DOCS = Path(__file__).parents[3] / "docs"
KINDS = ["spectrum", "frequency-filter", "diffuse", "match", "stochastic-convolve", "series"]
KINDS += ["deconvolve", "irregular-convolve", "video", "explain"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_of_fields_is_the_spec(kind: str) -> None:
    page = (DOCS / f"{kind}.md").read_text()
    table = page.partition("| field | default | meaning |\n|---|---|---|\n")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| (?:(.*?) )?\| (.*) \|$", table, re.MULTILINE)
    expected = []
    for name, field in by_name(kind).spec.model_fields.items():
        if name in (*Spec.model_fields, "inputs"):
            continue
        default = "" if field.is_required() or field.default is None else field.default
        text = default if isinstance(default, str) else json.dumps(default)
        expected.append((name, text, field.description))
    assert rows == expected


@pytest.mark.parametrize("kind", KINDS)
def test_the_pictures_are_there(kind: str) -> None:
    page = (DOCS / f"{kind}.md").read_text()
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", page)
    assert pictures
    assert all((DOCS / picture).is_file() for picture in pictures)
