"""Conditional and partial requests: entity tags and ranges (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re

from api.errors import RangeNotSatisfiable

_RANGE = re.compile(r"bytes=\s*(\d*)-(\d*)\s*", re.IGNORECASE)
_TAG = re.compile(r'(?:W/)?("[^"]*")')
# More digits than any size has; what is longer cannot be meant.
_MOST_DIGITS = 19


def matches(if_none_match: str | None, etag: str) -> bool:
    """Tell whether If-None-Match names ``etag``, so that 304 is the answer.

    Examples
    --------
    >>> matches('"a", W/"b"', '"b"'), matches("*", '"b"'), matches(None, '"b"')
    (True, True, False)
    """
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or etag in _TAG.findall(if_none_match)


def requested_range(
    header: str | None, if_range: str | None, etag: str, size: int
) -> tuple[int, int] | None:
    """Return the first byte and the one after the last, or None for the whole.

    What is no single byte range (several ranges, another unit, nonsense) is ignored, as the RFC
    allows: the answer is then the whole.

    Parameters
    ----------
    header, if_range : str or None
        The headers Range and If-Range.
    etag : str
        Of what would be sent. If-Range with anything else asks for the whole.
    size : int
        Bytes.

    Raises
    ------
    RangeNotSatisfiable
        If the range lies outside the bytes.

    Examples
    --------
    >>> requested_range("bytes=2-", None, '"a"', 10)
    (2, 10)
    >>> requested_range("bytes=-3", '"b"', '"a"', 10) is None
    True
    """
    found = _RANGE.fullmatch(header) if header else None
    if found is None or (if_range is not None and if_range.strip() != etag):
        return None
    first, last = found.groups()
    if (not first and not last) or max(len(first), len(last)) > _MOST_DIGITS:
        return None
    if not first:  # the last so many bytes
        start, end = max(0, size - int(last)), size
    else:
        if last and int(last) < int(first):
            return None
        start, end = int(first), min(int(last) + 1, size) if last else size
    if start >= end:
        raise RangeNotSatisfiable(
            "the range lies outside the bytes",
            field="Range",
            given=header,
            accepted=f"bytes 0 to {size - 1}",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, end
