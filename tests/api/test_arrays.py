"""Chunked arrays over HTTP: their files, the listing, and all of it as one ZIP."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import zarr
from zarr.storage import ZipStore

from core.media import ZARR
from core.tiles import listing


def post(http: httpx.Client, data: bytes) -> httpx.Response:
    return http.post("/v1/artifacts", content=data)


def upload(http: httpx.Client, folder: Path, x: Any) -> dict[str, str]:
    """Store the files of an array, and return their digests by their paths."""
    array = zarr.create_array(folder, shape=x.shape, chunks=(4, 4), dtype=x.dtype)
    array[...] = x
    return {
        path.relative_to(folder).as_posix(): post(http, path.read_bytes()).json()["digest"]
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_listing_is_an_artifact_that_comes_back_as_a_zip(
    http: httpx.Client, tmp_path: Path
) -> None:
    x = np.arange(70, dtype="float32").reshape(10, 7)
    files = upload(http, tmp_path / "x.zarr", x)
    answer = post(http, listing.write(files))
    assert answer.status_code == 201
    artifact = answer.json()
    assert (artifact["media_type"], artifact["shape"], artifact["dtype"]) == (
        ZARR,
        [10, 7],
        "float32",
    )
    path = f"/v1/artifacts/{artifact['digest']}"
    assert http.get(path).content == listing.write(files)
    got = http.get(path, headers={"Accept": "application/zip"})
    assert got.headers["Content-Type"] == "application/zip"
    assert zipfile.ZipFile(io.BytesIO(got.content)).testzip() is None
    zipped = tmp_path / "x.zip"
    zipped.write_bytes(got.content)
    with ZipStore(zipped, mode="r") as store:
        np.testing.assert_array_equal(np.asarray(zarr.open_array(store)[...]), x)
    assert http.head(path, headers={"Accept": "application/zip"}).status_code == 200
    body = {"kind": "convolve", "inputs": [artifact["digest"]], "kernel": {"preset": "box"}}
    plan = http.post("/v1/plans", json=body)
    assert plan.status_code == 200, plan.text
    assert plan.json()["plan"]["groups"][0]["tiles"]["count"] == 1


def test_what_lists_no_array_is_refused(http: httpx.Client, tmp_path: Path) -> None:
    files = upload(http, tmp_path / "x.zarr", np.ones((5, 5)))
    unknown = "sha256:" + "0" * 64
    refused = post(http, listing.write(files | {"c/0/0": unknown}))
    assert (refused.status_code, refused.json()["given"]) == (404, unknown)
    refused = post(http, listing.write({"c/0/0": files["c/0/0"]}))
    assert refused.status_code in (415, 422)
    assert post(http, b'{"convq_zarr":1,"files":{"../x":"sha256:0"}}').status_code == 422


@pytest.mark.parametrize("kind", ["spectrum", "diffuse"])
def test_other_kinds_do_not_take_it(http: httpx.Client, tmp_path: Path, kind: str) -> None:
    files = upload(http, tmp_path / "x.zarr", np.ones((5, 5)))
    digest = post(http, listing.write(files)).json()["digest"]
    refused = http.post("/v1/plans", json={"kind": kind, "inputs": [digest]})
    assert refused.status_code in (415, 422), json.dumps(refused.json())
