"""What a worker's parent does beside Celery."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery import signals

from bench.chaos.arena import wait_until
from core.settings import Settings
from workers.parent import Parent

_USED = (
    signals.worker_ready,
    signals.worker_shutting_down,
    signals.worker_shutdown,
    signals.task_failure,
)


class Consumer:
    """What the parent needs of Celery's, and how often its processes were looked after."""

    connection = None
    app = SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(consume_from=["convq"])))

    def __init__(self) -> None:
        self.looks = 0
        self.pool = self

    def maintain_pool(self) -> None:
        self.looks += 1

    def call_soon(self, act: Callable[..., None], *rest: Any) -> None:
        act(*rest)


@pytest.fixture
def attached(settings: Settings) -> Iterator[Consumer]:
    before = {signal: list(signal.receivers or ()) for signal in _USED}
    consumer = Consumer()
    Parent(settings, "w").attach()
    signals.worker_ready.send(consumer)
    yield consumer
    signals.worker_shutdown.send(None)
    for signal, receivers in before.items():
        signal.receivers = receivers


def test_the_processes_are_looked_after_again_and_again(attached: Consumer) -> None:
    # Celery's own look, when a pipe closes, may come before the process has died.
    assert wait_until(lambda: attached.looks > 2, 30)
