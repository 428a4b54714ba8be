"""Receiving the body of a request: in pieces, from a client that may fall silent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from anyio.to_thread import run_sync
from starlette.requests import Request

from api.direct import Body
from api.errors import Stalled
from api.services import Services

_HOW = "a body that is sent without such pauses"

# What is read at a time. A thread has a buffer of its own, for so long.
_BUFFER = 1 << 20
_TURN_SECONDS = 0.1
# A client that sends less at a time is waited for in the event loop, and holds no thread.
_DRIP = 1 << 14


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
        raise _stalled(seconds) from None


async def pour(services: Services, body: Body, write: Callable[[memoryview], None]) -> None:
    """Give the rest of a body to ``write``, in threads.

    A thread goes on as long as its client is fast, but takes turns with those of other bodies.

    Raises
    ------
    Stalled
        As `pieces`.
    ClientDisconnect
        The client has left.
    """

    def turn() -> None:
        buffer = memoryview(bytearray(_BUFFER))
        end = time.monotonic() + _TURN_SECONDS
        while body.left and time.monotonic() < end:
            data = body.read(buffer)
            write(data)
            if len(data) < _DRIP:
                return

    seconds = services.settings.stall
    while body.left:
        try:
            async with asyncio.timeout(seconds):
                await body.wait()
        except TimeoutError:
            raise _stalled(seconds) from None
        await run_sync(turn, limiter=services.readers)


def _stalled(seconds: float) -> Stalled:
    return Stalled(
        "nothing of the body came for too long",
        field="body",
        given=f"a pause of {seconds:g} s",
        accepted=_HOW,
        # What comes after all is no new request.
        headers={"Connection": "close"},
    )
