"""Reading the bodies of jobs strictly: what is no JSON by RFC 8259 is refused, never a crash."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.access import Guarded
from api.content_coding import refuse_coded
from api.errors import MediaTypeMismatch
from api.receiving import pieces
from core import strict_json
from core.errors import InvalidInput, TooLarge
from core.settings import Settings

MAX_BYTES = 8 << 20

MAX_VALUES = 100_000
"""Values of a body, besides those of as many inputs as a job may have. Each may be at fault, and a
fault takes a kilobyte and some microseconds."""

# An input is an object with two fields, at most.
_VALUES_OF_INPUT = 3

# Of whom nobody has said yet that they may ask anything.
_STRANGERS_BYTES = 16 << 10

_JSON = "application/json"
# More than a problem shows of what was given.
_SHOWN = 1000


class JobRoute(Guarded):
    """A route whose body, if it has one, is a job: JSON that says so, with a bounded length."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with the strict reader before it."""
        handler = super().get_route_handler()
        if self.body_field is None:
            return handler

        async def strict(request: Request) -> Response:
            media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if media_type != _JSON:
                raise MediaTypeMismatch(
                    "the body must be JSON", field="Content-Type", given=media_type, accepted=_JSON
                )
            refuse_coded(request.headers)
            settings = request.app.state.services.settings
            most = MAX_BYTES if self._scopes else _STRANGERS_BYTES
            document = parse(await _read(request, most, settings.max_inputs))
            _check_lengths(document, settings)
            _check_values(document, MAX_VALUES + _VALUES_OF_INPUT * settings.max_inputs)
            # What the reader refuses is said here; FastAPI would call it a parsing error.
            return await handler(_ReadRequest(request, document))

        return strict


async def _read(request: Request, most: int, most_inputs: int) -> bytes:
    body = bytearray()
    async for chunk in pieces(request):
        body += chunk
        if len(body) > most:
            size = request.headers.get("content-length")
            raise TooLarge(
                "the body is too large",
                field="body",
                given=f"{size} bytes" if size else f"more than {most} bytes",
                accepted=f"at most {most} bytes, with at most {most_inputs} inputs",
            )
    return bytes(body)


def _check_lengths(document: Any, settings: Settings) -> None:
    """Raise TooLarge before the models spend time on each of too many inputs or jobs."""
    _check_length(document, "inputs", settings.max_inputs)
    for item in _check_length(document, "jobs", settings.max_batch):
        if isinstance(item, dict):
            _check_length(item.get("job"), "inputs", settings.max_inputs)


def _check_length(document: Any, field: str, most: int) -> list[Any]:
    found = document.get(field) if isinstance(document, dict) else None
    if not isinstance(found, list):
        return []
    if len(found) > most:
        raise TooLarge(
            f"too many {field}",
            field=field,
            given=f"{len(found)} {field}",
            accepted=f"at most {most} {field}",
        )
    return found


def _check_values(document: Any, most: int) -> None:
    """Raise TooLarge if there are more values in lists and objects, at any depth."""
    count = 0
    waiting: list[Any] = [[document]]
    while waiting:
        part = waiting.pop()
        members = part.values() if isinstance(part, dict) else part
        count += len(members)
        if count > most:
            raise TooLarge(
                "there are too many values in the body",
                field="body",
                given=f"more than {most} values",
                accepted=f"at most {most} numbers, texts, lists and objects; upload what is longer",
            )
        waiting += [member for member in members if isinstance(member, dict | list)]


class _ReadRequest(Request):
    """A request whose body has been read and parsed."""

    def __init__(self, request: Request, document: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._document = document

    async def body(self) -> bytes:
        # FastAPI only looks whether there is one.
        return b"read"

    async def json(self) -> Any:
        return self._document


def parse(body: bytes) -> Any:
    """Return the JSON document in ``body``.

    Raises
    ------
    InvalidInput
        As `core.strict_json.parse`; names the body.

    Examples
    --------
    >>> parse(b'{"kind": "convolve"}')
    {'kind': 'convolve'}
    """
    try:
        return strict_json.parse(body)
    except InvalidInput as error:
        raise InvalidInput(
            f"the body is not acceptable JSON: {error.message}",
            field="body",
            given=body[:_SHOWN].decode(errors="replace"),
            accepted="a JSON document (RFC 8259) in UTF-8",
        ) from None
