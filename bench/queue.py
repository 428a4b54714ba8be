"""convq's queue against bare Celery, RQ and Dramatiq on one Redis, in one run.

``python -m bench.queue`` measures and writes ``bench/results/queue.json`` and ``.md``; ``--jobs N``
says how many jobs, ``--listed N`` how many there are when listing is timed, 0 for none.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.measure import machine
from bench.queue_convq import Load, stack
from bench.queue_peers import PEERS, Peer, Skip, running
from convq.client import Client
from convq.stack.redis_server import RedisServer
from core.settings import Settings
from core.store.connection import connect
from core.store.jobs import JobStore, NewJob

_RESULTS = Path(__file__).parent / "results"
_CLIENTS, _BATCH = 8, 500
_LATENCIES = 100
_TOGETHER: int = Settings.model_fields["together"].default
_LARGE_SIDE = 8192  # float32: 256 MiB


def main() -> None:
    """Measure everything and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--listed", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=_RESULTS)
    arguments = parser.parse_args()
    found: dict[str, Any] = {"machine": machine(), "jobs": arguments.jobs}
    with tempfile.TemporaryDirectory(prefix="bench-queue-") as folder:
        data = Path(folder)
        found["sync"] = measure_sync(data / "sync")
        with RedisServer(data / "redis") as server:
            os.environ["BENCH_REDIS"] = server.url
            before = [measure_peer(peer, data, arguments.jobs) for peer in PEERS]
            with connect(Settings(redis_url=server.url)) as client:
                client.flushall()
            print("convq ...", flush=True)
            found["convq"] = measure_convq(data, server.url, arguments.jobs)
            found["large"] = measure_large(data, server.url)
            with connect(Settings(redis_url=server.url)) as client:
                client.flushall()
            after = [measure_peer(peer, data, arguments.jobs) for peer in PEERS]
            # How long the disk syncs changes with what its other users do.
            pairs = zip(before, after, strict=True)
            found["peers"] = [max(pair, key=lambda peer: peer.get("rate", 0)) for pair in pairs]
            if arguments.listed:
                found["listing"] = measure_listing(data, server.url, arguments.listed)
    (arguments.out / "queue.json").write_text(json.dumps(found, indent=1) + "\n")
    (arguments.out / "queue.md").write_text(report(found))
    print(report(found))


def measure_sync(path: Path) -> dict[str, float]:
    """Return how long the disk takes to sync a small write, as Redis does for each of its turns."""
    with path.open("wb", buffering=0) as file:

        def synced() -> None:
            file.write(bytes(4096))
            os.fsync(file.fileno())

        return _spread([_timed(synced) for _ in range(_LATENCIES)])


def measure_peer(peer: Peer, data: Path, count: int) -> dict[str, Any]:
    """Return the rate and the latencies of a peer."""
    print(f"{peer.name} ...", flush=True)
    try:
        with running(peer, data / f"{peer.package}.log"):
            took = [_timed(lambda: peer.wait(peer.submit(1))) for _ in range(_LATENCIES)]
            seconds = _timed(lambda: peer.wait(peer.submit(count)))
    except Skip as skip:
        return {"name": peer.name, "skipped": str(skip)}
    return {"name": peer.name, "rate": count / seconds, "latency": _spread(took)}


