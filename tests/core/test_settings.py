"""The page of settings is what the settings are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from core.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def as_written(default: Any) -> str:
    if default is None:
        return ""
    if isinstance(default, Path):
        return str(default).replace(str(Path.home()), "~", 1)
    return default if isinstance(default, str) else json.dumps(default)


def test_the_page_is_the_settings() -> None:
    rows = re.findall(r"^\| `CONVQ_(\w+)` \| (?:`(.*?)` )?\| (.*) \|$", PAGE.read_text(), re.M)
    expected = [
        (name.upper(), as_written(field.default), field.description)
        for name, field in Settings.model_fields.items()
    ]
    assert rows == expected
