"""Predict what comes into a folder, each file once."""

import os
import stat
import time
from typing import Any, Callable, Dict, Iterator, Optional, Tuple

from core.edge.runtime.errors import EdgeError
from core.edge.runtime.results import Results

Predict = Callable[[bytes], "Dict[str, Any]"]

# What programs call files that they are still writing.
_UNFINISHED = (".part", ".tmp", ".partial", ".crdownload")


def work_through(folder: str, results: Results, predict: Predict, settled: "Dict[str, str]") -> int:
    """Predict the files that are new, in the order of their names.

    Parameters
    ----------
    folder : str
        Where they are.
    results : Results
        What has been done, and where results go.
    predict : callable
        From the bytes of a file to a result; what it refuses is a result, too.
    settled : dict
        The state in which each file was seen last; a file is read once it has stayed the same.
        Changed in place.

    Returns
    -------
    int
        How many results were written.
    """
    count = 0
    for name, path, state in files(folder, results.path):
        if results.has(name, state):
            continue
        if settled.get(name) != state:
            settled[name] = state
            continue
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            continue  # it has gone, or cannot be read yet
        try:
            result = predict(data)
        except EdgeError as error:
            result = {"error": str(error)}
        results.add(name, state, result)
        settled.pop(name, None)
        count += 1
    return count


def watch(
    folder: str, results: Results, predict: Predict, interval: float, stop: "Callable[[], bool]"
) -> None:
    """Work through a folder again and again, until ``stop`` says so."""
    settled = {}  # type: Dict[str, str]
    while not stop():
        if not work_through(folder, results, predict, settled):
            time.sleep(interval)


def once(folder: str, results: Results, predict: Predict) -> int:
    """Work through a folder whose files are complete; return how many results were written."""
    settled = {name: state for name, _, state in files(folder, results.path)}
    return work_through(folder, results, predict, settled)


def files(folder: str, own: "Optional[str]" = None) -> "Iterator[Tuple[str, str, str]]":
    """Give name, path and state of each input in a folder, in the order of their names.

    Parameters
    ----------
    folder : str
        Where they are.
    own : str, optional
        A file that is no input: the one that results go to.
    """
    results = None if own is None else os.stat(own)
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.startswith(".") or name.endswith(_UNFINISHED):
            continue
        try:
            about = os.stat(path)
        except OSError:
            continue  # it has gone
        if not stat.S_ISREG(about.st_mode):
            continue
        if results is None or not os.path.samestat(about, results):
            yield name, path, "{}-{}".format(about.st_size, about.st_mtime_ns)
