"""Several workers on one machine, as one program in the foreground."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from convq.stack.process import Process, stop
from convq.stack.signals import signal_events
from convq.stack.supervisor import Death, Supervisor
from core import logs
from core.settings import Settings
from workers.devices import Slot

# Seconds between the request to end and the kill. A worker lets its job go on for a while
# (`Settings.drain`) and hands it back then; this is the time that it gets after that.
WORKER_DEADLINE = 15.0

log = logging.getLogger(__name__)


def command(slot: Slot, queues: Sequence[str] = ()) -> list[str]:
    """Return the command that runs one worker."""
    made = [sys.executable, "-m", "workers", "--name", slot.name]
    if slot.gpu is not None:
        made += ["--device", slot.gpu.uuid]
    for queue in queues:
        made += ["--queue", queue]
    return made


def environment() -> dict[str, str]:
    """Return the variables of a worker that this process starts."""
    # A folder named `workers` where the user happens to stand is not ours.
    return {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}


def run_fleet(settings: Settings, slots: Sequence[Slot], queues: Sequence[str] = ()) -> int:
    """Run workers until SIGINT, SIGTERM or SIGHUP, then drain them; start again what dies.

    Parameters
    ----------
    settings : Settings
        For logs, and how long jobs may go on at the end.
    slots : sequence of Slot
        The workers.
    queues : sequence of str
        Celery queues to serve; all work by default.

    Returns
    -------
    int
        0, or 1 if a worker had to be killed.
    """
    logs.setup(settings.log_format, level=settings.log_level)
    made = environment()
    processes = [Process(slot.name, command(slot, queues), environment=made) for slot in slots]
    supervisor = Supervisor(processes, _tell)
    with signal_events() as (asked, again):
        try:
            for process in processes:
                log.info("starts worker %s", process.name)
                process.start()
            supervisor.start()
            asked.wait()
            supervisor.stop()
        finally:
            killed = stop(processes, deadline=settings.drain + WORKER_DEADLINE, hurry=again)
    for name in killed:
        log.warning("worker %s did not end in time and was killed", name)
    return 1 if killed else 0


def _tell(death: Death) -> None:
    log.warning(
        "worker %s ended (%s); it is started again in %.1f s", death.name, death.reason, death.delay
    )
