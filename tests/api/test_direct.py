"""Large bodies, of which the API takes over the rest from uvicorn, over real connections."""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import socket
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from api.direct import Body
from api.receiving import pour
from api.services import Services
from core.settings import Settings
from core.store.hashed import HashedFile

LARGE = 3 << 20


def pattern(size: int, seed: int = 0) -> bytes:
    """Return bytes in which anything that is lost, repeated or out of order shows."""
    block = hashlib.shake_128(seed.to_bytes(8, "little")).digest(1 << 16)
    return b"".join(index.to_bytes(8, "little") + block for index in range(size // len(block) + 1))[
        :size
    ]


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def head(size: int, *more: str) -> bytes:
    lines = ["POST /v1/artifacts HTTP/1.1", "Host: localhost", f"Content-Length: {size}", *more]
    return "\r\n".join([*lines, "", ""]).encode()


def answer(connection: socket.socket) -> tuple[int, Any]:
    """Read one answer, and not a byte of the next, which may have come already."""
    # Without a buffer lines are read byte by byte.
    with connection.makefile("rb", buffering=0) as raw:
        status = raw.readline().split()[1]
        size = int(http.client.parse_headers(raw)["Content-Length"])
        body = b""
        while len(body) < size:
            body += raw.read(size - len(body))
        return int(status), json.loads(body)


@pytest.fixture
def connect(url: str, empty: None) -> Callable[[], socket.socket]:
    host, _, port = url.removeprefix("http://").partition(":")
    return lambda: socket.create_connection((host, int(port)), timeout=30)


@examples(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    sizes=st.lists(st.integers(1, LARGE), min_size=1, max_size=3),
    cuts=st.lists(st.integers(0, 3 * LARGE), max_size=4),
    seed=st.integers(0, 1 << 32),
)
def test_bodies_of_any_size_in_any_parts(
    connect: Callable[[], socket.socket], sizes: list[int], cuts: list[int], seed: int
) -> None:
    """Requests one after another on one connection, sent without waiting for the answers."""
    bodies = [pattern(size, seed + index) for index, size in enumerate(sizes)]
    stream = b"".join(head(len(body)) + body for body in bodies)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    with connect() as connection:
        for start, end in pairwise(places):
            connection.sendall(stream[start:end])
        for body in bodies:
            status, artifact = answer(connection)
            assert status in (200, 201)
            assert (artifact["digest"], artifact["size"]) == (digest_of(body), len(body))


def test_the_bytes_are_stored_and_counted(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pattern(LARGE)
    taken: list[int] = []

    async def noted(services: Services, body: Body, write: Callable[[memoryview], None]) -> None:
        taken.append(body.left)
        await pour(services, body, write)

    monkeypatch.setattr("api.upload.pour", noted)
    place = http.post("/v1/artifacts", content=data).headers["Location"]
    assert http.get(place).content == data
    assert [left > LARGE // 2 for left in taken] == [True]
    name = 'convq_http_received_bytes_total{route="/v1/artifacts"}'
    (line,) = [line for line in http.get("/metrics").text.splitlines() if line.startswith(name)]
    assert float(line.split()[-1]) >= LARGE


def test_a_client_that_waits_to_be_told_to_go_on(connect: Callable[[], socket.socket]) -> None:
    data = pattern(LARGE)
    with connect() as connection:
        connection.sendall(head(len(data), "Expect: 100-continue"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(data)
        assert answer(connection)[1]["digest"] == digest_of(data)


def test_a_body_that_drips(connect: Callable[[], socket.socket]) -> None:
    data = pattern(LARGE)
    with connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(head(len(data)))
        for place in range(0, 1000, 10):
            connection.sendall(data[place : place + 10])
        connection.sendall(data[1000:])
        assert answer(connection)[1]["digest"] == digest_of(data)


def test_what_is_left_of_a_refused_body_is_passed_over(
    connect: Callable[[], socket.socket], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pattern(LARGE)
    write = HashedFile.write

    def full(self: HashedFile, piece: bytes | memoryview) -> None:
        if self.size + len(piece) > 1 << 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, piece)

    with connect() as connection:
        with monkeypatch.context() as patch:
            patch.setattr(HashedFile, "write", full)
            connection.sendall(head(len(data)) + data[: 2 << 20])
            status, problem = answer(connection)
        assert (status, problem["code"]) == (507, "storage_full")
        assert list((Path(settings.store_url) / "incoming").iterdir()) == []
        connection.sendall(data[2 << 20 :] + head(5) + b"hello")
        assert answer(connection)[1]["digest"] == digest_of(b"hello")


@pytest.mark.parametrize("sent", [1 << 20, 2 << 20])
def test_a_client_that_leaves_in_the_middle(
    connect: Callable[[], socket.socket], settings: Settings, sent: int
) -> None:
    with connect() as connection:
        connection.sendall(head(LARGE) + bytes(sent))
        connection.shutdown(socket.SHUT_WR)
        # What is answered to nobody is a defect in the log.
        assert connection.recv(100) == b""
    assert list((Path(settings.store_url) / "incoming").iterdir()) == []


def test_a_client_that_falls_silent_is_given_up(
    http_with: Callable[..., httpx.Client], settings: Settings
) -> None:
    served = http_with(stall=0.2).base_url
    with socket.create_connection((served.host, served.port or 80), timeout=30) as connection:
        connection.sendall(head(LARGE) + bytes(1 << 20))
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert (response.status, json.loads(response.read())["code"]) == (408, "stalled")
        assert response.headers["Connection"] == "close"
    assert list((Path(settings.store_url) / "incoming").iterdir()) == []
