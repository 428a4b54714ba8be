from __future__ import annotations

import base64
import errno
import gzip
import hashlib
import io
import json
import os
import socket
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from core.settings import Settings


def stored_file(settings: Settings, digest: str) -> list[Path]:
    return list(Path(settings.store_url).rglob(f"{digest.removeprefix('sha256:')}.*"))


def flip(path: Path, place: int) -> None:
    """Change one bit of a file on the disk, where nobody notices."""
    with path.open("r+b") as file:
        file.seek(place)
        (value,) = file.read(1)
        file.seek(place)
        file.write(bytes([value ^ 1]))


UNKNOWN = "sha256:" + "0" * 64


def png(array: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.asarray(array, np.uint8)).save(file, "PNG")
    return file.getvalue()


def digest_header(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def left_behind(settings: Settings) -> list[Path]:
    return list((Path(settings.store_url) / "incoming").iterdir())


def test_an_upload_is_described_by_its_content(http: httpx.Client) -> None:
    data = png(np.zeros((4, 6, 3)))
    first = http.post("/v1/artifacts", content=data, headers={"Content-Type": "image/png"})
    assert first.status_code == 201
    assert first.json() == {
        "digest": f"sha256:{hashlib.sha256(data).hexdigest()}",
        "size": len(data),
        "media_type": "image/png",
        "shape": [4, 6, 3],
        "dtype": "uint8",
    }
    assert first.headers["Location"] == f"/v1/artifacts/{first.json()['digest']}"
    assert http.get(first.headers["Location"]).content == data
    again = http.post("/v1/artifacts", content=data)
    assert (again.status_code, again.json()) == (200, first.json())


def test_unknown_content_is_kept_as_bytes(http: httpx.Client) -> None:
    response = http.post("/v1/artifacts", content=b"hello", headers={"Content-Type": "text/plain"})
    assert response.status_code == 201
    assert response.json()["media_type"] == "application/octet-stream"
    assert response.json()["shape"] is None


@pytest.mark.parametrize(
    ("members", "media_type"),
    [(("x.npy", "y.npy"), "application/x-npz"), (("cat/1.png", "dog/1.png"), "application/zip")],
)
@pytest.mark.parametrize("stated", ["application/zip", "application/x-zip-compressed", None])
def test_archives_are_data_sets(
    http: httpx.Client, members: tuple[str, ...], media_type: str, stated: str | None
) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in members:
            archive.writestr(name, name)
    headers = {"Content-Type": stated} if stated else {}
    response = http.post("/v1/artifacts", content=file.getvalue(), headers=headers)
    assert response.status_code == 201
    assert (response.json()["media_type"], response.json()["shape"]) == (media_type, None)


@pytest.mark.parametrize("given", ["image/jpeg", "text/html; charset=utf-8"])
def test_a_content_type_that_the_content_contradicts(
    http: httpx.Client, settings: Settings, given: str
) -> None:
    response = http.post(
        "/v1/artifacts", content=png(np.zeros((2, 2))), headers={"Content-Type": given}
    )
    assert response.status_code == 415
    problem = response.json()
    assert problem["code"] == "media_type_mismatch"
    assert problem["field"] == "Content-Type"
    assert problem["given"] == given
    assert "image/png" in problem["accepted"]
    assert left_behind(settings) == []


def test_a_known_type_with_unknown_content(http: httpx.Client) -> None:
    headers = {"Content-Type": "image/png"}
    assert http.post("/v1/artifacts", content=b"hello", headers=headers).status_code == 415


def test_an_alias_of_the_right_type(http: httpx.Client) -> None:
    headers = {"Content-Type": "image/x-png"}
    data = png(np.zeros((2, 2)))
    assert http.post("/v1/artifacts", content=data, headers=headers).status_code == 201


def test_what_curl_says_of_a_file_by_itself_counts_for_nothing(http: httpx.Client) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = http.post("/v1/artifacts", content=png([[1]]), headers=headers)
    assert (response.status_code, response.json()["media_type"]) == (201, "image/png")


def test_a_damaged_file(http: httpx.Client, settings: Settings) -> None:
    response = http.post("/v1/artifacts", content=png(np.zeros((9, 9)))[:20])
    assert (response.status_code, response.json()["code"]) == (422, "unsupported_media")
    assert response.json()["field"] == "body"
    assert response.json()["given"]
    assert response.json()["accepted"]
    assert left_behind(settings) == []


def test_a_form_is_no_file(http: httpx.Client, settings: Settings) -> None:
    response = http.post("/v1/artifacts", files={"file": ("a.png", png([[1]]), "image/png")})
    problem = response.json()
    assert (response.status_code, problem["code"]) == (415, "media_type_mismatch")
    assert problem["field"] == "Content-Type"
    assert problem["given"].startswith("multipart/form-data")
    assert "--data-binary @file" in problem["accepted"]
    assert left_behind(settings) == []


@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP, identity"])
@pytest.mark.parametrize("path", ["/v1/artifacts", "/v1/jobs", "/v1/plans"])
def test_compressed_bodies(http: httpx.Client, path: str, coding: str) -> None:
    headers = {"Content-Encoding": coding, "Content-Type": "application/json"}
    response = http.post(path, content=gzip.compress(b"{}"), headers=headers)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (415, "media_type_mismatch")
    assert (problem["field"], problem["given"]) == ("Content-Encoding", coding)
    assert problem["accepted"] == response.headers["Accept-Encoding"] == "identity"


def test_a_body_may_say_that_it_is_not_compressed(http: httpx.Client) -> None:
    headers = {"Content-Encoding": "identity"}
    assert http.post("/v1/artifacts", content=b"a", headers=headers).status_code == 201


def test_an_empty_body(http: httpx.Client) -> None:
    response = http.post("/v1/artifacts", content=b"")
    assert (response.status_code, response.json()["field"]) == (422, "body")


@pytest.mark.parametrize("header", ["Content-Digest", "Repr-Digest"])
def test_digests_are_verified(http: httpx.Client, settings: Settings, header: str) -> None:
    good = http.post("/v1/artifacts", content=b"abc", headers={header: digest_header(b"abc")})
    assert good.status_code == 201
    bad = http.post("/v1/artifacts", content=b"abd", headers={header: digest_header(b"abc")})
    assert bad.status_code == 422
    assert bad.json()["field"] == header
    assert bad.json()["accepted"] == f"sha256:{hashlib.sha256(b'abd').hexdigest()}"
    nonsense = http.post("/v1/artifacts", content=b"abc", headers={header: "sha-256=:YQ==:"})
    assert nonsense.status_code == 422
    other = http.post("/v1/artifacts", content=b"abc", headers={header: "sha-512=:YQ==:"})
    assert other.status_code == 200
    assert left_behind(settings) == []


@pytest.mark.parametrize("header", ["Content-Digest", "Repr-Digest"])
@pytest.mark.parametrize(
    "malformed",
    [
        "nonsense",
        "sha-256=abc",
        "sha-256=:abc",
        "sha-256=:abc:",
        "sha-256=:%%%%:",
        "SHA-256=:YWJj:",
        "sha-256:YWJj",
        "md5=:YWJj:, sha-256",
        f"{digest_header(b'abc')} md5=:YWJj:",
    ],
)
def test_malformed_digests(http: httpx.Client, header: str, malformed: str) -> None:
    response = http.post("/v1/artifacts", content=b"abc", headers={header: malformed})
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "invalid_input")
    assert (problem["field"], problem["given"]) == (header, malformed)
    assert digest_header(b"test") in problem["accepted"]


