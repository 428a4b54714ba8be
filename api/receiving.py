"""Receiving the body of a request: in pieces, from a client that may fall silent."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
from starlette.requests import Request

from api.errors import Stalled

_HOW = "a body that is sent without such pauses"


async def pieces(request: Request) -> AsyncIterator[bytes]:
    """Yield the body as it comes.

    Raises
    ------
    Stalled
        Nothing came for the ``stall`` seconds of the settings. A client that neither sends nor
        leaves would hold a connection and a half-written file for ever.
    """
    seconds = request.app.state.services.settings.stall
    stream = request.stream()
    while True:
        try:
            with anyio.fail_after(seconds):
                piece = await anext(stream, None)
        except TimeoutError:
            raise Stalled(
                "nothing of the body came for too long",
                field="body",
                given=f"a pause of {seconds:g} s",
                accepted=_HOW,
                # What comes after all is no new request.
                headers={"Connection": "close"},
            ) from None
        if piece is None:
            return
        yield piece
