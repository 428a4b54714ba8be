"""Listings of the files of an array: written and read back, and what is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.errors import InvalidInput, TooLarge
from core.media import ZARR, sniff
from core.tiles import listing

DIGEST = "sha256:" + "0" * 64


def test_equal_files_are_equal_bytes_which_are_known_by_their_content() -> None:
    one = listing.write({"zarr.json": DIGEST, "c/0": DIGEST})
    assert one == listing.write({"c/0": DIGEST, "zarr.json": DIGEST})
    assert sniff(one) == ZARR
    assert listing.parse(one) == {"c/0": DIGEST, "zarr.json": DIGEST}


@pytest.mark.parametrize(
    "path", ["", "/a", "a/", "a//b", "../a", "a/../b", "./a", "a\\b", "é", "a" * 201]
)
def test_paths_that_lead_elsewhere_are_refused(path: str) -> None:
    document = {"convq_zarr": 1, "files": {path: DIGEST}}
    with pytest.raises(InvalidInput, match="no path"):
        listing.parse(json.dumps(document).encode())


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"convq_zarr": 1},
        {"convq_zarr": 2, "files": {"a": DIGEST}},
        {"convq_zarr": 1, "files": {}},
        {"convq_zarr": 1, "files": ["a"]},
        {"convq_zarr": 1, "files": {"a": "sha256:0"}},
        {"convq_zarr": 1, "files": {"a": 3}},
        {"convq_zarr": 1, "files": {"a": DIGEST}, "more": 1},
    ],
)
def test_what_is_no_listing_is_refused(document: Any) -> None:
    with pytest.raises(InvalidInput):
        listing.parse(json.dumps(document).encode())


def test_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_FILES", 1)
    with pytest.raises(TooLarge, match="too many files"):
        listing.write({"a": DIGEST, "b": DIGEST})
    monkeypatch.setattr(listing, "MAX_BYTES", 10)
    with pytest.raises(TooLarge, match="too long"):
        listing.parse(b" " * 11)
