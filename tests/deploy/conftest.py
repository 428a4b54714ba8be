from __future__ import annotations

import asyncio

import httpx
import pytest

from api.app import create_app
from core.settings import Settings


@pytest.fixture
def metrics(settings: Settings) -> str:
    """Return what a service at home tells Prometheus."""
    at_home = httpx.ASGITransport(create_app(settings), client=("127.0.0.1", 1))

    async def ask() -> str:
        async with httpx.AsyncClient(transport=at_home, base_url="http://127.0.0.1") as http:
            return (await http.get("/metrics")).text

    return asyncio.run(ask())
