"""Plans in tests come from the default constants, not from a calibration of this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.conv import device


@pytest.fixture(autouse=True)
def _default_constants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CONVQ_CACHE_DIR", str(tmp_path))
    device.cpu.cache_clear()
    yield
    device.cpu.cache_clear()
