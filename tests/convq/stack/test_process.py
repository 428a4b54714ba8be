import os
import signal
import subprocess
import threading
import time

import pytest

from convq.stack import process as process_module
from convq.stack.process import Process, stop

POLITE = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + POLITE


@pytest.fixture
def polite(python, eventually):
    process = python(POLITE, "polite")
    process.start()
    assert eventually(process.last_lines)
    return process


@pytest.fixture
def stubborn(python, eventually):
    process = python(STUBBORN, "stubborn")
    process.start()
    assert eventually(process.last_lines)
    return process


def test_output_and_status_are_kept(python, eventually):
    process = python("import sys; print('to out'); print('to err', file=sys.stderr); sys.exit(3)")
    assert process.returncode is None
    process.start()
    assert eventually(lambda: not process.running())
    assert process.returncode == 3
    assert sorted(process.last_lines()) == ["to err", "to out"]


def test_the_environment_is_what_was_given(tmp_path, eventually):
    process = Process("env", ["/usr/bin/env"], log=tmp_path / "log", environment={"ANSWER": "42"})
    process.start()
    assert eventually(lambda: not process.running())
    assert "ANSWER=42" in process.last_lines()
    assert not any(line.startswith("HOME=") for line in process.last_lines())


def test_arguments_are_not_read_by_a_shell(tmp_path, eventually):
    process = Process("echo", ["/bin/echo", "$HOME; `id` *"], log=tmp_path / "log")
    process.start()
    assert eventually(lambda: not process.running())
    assert process.last_lines() == ["$HOME; `id` *"]


def test_it_has_no_input(python, eventually):
    process = python("import sys; print(repr(sys.stdin.read()))")
    process.start()
    assert eventually(lambda: not process.running())
    assert process.last_lines() == ["''"]


def test_the_log_is_appended_to_and_only_its_end_is_shown(python, eventually):
    process = python("for number in range(100): print(number)")
    for _ in range(2):
        process.start()
        assert eventually(lambda: not process.running())
    assert len(process.log.read_text().splitlines()) == 200
    assert process.last_lines(3) == ["97", "98", "99"]


def test_stop_asks(polite):
    assert stop([polite], deadline=10) == []
    assert polite.returncode == -signal.SIGTERM


def test_stop_kills_after_the_deadline(stubborn, polite):
    began = time.monotonic()
    assert stop([stubborn, polite], deadline=0.3) == ["stubborn"]
    assert 0.3 <= time.monotonic() - began < 5
    assert stubborn.returncode == -signal.SIGKILL


def test_hurry_ends_the_waiting(stubborn):
    hurry = threading.Event()
    threading.Timer(0.1, hurry.set).start()
    began = time.monotonic()
    assert stop([stubborn], deadline=60, hurry=hurry) == ["stubborn"]
    assert time.monotonic() - began < 5


def test_stop_leaves_alone_what_never_ran(python):
    assert stop([python(POLITE)], deadline=1) == []


def test_only_the_process_itself_is_asked_to_end(family, alive):
    parent, child = family
    parent.signal(signal.SIGSTOP)
    assert alive(child)
    parent.signal(signal.SIGCONT)
    parent.kill()


def test_kill_takes_the_children_too(family, alive, eventually):
    parent, child = family
    parent.kill()
    assert not alive(parent.pid)
    assert eventually(lambda: not alive(child))


def test_the_children_of_a_process_that_died_are_ended(family, alive, eventually):
    parent, child = family
    os.kill(parent.pid, signal.SIGKILL)
    assert eventually(lambda: not parent.running())
    assert eventually(lambda: not alive(child))


def test_the_command_does_not_begin_before_it_is_guarded(tmp_path, monkeypatch, alive, eventually):
    class Interrupted(Exception):
        pass

    started = []

    def protect(group):
        started.append(group)
        raise Interrupted

    monkeypatch.setattr(process_module.GUARD, "protect", protect)
    process = Process("touch", ["/bin/touch", str(tmp_path / "began")], log=tmp_path / "log")
    with pytest.raises(Interrupted):
        process.start()
    process._require().stdin.close()
    assert eventually(lambda: not alive(started[0]))
    process._require().wait()
    assert not (tmp_path / "began").exists()


def test_descriptors_are_kept_only_when_asked(tmp_path, eventually):
    read, write = os.pipe()
    for keep, expected in (((), "no"), ((read,), "yes")):
        test = [
            "/bin/sh",
            "-c",
            f"if test -e /proc/self/fd/{read}; then echo yes; else echo no; fi",
        ]
        process = Process("fd", test, log=tmp_path / "log", keep=keep)
        process.start()
        assert eventually(lambda process=process: not process.running())
        assert process.last_lines(1) == [expected]
    os.close(read)
    os.close(write)


def test_a_program_that_does_not_exist_ends_with_a_word_in_the_log(tmp_path, eventually):
    process = Process("nothing", ["/no/such/program"], log=tmp_path / "log")
    process.start()
    assert eventually(lambda: not process.running())
    assert process.returncode == 127
    assert "/no/such/program" in process.last_lines()[-1]


def test_starting_twice_is_refused(polite):
    with pytest.raises(AssertionError, match="runs already"):
        polite.start()


def test_no_zombie_is_left(polite):
    polite.kill()
    listed = subprocess.run(["ps", "-o", "pid", "-p", str(polite.pid)], capture_output=True)
    assert str(polite.pid).encode() not in listed.stdout
