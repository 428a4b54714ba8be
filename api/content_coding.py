"""Bodies come as they are: none of the content codings of RFC 9110 is undone."""

from __future__ import annotations

from starlette.datastructures import Headers

from api.errors import MediaTypeMismatch


def refuse_coded(headers: Headers) -> None:
    """Do nothing, or raise MediaTypeMismatch (415) for a body that says to be compressed.

    Examples
    --------
    >>> from starlette.datastructures import Headers
    >>> try:
    ...     refuse_coded(Headers({"Content-Encoding": "gzip"}))
    ... except MediaTypeMismatch as error:
    ...     error.given, error.accepted
    ('gzip', 'identity')
    """
    coding = ", ".join(headers.getlist("content-encoding")).strip()
    if coding.lower() not in ("", "identity"):
        raise MediaTypeMismatch(
            "bodies are read as they are, compressed ones are not unpacked",
            field="Content-Encoding",
            given=coding,
            accepted="identity",
            # As RFC 9110, section 12.5.3, tells which codings of a request are acceptable.
            headers={"Accept-Encoding": "identity"},
        )
