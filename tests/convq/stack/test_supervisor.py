import os
import signal
import time

import pytest

from convq.stack import supervisor as supervisor_module
from convq.stack.supervisor import Supervisor

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"


@pytest.fixture
def watch():
    """Supervise processes; the deaths are collected in a list."""
    running = []

    def start(*processes):
        deaths = []
        supervisor = Supervisor(processes, deaths.append)
        supervisor.start()
        running.append(supervisor)
        return supervisor, deaths

    yield start
    for supervisor in running:
        supervisor.stop()


def test_what_dies_is_started_again(python, watch, eventually):
    process = python(SLEEPER)
    process.start()
    _, deaths = watch(process)
    first = process.pid
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: process.pid != first and process.running())
    (death,) = deaths
    assert death.name == "program"
    assert death.reason == "killed by SIGKILL"


def test_each_further_start_waits_longer_and_the_log_is_shown(
    python, watch, eventually, monkeypatch
):
    monkeypatch.setattr(supervisor_module, "FIRST_DELAY", 0.05)
    monkeypatch.setattr(supervisor_module, "LONGEST_DELAY", 0.2)
    process = python("import sys; print('no such table'); sys.exit(3)")
    process.start()
    _, deaths = watch(process)
    assert eventually(lambda: len(deaths) >= 4)
    assert [death.delay for death in deaths[:4]] == [0.05, 0.1, 0.2, 0.2]
    assert deaths[0].reason == "exit status 3"
    assert deaths[0].last_lines == ("no such table",)


def test_after_a_long_healthy_time_the_delay_is_short_again(python, watch, eventually, monkeypatch):
    monkeypatch.setattr(supervisor_module, "FIRST_DELAY", 0.05)
    monkeypatch.setattr(supervisor_module, "STABLE", 0.0)
    process = python("print('short life')")
    process.start()
    _, deaths = watch(process)
    assert eventually(lambda: len(deaths) >= 3)
    assert [death.delay for death in deaths[:3]] == [0.05] * 3


def test_others_go_on_meanwhile(python, watch, eventually):
    steady, fragile = python(SLEEPER, "steady"), python(SLEEPER, "fragile")
    steady.start()
    fragile.start()
    watch(steady, fragile)
    before, first = steady.pid, fragile.pid
    fragile.signal(signal.SIGKILL)
    assert eventually(lambda: fragile.pid != first and fragile.running())
    assert steady.pid == before
    assert steady.running()


def test_after_stop_nothing_is_started_again(python, watch):
    process = python(SLEEPER)
    process.start()
    supervisor, deaths = watch(process)
    supervisor.stop()
    process.kill()
    time.sleep(0.4)
    assert not process.running()
    assert deaths == []


def test_looking_away_allows_a_restart_by_hand(python, watch):
    process = python(SLEEPER)
    process.start()
    supervisor, deaths = watch(process)
    with supervisor.looking_away():
        process.kill()
        time.sleep(0.2)
        process.start()
    time.sleep(0.2)
    assert deaths == []
    assert process.running()


def test_a_start_that_fails_is_told_and_tried_again(python, watch, eventually, tmp_path):
    process = python(SLEEPER)
    process.start()
    _, deaths = watch(process)
    first = process.pid
    tmp_path.rename(tmp_path.with_name("away"))  # with it the folder of the log
    process.signal(signal.SIGKILL)
    assert eventually(lambda: any("cannot be started" in death.reason for death in deaths))
    tmp_path.with_name("away").rename(tmp_path)
    assert eventually(lambda: process.pid != first and process.running())


def test_a_listener_that_fails_does_not_end_the_watch(python, eventually):
    process = python(SLEEPER)
    process.start()

    def no_terminal(death):
        raise OSError("input/output error")

    supervisor = Supervisor([process], no_terminal)
    supervisor.start()
    for _ in range(2):
        first = process.pid
        process.signal(signal.SIGKILL)
        assert eventually(lambda first=first: process.pid != first and process.running())
    supervisor.stop()
