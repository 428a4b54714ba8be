"""Following a job: its events, resumed when the connection breaks, and waiting for its end."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from math import inf

from convq.client.flow import Flow, Request, Stream, close, read, sleep
from convq.client.models import TERMINAL, Event, Job, Progress
from convq.client.operations import id_of, job_path
from convq.client.operations import job as read_job
from convq.client.retry import open_once
from convq.client.sse import Message, Parser
from core.errors import ConvqError, Unavailable

# The service writes at least a comment more often than this; longer silence is a lost connection.
SILENCE = 20.0
# How long the service may be away before following a job is given up.
PATIENCE = 60.0
# Between looks at a job that no event told of: short at first, for jobs that take a moment.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0


class EventFeed:
    """The events of a job, in order, each once, however often the connection breaks.

    Parameters
    ----------
    job : Job or str
        The job or its id.
    after : str or None
        The id of the last event that is known already.
    """

    def __init__(self, job: Job | str, after: str | None = None) -> None:
        self._job_id = id_of(job)
        self._last_id = after
        self._stream: Stream | None = None
        self._parser = Parser()
        self._waiting: deque[Event] = deque()
        self._complete = False

    @property
    def more_at_hand(self) -> bool:
        """Whether the next event has arrived already."""
        return bool(self._waiting)

    def next(self) -> Flow[Event | None]:
        """Return the next event, ``None`` after the one that ends the job.

        Raises
        ------
        NotFound
            There is no such job.
        Unavailable
            If the service stays away for longer than `PATIENCE`.
        """
        pause = FIRST_PAUSE
        while True:
            event = yield from self.next_connected()
            if event is not None:
                return event
            # An event of the past may say "failed" of a job that was queued again since.
            job = yield from read_patiently(self._job_id, time.monotonic() + PATIENCE)
            if self._complete and job.ended:
                return None
            yield from sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def next_connected(self) -> Flow[Event | None]:
        """Return the next event of this connection, ``None`` when it has ended or broken.

        The next call connects anew and goes on after the last event.
        """
        try:
            if self._stream is None:
                self._stream = yield from self._connect()
                self._complete = True
            while not self._waiting:
                chunk = yield from read(self._stream)
                if not chunk:
                    yield from self.close()
                    return None
                self._waiting.extend(map(_event, self._parser.feed(chunk)))
        except Unavailable:
            self._complete = False
            yield from self.close()
            return None
        event = self._waiting.popleft()
        self._last_id = event.id or self._last_id
        # A stream is complete if it ends after a terminal state, or has nothing to tell.
        self._complete = event.data.get("state") in TERMINAL
        return event

    def close(self) -> Flow[None]:
        """Let go of the connection."""
        stream, self._stream = self._stream, None
        if stream is not None:
            yield from close(stream)

    def _connect(self) -> Flow[Stream]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}
        if self._last_id is not None:
            headers["Last-Event-ID"] = self._last_id
        self._parser = Parser()
        return open_once(
            Request("GET", job_path(self._job_id, "events"), headers=headers, timeout=SILENCE)
        )


def wait(
    of: Job | str, timeout: float | None, on_progress: Callable[[Job], None] | None
) -> Flow[Job]:
    """Return the job when it has ended, telling of each change before.

    Each round reads the record, which is the truth, and then follows the events for as long as
    they come. Without events (an old proxy in between, say) the rounds are polling.

    Raises
    ------
    TimeoutError
        If the job has not ended after ``timeout`` seconds.
    Unavailable
        If the service stays away for longer than `PATIENCE`.
    """
    deadline = inf if timeout is None else time.monotonic() + timeout
    job_id = id_of(of)
    feed = EventFeed(job_id)
    pause = FIRST_PAUSE
    try:
        while True:
            now = time.monotonic()
            job = yield from read_patiently(job_id, min(deadline, now + PATIENCE))
            if on_progress is not None:
                on_progress(job)
            if job.ended:
                return job
            if time.monotonic() >= deadline:
                raise TimeoutError(f"job {job_id} is still {job.state} after {timeout:g} s")
            pause = min(2 * pause, LONGEST_PAUSE)
            # A read of the stream may last SILENCE; what is left of less time is polled.
            while deadline - time.monotonic() > SILENCE and not job.ended:
                try:
                    event = yield from feed.next_connected()
                except ConvqError:
                    # Whether this is serious, the next look at the record says.
                    break
                if event is None:
                    break
                pause = FIRST_PAUSE
                job = _after(job, event)
                # A new connection replays the past: only where it leads is news.
                if on_progress is not None and not feed.more_at_hand and not job.ended:
                    on_progress(job)
            if not job.ended:
                yield from sleep(max(0.0, min(pause, deadline - time.monotonic())))
    finally:
        yield from feed.close()


def read_patiently(job_id: str, give_up: float) -> Flow[Job]:
    """Read a job, however often the service is away, until the monotonic time ``give_up``."""
    while True:
        try:
            return (yield from read_job(job_id))
        except Unavailable:
            if time.monotonic() >= give_up:
                raise
        yield from sleep(LONGEST_PAUSE)


def _event(message: Message) -> Event:
    return Event(id=message.id, name=message.event, data=json.loads(message.data))


def _after(job: Job, event: Event) -> Job:
    changes: dict[str, object] = {}
    if "state" in event.data:
        changes["state"] = event.data["state"]
    if event.name == "progress":
        changes["progress"] = Progress.model_validate(event.data)
    if event.name == "metrics":
        changes["metrics"] = event.data
    return job.model_copy(update=changes)
