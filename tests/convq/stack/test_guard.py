import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from convq.stack.guard import Guard

# A program that starts a process, which starts a child, and then waits to be killed.
SUPERVISOR = """
import sys, time
from pathlib import Path
from convq.stack.process import Process

family = '''
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
'''
process = Process("family", [sys.executable, "-c", family], log=Path(sys.argv[1]))
process.start()
while not process.last_lines():
    time.sleep(0.01)
print(process.pid, process.last_lines()[0], flush=True)
time.sleep(float(sys.argv[2]))
"""


def start_supervisor(tmp_path, seconds):
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path / "log"), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )
    parent, child = map(int, supervisor.stdout.readline().split())
    return supervisor, parent, child


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_a_process_that_is_killed(tmp_path, alive, eventually, number):
    supervisor, parent, child = start_supervisor(tmp_path, 600)
    with supervisor:
        assert alive(parent)
        assert alive(child)
        supervisor.send_signal(number)
        supervisor.wait()
        assert eventually(lambda: not alive(parent))
        assert eventually(lambda: not alive(child))


def test_nothing_outlives_a_process_that_simply_ends(tmp_path, alive, eventually):
    supervisor, parent, child = start_supervisor(tmp_path, 0)
    with supervisor:
        assert supervisor.wait() == 0
        assert eventually(lambda: not alive(parent))
        assert eventually(lambda: not alive(child))


@pytest.fixture
def sleeper():
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    with process:
        yield process
        process.kill()


def test_close_kills_what_is_protected_and_spares_what_was_released(sleeper):
    guard = Guard()
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as released:
        guard.protect(released.pid)
        guard.protect(sleeper.pid)
        guard.release(released.pid)
        guard.close()
        assert sleeper.wait(10) == -signal.SIGKILL
        assert released.poll() is None
        released.kill()


def test_a_killed_guard_is_replaced_and_knows_all_groups(sleeper, alive, eventually):
    guard = Guard()
    guard.protect(sleeper.pid)
    first = guard.pid
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: not alive(first))
    guard.ensure()
    assert guard.pid != first
    guard.close()
    assert sleeper.wait(10) == -signal.SIGKILL


def ignored_signals(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    mask = next(int(line.split()[1], 16) for line in lines if line.startswith("SigIgn"))
    return {number for number in signal.valid_signals() if mask >> (number - 1) & 1}


def test_a_guard_goes_on_guarding_whatever_the_terminal_sends(sleeper, eventually):
    guard = Guard()
    guard.protect(sleeper.pid)
    sent = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    assert eventually(lambda: sent <= ignored_signals(guard.pid))
    for number in sent:
        os.kill(guard.pid, number)
    guard.close()
    assert sleeper.wait(10) == -signal.SIGKILL
