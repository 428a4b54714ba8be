"""When a request is sent again."""

from __future__ import annotations

import random
import time
from email.utils import parsedate_to_datetime

import httpx

from convq.client.flow import Flow, Request, Stream, close, open_stream, read, send, sleep
from convq.client.problems import raise_for_problem
from core.errors import Unavailable

# Pauses between tries in seconds: time for a restart, and no long silence where nothing runs.
PAUSES = (0.25, 0.5, 1.0)
# A service that asks for more patience than this is reported, not waited for.
LONGEST_PAUSE = 30.0
# What says "not now" rather than "no"; 502 and 504 come from proxies.
AWAY = frozenset({429, 502, 503, 504})


def exchange(request: Request) -> Flow[httpx.Response]:
    """Send a request, again while the service is away, and return its successful answer.

    Raises
    ------
    ConvqError
        The problem that the service answered, as an exception.
    Unavailable
        If the service was still away at the last try.
    """
    for pause in PAUSES if request.repeatable else ():
        try:
            response = yield from send(request)
        except Unavailable:
            asked = 0.0
        else:
            asked = pause_asked(response)
            if response.status_code not in AWAY or asked > LONGEST_PAUSE:
                raise_for_problem(response)
                return response
        # Jitter, so that many clients do not all come back in the same instant.
        yield from sleep(max(asked, pause) * random.uniform(1, 1.25))
    response = yield from send(request)
    raise_for_problem(response)
    return response


def open_once(request: Request) -> Flow[Stream]:
    """Open a streamed answer, without trying again, and return it if it is a success.

    Raises
    ------
    ConvqError
        The problem that the service answered, as an exception.
    """
    stream = yield from open_stream(request)
    if stream.response.is_success:
        return stream
    try:
        body = bytearray()
        while chunk := (yield from read(stream)):
            body += chunk
    finally:
        yield from close(stream)
    raise_for_problem(
        httpx.Response(
            stream.response.status_code, headers=stream.response.headers, content=bytes(body)
        )
    )
    raise AssertionError("an unsuccessful answer always raises")


def pause_asked(response: httpx.Response) -> float:
    """Return the seconds that the header Retry-After asks for, 0 without one.

    Examples
    --------
    >>> pause_asked(httpx.Response(503, headers={"Retry-After": "2"}))
    2.0
    """
    text = response.headers.get("Retry-After", "")
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return 0.0
