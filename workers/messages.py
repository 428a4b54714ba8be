"""Messages that are none: Celery's own reading of them would end the worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker import strategy

# convq sends none of these. Who forges them could have a process killed, or a message kept.
_UNUSED = ("timelimit", "eta", "expires", "retries")


def careful(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Return what takes messages for a task, as Celery's own does, but refuses what is none.

    A message that Celery cannot take apart raises whatever it raises, and ends the worker, which
    would get the same message again. One that is called invalid is logged and thrown away.
    """
    take = strategy.default(task, app, consumer, **options)

    def receive(message: Any, *rest: Any, **more: Any) -> Any:
        for name in _UNUSED:
            message.headers.pop(name, None)
        try:
            return take(message, *rest, **more)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidTaskError(f"no message of convq: {error!r}") from error

    return receive
