"""Jobs whose requests come at the same time are recorded together, each for itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import anyio
import httpx
import pytest
import redis

import api.gathering
from api.gathering import Gathering
from core.errors import InvalidInput

SECONDS = 10


class Desk:
    """Stands in for what records a group: the first group waits until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, slow: float = 1000) -> None:
        self.groups: list[list[str]] = []
        self.begun = threading.Event()
        self.go = threading.Event()
        self.first: Callable[[], None] = lambda: None
        monkeypatch.setattr(api.gathering, "submit", self._submit)
        monkeypatch.setattr(api.gathering, "_SLOW_SECONDS", slow)

    def _submit(self, services: Any, wishes: Sequence[Any]) -> tuple[list[Any], int]:
        self.groups.append(list(wishes))
        if len(self.groups) == 1:
            self.begun.set()
            assert self.go.wait(SECONDS)
            self.first()
        return [InvalidInput(wish) if wish == "bad" else wish.upper() for wish in wishes], 1


def tenant(name: str, sent: list[int] | None = None) -> Any:
    async def send(count: int) -> None:
        (sent if sent is not None else []).append(count)

    return SimpleNamespace(
        tenant=name, plans=anyio.CapacityLimiter(8), producer=SimpleNamespace(send=send)
    )


async def ask(gathering: Gathering, services: Any, *wishes: Any) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.create_task(gathering.submit(services, wish)) for wish in wishes]
    await asyncio.sleep(0)  # each has its first turn
    return tasks


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, SECONDS)


def test_who_comes_while_others_are_recorded_is_recorded_with_those_who_came_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk, sent = Desk(monkeypatch), []

    async def scenario() -> list[Any]:
        gathering, lab = Gathering(), tenant("lab", sent)
        tasks = await ask(gathering, lab, "a")
        await until(desk.begun)
        tasks += await ask(gathering, lab, "b", "bad", "c")
        desk.go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second, refused, third = asyncio.run(scenario())
    assert (first, second, third) == ("A", "B", "C")
    assert isinstance(refused, InvalidInput)
    assert desk.groups == [["a"], ["b", "bad", "c"]]
    assert sent == [1, 1]


def test_tenants_do_not_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch)

    async def scenario() -> None:
        gathering = Gathering()
        (ours,) = await ask(gathering, tenant("ours"), "a")
        await until(desk.begun)
        (theirs,) = await ask(gathering, tenant("theirs"), "b")
        assert await asyncio.wait_for(theirs, SECONDS) == "B"
        desk.go.set()
        assert await ours == "A"

    asyncio.run(scenario())


def test_a_plan_that_takes_long_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch, slow=0.001)

    async def scenario() -> None:
        gathering, lab = Gathering(), tenant("lab")
        (slow,) = await ask(gathering, lab, "a")
        await until(desk.begun)
        (quick,) = await ask(gathering, lab, "b")
        assert await asyncio.wait_for(quick, SECONDS) == "B"
        desk.go.set()
        assert await slow == "A"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("error", "fails"),
    [(redis.exceptions.TimeoutError("away"), [1, 1, 1]), (ZeroDivisionError(), [1, 0, 0])],
)
def test_who_waits_for_a_redis_that_is_away_does_not_wait_twice(
    monkeypatch: pytest.MonkeyPatch, error: Exception, fails: list[int]
) -> None:
    desk = Desk(monkeypatch)

    def fail() -> None:
        raise error

    desk.first = fail

    async def scenario() -> list[Any]:
        gathering, lab = Gathering(), tenant("lab")
        tasks = await ask(gathering, lab, "a")
        await until(desk.begun)
        tasks += await ask(gathering, lab, "b", "c")
        desk.go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(scenario())
    assert [answer is error for answer in answers] == [bool(fail) for fail in fails]
    assert len(desk.groups) == (1 if all(fails) else 2)


def test_each_of_many_posts_gets_its_own_job(http: httpx.Client, body: dict[str, Any]) -> None:
    count = 24

    def post(number: int) -> httpx.Response:
        trace = f"{number + 1:032x}"
        inputs = ["sha256:" + "0" * 64] if number % 8 == 7 else body["inputs"]
        return http.post(
            "/v1/jobs",
            json=body | {"inputs": inputs, "label": str(number)},
            headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"},
        )

    with ThreadPoolExecutor(count) as pool:
        answers = list(pool.map(post, range(count)))
    for number, answer in enumerate(answers):
        if number % 8 == 7:
            assert (answer.status_code, answer.json()["code"]) == (422, "artifact_not_found")
        else:
            assert answer.status_code == 202
            job = answer.json()
            assert (job["label"], job["trace"]) == (str(number), f"{number + 1:032x}")
            assert job["plan"]["groups"]
    assert len(http.get("/v1/jobs").json()["jobs"]) == count - count // 8
