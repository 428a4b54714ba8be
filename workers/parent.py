"""What a worker's parent process does beside Celery: signs of life, reconciling, watching.

The parent never runs a convolution and never loads CUDA (it asks the driver how a GPU fares), so it
stays responsive whatever the child does.
"""

from __future__ import annotations

import logging
import os
import platform
import socket
import threading
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from typing import Any

import redis
from billiard.exceptions import WorkerLostError
from celery import signals
from redis.exceptions import RedisError

from core import needs
from core.conv.device import cpu
from core.settings import Settings
from core.store.connection import connect
from core.store.jobs import JobStore
from core.store.workers import WorkerStore
from workers import devices, gpus, memory
from workers.health import Health
from workers.hearing import Hearing
from workers.reconciler import Reconciler
from workers.steering import Steering
from workers.task import send
from workers.trial import prove_apart
from workers.vitals import Vitals
from workers.waking import summon, wake
from workers.warden import Warden

log = logging.getLogger(__name__)

_WATCH_INTERVAL = 0.25


class Parent:
    """The threads of one worker's parent process.

    Parameters
    ----------
    settings : Settings
        Of this worker.
    name : str
        The worker's name.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._redis: redis.Redis = connect(settings)
        self._jobs = JobStore(self._redis, settings.redis_prefix)
        self._workers = WorkerStore(self._redis, settings)
        self._warden = Warden(self._redis, settings, name, send)
        self._about = _about()
        self._gpu = devices.bound_to(settings)
        self._vitals = Vitals(self._gpu)
        self._health = None if self._gpu is None else self._watched(self._gpu)
        self._leaving = threading.Event()
        self._stop = threading.Event()

    def attach(self) -> None:
        """Connect to the signals of the Celery worker in this process."""
        signals.worker_ready.connect(self._on_ready, weak=False)
        signals.worker_shutting_down.connect(self._on_shutting_down, weak=False)
        signals.worker_shutdown.connect(self._on_shutdown, weak=False)
        signals.task_failure.connect(self._on_failure, weak=False)

    def _on_ready(self, sender: Any, **_: Any) -> None:
        threading.Thread(target=self._begin, args=(sender,), name="begin", daemon=True).start()

    def _begin(self, consumer: Any) -> None:
        self._insist(partial(self._workers.forget, self._name))
        reconciler = Reconciler(self._redis, self._settings, send)
        steering = Steering(self._redis, self._settings, self._name, consumer, self._works)
        hearing = Hearing(self._redis, self._settings, consumer, steering)

        def steer() -> None:
            # Once it stops, Celery takes no more messages, and must not be disturbed in that.
            if not self._leaving.is_set():
                steering.steer()
                hearing.listen()
                if steering.flows:
                    self._summon()

        def replace() -> None:
            # Celery looks after a process when a pipe from it closes. Of one that dies this is the
            # case before it can be waited for; Celery would look again after 5 s.
            consumer.call_soon(consumer.pool.maintain_pool)

        self._every(self._settings.heartbeat_interval, self._beat)
        self._every(self._settings.reconcile_interval, reconciler.reconcile)
        self._every(self._settings.sweep_interval, reconciler.sweep)
        self._every(_WATCH_INTERVAL, self._warden.watch)
        self._every(_WATCH_INTERVAL, steer)
        self._every(_WATCH_INTERVAL, replace)
        if self._health is not None:
            self._every(_WATCH_INTERVAL, self._health.watch)

    def _on_shutting_down(self, **_: Any) -> None:
        self._leaving.set()
        # Called inside the signal handler, where nothing may wait for Redis.
        drain = partial(self._workers.drain, self._name, after=self._settings.drain)
        threading.Thread(target=self._insist, args=(drain,), name="drain", daemon=True).start()

    def _on_shutdown(self, **_: Any) -> None:
        self._stop.set()
        try:
            self._workers.forget(self._name)
        except RedisError as error:
            log.warning("could not sign off: %s", error)

    def _on_failure(self, exception: BaseException, **_: Any) -> None:
        # Sent here only for a child that died; what a kind raises is handled in the child. Jobs
        # that it had claimed are the warden's; its message is used up.
        if isinstance(exception, WorkerLostError):
            if self._health is not None:
                self._health.suspect("the process that computed on it has died")
            wake(self._jobs, send)

    def _beat(self) -> None:
        told = {} if self._health is None else self._health.told()
        self._workers.beat(self._name, self._about | told | {"vitals": self._vitals.read()})

    def _watched(self, gpu: str) -> Health:
        retry = self._settings.gpu_retry
        return Health(prove_apart, gpus.Alarm(gpu), gpu, self._on_health, retry=retry)

    def _works(self) -> bool:
        return self._health is None or self._health.works

    def _on_health(self) -> None:
        """Tell of the GPU, and let others have what cannot be done on it."""
        assert self._health is not None
        self._beat()
        if self._health.failed:
            self._warden.strike(f"its GPU failed: {self._health.fault}")

    def _summon(self) -> None:
        proven = None if self._health is None else self._health.proven
        offers = needs.offers(self._about["memory"], None if proven is None else proven.memory)
        summon(self._jobs, "cpu" if self._gpu is None else "gpu", offers, send)

    def _insist(self, action: Callable[[], None]) -> None:
        """Act once, as soon as Redis answers."""
        while not self._stop.is_set():
            try:
                action()
                return
            except RedisError as error:
                log.warning("Redis did not answer: %s", error)
                self._stop.wait(_WATCH_INTERVAL)

    def _every(self, seconds: float, action: Callable[[], None]) -> None:
        def loop() -> None:
            while True:
                try:
                    action()
                except RedisError as error:
                    log.warning("%s: Redis did not answer: %s", action.__qualname__, error)
                except Exception:  # one defect must not end the watch for good
                    log.exception("%s failed", action.__qualname__)
                if self._stop.wait(seconds):
                    return

        threading.Thread(target=loop, name=action.__qualname__, daemon=True).start()


def _about() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "device": asdict(cpu()),
        "memory": memory.available(),
        "versions": {
            "convq": version("convq"),
            "python": platform.python_version(),
            "celery": version("celery"),
            "numpy": version("numpy"),
        },
    }
