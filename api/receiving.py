"""Receiving the body of a request: in pieces, from a client that may fall silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

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
    now = asyncio.get_running_loop().time
    try:
        # One for all pieces, of which a large body has thousands.
        async with asyncio.timeout(seconds) as limit:
            async for piece in request.stream():
                limit.reschedule(None)
                yield piece
                limit.reschedule(now() + seconds)
    except TimeoutError:
        raise Stalled(
            "nothing of the body came for too long",
            field="body",
            given=f"a pause of {seconds:g} s",
            accepted=_HOW,
            # What comes after all is no new request.
            headers={"Connection": "close"},
        ) from None
