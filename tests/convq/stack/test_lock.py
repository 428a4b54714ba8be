import os
import subprocess
import time

import pytest

from convq.stack import lock as lock_module
from convq.stack.lock import lock_folder
from core.errors import Conflict


def test_one_holder_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_module, "_PATIENCE", 0.1)
    lock = lock_folder(tmp_path)
    with pytest.raises(Conflict, match=rf"process {os.getpid()}\).*data.*--data"):
        lock_folder(tmp_path)
    os.close(lock)
    os.close(lock_folder(tmp_path))


def test_a_child_that_inherits_the_lock_keeps_it(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_module, "_PATIENCE", 0.1)
    lock = lock_folder(tmp_path)
    with subprocess.Popen(["sleep", "600"], pass_fds=[lock]) as child:
        os.close(lock)
        with pytest.raises(Conflict):
            lock_folder(tmp_path)
        child.kill()
    os.close(lock_folder(tmp_path))


def test_it_waits_a_moment_for_a_holder_that_is_going(tmp_path):
    lock = lock_folder(tmp_path)
    began = time.monotonic()
    with subprocess.Popen(["sleep", "0.3"], pass_fds=[lock]):
        os.close(lock)
        os.close(lock_folder(tmp_path))
        assert time.monotonic() - began >= 0.2


def test_other_folders_are_not_concerned(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    locks = [lock_folder(tmp_path / name) for name in "ab"]
    for lock in locks:
        os.close(lock)
