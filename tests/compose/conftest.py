"""Skips where no containers can be run and says why, or makes the service that tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.containers import Service, build, why_not


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    reason = why_not() if here else None
    for item in here if reason is not None else ():
        item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    build("convq-test:now", None)
    made = Service(tmp_path_factory.mktemp("compose"))
    try:
        yield made
    finally:
        made.compose("--profile", "*", "down", "--volumes", "--timeout", "5")
