"""A folder whose files are predicted and then removed: each gives one result, whatever happens.

The result is on the disk before its input is removed, and is delivered after the input is gone for
good. So after a power cut an input is there, or its result is, or both; and where both are, the
result says which input it is of.
"""

import os
from typing import Any, Callable, Dict, List, Tuple

from core.edge.agent.disk import Disk
from core.edge.agent.spool import Spool
from core.edge.runtime.errors import EdgeError
from core.edge.runtime.folder import files

# Inputs for which the folder is synced once.
_BATCH = 64


class Inbox:
    """A folder that other programs put images into.

    Parameters
    ----------
    disk : Disk
        What it lies on.
    folder : str
        Whatever is in it is taken, and removed once its result is safe.
    spool : Spool
        Where results go.
    predict : callable
        From the bytes of a file to a result. What is wrong with a file is in the result; an
        exception says that the input must wait.
    """

    def __init__(
        self, disk: Disk, folder: str, spool: Spool, predict: "Callable[[bytes], Dict[str, Any]]"
    ) -> None:
        if not (os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)):
            raise EdgeError("files cannot be taken from this folder", "--input", given=folder)
        self._disk, self._folder, self._spool, self._predict = disk, folder, spool, predict
        # A file is read once it has stayed the same between two looks.
        self._settled = {}  # type: dict[str, str]
        # Inputs with results that may still be there.
        self._done = {(result["input"], result["state"]) for result in spool.all()}
        self._clear(self._files())

    def step(self) -> int:
        """Take some of the files that are complete; return how many.

        Raises
        ------
        EdgeError, OSError
            Nothing can be taken now: there is no model, the spool or the disk is full.
        """
        found = self._files()
        ready = [file for file in found if self._settled.get(file[0]) == file[2]][:_BATCH]
        self._settled = {name: state for name, _, state in found}
        try:
            for name, path, state in ready:
                data = self._disk.read(path)
                if data is not None:
                    self._take(name, path, state, data)
        finally:
            self._clear(ready)
        return len(ready)

    def _take(self, name: str, path: str, state: str, data: bytes) -> None:
        if (name, state) not in self._done:
            # Else its time could be another one after a power cut, and it another input.
            self._disk.sync(path)
            self._spool.add(dict(self._predict(data), input=name, state=state))
            self._done.add((name, state))

    def _files(self) -> "List[Tuple[str, str, str]]":
        # A name that is no text becomes one, as it is told to others.
        found = files(self._folder)
        return [
            (os.fsencode(n).decode("utf-8", "replace"), path, state) for n, path, state in found
        ]

    def _clear(self, found: "List[Tuple[str, str, str]]") -> None:
        """Remove those that have results, for good; then the results may be delivered."""
        for name, path, state in found:
            if (name, state) in self._done:
                self._disk.remove(path)
        self._disk.sync_folder(self._folder)
        self._done.clear()
        self._spool.let_go()
