"""A disk that remembers what was done to it, and what a power cut may leave of that."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.edge.agent.disk import Disk

TIME = 1_000_000_000


class Quick(Disk):
    """A disk that is never cut off, and so need not sync."""

    def sync(self, path: str) -> None:
        pass

    def sync_folder(self, folder: str) -> None:
        pass


class Recording(Quick):
    """Does what it is told, and keeps a log of it."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []

    def write(self, path: str, data: bytes, at: int = 0) -> None:
        super().write(path, data, at)
        self.log.append(("write", path, at, data))

    def cut(self, path: str, length: int) -> None:
        super().cut(path, length)
        self.log.append(("cut", path, length))

    def sync(self, path: str) -> None:
        self.log.append(("sync", path))

    def sync_folder(self, folder: str) -> None:
        self.log.append(("sync_folder", folder))

    def rename(self, old: str, new: str) -> None:
        super().rename(old, new)
        self.log.append(("rename", old, new))

    def remove(self, path: str) -> None:
        if Path(path).exists():
            super().remove(path)
            self.log.append(("remove", path))


@dataclass
class File:
    """What is safe of a file, and what was done to it since."""

    safe: bytes = b""
    unsafe: list[tuple[Any, ...]] = field(default_factory=list)

    def after(self, chance: random.Random | None) -> bytes:
        """Return what is in it: all of it, or what chance leaves of what was not synced."""
        data = bytearray(self.safe)
        for operation, *arguments in self.unsafe:
            share = 1.0 if chance is None else chance.choice((0.0, 1.0, chance.random()))
            if operation == "cut":
                if share == 1.0:
                    del data[arguments[0] :]
                continue
            at, written = arguments
            written = written[: round(share * len(written))]
            if written:
                data.extend(bytes(max(0, at - len(data))))
                data[at : at + len(written)] = written
        return bytes(data)


def leave(log: list[tuple[Any, ...]], chance: random.Random, root: Path, copy: Path) -> None:
    """Write into ``copy`` what a power cut after ``log`` may leave of what was below ``root``.

    Bytes that were not synced are there, in part, or not; names in a folder that was not synced
    changed up to some moment.
    """
    names: dict[str, File] = {}
    safe_names: dict[str, File] = {}
    # By folder; each is done wholly or not at all.
    changes: dict[str, list[dict[str, File | None]]] = defaultdict(list)

    def change(found: dict[str, File | None]) -> None:
        changes[str(Path(next(iter(found))).parent)].append(found)

    def settle(folder: str, count: int) -> None:
        for found in changes[folder][:count]:
            for path, file in found.items():
                if file is None:
                    safe_names.pop(path, None)
                else:
                    safe_names[path] = file
        del changes[folder][:count]

    for operation, path, *arguments in log:
        if operation == "write":
            if path not in names:
                names[path] = File()
                change({path: names[path]})
            names[path].unsafe.append(("write", *arguments))
        elif operation == "cut":
            names[path].unsafe.append(("cut", *arguments))
        elif operation == "sync":
            names[path].safe, names[path].unsafe = names[path].after(None), []
        elif operation == "sync_folder":
            settle(path, len(changes[path]))
        elif operation == "rename":
            names[arguments[0]] = names.pop(path)
            change({path: None, arguments[0]: names[arguments[0]]})
        else:
            del names[path]
            change({path: None})
    for folder in list(changes):
        settle(folder, chance.randint(0, len(changes[folder])))
    for path, file in safe_names.items():
        target = copy / Path(path).relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.after(chance))
        # A file that is safe keeps its time; `Box.arrive` gives all inputs this one.
        os.utime(target, ns=(TIME, TIME))
