"""A bare Celery application whose only task does nothing; its Redis is in ``BENCH_REDIS``."""

from __future__ import annotations

import os

from celery import Celery

app = Celery("bench", broker=os.environ["BENCH_REDIS"], backend=os.environ["BENCH_REDIS"])
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="bench.nothing")  # type: ignore[untyped-decorator]
def nothing() -> None:
    """Do nothing, and have a result."""
