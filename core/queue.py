"""What the API and the workers must agree on to meet in Celery, without importing it.

A message holds nothing: it wakes a worker up, which takes the best job that the records have.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from core.settings import Settings

TASK = "convq.run_job"
QUEUE = "convq"

Kind: TypeAlias = Literal["cpu", "gpu"]
"""Of the device that a worker computes on."""

# Of messages for jobs that only workers on one kind of device may run.
BOUND: dict[Kind, str] = {"cpu": "convq.cpu", "gpu": "convq.gpu"}

# Much longer than any message should stay unacknowledged: what may take long goes back to the
# queue before (CONVQ_CONTINUE_AFTER). A redelivery would be harmless anyway, since the second claim
# fails.
_VISIBILITY_TIMEOUT = 6 * 3600


def celery_config(settings: Settings) -> dict[str, Any]:
    """Return the Celery configuration that both sides use."""
    return {
        "broker_url": _broker_url(settings),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            "global_keyprefix": _key_prefix(settings.redis_prefix),
            "visibility_timeout": _VISIBILITY_TIMEOUT,
            "socket_connect_timeout": settings.redis_timeout,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
        "accept_content": ["json"],
        "task_serializer": "json",
        "task_default_queue": QUEUE,
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_publish_retry": False,
        "worker_prefetch_multiplier": 1,
        "worker_concurrency": 1,
        "worker_pool": "prefork",
        # The parent must never touch CUDA, so the child must not be a fork of it.
        "worker_pool_start_method": "spawn",
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "worker_hijack_root_logger": False,
        "worker_proc_alive_timeout": 60,
        # In KiB. What leaks, whoever's fault it is, costs a new process and no more.
        "worker_max_memory_per_child": settings.worker_memory >> 10,
        # The lease decides whether work goes on, not Celery's connection to the broker.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
    }


def depth(client: Any, settings: Settings, names: Iterable[str] = (QUEUE, *BOUND.values())) -> int:
    """Return the number of messages that wait in the broker, in the queues of these names."""
    return sum(client.llen(messages_key(settings.redis_prefix, name)) for name in names)


def messages_key(prefix: str, name: str = QUEUE) -> str:
    """Return the key of the broker's list of a queue's messages, given the first part of every key.

    Examples
    --------
    >>> messages_key("convq"), messages_key("convq", BOUND["gpu"])
    ('convq:celery:convq', 'convq:celery:convq.gpu')
    """
    return f"{_key_prefix(prefix)}{name}"


def _broker_url(settings: Settings) -> str:
    url = settings.redis_url
    if not url.startswith("rediss://") or "ssl_cert_reqs=" in url:
        return url
    # Celery would check no certificate, whereas redis-py does unless it is told otherwise.
    return f"{url}{'&' if '?' in url else '?'}ssl_cert_reqs=required"


def _key_prefix(prefix: str) -> str:
    return f"{prefix}:celery:"
