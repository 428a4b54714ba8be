"""The stack under fire: Redis, API, workers, one worker behind a proxy, one with a wrong clock."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.chaos.cable import Cable
from bench.chaos.disk import Disk
from bench.chaos.proxy import Proxy
from convq.stack import LocalStack
from convq.stack.process import Process, stop
from convq.stack.supervisor import Supervisor
from core.settings import Settings
from core.store.connection import connect
from core.store.jobs import JobStore

CLOCK_OFF = "+10m"
FAR, SKEWED = "far", "skewed"
_STORE_MEGABYTES = 1024
_FAKETIME = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
)


class Arena:
    """A running stack, and the means to harm it.

    Parameters
    ----------
    folder : Path
        For everything that it writes.
    workers : int
        Workers beside the two special ones.
    settings : mapping of str to object
        Fields of `core.settings.Settings` that are not as by default.

    Attributes
    ----------
    skipped : dict
        What cannot be done on this machine, and why.
    line : Cable or Proxy
        What joins the far worker to Redis, to be cut and mended.
    lease : float
        Seconds after which a silent worker loses its job.
    """

    def __init__(self, folder: Path, workers: int, settings: Mapping[str, Any]) -> None:
        self.skipped: dict[str, str] = {}
        self.lease = Settings(**settings).lease
        # What was done to this machine is undone in the opposite order.
        self._undo = ExitStack()
        self.disk = Disk(folder / "store", _STORE_MEGABYTES)
        if reason := self.disk.refuses():
            self.skipped["disk"] = reason
        else:
            self._undo.callback(self.disk.unmount)
        store = str(self.disk.folder / "artifacts")
        self.stack = LocalStack(
            folder / "data", workers=workers, settings={**settings, "store_url": store}
        )
        self._settings = dict(settings)
        self._logs = folder / "data" / "logs"
        self._extra: dict[str, Process] = {}

    def start(self) -> None:
        """Start everything."""
        self._undo.callback(self.stack.stop)
        self.stack.start()
        self._extra[FAR] = self._far_worker()
        if library := next((path for path in _FAKETIME if Path(path).exists()), None):
            self._extra[SKEWED] = self._skewed_worker(library)
        else:
            self.skipped["clock"] = "libfaketime is missing (Debian: apt-get install libfaketime)"
        self._undo.callback(self._stop_extra)
        for process in self._extra.values():
            process.start()
        supervisor = Supervisor(list(self._extra.values()), lambda death: None)
        supervisor.start()
        self._undo.callback(supervisor.stop)
        client = connect(Settings(redis_url=self.stack.redis_url, redis_timeout=10))
        self.redis: Any = client
        self.jobs = JobStore(client)

    def stop(self) -> None:
        """Stop everything."""
        self._undo.close()

    def workers(self) -> dict[str, int]:
        """Return the process ids of the workers' parents, by name."""
        found = dict(zip(self.stack.workers, self.stack.worker_pids(), strict=True))
        return found | {name: process.pid for name, process in self._extra.items()}

    def running(self, worker: str | None = None) -> list[str]:
        """Return the ids of the jobs that run now, on one worker or on all."""
        names = self.workers() if worker is None else [worker]
        return [job.id for name in names for job in self.jobs.running_on(name)]

    def signal(self, worker: str, number: int) -> None:
        """Send a signal to a worker and its child."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.workers()[worker], number)

    def memory(self) -> dict[str, dict[str, int]]:
        """Return resident bytes and open files of the parent and the children of each worker."""
        return {name: usage(pid) for name, pid in self.workers().items()}

    def _far_worker(self) -> Process:
        assert self.stack.redis is not None
        cable = Cable()
        reason = cable.refuses()
        # Redis listens on this machine's 127.0.0.1, and a namespace has one of its own.
        host = "127.0.0.1" if reason else cable.address
        self.proxy = Proxy(self.stack.redis.port, host)
        self._undo.callback(self.proxy.close)
        self.line: Cable | Proxy = self.proxy if reason else cable
        if reason:
            self.skipped["network"] = f"{reason}; a proxy that forwards nothing stands in"
        else:
            self._undo.callback(cable.remove)
        url = urlsplit(self.stack.redis_url)
        login = url.netloc.rpartition("@")[0]
        through = url._replace(netloc=f"{login}@{host}:{self.proxy.port}").geturl()
        command = _command(FAR)
        return self._worker(
            FAR,
            command if reason else cable.inside(*command),
            {"CONVQ_REDIS_URL": through},
        )

    def _skewed_worker(self, library: str) -> Process:
        paths = [str(Path(__file__).parent / "faketime"), *filter(None, [os.getenv("PYTHONPATH")])]
        clock = {
            "LD_PRELOAD": library,
            "FAKETIME": CLOCK_OFF,
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": os.pathsep.join(paths),
        }
        return self._worker(SKEWED, _command(SKEWED), clock)

    def _worker(self, name: str, command: list[str], environment: Mapping[str, str]) -> Process:
        settings = {f"CONVQ_{key.upper()}": str(value) for key, value in self._settings.items()}
        return Process(
            name,
            command,
            log=self._logs / f"{name}.log",
            environment={
                **os.environ,
                **settings,
                "CONVQ_REDIS_URL": self.stack.redis_url,
                "CONVQ_STORE_URL": self.stack.store_url,
                "PYTHONUNBUFFERED": "1",
                **environment,
            },
        )

    def _stop_extra(self) -> None:
        self.line.mend()
        for process in self._extra.values():
            with suppress(ProcessLookupError):
                if process.running():
                    os.killpg(process.pid, signal.SIGCONT)
        stop(list(self._extra.values()), deadline=20)


def _command(worker: str) -> list[str]:
    return [sys.executable, "-m", "workers", "--name", worker]


def wait_until(happened: Any, seconds: float, pause: float = 0.05) -> bool:
    """Wait for something; return whether it happened in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if happened():
            return True
        time.sleep(pause)
    return bool(happened())


def usage(group: int) -> dict[str, int]:
    """Return resident bytes and open files of a process group."""
    resident = files = 0
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            if os.getpgid(int(entry.name)) == group:
                pages = int((entry / "statm").read_text().split()[1])
                resident += pages * os.sysconf("SC_PAGE_SIZE")
                files += len(list((entry / "fd").iterdir()))
    return {"resident": resident, "files": files}
