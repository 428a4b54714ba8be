import signal

import httpx
import pytest
import redis

from convq.stack import RedisServer

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("stand_ins")]


def url_in(printed):
    return next(line.split()[1] for line in printed.splitlines() if line.startswith("service"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_drains_and_leaves_nothing(serving, tmp_path, processes_of, number):
    with serving(tmp_path) as serve:
        serve.read_until("Ctrl-C")
        assert httpx.get(f"{url_in(serve.printed)}/readyz").status_code == 200
        assert serve.end(number) == 0
    assert "stopped" in serve.printed
    assert (tmp_path / "journal").read_text().split() == ["worker", "api"]
    assert processes_of(tmp_path) == []


def test_the_report_names_everything(serving, tmp_path):
    with serving(tmp_path) as serve:
        printed = serve.read_until("Ctrl-C")
    assert f"{url_in(printed)}/docs" in printed
    assert str(tmp_path) in printed
    assert "worker-1" in printed
    assert "on port" in printed


def test_kill_9_leaves_nothing_and_the_folder_can_be_used_at_once(
    serving, tmp_path, processes_of, eventually
):
    with serving(tmp_path) as serve:
        serve.read_until("Ctrl-C")
        assert len(processes_of(tmp_path)) == 5  # serve, Redis, API, worker and its child
        serve.end(signal.SIGKILL)
        with serving(tmp_path) as second:
            second.read_until("Ctrl-C")
            assert second.end(signal.SIGTERM) == 0
    assert eventually(lambda: processes_of(tmp_path) == [])


def test_a_second_signal_stops_at_once(serving, tmp_path, processes_of, eventually):
    with serving(tmp_path, WORKER_IS_STUCK="1", CONVQ_DRAIN="600") as serve:
        serve.read_until("Ctrl-C")
        serve.process.send_signal(signal.SIGINT)
        serve.read_until("stopping")
        assert serve.end(signal.SIGINT) == 1
    assert "killed worker-1" in serve.printed
    assert eventually(lambda: processes_of(tmp_path) == [])


def test_an_interrupt_during_the_start_leaves_nothing(serving, tmp_path, processes_of, eventually):
    # Which takes until it is interrupted.
    with serving(tmp_path, WORKER_IS_SILENT="1") as serve:
        assert eventually(lambda: (tmp_path / "logs" / "redis.log").exists())
        assert serve.end(signal.SIGINT) == 130
    assert eventually(lambda: processes_of(tmp_path) == [])


def test_a_death_is_told_with_the_last_lines(serving, tmp_path):
    with serving(tmp_path) as serve:
        url = url_in(serve.read_until("Ctrl-C"))
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{url}/crash")
        printed = serve.read_until("a bug in the API")
    assert "api ended (exit status 3); starting it again in 0.2 s" in printed


def test_the_folder_of_a_running_serve_is_refused(serving, tmp_path):
    with serving(tmp_path) as first:
        first.read_until("Ctrl-C")
        with serving(tmp_path) as second:
            printed = second.process.communicate(timeout=30)[0]
            assert second.process.returncode == 1
    assert f"another convq serve (process {first.process.pid})" in printed


def test_an_outside_redis_is_named_without_its_password(serving, tmp_path):
    with (
        RedisServer(tmp_path / "outside") as server,
        serving(tmp_path / "data", CONVQ_REDIS_URL=server.url) as serve,
    ):
        serve.read_until("Ctrl-C")
        assert serve.end(signal.SIGTERM) == 0
        assert server.process.running()
    assert f"redis://127.0.0.1:{server.port}/0 (CONVQ_REDIS_URL" in serve.printed
    assert server.url not in serve.printed


def test_warnings_about_an_outside_redis(serving, tmp_path):
    with RedisServer(tmp_path / "outside") as server:
        with redis.Redis.from_url(server.url) as client:
            client.config_set("appendfsync", "everysec")
            client.config_set("maxmemory-policy", "allkeys-lru")
        with serving(tmp_path / "data", CONVQ_REDIS_URL=server.url) as serve:
            serve.read_until("Ctrl-C")
            assert serve.end(signal.SIGTERM) == 0
    assert "warning this Redis: appendfsync is everysec" in serve.printed
    assert "warning this Redis: maxmemory-policy is allkeys-lru" in serve.printed


def test_an_outside_redis_that_is_away(serving, tmp_path):
    with serving(tmp_path, CONVQ_REDIS_URL="redis://:secret@127.0.0.1:1/0") as serve:
        printed = serve.process.communicate(timeout=30)[0]
    assert "Redis at redis://127.0.0.1:1/0 does not answer" in printed
    assert list(tmp_path.iterdir()) == []