def test_a_digest_among_others(http: httpx.Client) -> None:
    good, bad = digest_header(b"abc"), digest_header(b"abd")
    together = [("Content-Digest", f"md5=:YWJj:;q=1 , {good}")]
    apart = [("Content-Digest", "md5=:YWJj:"), ("Content-Digest", bad)]
    assert http.post("/v1/artifacts", content=b"abc", headers=together).status_code == 201
    assert http.post("/v1/artifacts", content=b"abc", headers=apart).status_code == 422


def test_too_large_uploads(http_with: Callable[..., httpx.Client], settings: Settings) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(11):
            yield bytes(100)

    http = http_with(max_upload=1000)
    for content in (bytes(1001), pieces()):
        response = http.post("/v1/artifacts", content=content)
        assert response.status_code == 413
        assert response.json()["code"] == "too_large"
        assert "1000" in response.json()["accepted"]
    assert http.post("/v1/artifacts", content=bytes(1000)).status_code == 201
    assert left_behind(settings) == []


def test_pictures_with_too_many_pixels(http_with: Callable[..., httpx.Client]) -> None:
    response = http_with(max_pixels=100).post("/v1/artifacts", content=png(np.zeros((10, 11))))
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_a_client_that_leaves_leaves_nothing(
    http: httpx.Client, url: str, settings: Settings
) -> None:
    host, port = url.removeprefix("http://").split(":")
    head = b"POST /v1/artifacts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head + bytes(3_000_000))
        deadline = time.monotonic() + 60
        while not left_behind(settings):
            assert time.monotonic() < deadline
    while left_behind(settings):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    # Counted a moment after.
    while 'status="499"' not in http.get("/metrics").text:
        assert time.monotonic() < deadline


