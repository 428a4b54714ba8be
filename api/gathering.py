"""Jobs of requests that come at the same time are recorded together.

Redis syncs its file for each script, and who posts a job waits for it. Those who come meanwhile are
recorded together after that, with one look at what they refer to and one script.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import Counter, defaultdict
from functools import partial
from typing import Annotated, NamedTuple

import anyio
from fastapi import Depends, Request
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from api.services import Services
from api.submission import Submitted, Wish, submit
from core.errors import ConvqError

# As many as one script records.
_MOST = 100
# Who comes while others are planned for longer than this need not wait for them.
_SLOW_SECONDS = 0.02


class _Asked(NamedTuple):
    wish: Wish
    answer: asyncio.Future[Submitted | ConvqError]


class Gathering:
    """Takes jobs one by one and records them in groups, each of one tenant."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, list[_Asked]] = defaultdict(list)
        self._recording: Counter[str] = Counter()
        self._slow_from: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, services: Services, wish: Wish) -> Submitted:
        """Record a job of the tenant that ``services`` are of, and wake a worker up.

        Raises
        ------
        ConvqError
            What `api.submission.submit` answers in place of the job.
        """
        loop = asyncio.get_running_loop()
        asked = _Asked(wish, loop.create_future())
        self._waiting[services.tenant].append(asked)
        if not self._recording[services.tenant] or loop.time() > self._slow_from[services.tenant]:
            self._begin(services)
        found = await asked.answer
        if isinstance(found, ConvqError):
            raise found
        return found

    def _begin(self, services: Services) -> None:
        """Record those of a tenant who wait now, if there are any."""
        waiting = self._waiting.pop(services.tenant, [])
        if not waiting:
            return
        group, later = waiting[:_MOST], waiting[_MOST:]
        if later:
            self._waiting[services.tenant] = later
        self._recording[services.tenant] += 1
        # What is logged of all of them is not about the request that came first.
        task = asyncio.create_task(self._record(services, group), context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, services))
        loop = asyncio.get_running_loop()
        self._slow_from[services.tenant] = loop.time() + _SLOW_SECONDS
        loop.call_later(_SLOW_SECONDS, self._begin, services)

    def _ended(self, services: Services, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._recording[services.tenant] -= 1
        if not self._recording[services.tenant]:
            del self._recording[services.tenant], self._slow_from[services.tenant]
            self._begin(services)

    async def _record(self, services: Services, group: list[_Asked]) -> None:
        wishes = [asked.wish for asked in group]
        try:
            answers, missing = await anyio.to_thread.run_sync(
                submit, services, wishes, limiter=services.plans
            )
            await services.producer.send(missing)
        except Exception as error:  # noqa: BLE001 - each request tells of it
            if isinstance(error, RedisConnectionError | RedisTimeoutError):
                # It is away for those who wait, too, and they shall not wait for as long again.
                group = group + self._waiting.pop(services.tenant, [])
            for asked in group:
                if not asked.answer.done():  # else its request was cancelled
                    asked.answer.set_exception(error)
        else:
            for asked, answer in zip(group, answers, strict=True):
                if not asked.answer.done():
                    asked.answer.set_result(answer)


async def _gathering(request: Request) -> Gathering:
    gathering: Gathering = request.app.state.gathering
    return gathering


Gathered = Annotated[Gathering, Depends(_gathering)]
"""The type of a route's parameter that receives the application's `Gathering`."""
