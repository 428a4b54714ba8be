import os
import signal
import socket
import threading
from pathlib import Path

import httpx
import pytest
import redis

from convq.stack import LocalStack, RedisServer, local
from core.errors import Conflict, InvalidInput, Unavailable

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("stand_ins")]


def crash_api(stack):
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{stack.url}/crash")


def test_all_parts_run_and_then_none(tmp_path, processes_of):
    with LocalStack(tmp_path, workers=2) as stack:
        assert httpx.get(f"{stack.url}/readyz").status_code == 200
        with redis.Redis.from_url(stack.redis_url) as client:
            assert client.ping()
        assert len(set(stack.worker_pids())) == 2
        # Redis, API, two workers with a child each.
        assert len(processes_of(tmp_path)) == 6
    assert processes_of(tmp_path) == []


def test_workers_end_first_then_the_api_then_redis(tmp_path):
    with LocalStack(tmp_path, workers=2):
        pass
    # A worker could not have written its line if Redis had been gone.
    assert (tmp_path / "journal").read_text().split() == ["worker", "worker", "api"]


def test_a_killed_worker_comes_back_and_its_child_is_gone(tmp_path, eventually, processes_of):
    deaths = []
    with LocalStack(tmp_path, on_death=deaths.append) as stack:
        killed = stack.kill_worker()
        assert eventually(lambda: stack.worker_pids() != [killed])
        stack.wait_until_ready()
        assert killed not in stack.worker_pids()
        assert eventually(lambda: len(processes_of(tmp_path)) == 4)
    assert [(death.name, death.reason) for death in deaths] == [("worker-1", "killed by SIGKILL")]


def test_a_crashed_api_comes_back_on_its_port(tmp_path, eventually):
    deaths = []
    with LocalStack(tmp_path, on_death=deaths.append) as stack:
        url = stack.url
        crash_api(stack)
        assert eventually(lambda: deaths)
        stack.wait_until_ready()
        assert stack.url == url
        assert httpx.get(f"{url}/readyz").status_code == 200
    assert deaths[0].last_lines == ("a bug in the API",)
    assert deaths[0].reason == "exit status 3"


def test_a_crashed_redis_comes_back_with_its_data(tmp_path, eventually):
    deaths = []
    with LocalStack(tmp_path, on_death=deaths.append) as stack:
        with redis.Redis.from_url(stack.redis_url) as client:
            client.set("job", "accepted")
        first = stack.redis.process.pid
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: stack.redis.process.pid != first)
        with redis.Redis.from_url(stack.redis_url) as client:
            assert eventually(lambda: answer(client) == b"accepted")
    assert [death.name for death in deaths] == ["redis"]


def answer(client):
    try:
        return client.get("job")
    except redis.exceptions.ConnectionError:
        return None


@pytest.mark.parametrize("crash", [False, True])
def test_restart_redis_is_not_a_death(tmp_path, crash):
    deaths = []
    with LocalStack(tmp_path, on_death=deaths.append) as stack:
        with redis.Redis.from_url(stack.redis_url) as client:
            client.set("job", "accepted")
        first = stack.redis.process.pid
        stack.restart_redis(crash=crash)
        assert stack.redis.process.pid != first
        with redis.Redis.from_url(stack.redis_url) as client:
            assert client.get("job") == b"accepted"
    assert deaths == []


def test_a_stack_starts_again_on_its_data(tmp_path):
    stack = LocalStack(tmp_path)
    for expected in (None, b"accepted"):
        with stack, redis.Redis.from_url(stack.redis_url) as client:
            assert client.get("job") == expected
            client.set("job", "accepted")
    assert (tmp_path / "logs" / "redis.log.1").exists()


def test_an_outside_redis_is_used_and_left_running(tmp_path, processes_of):
    with RedisServer(tmp_path / "outside") as server:
        with LocalStack(tmp_path / "data", redis_url=server.url) as stack:
            assert stack.redis_url == server.url
            assert stack.redis is None
            assert stack.workers == [f"{socket.gethostname()}-worker-1"]
            with pytest.raises(Conflict, match="only a Redis that"):
                stack.restart_redis()
        assert server.process.running()
        assert processes_of(tmp_path / "data") == []


def test_two_stacks_do_not_share_a_folder(tmp_path, processes_of):
    with LocalStack(tmp_path):
        before = sorted(processes_of(tmp_path))
        with pytest.raises(Conflict, match="--data"):
            LocalStack(tmp_path).start()
        assert sorted(processes_of(tmp_path)) == before


def test_a_taken_port_is_named_before_anything_is_started(tmp_path, processes_of):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Conflict, match=f"{port}.*--port"):
            LocalStack(tmp_path, port=port).start()
    assert processes_of(tmp_path) == []
    with LocalStack(tmp_path):
        pass  # and the folder is free again


def test_an_api_that_does_not_start_shows_why_and_nothing_is_left(
    tmp_path, monkeypatch, processes_of
):
    monkeypatch.setenv("API_FAILS", "1")
    with pytest.raises(Unavailable, match="the API does not want to start"):
        LocalStack(tmp_path).start()
    assert processes_of(tmp_path) == []


def test_a_start_that_takes_too_long_names_what_is_missing(
    tmp_path, monkeypatch, processes_of, eventually
):
    monkeypatch.setattr(LocalStack, "_missing", lambda self, client: "worker-1")
    with pytest.raises(Unavailable, match="worker-1 is not up in time"):
        LocalStack(tmp_path).start(timeout=0.3)
    # The worker's child is killed too, but only the worker is waited for.
    assert eventually(lambda: processes_of(tmp_path) == [])


def test_a_worker_that_does_not_end_is_killed_and_named(
    tmp_path, monkeypatch, processes_of, eventually
):
    monkeypatch.setenv("WORKER_IS_STUCK", "1")
    monkeypatch.setattr(local, "WORKER_DEADLINE", 0.1)
    stack = LocalStack(tmp_path, settings={"drain": 0.2})
    stack.start()
    assert stack.stop() == ["worker-1"]
    assert eventually(lambda: processes_of(tmp_path) == [])


def test_hurry_waits_for_nobody(tmp_path, monkeypatch, processes_of, eventually):
    monkeypatch.setenv("WORKER_IS_STUCK", "1")
    stack = LocalStack(tmp_path, settings={"drain": 600})
    stack.start()
    hurry = threading.Event()
    threading.Timer(0.2, hurry.set).start()
    assert "worker-1" in stack.stop(hurry)
    assert eventually(lambda: processes_of(tmp_path) == [])


def test_settings_reach_the_children(tmp_path):
    with LocalStack(tmp_path, settings={"lease": 2.5}) as stack:
        listed = Path(f"/proc/{stack.worker_pids()[0]}/environ").read_text().strip("\0").split("\0")
    environment = dict(entry.split("=", 1) for entry in listed)
    assert environment["CONVQ_LEASE"] == "2.5"
    assert environment["CONVQ_REDIS_URL"] == stack.redis_url
    assert environment["CONVQ_STORE_URL"] == str(tmp_path / "artifacts")


def test_no_workers_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match=r"workers.*1 or more"):
        LocalStack(tmp_path, workers=0)


def test_without_keys_no_other_machine_can_reach_it(tmp_path):
    stack = LocalStack(tmp_path / "data", host="0.0.0.0")
    with pytest.raises(InvalidInput, match="without API keys"):
        stack.start()
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:0"),
        ("0.0.0.0", "http://127.0.0.1:0"),
        ("::", "http://[::1]:0"),
    ],
)
def test_the_url_is_one_that_can_be_called(tmp_path, host, url):
    assert LocalStack(tmp_path, host=host).url == url
