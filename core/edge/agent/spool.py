"""Results that wait to be delivered, in one file of bounded size.

Each result has a number, counted from 1 within a spool, and the service takes each number of a
spool once. So it does no harm to send a result again when the answer was lost, and what has been
delivered needs no mark on the disk before the file is written anew without it.

The first line names the spool and how many results came before those in the file; every other line
is a result. Each line begins with its checksum.
"""

import json
import os
import threading
import zlib
from typing import Any, Dict, List

from core.edge.agent.disk import Disk, replace
from core.edge.agent.errors import Full
from core.edge.runtime.errors import Damaged, EdgeError

# The file is written anew when so much of it has been delivered, or all of it.
_SLACK = 64 << 10
# Of a result, and of those that are delivered together: the service takes 8 MiB at a time.
_MOST_BYTES = 4 << 20


class Spool:
    """Results between a net and the service; safe to use from several threads.

    A result is delivered once `let_go` was called for it: when its input is gone for good.

    Parameters
    ----------
    disk : Disk
        What it lies on.
    path : str
        The file; made if it is not there.
    most : int
        Bytes that it may take.

    Attributes
    ----------
    name : str
        Of this spool; another one after the file was lost.
    before : int
        How many results are known to have been delivered.

    Examples
    --------
    >>> import tempfile
    >>> spool = Spool(Disk(), os.path.join(tempfile.mkdtemp(), "spool"))
    >>> spool.add({"class": 3}), spool.add({"class": 5})
    (1, 2)
    >>> spool.let_go()
    >>> spool.delivered(1)
    >>> spool.waiting(most=10)
    [{'class': 5}]
    """

    def __init__(self, disk: Disk, path: str, most: int = 64 << 20) -> None:
        self._disk, self._path, self._most = disk, path, most
        self._lock = threading.RLock()
        self._lines = []  # type: list[bytes]
        # Of the lines, how many have been delivered, and their bytes.
        self._done = self._done_bytes = 0
        # How many may be delivered.
        self._free = 0
        data = disk.read(path)
        if data is None:
            self.name, self.before = os.urandom(8).hex(), 0
            self._write_anew()
        else:
            self._read(data)

    def __len__(self) -> int:
        with self._lock:
            return len(self._lines) - self._done

    @property
    def size(self) -> int:
        """What the file takes, in bytes."""
        return self._length

    def add(self, result: "Dict[str, Any]") -> int:
        """Write a result, and do not return before it is on the disk; return its number.

        Raises
        ------
        Full
            There is no room before some results have been delivered.
        OSError
            The disk is full, for example; the file is as it was before.
        """
        line = _line(result)
        if len(line) > _MOST_BYTES:
            # What says of which input it is must not be lost with the rest.
            short = {"error": "the result is larger than {} bytes".format(_MOST_BYTES)}
            short.update((name, result[name]) for name in ("input", "state") if name in result)
            line = _line(short)
        with self._lock:
            if self._length + len(line) > self._most:
                raise Full(
                    "the spool is full; it goes on when results have been delivered",
                    "spool",
                    given="{} results".format(len(self)),
                    accepted="at most {} bytes".format(self._most),
                )
            try:
                self._disk.write(self._path, line, self._length)
                self._disk.sync(self._path)
            except OSError:
                self._disk.cut(self._path, self._length)
                raise
            self._length += len(line)
            self._lines.append(line)
            return self.before + len(self)

    def all(self) -> "List[Dict[str, Any]]":
        """Return all results that have not been delivered, the oldest first."""
        with self._lock:
            return [_result(line) for line in self._lines[self._done :]]

    def let_go(self) -> None:
        """Let all results that are here now be delivered."""
        with self._lock:
            self._free = len(self._lines)

    def waiting(self, most: int) -> "List[Dict[str, Any]]":
        """Return the results that are next to be delivered, the oldest first."""
        with self._lock:
            last = min(self._done + most, self._free)
            found = []  # type: list[dict[str, Any]]
            length = 0
            for line in self._lines[self._done : last]:
                length += len(line)
                if found and length > _MOST_BYTES:
                    break
                found.append(_result(line))
            return found

    def delivered(self, number: int) -> None:
        """Note that the service has all results up to a number.

        Raises
        ------
        EdgeError
            It says that it has results that were never made.
        """
        with self._lock:
            count = number - self.before
            if not 0 <= count <= len(self):
                raise EdgeError(
                    "the service claims results that this spool never had, or has lost some",
                    "received",
                    given=number,
                    accepted="{} to {}".format(self.before, self.before + len(self)),
                )
            passed = self._lines[self._done : self._done + count]
            self._done_bytes += sum(len(line) for line in passed)
            self._done += count
            self.before = number
            if self._done and (self._done == len(self._lines) or self._done_bytes > _SLACK):
                del self._lines[: self._done]
                self._free = max(0, self._free - self._done)
                self._done = self._done_bytes = 0
                self._write_anew()

    def _write_anew(self) -> None:
        head = _line({"spool": self.name, "before": self.before})
        data = b"".join([head] + self._lines)
        replace(self._disk, self._path, data)
        self._length = len(data)

    def _read(self, data: bytes) -> None:
        lines = data.splitlines(True)
        sound = [_is_sound(line) for line in lines]
        count = sound.index(False) if False in sound else len(lines)
        try:
            head = _result(lines[0] if count else b"")
            self.name, self.before = str(head["spool"]), int(head["before"])
        except (KeyError, TypeError, ValueError):
            raise self._damaged("its first line") from None
        if any(sound[count:]):
            raise self._damaged("line {}".format(count + 1))
        self._lines = lines[1:count]
        self._length = sum(len(line) for line in lines[:count])
        if self._length < len(data):
            # A line that a power cut has torn was never said to be safe.
            self._disk.cut(self._path, self._length)

    def _damaged(self, where: str) -> Damaged:
        return Damaged(
            "the spool is damaged: " + where + "; move it away to go on without its results",
            "spool",
            given=self._path,
        )


def _line(document: "Dict[str, Any]") -> bytes:
    text = json.dumps(document, sort_keys=True).encode("ascii") + b"\n"
    return b"%08x " % zlib.crc32(text) + text


def _result(line: bytes) -> "Dict[str, Any]":
    return json.loads(line[9:].decode("ascii"))  # type: ignore[no-any-return]


def _is_sound(line: bytes) -> bool:
    return line.endswith(b"\n") and line[:9] == b"%08x " % zlib.crc32(line[9:])
