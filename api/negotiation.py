"""Choosing a representation by the Accept header (RFC 9110, section 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_QUALITY = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")


def choose(accept: str | None, offered: Sequence[str]) -> str | None:
    """Return the media type to answer with, or None if nothing offered is acceptable.

    Parameters
    ----------
    accept : str or None
        The header; None or an empty one accepts everything.
    offered : sequence of str
        Media types, the server's favourite first. It breaks ties.

    Examples
    --------
    >>> choose("image/*;q=0.8, application/json", ["image/png", "application/json"])
    'application/json'
    >>> choose(None, ["image/jpeg", "image/png"])
    'image/jpeg'
    >>> choose("text/html", ["image/png"]) is None
    True
    """
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [_parse(part) for part in accept.split(",") if part.strip()]
    quality, best = max(
        ((_quality(media_type, ranges), media_type) for media_type in offered),
        key=lambda pair: pair[0],
    )
    return best if quality > 0 else None


def _parse(part: str) -> tuple[str, float]:
    media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            value = value.strip()
            quality = float(value) if _QUALITY.fullmatch(value) else 0.0
    return media_range, quality


def _quality(media_type: str, ranges: list[tuple[str, float]]) -> float:
    """Return the quality that the most specific matching range gives ``media_type``."""
    general = f"{media_type.partition('/')[0]}/*"
    for wanted in (media_type, general, "*/*"):
        matching = [quality for media_range, quality in ranges if media_range == wanted]
        if matching:
            return max(matching)
    return 0.0
