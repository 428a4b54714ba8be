"""Redis, API and workers on this machine, as one thing that starts and stops."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

import httpx
from redis.exceptions import RedisError

from convq.given_redis import check_redis
from convq.preflight import check_store_url
from convq.stack.fleet import WORKER_DEADLINE, command, environment
from convq.stack.folders import make_folder
from convq.stack.lock import lock_folder
from convq.stack.logs import fresh_log
from convq.stack.ports import ReservedPort
from convq.stack.process import Process, stop
from convq.stack.redis_server import RedisServer
from convq.stack.supervisor import Death, Supervisor
from core.addresses import check_address
from core.errors import Conflict, InvalidInput, Unavailable
from core.settings import Settings
from core.store.connection import connect
from core.store.workers import WorkerStore
from workers.devices import stack_slots

API_DEADLINE = 10.0
REDIS_DEADLINE = 10.0


class LocalStack:
    """The whole service on one machine: the same for ``convq serve``, the demo and the tests.

    Parameters
    ----------
    data : Path
        Folder for everything that is kept: ``redis/``, ``artifacts/``, ``logs/``.
    port : int
        Of the API; 0 stands for any free one.
    host : str
        Address that the API listens on.
    workers : int
        Number of Celery workers on the processor, named ``worker-1``, ``worker-2``, ... Each GPU of
        the settings (``gpus``) has one more: ``worker-gpu0``, ...
    redis_url : str, optional
        A Redis that runs already, which is then neither started nor stopped. By default one is
        started for the stack alone.
    settings : mapping of str to object, optional
        Fields of `core.settings.Settings` for API and workers, such as ``{"lease": 2}``; they come
        before the ``CONVQ_*`` variables of this process.
    on_death : callable, optional
        Called with the :class:`~convq.stack.supervisor.Death` of each process that will be
        restarted.

    Raises
    ------
    InvalidInput
        When there are too few workers, or no such GPUs.
    Unavailable
        When GPUs are asked for and there are none.

    Examples
    --------
    ::

        with LocalStack(Path("data")) as stack:
            client = convq.Client(stack.url)
    """

    def __init__(
        self,
        data: Path,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        workers: int = 1,
        redis_url: str | None = None,
        settings: Mapping[str, Any] = MappingProxyType({}),
        on_death: Callable[[Death], None] = lambda death: None,
    ) -> None:
        if workers < 1:
            raise InvalidInput(
                "too few workers", field="workers", given=workers, accepted="1 or more"
            )
        self.data = data.expanduser().absolute()
        self.host = host
        # A Redis from outside may serve other machines too, whose workers have names as well.
        machine = f"{socket.gethostname()}-" if redis_url is not None else ""
        self._settings = Settings(**settings)
        self._slots = stack_slots(self._settings, f"{machine}worker", workers)
        self.redis: RedisServer | None = None
        self.port = 0
        self._wanted_port = port
        self._outside_redis_url = redis_url
        self._overrides = {f"CONVQ_{name.upper()}": str(value) for name, value in settings.items()}
        self._on_death = on_death
        self._lock: int | None = None
        self._reserved: ReservedPort | None = None
        self._api: Process | None = None
        self._workers: list[Process] = []
        self._supervisor: Supervisor | None = None

    @property
    def workers(self) -> list[str]:
        """Names of the workers."""
        return [slot.name for slot in self._slots]

    @property
    def url(self) -> str:
        """Where a client on this machine finds the API."""
        # "All interfaces" is an address to listen on, not one to call.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def keys(self) -> bool:
        """Whether every request needs an API key."""
        return self._settings.keys

    @property
    def redis_url(self) -> str:
        """URL of the Redis in use."""
        if self._outside_redis_url is not None:
            return self._outside_redis_url
        assert self.redis is not None, "the stack was never started"
        return self.redis.url

    @property
    def store_url(self) -> str:
        """Where artifacts are kept."""
        if "store_url" in self._settings.model_fields_set:
            return self._settings.store_url
        return str(self.data / "artifacts")

    def start(self, timeout: float = 60) -> None:
        """Start everything and wait until the API answers and every worker is up.

        Parameters
        ----------
        timeout : float
            Seconds to wait.

        Raises
        ------
        Conflict
            When another stack uses the folder, or another program the port.
        InvalidInput
            When the folder cannot be made or written to, or host, port or the store's URL is not
            acceptable, or other machines could reach the host though API keys are off.
        Unavailable
            When the Redis from outside does not answer, or a process does not come up; with the
            end of its log. Nothing is left running.
        """
        check_address(self._settings, self.host)
        check_store_url(self.store_url)
        if self._outside_redis_url is not None:
            check_redis(self._outside_redis_url)
        make_folder(self.data, "data")
        self._lock = lock_folder(self.data)
        try:
            self._start(time.monotonic() + timeout)
        except BaseException:
            self.stop(hurry=_AT_ONCE)
            raise

    def stop(self, hurry: threading.Event | None = None) -> list[str]:
        """Drain: workers first, then the API, then Redis. Then nothing of the stack runs any more.

        Parameters
        ----------
        hurry : threading.Event, optional
            Setting it ends all waiting: what still runs is killed.

        Returns
        -------
        list of str
            Names of the processes that did not end in time and were killed.
        """
        if self._supervisor is not None:
            self._supervisor.stop()
            self._supervisor = None
        killed = stop(self._workers, deadline=self._settings.drain + WORKER_DEADLINE, hurry=hurry)
        if self._api is not None:
            killed += stop([self._api], deadline=API_DEADLINE, hurry=hurry)
        if self._reserved is not None:
            self._reserved.release()
            self._reserved = None
        if self.redis is not None:
            killed += stop([self.redis.process], deadline=REDIS_DEADLINE, hurry=hurry)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        return killed

    @property
    def api_pid(self) -> int:
        """Process id of the API."""
        assert self._api is not None, "the stack was never started"
        return self._api.pid

    def worker_pids(self) -> list[int]:
        """Process ids of the workers, in order."""
        return [worker.pid for worker in self._workers]

    def kill_worker(self, index: int = 0) -> int:
        """Kill a worker as a crash would; it is started again. Returns the old process id."""
        pid = self._workers[index].pid
        os.kill(pid, signal.SIGKILL)
        return pid

    def restart_redis(self, *, crash: bool = False) -> None:
        """Stop the stack's Redis, or crash it, and start it again with its port and data.

        Parameters
        ----------
        crash : bool
            Kill it with SIGKILL rather than ask it to end.

        Raises
        ------
        Conflict
            When the Redis in use was not started by the stack.
        """
        if self.redis is None or self._supervisor is None:
            raise Conflict("only a Redis that the running stack started can be restarted")
        with self._supervisor.looking_away():
            if crash:
                self.redis.kill()
                self.redis.start()
            else:
                self.redis.restart()

    def wait_until_ready(self, timeout: float = 60) -> None:
        """Wait until the API answers and every worker is up, also after a crash.

        Parameters
        ----------
        timeout : float
            Seconds to wait.

        Raises
        ------
        Unavailable
            When that does not happen in time.
        """
        self._await_ready(time.monotonic() + timeout)

    def __enter__(self) -> LocalStack:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    def _start(self, end: float) -> None:
        self._reserved = ReservedPort(self._wanted_port, self.host)
        self.port = self._reserved.number
        logs = self.data / "logs"
        if self._outside_redis_url is None:
            assert self._lock is not None
            self.redis = RedisServer(
                self.data / "redis", log=fresh_log(logs, "redis"), keep=[self._lock]
            )
            self.redis.start()
        variables = self._child_environment()

        def process(name: str, command: list[str]) -> Process:
            return Process(name, command, log=fresh_log(logs, name), environment=variables)

        api = [sys.executable, "-m", "api", "--host", self.host, "--port", str(self.port)]
        self._api = process("api", api)
        self._workers = [process(slot.name, command(slot)) for slot in self._slots]
        children = [self._api, *self._workers]
        for child in children:
            child.start()
        self._await_ready(end, children)
        if self.redis is not None:
            children.append(self.redis.process)
        self._supervisor = Supervisor(children, self._on_death)
        self._supervisor.start()

    def _child_environment(self) -> dict[str, str]:
        return {
            **environment(),
            **self._overrides,
            "CONVQ_REDIS_URL": self.redis_url,
            "CONVQ_STORE_URL": self.store_url,
        }

    def _await_ready(self, end: float, must_run: list[Process] | None = None) -> None:
        with httpx.Client(base_url=self.url, timeout=5, trust_env=False) as client:
            while missing := self._missing(client):
                for process in must_run or []:
                    if not process.running():
                        raise _not_up(process, f"{process.name} ended with {process.returncode}")
                if time.monotonic() > end:
                    assert self._api is not None
                    slow = next((p for p in self._workers if p.name == missing), self._api)
                    raise _not_up(slow, f"{missing} is not up in time")
                time.sleep(0.05)

    def _missing(self, client: httpx.Client) -> str | None:
        """Name one part that is not up yet."""
        try:
            if client.get("/readyz").status_code != httpx.codes.OK:
                return "api"
            # Not asked through the API, which may want a key.
            settings = self._settings.model_copy(update={"redis_url": self.redis_url})
            with connect(settings) as records:
                seen = WorkerStore(records, settings).all()
        except (httpx.HTTPError, RedisError):
            return "api"
        # By process, because after a crash the last sign of life of the dead worker is still fresh.
        here = socket.gethostname()
        up = {
            worker.about["pid"]
            for worker in seen
            if worker.about.get("host") == here and worker.state in ("up", "busy", "out")
        }
        return next((worker.name for worker in self._workers if worker.pid not in up), None)


_AT_ONCE = threading.Event()
_AT_ONCE.set()


def _not_up(process: Process, what: str) -> Unavailable:
    lines = "\n".join(process.last_lines())
    return Unavailable(f"{what}; the last lines of {process.log}:\n{lines}")
