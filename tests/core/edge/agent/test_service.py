"""A server that answers garbage, or nothing: it is told apart from one that refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from core.edge.agent.errors import Away, Refused
from core.edge.agent.service import Service

DIGEST = "sha256:" + "ab" * 32


class Answer:
    """What the server says next."""

    status: int
    body: bytes
    headers: dict[str, str]
    asked: list[tuple[str, dict[str, str]]]


@pytest.fixture
def server() -> Iterator[str]:
    Answer.status, Answer.body, Answer.headers, Answer.asked = 200, b"{}", {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            Answer.asked.append((self.path, dict(self.headers)))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(Answer.status)
            for name, value in {"Content-Length": str(len(Answer.body)), **Answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(Answer.body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    made = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{made.server_address[1]}"
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def service(server: str, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setenv("no_proxy", "*")
    return Service(server, "convq_box_secret")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>a router's login page</html>",
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"digest": 7}',
        b'{"digest": "sha256:../../../../etc/passwd", "size": 1, "sequence": 1}',
        b'{"digest": "%s", "size": -1, "sequence": 1}' % DIGEST.encode(),
        b'{"digest": "%s", "size": "1", "sequence": 1}' % DIGEST.encode(),
        b'{"digest": "%s", "size": 1}' % DIGEST.encode(),
        b" " * ((1 << 20) + 1),
    ],
    ids=range(11),
)
def test_garbage(service: Service, body: bytes) -> None:
    Answer.body = body
    with pytest.raises(Away, match=r"no sense|more than makes sense"):
        service.release(None)


def test_what_a_service_says(service: Service) -> None:
    Answer.body = b'{"digest": "%s", "size": 3, "sequence": 2}' % DIGEST.encode()
    Answer.headers = {"ETag": '"a"'}
    assert service.release(None) == ({"digest": DIGEST, "size": 3, "sequence": 2}, '"a"')
    assert Answer.asked[0][1]["Authorization"] == "Bearer convq_box_secret"
    Answer.status, Answer.body = 304, b""
    assert service.release('"a"') == (None, '"a"')
    assert Answer.asked[1][1]["If-None-Match"] == '"a"'


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Refused), (403, Refused), (404, Refused), (409, Refused), (422, Refused),
     (408, Away), (429, Away), (500, Away), (503, Away), (507, Away)],
)  # fmt: skip
def test_what_a_service_refuses(service: Service, status: int, kind: type[Exception]) -> None:
    Answer.status, Answer.body = status, b'{"detail": "because"}'
    with pytest.raises(kind, match="because"):
        service.deliver("a" * 16, 0, [{}])
    Answer.body = b"<html>"
    with pytest.raises(kind):
        service.deliver("a" * 16, 0, [{}])


def test_the_key_goes_nowhere_else(service: Service, server: str) -> None:
    Answer.status, Answer.body = 302, b""
    Answer.headers = {"Location": server + "/elsewhere"}
    with pytest.raises(Away, match="elsewhere"):
        service.release(None)
    assert len(Answer.asked) == 1


def test_parts_of_a_bundle(service: Service) -> None:
    Answer.body = b"abc"
    start, pieces = service.bundle(DIGEST, 0)
    assert (start, b"".join(pieces)) == (0, b"abc")
    # A service that begins anew says so by its status.
    start, pieces = service.bundle(DIGEST, 2)
    assert (start, b"".join(pieces)) == (0, b"abc")
    assert Answer.asked[-1][1]["Range"] == "bytes=2-"
    Answer.status, Answer.headers = 206, {"Content-Range": "bytes 2-4/5"}
    assert service.bundle(DIGEST, 2)[0] == 2
    Answer.headers = {"Content-Range": "bytes 0-2/5"}
    with pytest.raises(Away, match="other bytes"):
        service.bundle(DIGEST, 2)
    # What ends too early is kept: `Updating` asks for the rest.
    Answer.status, Answer.headers = 200, {"Content-Length": "9", "Connection": "close"}
    assert b"".join(service.bundle(DIGEST, 0)[1]) == b"abc"


def test_nobody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    for call in (lambda s: s.release(None), lambda s: s.enrol({}), lambda s: s.health({})):
        with pytest.raises(Away, match="does not answer"):
            call(Service("http://127.0.0.1:9", timeout=1))
