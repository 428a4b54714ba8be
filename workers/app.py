"""The Celery application of the workers."""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery, signals

from core import logs, spans
from core.queue import celery_config
from core.settings import Settings
from workers.tail import TAIL


def _set_up_logging(**_: Any) -> None:
    # Celery would set up its own in the parent and in each child.
    settings = Settings()
    logs.setup(settings.log_format, level=settings.log_level)
    logging.getLogger().addHandler(TAIL)
    if settings.otlp_url is not None:
        spans.setup("convq-worker", settings.otlp_url)
    # A message only wakes; what is done then is told by who does it.
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))


signals.setup_logging.connect(_set_up_logging)
app = Celery("convq", include=["workers.task"])
app.conf.update(celery_config(Settings()))
