"""Predict what comes into a folder, each file once."""

import os
import time
from typing import Any, Callable, Dict, Iterator, Tuple

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
    for name, path, state in _files(folder):
        if os.path.samefile(path, results.path) or results.has(name, state):
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
    settled = {name: state for name, _, state in _files(folder)}
    return work_through(folder, results, predict, settled)


def _files(folder: str) -> "Iterator[Tuple[str, str, str]]":
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.startswith(".") or name.endswith(_UNFINISHED) or not os.path.isfile(path):
            continue
        try:
            about = os.stat(path)
        except OSError:
            continue
        yield name, path, "{}-{}".format(about.st_size, about.st_mtime_ns)
