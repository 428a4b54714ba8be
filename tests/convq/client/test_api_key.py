"""The client's API key: where it comes from, and that it is sent and never shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from convq import AsyncClient, Client
from core.errors import Forbidden, InvalidInput, RateLimited, Unauthenticated

KEY = "convq_aaaaaaaaaa_s3cret"


def sent_by(use: Callable[[httpx.MockTransport], Any]) -> str | None:
    found: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        found.append(request)
        return httpx.Response(200, json={"workers": []})

    use(httpx.MockTransport(answer))
    return found[0].headers.get("Authorization")


def ask(transport: httpx.MockTransport, **options: Any) -> None:
    with Client(transport=transport, **options) as client:
        assert "s3cret" not in repr(vars(client))
        client.workers()


def test_the_key_is_given_or_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONVQ_API_KEY", raising=False)
    assert sent_by(ask) is None
    assert sent_by(lambda transport: ask(transport, api_key=KEY)) == f"Bearer {KEY}"
    monkeypatch.setenv("CONVQ_API_KEY", KEY)
    assert sent_by(ask) == f"Bearer {KEY}"
    assert sent_by(lambda transport: ask(transport, api_key="convq_b_c")) == "Bearer convq_b_c"


def test_the_asynchronous_client_sends_it_too() -> None:
    async def use(transport: httpx.MockTransport) -> None:
        async with AsyncClient(api_key=KEY, transport=transport) as client:
            await client.workers()

    assert sent_by(lambda transport: asyncio.run(use(transport))) == f"Bearer {KEY}"


@pytest.mark.parametrize("key", ["two words", "s3cret\r\nX: y", "sécret"])
def test_what_cannot_be_a_key_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Client(api_key=key)
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, "unauthenticated", Unauthenticated),
        (403, "forbidden", Forbidden),
        # From a proxy, without a problem.
        (401, None, Unauthenticated),
        (403, None, Forbidden),
    ],
)
def test_refusals_are_errors(status: int, code: str | None, error: type[Exception]) -> None:
    body = {"code": code, "detail": "no"} if code else {}
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
    with pytest.raises(error), Client(transport=transport) as client:
        client.workers()


def test_too_many_requests_are_sent_again_when_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    limited = httpx.Response(429, json={"code": "rate_limited"}, headers={"Retry-After": "3"})
    answers = iter([limited, httpx.Response(200, json={"workers": []})])
    with Client(transport=httpx.MockTransport(lambda _: next(answers))) as client:
        assert client.workers() == []
    assert len(slept) == 1
    assert 3 <= slept[0] <= 3.75
    with (
        pytest.raises(RateLimited),
        Client(transport=httpx.MockTransport(lambda _: limited)) as client,
    ):
        client.workers()
