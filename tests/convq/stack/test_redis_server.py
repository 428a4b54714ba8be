import socket
import stat
import sys
import time
from pathlib import Path

import pytest
import redis

from convq.stack import redis_server
from convq.stack.redis_server import RedisServer, find_program
from core.errors import Unavailable

ROOT = Path(__file__).parents[3]


@pytest.fixture
def server(tmp_path: Path):
    with RedisServer(tmp_path / "redis") as started:
        yield started


def client_of(server: RedisServer) -> redis.Redis:
    return redis.Redis.from_url(server.url, decode_responses=True)


def test_it_is_durable_and_never_evicts(server):
    with client_of(server) as client:
        found = client.config_get("append*") | client.config_get("maxmemory-policy")
    assert found["appendonly"] == "yes"
    assert found["appendfsync"] == "always"
    assert found["maxmemory-policy"] == "noeviction"


def test_few_short_events_take_little_memory(server):
    with client_of(server) as client:
        for state in ("queued", "running", "succeeded"):
            client.xadd("events", {"event": "state", "data": f'{{"state":"{state}"}}'})
        assert client.memory_usage("events") < 1024


def test_containers_have_the_same_settings(server):
    lines = (ROOT / "deploy/k8s/redis.conf").read_text().splitlines()
    settings = dict(line.split(" ", 1) for line in lines if line and not line.startswith("#"))
    # Of the container, and of its network, where a password is asked for.
    del settings["dir"], settings["bind"]
    with client_of(server) as client:
        assert {name: client.config_get(name)[name] for name in settings} == settings


def test_data_survives_a_crash_on_the_same_port(server):
    url = server.url
    with client_of(server) as client:
        client.set("job", "accepted")
    server.kill()
    assert not server.process.running()
    server.start()
    assert server.url == url
    with client_of(server) as client:
        assert client.get("job") == "accepted"


def test_restart_keeps_the_data(server):
    with client_of(server) as client:
        client.set("job", "accepted")
    before = server.process.pid
    server.restart()
    assert server.process.pid != before
    with client_of(server) as client:
        assert client.get("job") == "accepted"


def test_a_new_server_on_the_folder_reads_the_old_data(tmp_path):
    with RedisServer(tmp_path) as first, client_of(first) as client:
        client.set("job", "accepted")
    with RedisServer(tmp_path) as second, client_of(second) as client:
        assert client.get("job") == "accepted"
        assert second.url != first.url


def test_it_wants_the_password(server):
    with (
        redis.Redis(port=server.port) as stranger,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        stranger.get("job")
    assert stat.S_IMODE((server.folder / "redis.conf").stat().st_mode) == 0o600


def test_it_listens_on_this_machine_only(server):
    with client_of(server) as client:
        assert client.config_get("bind")["bind"] == "127.0.0.1"


def test_folders_with_blanks_and_quotes_work(tmp_path):
    with RedisServer(tmp_path / 'my "own" data') as server, client_of(server) as client:
        assert client.ping()
        client.set("job", "accepted")
    assert list((tmp_path / 'my "own" data').glob("appendonlydir/*.aof"))


def test_start_takes_little_time(tmp_path):
    def seconds(number):
        began = time.monotonic()
        with RedisServer(tmp_path / str(number)):
            return time.monotonic() - began

    # A busy machine may hold one of them up.
    assert any(seconds(number) < 3 for number in range(5))


def test_a_server_that_does_not_start_shows_its_log(tmp_path):
    server = RedisServer(tmp_path)
    (tmp_path / "redis.conf").write_text("no-such-directive 1\n")
    with pytest.raises(Unavailable, match="no-such-directive"):
        server.start()
    assert not server.process.running()


def test_a_port_that_somebody_took_is_in_its_log(tmp_path):
    server = RedisServer(tmp_path)
    with (
        socket.create_server(("127.0.0.1", server.port)),
        pytest.raises(Unavailable, match="in use"),
    ):
        server.start()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can keep a port for somebody else")
def test_its_port_is_nobody_elses_while_it_does_not_run(tmp_path):
    server = RedisServer(tmp_path)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", server.port))
    server.start()
    server.stop()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", server.port))


def test_a_server_on_path_comes_first(tmp_path, monkeypatch):
    program = tmp_path / "valkey-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program() == redis_server.ServerProgram(program, "on PATH")


def test_without_any_server_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")

    def none_bundled():
        raise redis_server.ValkeyBinaryNotFoundError("none")

    monkeypatch.setattr(redis_server, "get_binary_path", none_bundled)
    with pytest.raises(Unavailable, match="apt-get install redis-server"):
        find_program()
