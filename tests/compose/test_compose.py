"""docker-compose.yml as an operator meets it: one service through upgrades, kills and restarts.

The tests share it and run in the order in which they stand here.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
import zarr
from scipy import ndimage, signal

import convq
from convq.client.models import Job
from core.errors import ConvqError, NotFound
from tests.compose.containers import (
    PATIENCE,
    ROOT,
    Service,
    build,
    docker,
    free_port,
    inspected,
    revision,
    wait_until,
)
from workers.memory import available

pytestmark = pytest.mark.timeout(1800)

DASHBOARD = json.loads((ROOT / "deploy/monitoring/grafana/dashboards/convq.json").read_text())
RNG = np.random.default_rng(7)
Expected = tuple[Job, np.ndarray]


def some_jobs(
    client: convq.Client, count: int, *, image: int = 700, kernel: int = 25
) -> list[Expected]:
    """Submit jobs with one kernel, and return them with what must come out."""
    w = RNG.normal(size=(kernel, kernel)).astype(np.float32)
    found = []
    for _ in range(count):
        x = RNG.normal(size=(image, image)).astype(np.float32)
        job = client.submit(inputs=[x], kernel=w, method="direct", mode="valid")
        found.append((job, signal.fftconvolve(x, w, "valid")))
    return found


def slow_jobs(client: convq.Client, count: int) -> list[Expected]:
    """Submit jobs of some seconds each, by an algorithm that nobody would choose for them."""
    return some_jobs(client, count, image=3000, kernel=255)


def check(client: convq.Client, jobs: list[Expected]) -> None:
    for job, expected in jobs:
        ended = client.wait(job, timeout=PATIENCE)
        assert ended.state == "succeeded", ended.error
        np.testing.assert_allclose(client.result(ended), expected, rtol=1e-3, atol=0.1)


def tiled_job(client: convq.Client, folder: Path) -> Expected:
    """Submit a job over a chunked array, and return it with what must come out."""
    x = RNG.normal(size=(300, 200)).astype(np.float32)
    path = folder / "image.zarr"
    zarr.create_array(path, shape=x.shape, chunks=(100, 100), dtype=x.dtype)[...] = x
    kernel = {"preset": "box", "size": 3}
    job = client.submit(inputs=[path], kernel=kernel, tile_shape=[100, 100])
    return job, ndimage.uniform_filter(x, 3, mode="reflect")


def check_tiled(client: convq.Client, job: Job, expected: np.ndarray, into: Path) -> None:
    ended = client.wait(job, timeout=PATIENCE)
    assert ended.state == "succeeded", ended.error
    (path,) = client.download(ended, into)
    np.testing.assert_allclose(
        np.asarray(zarr.open_array(path, mode="r")[...]), expected, atol=1e-3
    )


def live_workers(client: convq.Client) -> set[str]:
    return {worker.name for worker in client.workers() if worker.state in ("up", "busy")}


def put_certificate(folder: Path) -> ssl.SSLContext:
    """Put a new certificate of localhost with its key into the folder; trust that one alone."""
    made, key = folder / "convq.pem", folder / "key"
    asked = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
    asked += " -addext subjectAltName=DNS:localhost"
    command = ["openssl", *asked.split(), "-keyout", key, "-out", made]
    subprocess.run(command, check=True, capture_output=True)
    trusted = ssl.create_default_context(cafile=str(made))
    made.write_bytes(made.read_bytes() + key.read_bytes())
    key.unlink()
    # The proxy runs as a user of its own.
    folder.chmod(0o755)
    made.chmod(0o644)
    return trusted


def test_jobs_in_flight_survive_an_upgrade(service: Service) -> None:
    build("convq-test:before", "HEAD^")
    service.version = "before"
    service.up()
    with service.client() as client:
        jobs = slow_jobs(client, 2) + some_jobs(client, 6)
        wait_until(lambda: client.job(jobs[0][0].id).state == "running", "a job runs")
        service.version = "now"
        service.up()
        jobs += some_jobs(client, 2)
        check(client, jobs)
        attempts = [client.job(job.id).attempts for job, _ in jobs]
    # What ran went to the end within the time to drain, or on elsewhere; what was queued ran there.
    (first, *_), *_, last = attempts
    assert first.worker != last[0].worker
    for name in ("api", "worker-cpu"):
        assert {inspected(c)["Config"]["Image"] for c in service.containers(name)} == {
            "convq-test:now"
        }


def test_no_container_has_rights_that_it_does_not_need(service: Service) -> None:
    for name in ("redis", "api", "proxy", "worker-cpu"):
        containers = service.containers(name)
        assert containers, name
        for container in containers:
            found = inspected(container)
            host = found["HostConfig"]
            assert host["ReadonlyRootfs"], name
            assert host["CapDrop"] == ["ALL"], name
            assert "no-new-privileges:true" in host["SecurityOpt"], name
            assert host["Memory"] > 0, name
            processes = docker("top", container, "-eo", "pid,uid,args").splitlines()[1:]
            assert "0" not in {line.split()[1] for line in processes}, name
            assert not any(service.password in line for line in processes), name


def test_a_worker_knows_how_much_memory_it_may_have(service: Service) -> None:
    (worker,) = service.containers("worker-cpu")
    ask = "from workers.memory import available; print(available())"
    limit = inspected(worker)["HostConfig"]["Memory"]
    assert int(docker("exec", worker, "python", "-c", ask)) == min(limit, available())


def test_the_image_says_what_it_is_and_holds(service: Service) -> None:
    image = json.loads(docker("image", "inspect", "convq-test:now"))[0]
    assert image["Config"]["User"] == "convq"
    labels = image["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == "convq"
    assert labels["org.opencontainers.image.revision"] == revision()
    listed = json.loads(
        docker("run", "--rm", "--entrypoint", "cat", "convq-test:now", "/opt/convq/sbom.cdx.json")
    )
    names = {component["name"] for component in listed["components"]}
    assert {"celery", "fastapi", "numpy", "redis"} <= names
    assert not {"pip", "setuptools", "pytest"} & names
    debian = docker("run", "--rm", "--entrypoint", "dpkg-query", "convq-test:now", "--show")
    assert "libc6" in debian


def test_every_replica_serves_behind_one_port(service: Service) -> None:
    replicas = service.containers("api")
    assert len(replicas) == 2
    with service.client() as client:
        docker("kill", replicas[0])
        wait_until(lambda: len(service.containers("api")) == 1, "a replica is gone")
        # The proxy may ask the dead one once more before it knows.
        for _ in range(20):
            client.queue()
    service.up()
    assert len(service.containers("api")) == 2


def test_prometheus_reads_every_replica_with_a_key_of_its_own(service: Service) -> None:
    service.up("proxy", "prometheus")
    (prometheus,) = service.containers("prometheus")

    def told(query: str) -> list[str]:
        at = "http://127.0.0.1:9090"
        return docker("exec", prometheus, "promtool", "query", "instant", at, query).splitlines()

    wait_until(lambda: len(told('up{job="convq"} == 1')) == 2, "both replicas are scraped")
    wait_until(lambda: len(told("convq_redis_up == 1")) == 2, "what Redis knows is told")
    docker("exec", prometheus, "promtool", "check", "config", "/etc/prometheus/prometheus.yml")
    # The dashboard asks for what there is; no GPU and no box tells of itself here.
    asked = {
        panel["title"]: [t["expr"].replace("$__rate_interval", "1m") for t in panel["targets"]]
        for panel in DASHBOARD["panels"]
        if "targets" in panel
    }
    for query in (query for queries in asked.values() for query in queries):
        told(query)
    shown = ("Workers by state", "Memory of Redis", "Requests a second")
    wait_until(lambda: all(told(asked[title][0]) for title in shown), f"data for {shown}")
    tested = ["--entrypoint", "promtool", inspected(prometheus)["Config"]["Image"]]
    tested += ["test", "rules", "/convq/tests/deploy/alerts.yml"]
    docker("run", "--rm", "--volume", f"{ROOT}:/convq:ro", *tested)
    service.compose("--profile", "monitoring", "rm", "--stop", "--force", "prometheus")


def test_three_workers_share_the_work_and_one_may_be_killed(service: Service) -> None:
    service.settings = {"CONVQ_CPU_WORKERS": "3"}
    service.up()
    with service.client() as client:
        wait_until(lambda: len(live_workers(client)) == 3, "three workers")
        jobs = slow_jobs(client, 3) + some_jobs(client, 6)
        busy: list[str] = []

        def one_is_busy() -> bool:
            busy[:] = [worker.name for worker in client.workers() if worker.state == "busy"]
            return bool(busy)

        wait_until(one_is_busy, "a worker with a job")
        docker("kill", busy[0])
        check(client, jobs)
        attempts = [attempt for job, _ in jobs for attempt in client.job(job.id).attempts]
        assert any(attempt.worker == busy[0] for attempt in attempts)
        assert len({attempt.worker for attempt in attempts}) > 1
    service.settings = {}
    service.up()


def test_a_restart_of_redis_loses_nothing(service: Service) -> None:
    with service.client() as client:
        jobs = slow_jobs(client, 1) + some_jobs(client, 6)
        (redis,) = service.containers("redis")
        docker("kill", redis)
        hasty = convq.Client(service.url, api_key=service.key, timeout=1)
        with hasty, pytest.raises(ConvqError):
            hasty.submit(inputs=[np.ones((4, 4))], kernel="sobel-x")
        docker("start", redis)
        check(client, jobs)


def test_a_full_redis_takes_nothing_and_loses_nothing(service: Service) -> None:
    service.settings = {"CONVQ_REDIS_MEMORY": "160m"}
    service.up()
    (redis,) = service.containers("redis")

    def told(*command: str) -> str:
        return docker("exec", redis, "redis-cli", "--no-auth-warning", *command).splitlines()[-1]

    limit = inspected(redis)["HostConfig"]["Memory"]
    assert limit == 160 << 20
    assert int(told("config", "get", "maxmemory")) == limit // 4 * 3
    with service.client() as client:
        done = some_jobs(client, 2)
        check(client, done)
        running = slow_jobs(client, 1)
        wait_until(lambda: client.job(running[0][0].id).state == "running", "a job runs")
        told("setrange", "ballast", str(limit // 4 * 3), "x")
        hasty = convq.Client(service.url, api_key=service.key, timeout=3)
        with hasty, pytest.raises(ConvqError, match="Redis has no memory left"):
            hasty.submit(inputs=[np.ones((4, 4))], kernel="sobel-x")
        # What is there can be read, and deleted to make room.
        check(client, done)
        client.delete(done[0][0])
        with pytest.raises(NotFound):
            client.job(done[0][0].id)
        assert not inspected(redis)["State"]["OOMKilled"]
        assert inspected(redis)["RestartCount"] == 0
        # What has finished waits until there is room: more of it, as docs/operations.md says.
        service.settings = {}
        service.up()
        check(client, running + some_jobs(client, 1))
    (redis,) = service.containers("redis")
    told("del", "ballast")


def test_results_and_keys_are_there_after_down_and_up(service: Service) -> None:
    with service.client() as client:
        jobs = some_jobs(client, 2)
        check(client, jobs)
        service.compose("down")
        service.up()
        check(client, jobs)


def test_a_worker_that_is_stopped_gives_its_job_back(service: Service) -> None:
    with service.client() as client:
        jobs = slow_jobs(client, 2)
        wait_until(lambda: any(w.state == "busy" for w in client.workers()), "a busy worker")
        before = time.monotonic()
        service.compose("stop", "worker-cpu")
        # CONVQ_DRAIN is 3 s here; the engine would kill after 60.
        assert time.monotonic() - before < 50
        stopped = service.compose("ps", "--all", "--quiet", "worker-cpu").split()
        assert {inspected(c)["State"]["ExitCode"] for c in stopped} == {0}
        service.up()
        check(client, jobs)


def test_workers_on_gpus_take_the_jobs_that_ask_for_one(service: Service, tmp_path: Path) -> None:
    """By stand-ins in the image, without the reservation that an engine without GPUs refuses."""
    folder = Path(__file__).parent / "gpu"
    made = ["--tag", "convq-test:now-gpu", str(ROOT / "tests")]
    docker("build", "--file", str(folder / "Dockerfile"), *made)
    slices = [{"uuid": "MIG-b", "name": "H MIG", "memory": 1 << 30}]
    gpus: list[dict[str, object]] = [
        {"uuid": "GPU-a", "name": "H", "memory": 8 << 30},
        {"uuid": "GPU-b", "name": "H", "memory": 8 << 30, "slices": slices},
    ]
    (tmp_path / "gpus.json").write_text(json.dumps(gpus))
    # The user of the workers compiles into it.
    tmp_path.chmod(0o777)
    service.files.append(str(folder / "compose.yml"))
    service.settings = {"COMPOSE_PROFILES": "gpu", "STAND_IN_GPUS": str(tmp_path)}
    service.up()
    (container,) = service.containers("worker-gpu")
    assert inspected(container)["HostConfig"]["ReadonlyRootfs"]
    with service.client() as client:
        on_gpus = {f"{container[:12]}-gpu0", f"{container[:12]}-gpu1-0"}
        wait_until(lambda: live_workers(client) >= on_gpus, "a worker for each GPU")
        x, w = RNG.normal(size=(60, 50)).astype(np.float32), np.ones((5, 3), np.float32)
        job = client.submit(inputs=[x], kernel=w, device="gpu", mode="valid")
        check(client, [(job, signal.fftconvolve(x, w, "valid"))])
        assert {attempt.worker for attempt in client.job(job.id).attempts} <= on_gpus
    told = json.loads(docker("exec", container, "convq", "doctor", "--test-gpus", "--json"))
    tested = [check for check in told["checks"] if check["name"].startswith("test of gpu")]
    assert [check["status"] for check in tested] == ["ok", "ok"]
    service.compose("rm", "--stop", "--force", "worker-gpu")
    service.files.pop()
    service.settings = {}


def test_a_backup_is_restored_on_an_empty_machine(service: Service, tmp_path: Path) -> None:
    service.up()
    with service.client() as client:
        # What waits together runs together, with results that share a file.
        client.pause()
        jobs = some_jobs(client, 8, image=40, kernel=3)
        client.resume()
        jobs += some_jobs(client, 1)
        check(client, jobs)
        redis = ("exec", "-T", "redis")
        assert int(service.compose(*redis, "redis-cli", "hlen", "convq:packs")) > 0
        giant, expected = tiled_job(client, tmp_path)
        check_tiled(client, giant, expected, tmp_path / "before")

        service.compose(*redis, "redis-cli", "config", "set", "auto-aof-rewrite-percentage", "0")
        records = service.stream(*redis, "tar", "-C", "/data", "-c", "appendonlydir")
        service.compose(*redis, "redis-cli", "config", "set", "auto-aof-rewrite-percentage", "100")
        artifacts = service.stream("exec", "-T", "api", "tar", "-C", "/data", "-c", "artifacts")
        later = some_jobs(client, 1)
        check(client, later)

        service.compose("down", "--volumes")
        into = ("run", "--rm", "-T", "--no-deps", "--entrypoint", "tar")
        service.stream(*into, "redis", "-C", "/data", "-x", stdin=records)
        service.stream(*into, "api", "-C", "/data", "-x", stdin=artifacts)
        service.up()
        found = json.loads(service.compose("run", "--rm", "-T", "cli", "gc", "--dry-run", "--json"))
        assert found["missing"] == []
        check(client, jobs)
        check_tiled(client, giant, expected, tmp_path / "after")
        with pytest.raises(NotFound):
            client.job(later[0][0].id)
        # The service is whole: what is new is done, too.
        check(client, some_jobs(client, 1))


def test_artifacts_in_the_store_of_the_profile_s3(service: Service) -> None:
    service.compose("down")
    service.configure(
        {"COMPOSE_PROFILES": "s3", "CONVQ_STORE_URL": "s3://convq/artifacts"},
        {
            "AWS_ENDPOINT_URL": "http://s3:8333",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "convq",
            "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-test",
        },
    )
    service.up()
    with service.client() as client:
        jobs = some_jobs(client, 2)
        check(client, jobs)
        service.compose("restart", "s3")
        jobs += some_jobs(client, 1)
        check(client, jobs)


def test_https_in_front_and_a_new_certificate(service: Service, tmp_path: Path) -> None:
    port = free_port()
    service.files = ["docker-compose.yml", "deploy/docker/compose.tls.yml"]
    service.settings |= {
        "CONVQ_CERTIFICATES": str(tmp_path),
        "CONVQ_LISTEN_TLS": f"127.0.0.1:{port}",
    }

    def is_up(trusted: ssl.SSLContext) -> bool:
        try:
            with httpx.Client(verify=trusted) as http:
                return http.get(f"https://localhost:{port}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    first = put_certificate(tmp_path)
    service.up()
    assert is_up(first)
    second = put_certificate(tmp_path)
    service.compose("kill", "--signal", "USR2", "proxy")
    wait_until(lambda: is_up(second), "the new certificate")
    assert not is_up(first)
