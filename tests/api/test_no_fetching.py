"""The service never asks another one for anything, whatever address it is given."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import httpx
import pytest

from core.jobs.registry import KINDS
from fuzz import samples


class Canary:
    """A server that notes every connection."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/cat.png"
        self.visits = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.visits += 1
            connection.close()


@pytest.fixture
def canary() -> Iterator[Canary]:
    canary = Canary()
    with canary.socket:
        yield canary


def everywhere(document: Any, address: str) -> Iterator[Any]:
    """Yield the document with the address in the place of each of its values, one after another."""
    if isinstance(document, dict):
        yield document | {"url": address}
        for name, value in document.items():
            yield from (document | {name: inner} for inner in everywhere(value, address))
    elif isinstance(document, list):
        for place, value in enumerate(document):
            for inner in everywhere(value, address):
                yield [*document[:place], inner, *document[place + 1 :]]
    yield address


def bodies(digest: str, data: str, model: str) -> list[tuple[str, dict[str, Any]]]:
    options = {"epochs": 1, "batch": 2}
    jobs: list[dict[str, Any]] = [
        {"kind": "convolve", "inputs": [{"artifact": digest, "name": "a"}],
         "kernel": {"artifact": digest}},
        {"kind": "train", "model": samples.NETS[0], "data": data, "options": options},
        {"kind": "predict", "model": model, "inputs": [data]},
        *({"kind": kind.name, "inputs": [digest]} for kind in KINDS),
    ]  # fmt: skip
    return [("/v1/plans", job) for job in jobs] + [("/v1/models/cat", {"artifact": model})]


@pytest.mark.parametrize("scheme", ["http", "file", "s3"])
def test_an_address_in_place_of_any_value_is_not_visited(
    http: httpx.Client,
    upload: Callable[[bytes], str],
    canary: Canary,
    scheme: str,
) -> None:
    address = canary.url.replace("http", scheme, 1)
    stored = [upload(make()[0]) for make in (samples.npy, samples.data_npz, samples.model)]
    sent = [
        (path, broken)
        for path, body in bodies(*stored)
        for broken in everywhere(body, address)
        if isinstance(broken, dict)
    ]
    for path, body in Random(0).sample(sent, min(len(sent), 80)):
        response = http.post(path, json=body)
        assert response.status_code < 500, response.text
    assert canary.visits == 0


def test_an_address_in_the_path_or_as_the_body_is_not_visited(
    http: httpx.Client, canary: Canary
) -> None:
    assert http.post("/v1/artifacts", content=canary.url.encode()).status_code == 201
    for path in ("/v1/artifacts", "/v1/jobs", "/v1/models"):
        assert http.get(f"{path}/{canary.url}").status_code < 500
        assert http.get(path, params={"url": canary.url}).status_code < 500
    assert canary.visits == 0


def test_files_with_addresses_inside_are_not_followed(
    http: httpx.Client, upload: Callable[[bytes], str], canary: Canary
) -> None:
    """Tables that name files, and metadata: names are names within the archive."""
    table = f"file,label\n{canary.url},1\n0.png,0\n".encode()
    digest = upload(samples.packed({"0.png": samples.png()[0], "index.csv": table}))
    body = {
        "kind": "train",
        "data": digest,
        "model": {"architecture": "lenet5"},
        "options": {"epochs": 1, "batch": 2},
    }
    assert http.post("/v1/plans", json=body).status_code == 422
    assert canary.visits == 0


def test_the_canary_notices(canary: Canary) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.get(canary.url)
    assert canary.visits == 1
