"""Small programs to run, and a way to see what runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from convq.stack.process import Process

# Programs of their own; to import them would be to run them.
collect_ignore = ["programs"]

FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
time.sleep(600)
"""


def is_alive(pid: int) -> bool:
    """Say whether the process runs; one that is dead but not yet waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def becomes_true(condition: Callable[[], object], seconds: float = 60) -> bool:
    """Say whether the condition becomes true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def alive():
    return is_alive


@pytest.fixture
def eventually():
    return becomes_true


@pytest.fixture
def python(tmp_path):
    """Make a :class:`Process` from Python code; all are killed at the end."""
    made: list[Process] = []

    def make(code: str, name: str = "program") -> Process:
        process = Process(name, [sys.executable, "-S", "-c", code], log=tmp_path / f"{name}.log")
        made.append(process)
        return process

    yield make
    for process in made:
        process.kill()


@pytest.fixture
def family(python):
    """A running process and the id of the child that it started."""
    parent = python(FAMILY, "family")
    parent.start()
    assert becomes_true(parent.last_lines)
    child = int(parent.last_lines()[-1].split()[1])
    assert is_alive(parent.pid)
    assert is_alive(child)
    assert os.getpgid(child) == parent.pid
    return parent, child


@pytest.fixture
def stand_ins(monkeypatch):
    """Let stacks run small programs in the place of the API and the workers."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "programs"))
    for name in ("CONVQ_REDIS_URL", "CONVQ_STORE_URL"):
        monkeypatch.delenv(name, raising=False)


def find_processes(data: Path) -> list[int]:
    """List the live processes that work for the stack on a data folder."""
    mark = str(data).encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            about = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            # Redis writes its title over both, but works in its folder.
            about += bytes((process / "cwd").readlink())
            if mark in about and is_alive(int(process.name)):
                found.append(int(process.name))
    return found


@pytest.fixture
def processes_of():
    return find_processes


SERVE = """
import sys
from pathlib import Path
from convq.stack import serve
from core.errors import ConvqError
try:
    sys.exit(serve(data=Path(sys.argv[1]), port=int(sys.argv[2])))
except ConvqError as error:
    sys.exit(str(error))
"""


class Serving:
    """``serve`` in a process of its own, with all that it printed so far."""

    def __init__(self, data, port, environment):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(data), str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "COLUMNS": "200", **environment},
        )
        self.printed = ""

    def read_until(self, text):
        while text not in self.printed:
            line = self.process.stdout.readline()
            assert line, f"ended without {text!r}: {self.printed}"
            self.printed += line
        return self.printed

    def end(self, number):
        self.process.send_signal(number)
        self.printed += self.process.communicate(timeout=30)[0]
        return self.process.returncode


@contextmanager
def run_serve(data, *, port=0, **environment):
    serve = Serving(data, port, environment)
    try:
        yield serve
    finally:
        serve.process.kill()
        serve.process.communicate()


@pytest.fixture
def serving():
    return run_serve