def measure_convq(data: Path, redis_url: str, count: int) -> dict[str, Any]:
    """Return rates and latencies of convq: jobs posted one by one, in batches, run one by one."""
    found: dict[str, Any] = {}
    for together, name in ((_TOGETHER, "together"), (1, "alone")):
        with stack(data / name, redis_url, together=together) as running_stack:
            load = Load(running_stack.url)
            calm = max(100, count // 4)
            digests = load.upload(2 * count + calm + _LATENCIES, seed=together)
            load.latencies(digests[:5])
            idle, queued = load.latencies(digests[-_LATENCIES:])
            first, second = digests[:count], digests[count : 2 * count]
            start = time.perf_counter()
            load.submit_batches(first, _BATCH)
            submitted = time.perf_counter() - start
            load.wait_idle()
            found[name] = {
                "batch": {
                    "rate": count / (time.perf_counter() - start),
                    "submit_rate": count / submitted,
                }
            }
            start = time.perf_counter()
            took = load.submit_each(second, _CLIENTS)
            submitted = time.perf_counter() - start
            load.wait_idle()
            rate = count / (time.perf_counter() - start)
            found[name]["single"] = {"rate": rate, "submit_rate": count / submitted}
            found[name]["single"]["submit"] = _spread(took)
            found[name]["idle"] = {"latency": _spread(idle), "start": _spread(queued)}
            half = load.submit_at(digests[2 * count :][:calm], rate / 2, _CLIENTS)
            load.wait_idle()
            found[name]["half_load"] = {"rate": rate / 2, "submit": _spread(half)}
    return found


def measure_large(data: Path, redis_url: str) -> dict[str, Any]:
    """Return how long 256 MiB take in, through a convolution and out, beside copying a file."""
    path, copy, back = (data / name for name in ("large.npy", "copy.npy", "back.npy"))
    np.save(path, np.random.default_rng(1).random((_LARGE_SIDE, _LARGE_SIDE), np.float32))
    megabytes = path.stat().st_size / 1e6
    with stack(data / "large", redis_url) as running_stack, Client(running_stack.url) as client:
        idle = _memory(running_stack.api_pid)

        def copied() -> None:
            shutil.copyfile(path, copy)
            with copy.open("rb") as file:
                os.fsync(file.fileno())

        copying = _timed(copied)
        uploading = _timed(lambda: client.upload(path))
        job = client.submit(inputs=[path], kernel={"preset": "box", "size": 3}, wait=60)
        client.wait(job, timeout=120)
        result = client.results(job).results[0]
        fetching = _timed(lambda: client.result(job, result.name, as_=back))
        after = _memory(running_stack.api_pid)
        return {
            "megabytes": megabytes,
            "copy": megabytes / copying,
            "in": megabytes / uploading,
            "out": megabytes / fetching,
            "api_memory_mb": {
                "idle": idle / 1e6,
                "after": after / 1e6,
            },
        }


def measure_listing(data: Path, redis_url: str, count: int) -> dict[str, Any]:
    """Return how long a page takes when so many jobs are recorded."""
    with connect(Settings(redis_url=redis_url, redis_timeout=30)) as client:
        jobs = JobStore(client)
        new = NewJob(kind="convolve", spec="{}", label="listed")
        for first in range(0, count, 1000):
            jobs.submit_many([new] * min(1000, count - first))
    with stack(data / "listing", redis_url) as running_stack:
        load = Load(running_stack.url)
        connection = load.connect()
        pages = {
            "first page": "/v1/jobs?limit=50",
            "one state": "/v1/jobs?limit=50&state=succeeded",
            "state and label": "/v1/jobs?limit=50&state=succeeded&kind=convolve",
        }
        found: dict[str, Any] = {"jobs": count}
        for name, path in pages.items():
            read = partial(load.request, connection, "GET", path)
            found[name] = _spread([_timed(read) for _ in range(40)])
        return found


def _timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _spread(seconds: list[float]) -> dict[str, float]:
    """Return median, 95th and 99th percentile in milliseconds."""
    ordered = sorted(seconds)
    return {
        "p50_ms": statistics.median(ordered) * 1e3,
        "p95_ms": ordered[int(0.95 * (len(ordered) - 1))] * 1e3,
        "p99_ms": ordered[int(0.99 * (len(ordered) - 1))] * 1e3,
    }


def _memory(pid: int) -> int:
    """Return the largest resident size that a process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1024


def report(found: dict[str, Any]) -> str:
    """Return the results as a page."""
    at = found["machine"]
    celery = next((peer.get("rate") for peer in found["peers"] if peer["name"] == "Celery"), None)
    rows = ["| | jobs/s | × Celery | idle p50 / p95 ms |", "|---|---|---|---|"]

    def row(name: str, rate: float, latency: dict[str, float] | None) -> str:
        ratio = f"{rate / celery:.2f}" if celery else "–"
        idle = f"{latency['p50_ms']:.1f} / {latency['p95_ms']:.1f}" if latency else ""
        return f"| {name} | {rate:.0f} | {ratio} | {idle} |"

    for peer in found["peers"]:
        if "skipped" in peer:
            rows.append(f"| {peer['name']} | {peer['skipped']} | | |")
        else:
            rows.append(row(f"{peer['name']}, nothing to do", peer["rate"], peer["latency"]))
    convq = found["convq"]
    for name, title in (("together", "convq"), ("alone", "convq, `CONVQ_TOGETHER=1`")):
        cell = convq[name]
        rows.append(
            row(f"{title}, one post per job", cell["single"]["rate"], cell["idle"]["latency"])
        )
        rows.append(row(f"{title}, batches of {_BATCH}", cell["batch"]["rate"], None))
    cell, large, sync = convq["together"], found["large"], found["sync"]
    half, start = cell["half_load"], cell["idle"]["start"]
    gain = {way: cell[way]["rate"] / convq["alone"][way]["rate"] for way in ("batch", "single")}
    lines = [
        "# The queue beside Celery, RQ and Dramatiq",
        "",
        f"{at['date']}, {at['commit']}, {at['cpu']}, {at['cores']} cores, Python {at['python']}. "
        f"`make bench-queue`: {found['jobs']} jobs, from the first submission until the last has "
        "its result. One Redis for all, which syncs each write; one worker with one process each. "
        "convq's jobs are convolutions of 64 × 64 with 3 × 3, each of another input, with a "
        f"durable record and a result that is synced; posts come from {_CLIENTS} connections. The "
        "others' tasks do nothing and have a result; one process submits them in a loop. They are "
        "measured before and after convq, and the better run counts.",
        "",
        *rows,
        "",
        f"- Syncing a small write takes {sync['p50_ms']:.1f} ms here (p50; p95 "
        f"{sync['p95_ms']:.1f} ms), and every row waits for such syncs.",
        f"- Running small jobs together makes batches {gain['batch']:.1f} and single posts "
        f"{gain['single']:.1f} times as fast as running each alone (`CONVQ_TOGETHER=1`).",
        f"- At half load ({half['rate']:.0f} posts/s) a post takes {half['submit']['p50_ms']:.1f} "
        f"ms (p50), {half['submit']['p99_ms']:.1f} ms (p99).",
        f"- On an idle service a job begins after {start['p50_ms']:.0f} ms (p50), "
        f"{start['p95_ms']:.0f} ms (p95).",
        f"- An array of {large['megabytes']:.0f} MB goes in at {large['in']:.0f} MB/s and out at "
        f"{large['out']:.0f} MB/s, hashed and verified at both ends; the file is copied and synced "
        f"at {large['copy']:.0f} MB/s. The API's memory was "
        f"{large['api_memory_mb']['idle']:.0f} MB before and at most "
        f"{large['api_memory_mb']['after']:.0f} MB.",
    ]
    if "listing" in found:
        listing = found["listing"]
        pages = "; ".join(
            f"{name} {spread['p50_ms']:.1f} / {spread['p95_ms']:.1f} ms"
            for name, spread in listing.items()
            if name != "jobs"
        )
        lines.append(f"- Listing {listing['jobs']:,} jobs, a page of 50, p50 / p95: {pages}.")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