@pytest.mark.parametrize("path", ["/v1/artifacts", "/v1/jobs"])
def test_a_client_that_falls_silent_is_given_up(
    http_with: Callable[..., httpx.Client], settings: Settings, path: str
) -> None:
    served = http_with(stall=0.2).base_url
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection((served.host, served.port or 80), timeout=20) as connection:
        connection.sendall(f"{head}Content-Length: 900\r\n\r\n".encode() + b"x" * 800)
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code": "stalled"' in answer
    assert left_behind(settings) == []


def test_a_full_disk(
    http: httpx.Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("core.store.files._move", full)
        response = http.post("/v1/artifacts", content=b"bytes")
    assert (response.status_code, response.json()["code"]) == (507, "storage_full")
    assert "No space left" in response.json()["detail"]
    assert left_behind(settings) == []
    assert http.post("/v1/artifacts", content=b"bytes").status_code == 201


class TestReading:
    def test_whole(self, http: httpx.Client, upload: Callable[[bytes], str]) -> None:
        data = png(np.zeros((4, 6)))
        digest = upload(data)
        response = http.get(f"/v1/artifacts/{digest}")
        assert response.content == data
        assert response.headers["Content-Type"] == "image/png"
        assert response.headers["Content-Length"] == str(len(data))
        assert response.headers["ETag"] == f'"{digest}"'
        assert "immutable" in response.headers["Cache-Control"]
        assert response.headers["Vary"] == "Accept, Authorization"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert (response.headers["Convq-Shape"], response.headers["Convq-Dtype"]) == (
            "4,6",
            "uint8",
        )
        assert f'inline; filename="{digest[7:19]}.png"' == response.headers["Content-Disposition"]
        head = http.head(f"/v1/artifacts/{digest}", headers={"Range": "bytes=1-2"})
        assert head.status_code == 200
        assert head.content == b""
        same = ("content-length", "content-type", "etag", "cache-control", "accept-ranges")
        assert all(head.headers[name] == response.headers[name] for name in same)

    @pytest.mark.parametrize(
        ("tag", "status"),
        [("*", 304), ("{}", 304), ('"x", W/{}', 304), ('"x"', 200), ("x", 200)],
    )
    def test_if_none_match(
        self, http: httpx.Client, upload: Callable[[bytes], str], tag: str, status: int
    ) -> None:
        digest = upload(b"hello")
        headers = {"If-None-Match": tag.format(f'"{digest}"')}
        for method in ("GET", "HEAD"):
            response = http.request(method, f"/v1/artifacts/{digest}", headers=headers)
            assert response.status_code == status
            assert response.headers["ETag"] == f'"{digest}"'
            assert status == 200 or response.content == b""

    @pytest.mark.parametrize(
        ("asked", "first", "end"),
        [("0-0", 0, 1), ("2-", 2, 10), ("-3", 7, 10), ("-99", 0, 10), ("3-99", 3, 10)],
    )
    def test_ranges(
        self,
        http: httpx.Client,
        upload: Callable[[bytes], str],
        asked: str,
        first: int,
        end: int,
    ) -> None:
        digest = upload(b"0123456789")
        response = http.get(f"/v1/artifacts/{digest}", headers={"Range": f"bytes={asked}"})
        assert response.status_code == 206
        assert response.content == b"0123456789"[first:end]
        assert response.headers["Content-Range"] == f"bytes {first}-{end - 1}/10"

    def test_unsatisfiable_range(self, http: httpx.Client, upload: Callable[[bytes], str]) -> None:
        digest = upload(b"0123456789")
        for asked in ("bytes=10-", "bytes=-0"):
            response = http.get(f"/v1/artifacts/{digest}", headers={"Range": asked})
            assert response.status_code == 416
            assert response.headers["Content-Range"] == "bytes */10"

    def test_ranges_that_are_ignored(
        self, http: httpx.Client, upload: Callable[[bytes], str]
    ) -> None:
        digest = upload(b"0123456789")
        for headers in (
            {"Range": "bytes=5-2"},
            {"Range": "bytes=0-1,3-4"},
            {"Range": "lines=0-1"},
            {"Range": "bytes=-"},
            {"Range": f"bytes={'9' * 5000}-"},
            {"Range": "bytes=0-1", "If-Range": '"another"'},
        ):
            response = http.get(f"/v1/artifacts/{digest}", headers=headers)
            assert (response.status_code, response.content) == (200, b"0123456789")
        headers = {"Range": "bytes=0-1", "If-Range": f'"{digest}"'}
        assert http.get(f"/v1/artifacts/{digest}", headers=headers).content == b"01"

    def test_unknown_and_malformed_digests(self, http: httpx.Client) -> None:
        assert http.get(f"/v1/artifacts/{UNKNOWN}").json()["code"] == "not_found"
        assert http.head(f"/v1/artifacts/{UNKNOWN}").status_code == 404
        malformed = http.get("/v1/artifacts/sha256:XYZ")
        assert (malformed.status_code, malformed.json()["code"]) == (404, "not_found")
        assert (malformed.json()["field"], malformed.json()["given"]) == ("digest", "sha256:XYZ")
        assert malformed.json()["accepted"].startswith('text like "sha256:')

    @pytest.mark.parametrize("place", [0, 700_000, 1_999_999])
    @pytest.mark.parametrize("headers", [{}, {"Range": "bytes=5-9"}, {"Range": "bytes=-3"}])
    def test_a_flipped_bit_is_reported_and_never_served(
        self,
        http: httpx.Client,
        upload: Callable[[bytes], str],
        settings: Settings,
        place: int,
        headers: dict[str, str],
    ) -> None:
        data = os.urandom(2_000_000)
        digest = upload(data)
        good = http.get(f"/v1/artifacts/{digest}", headers=headers)
        assert good.is_success
        (path,) = stored_file(settings, digest)
        flip(path, place)
        for _ in range(2):
            response = http.get(f"/v1/artifacts/{digest}", headers=headers)
            assert (response.status_code, response.json()["code"]) == (500, "integrity_error")
            assert response.headers["Content-Type"] == "application/problem+json"
        assert "convq_artifacts_damaged 1.0" in http.get("/metrics").text
        # Whoever has the bytes can mend it.
        assert http.post("/v1/artifacts", content=data).status_code == 201
        assert http.get(f"/v1/artifacts/{digest}", headers=headers).content == good.content
        assert "convq_artifacts_damaged 0.0" in http.get("/metrics").text
        assert len(stored_file(settings, digest)) == 1

    def test_a_damaged_array_is_converted_into_nothing(
        self, http: httpx.Client, upload: Callable[[bytes], str], settings: Settings
    ) -> None:
        digest = upload(png(np.arange(12, dtype=np.uint8).reshape(3, 4)))
        flip(stored_file(settings, digest)[0], 40)
        for accept in ("application/json", "application/x-npy"):
            response = http.get(f"/v1/artifacts/{digest}", headers={"Accept": accept})
            assert (response.status_code, response.json()["code"]) == (500, "integrity_error")

    def test_a_lost_file_is_an_answer(
        self, http: httpx.Client, upload: Callable[[bytes], str], settings: Settings
    ) -> None:
        digest = upload(b"hello")
        for path in (Path(settings.store_url) / "sha256").rglob("*.*"):
            path.unlink()
        response = http.get(f"/v1/artifacts/{digest}")
        assert (response.status_code, response.json()["code"]) == (500, "integrity_error")


class TestNegotiation:
    ARRAY = np.array([[0, 50, 100], [150, 200, np.nan]], np.float64)

    @pytest.fixture
    def path(self, upload: Callable[[bytes], str]) -> str:
        file = io.BytesIO()
        np.save(file, self.ARRAY)
        return f"/v1/artifacts/{upload(file.getvalue())}"

    def test_json(self, http: httpx.Client, path: str) -> None:
        response = http.get(path, headers={"Accept": "application/json"})
        assert response.headers["Content-Type"] == "application/json"
        assert response.json() == [[0, 50, 100], [150, 200, None]]

    def test_picture(self, http: httpx.Client, path: str) -> None:
        response = http.get(path, headers={"Accept": "text/html, image/*;q=0.9, */*;q=0.1"})
        assert response.headers["Content-Type"] == "image/png"
        assert Image.open(io.BytesIO(response.content)).size == (3, 2)

    def test_npy_of_a_picture(self, http: httpx.Client, upload: Callable[[bytes], str]) -> None:
        array = np.arange(24, dtype=np.uint8).reshape(4, 6)
        digest = upload(png(array))
        headers = {"Accept": "application/x-npy"}
        response = http.get(f"/v1/artifacts/{digest}", headers=headers)
        np.testing.assert_array_equal(np.load(io.BytesIO(response.content)), array)
        assert response.headers["Content-Disposition"].endswith('.npy"')

    def test_each_form_has_its_own_tag_and_ranges(self, http: httpx.Client, path: str) -> None:
        stored = http.get(path)
        made = http.get(path, headers={"Accept": "application/json"})
        assert stored.headers["ETag"] != made.headers["ETag"]
        assert "immutable" not in made.headers["Cache-Control"]
        same = {"Accept": "application/json", "If-None-Match": made.headers["ETag"]}
        assert http.get(path, headers=same).status_code == 304
        assert http.get(path, headers=same | {"Accept": "*/*"}).status_code == 200
        part = http.get(path, headers={"Accept": "application/json", "Range": "bytes=0-3"})
        assert part.content == made.content[:4]
        head = http.head(path, headers={"Accept": "application/json"})
        assert head.headers["Content-Length"] == str(len(made.content))

    def test_not_acceptable(self, http: httpx.Client, path: str) -> None:
        response = http.get(path, headers={"Accept": "text/html, image/png;q=0"})
        assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")
        assert response.json()["accepted"] == ["application/x-npy", "image/png", "application/json"]

    def test_bytes_are_only_bytes(self, http: httpx.Client, upload: Callable[[bytes], str]) -> None:
        path = f"/v1/artifacts/{upload(b'hello')}"
        response = http.get(path, headers={"Accept": "image/png"})
        assert (response.status_code, response.json()["accepted"]) == (
            406,
            ["application/octet-stream"],
        )

    def test_too_large_for_json(self, http: httpx.Client, upload: Callable[[bytes], str]) -> None:
        file = io.BytesIO()
        np.save(file, np.zeros((1001, 1000), np.uint8))
        path = f"/v1/artifacts/{upload(file.getvalue())}"
        response = http.get(path, headers={"Accept": "application/json"})
        assert (response.status_code, response.json()["field"]) == (413, "Accept")
        assert http.get(path, headers={"Accept": "image/png"}).status_code == 200

    def test_a_document_comes_as_it_is(
        self, http: httpx.Client, upload: Callable[[bytes], str]
    ) -> None:
        document = json.dumps({"a": [1, 2]}).encode()
        response = http.get(f"/v1/artifacts/{upload(document)}")
        assert response.headers["Content-Type"] == "application/json"
        assert response.content == document
