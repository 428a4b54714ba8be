from __future__ import annotations

from pathlib import Path

import pytest

from convq.preflight import check_store_url, check_surroundings
from core.errors import InvalidInput, Unavailable
from core.settings import Settings


@pytest.mark.parametrize("url", ["foo://bar", "s3://", "://", "az://without-account"])
def test_a_store_that_is_none(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"^CONVQ_STORE_URL: .*accepted: a folder, s3://BUCKET"):
        check_store_url(url)


def test_surroundings(settings: Settings, tmp_path: Path) -> None:
    check_surroundings(settings)
    assert list(tmp_path.iterdir()) == [], "looking changes nothing"
    with pytest.raises(Unavailable):
        check_surroundings(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}))
    with pytest.raises(InvalidInput):
        check_surroundings(settings.model_copy(update={"store_url": "foo://bar"}))
