"""Reading JSON bodies strictly: what is no JSON by RFC 8259 is refused, and never a crash."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from api.errors import MediaTypeMismatch
from core.errors import InvalidInput, TooLarge

MAX_BYTES = 8 << 20

_JSON = "application/json"


class StrictJSONRoute(APIRoute):
    """A route whose body, if it has one, must be JSON and say so."""

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
            # What the reader refuses is said here; FastAPI would call it a parsing error.
            return await handler(_ReadRequest(request, await _read(request)))

        return strict


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise TooLarge("the body is too large", field="body", accepted=f"{MAX_BYTES} bytes")
    return bytes(body)


class _ReadRequest(Request):
    """A request whose body has been read and parsed."""

    def __init__(self, request: Request, body: bytes) -> None:
        super().__init__(request.scope, request.receive)
        self._read = body
        self._parsed = parse(body)

    async def body(self) -> bytes:
        return self._read

    async def json(self) -> Any:
        return self._parsed


def parse(body: bytes) -> Any:
    """Return the JSON document in ``body``.

    Raises
    ------
    InvalidInput
        The bytes are no UTF-8, no JSON (``NaN`` and ``Infinity`` are none), nested too deeply, or
        hold text that is no Unicode (a lone surrogate).

    Examples
    --------
    >>> parse(b'{"kind": "convolve"}')
    {'kind': 'convolve'}
    """
    try:
        document = json.loads(body.decode(), parse_constant=_no_constant)
        # Lone surrogates pass as escapes; they could neither be stored nor be sent back.
        json.dumps(document, ensure_ascii=False).encode()
    except InvalidInput:
        raise
    except json.JSONDecodeError as error:
        raise _refusal(f"{error.msg} (line {error.lineno}, column {error.colno})") from None
    except UnicodeError:
        raise _refusal("text that is no Unicode") from None
    except RecursionError:
        raise _refusal("nested too deeply") from None
    except ValueError:  # the interpreter's own bound on the digits of an integer
        raise _refusal("a number with thousands of digits") from None
    return document


def _no_constant(name: str) -> Any:
    raise _refusal(f"{name} is no JSON number")


def _refusal(reason: str) -> InvalidInput:
    return InvalidInput(f"the body is not acceptable JSON: {reason}", field="body")
