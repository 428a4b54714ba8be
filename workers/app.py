"""The Celery application of the workers."""

from __future__ import annotations

from celery import Celery

from core.queue import celery_config
from core.settings import Settings

app = Celery("convq", include=["workers.task"])
app.conf.update(celery_config(Settings()))
