"""Results as lines of JSON in a file that remembers what has been done.

A result and the fact that its input is done are one line, written at once: after a power cut both
are there, or neither is. A line that was cut short is removed when the file is opened again.
"""

import json
import os
from typing import Any, Dict


class Results:
    """A file of results.

    Parameters
    ----------
    path : str
        The file; made if it is not there.

    Examples
    --------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "results.jsonl")
    >>> results = Results(path)
    >>> results.add("a.npy", "5-100", {"class": 3})
    >>> Results(path).has("a.npy", "5-100"), Results(path).has("a.npy", "5-200")
    (True, False)
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._done = set()  # type: set[tuple[str, str]]
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self._length = self._read()

    def has(self, name: str, state: str) -> bool:
        """Return whether there is a result of this input in this state."""
        return (name, state) in self._done

    def add(self, name: str, state: str, result: "Dict[str, Any]") -> None:
        """Write a result, and do not return before it is on the disk.

        Parameters
        ----------
        name, state : str
            The input, and what tells it from another of the same name.
        result : dict
            JSON-ready.

        Raises
        ------
        OSError
            The disk is full, for example; the file is as it was before.
        """
        line = dict(result, input=name, state=state)
        data = json.dumps(line, sort_keys=True).encode("ascii") + b"\n"
        try:
            written = os.pwrite(self._descriptor, data, self._length)
            if written < len(data):
                raise OSError(28, "no room for a result", self.path)
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._length)
            raise
        self._length += len(data)
        self._done.add((name, state))

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _read(self) -> int:
        """Return the length of what is whole, and remove the rest."""
        length = 0
        with open(self._descriptor, "rb", closefd=False) as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                try:
                    entry = json.loads(line.decode("ascii"))
                    self._done.add((entry["input"], entry["state"]))
                except (ValueError, KeyError, TypeError):
                    # Not ours, or damaged: it stays, and says nothing.
                    pass
                length += len(line)
        os.ftruncate(self._descriptor, length)
        return length
