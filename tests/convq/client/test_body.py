"""Large answers over real connections."""

from __future__ import annotations

import asyncio
import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from convq.client import AsyncClient, Client
from convq.client.downloads import save
from core.errors import IntegrityError

DATA = hashlib.shake_128(b"large").digest(20 << 20)
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


@contextmanager
def serving(
    data: bytes, cuts: list[int], chunked: bool
) -> Iterator[tuple[str, list[int], set[int]]]:
    """Serve ``data``, breaking off after so many bytes each time; give URL, starts and ports."""
    starts: list[int] = []
    ports: set[int] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            start = int(re.findall(r"\d+", self.headers.get("Range", "bytes=0-"))[0])
            starts.append(start)
            ports.add(self.client_address[1])
            rest = data[start:]
            self.send_response(206 if start else 200)
            if chunked:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            if cuts:
                self.wfile.write(rest[: cuts.pop(0)])
                self.close_connection = True
            elif chunked:
                self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(rest), rest))
            else:
                self.wfile.write(rest)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", starts, ports
        finally:
            server.shutdown()
            thread.join()


def blocking(url: str, path: Path) -> None:
    with Client(url) as client:
        for _ in range(2):
            client._run(save(DIGEST, path))


def asynchronous(url: str, path: Path) -> None:
    async def fetch() -> None:
        async with AsyncClient(url) as client:
            for _ in range(2):
                await client._run(save(DIGEST, path))

    asyncio.run(fetch())


CLIENTS = pytest.mark.parametrize("fetch_twice", [blocking, asynchronous])


@CLIENTS
@pytest.mark.parametrize("chunked", [False, True])
def test_large_answers(
    tmp_path: Path, fetch_twice: Callable[[str, Path], None], chunked: bool
) -> None:
    with serving(DATA, [], chunked) as (url, _, ports):
        fetch_twice(url, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == DATA
    # What was read past the parser leaves a connection that is of no use.
    assert len(ports) == (1 if chunked else 2)


@CLIENTS
@pytest.mark.usefixtures("naps")
def test_a_connection_that_breaks_is_taken_up_where_it_broke(
    tmp_path: Path, fetch_twice: Callable[[str, Path], None]
) -> None:
    with serving(DATA, [3_000_000, 0, 9_000_000], chunked=False) as (url, starts, _):
        fetch_twice(url, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == DATA
    assert starts == [0, 3_000_000, 3_000_000, 12_000_000, 0]


@CLIENTS
def test_other_bytes_are_refused(tmp_path: Path, fetch_twice: Callable[[str, Path], None]) -> None:
    damaged = DATA[:-1] + bytes([DATA[-1] ^ 1])
    with serving(damaged, [], chunked=False) as (url, _, _), pytest.raises(IntegrityError):
        fetch_twice(url, tmp_path / "file")
    assert not (tmp_path / "file").exists()
