"""``python -m bench.chaos.waits``: how long users wait where something stops or is away.

A stack with default settings and one worker, on which nothing else runs. Writes
``bench/results/waits.{json,md}``, and returns 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np

import convq
from bench.chaos.arena import wait_until
from bench.chaos.load import data_set
from bench.chaos.verdict import spread
from bench.measure import machine, publish
from convq.client.models import Job
from convq.stack import LocalStack
from core.settings import Settings
from core.store.connection import connect
from core.store.jobs import JobStore

_TIMES, _FEW = 10, 3
_OTHERS = 20
_POSTERS = 4
BOX = {"preset": "box"}
# Large enough that one batch is a good part of the second that a cancel may take.
_BATCH, _SIDE = 512, 64
_MODEL = {
    "input": [1, _SIDE, _SIDE],
    "layers": [
        {"layer": "conv", "filters": 32, "kernel": 3},
        {"layer": "relu"},
        {"layer": "conv", "filters": 32, "kernel": 3},
        {"layer": "relu"},
        {"layer": "max_pool", "kernel": 8},
        {"layer": "flatten"},
        {"layer": "dense", "features": 3},
    ],
}
# Between two renewals of a lease, which bring the news, and for HTTP.
_NOTICE = 0.5


class Wait(NamedTuple):
    """How long something took, each time.

    Attributes
    ----------
    what : str
        For the report.
    goal : float or None
        Seconds that it may take at most.
    seconds : list of float
        What it took.
    """

    what: str
    goal: float | None
    seconds: list[float]


class Bench:
    """A running stack and its client."""

    def __init__(self, stack: LocalStack, client: convq.Client) -> None:
        self.stack = stack
        self.client = client
        self.jobs = JobStore(connect(Settings(redis_url=stack.redis_url)))
        random = np.random.default_rng(1)
        self.small = client.upload(np.ones((20, 20), np.float32)).digest
        self._large = client.upload(np.zeros((4000, 4000), np.float32)).digest
        self._kernel = client.upload(random.normal(size=(328, 328)).astype(np.float32)).digest
        self._data = client.upload(data_set(random, images=4 * _BATCH, side=_SIDE)).digest

    def convolution(self) -> Job:
        """Begin one that runs for several seconds."""
        return self._begun(
            self.client.submit(
                inputs=[self._large], kernel={"artifact": self._kernel}, method="direct"
            )
        )

    def training(self) -> Job:
        """Begin one that would run for minutes."""
        job = self.client.submit(
            "train",
            data=self._data,
            model=_MODEL,
            options={"epochs": 1000, "batch": _BATCH},
        )
        # In the first epoch kernels are compiled.
        wait_until(lambda: ((self.jobs.get(job.id).metrics or {}).get("epoch") or 0) > 1, 120)
        return job

    def stopped(self, job: Job) -> float:
        """Cancel a job and return the seconds until its work has stopped."""
        start = time.monotonic()
        self.client.cancel(job)
        ended = self.client.wait(job)
        assert ended.state == "cancelled", ended
        return time.monotonic() - start

    def _begun(self, job: Job) -> Job:
        assert wait_until(lambda: self.client.job(job.id).state == "running", 60, pause=0.01)
        return job


def cancels(bench: Bench) -> Iterator[Wait]:
    """Cancel what waits, what runs, and what does not answer."""
    running = bench.convolution()
    queued = [bench.client.submit(inputs=[bench.small], kernel=BOX) for _ in range(_TIMES)]
    yield Wait("cancel of a queued job", 0.1, [bench.stopped(job) for job in queued])
    bench.stopped(running)
    yield Wait(
        "cancel of a running convolution",
        1.0,
        [bench.stopped(bench.convolution()) for _ in range(_TIMES)],
    )
    yield from _trainings(bench, "")
    yield Wait("cancel that the process does not answer", None, [_deaf(bench) for _ in range(_FEW)])


def _trainings(bench: Bench, how: str) -> Iterator[Wait]:
    steps: list[float] = []
    seconds: list[float] = []
    for _ in range(_FEW):
        job = bench.training()
        metrics = bench.client.job(job.id).metrics or {}
        steps.append(_BATCH / metrics["images_per_second"])
        seconds.append(bench.stopped(job))
    yield Wait(f"one batch of the training below{how}", None, steps)
    yield Wait(f"cancel of a running training{how}", _NOTICE + max(steps), seconds)


def loaded(bench: Bench) -> Iterator[Wait]:
    """Cancel while others post as many small jobs as they can."""
    stop = threading.Event()
    threads = [threading.Thread(target=_post, args=(bench, stop)) for _ in range(_POSTERS)]
    for thread in threads:
        thread.start()
    try:
        running = bench.convolution()
        queued = [bench.client.submit(inputs=[bench.small], kernel=BOX) for _ in range(_TIMES)]
        yield Wait(
            "cancel of a queued job, under load", 0.1, [bench.stopped(job) for job in queued]
        )
        bench.stopped(running)
        yield Wait(
            "cancel of a running convolution, under load",
            1.0,
            [bench.stopped(bench.convolution()) for _ in range(_TIMES)],
        )
        yield from _trainings(bench, ", under load")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wait_until(lambda: bench.jobs.counts()["queued"] == 0, 120)


def _post(bench: Bench, stop: threading.Event) -> None:
    body = {"kind": "convolve", "inputs": [bench.small], "kernel": BOX, "priority": "batch"}
    with httpx.Client(base_url=bench.stack.url, timeout=60) as http:
        while not stop.is_set():
            http.post("/v1/jobs", json=body).raise_for_status()


def _deaf(bench: Bench) -> float:
    job = bench.convolution()
    pid = bench.jobs.get(job.id).pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    return bench.stopped(job)


def poison(bench: Bench) -> Iterator[Wait]:
    """Put a job that kills its process before others, and compare with how they fare without."""
    undisturbed = _others(bench)
    job = bench.convolution()
    killed = 0
    others = [bench.client.submit(inputs=[bench.small], kernel=BOX) for _ in range(_OTHERS)]
    while (now := bench.jobs.get(job.id)).state != "failed":
        if now.state == "running" and now.attempt > killed and now.pid is not None:
            killed = now.attempt
            os.kill(now.pid, signal.SIGKILL)
        time.sleep(0.005)
    assert now.error is not None
    assert (now.error["code"], now.attempt) == ("poison", 3)
    disturbed = _waited(bench, others)
    longer = max(disturbed) - max(undisturbed)
    yield Wait(f"the last of {_OTHERS} small jobs begins", None, [max(undisturbed)])
    yield Wait("so much later behind a job that kills three processes", 10.0, [longer])


def _others(bench: Bench) -> list[float]:
    return _waited(
        bench, [bench.client.submit(inputs=[bench.small], kernel=BOX) for _ in range(_OTHERS)]
    )


def _waited(bench: Bench, jobs: list[Job]) -> list[float]:
    """Return the seconds that each job was in the queue."""
    records = [bench.jobs.get(bench.client.wait(job).id) for job in jobs]
    return [(record.started or 0) - record.created for record in records]


def absences(bench: Bench) -> Iterator[Wait]:
    """Kill and stop Redis; see what the API answers, and when work goes on."""
    refused: list[float] = []
    silent: list[float] = []
    back: list[float] = []
    for _ in range(_FEW):
        job = bench.client.submit(inputs=[bench.small], kernel=BOX)
        with _killed_redis(bench):
            refused.append(_refusal(bench))
        start = time.monotonic()
        bench.client.wait(job)
        job = bench.client.submit(inputs=[bench.small], kernel=BOX)
        bench.client.wait(job)
        back.append(time.monotonic() - start)
        with _stopped_redis(bench):
            silent.append(_refusal(bench))
    yield Wait("answer 503 while Redis is dead", 2.0, refused)
    yield Wait("answer 503 while Redis is silent", 2.0, silent)
    yield Wait("from the return of Redis until a new job is done", 60.0, back)


@contextmanager
def _killed_redis(bench: Bench) -> Iterator[None]:
    server, supervisor = bench.stack.redis, bench.stack._supervisor  # noqa: SLF001
    assert server is not None
    assert supervisor is not None
    with supervisor.looking_away():
        server.kill()
        yield
        server.start()


@contextmanager
def _stopped_redis(bench: Bench) -> Iterator[None]:
    assert bench.stack.redis is not None
    pid = bench.stack.redis.process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _refusal(bench: Bench) -> float:
    start = time.monotonic()
    body = {"kind": "convolve", "inputs": [bench.small], "kernel": BOX}
    answer = httpx.post(f"{bench.stack.url}/v1/jobs", json=body, timeout=60)
    took = time.monotonic() - start
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    return took


def markdown(report: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    about = report["machine"]
    lines = [
        "# Waits",
        "",
        "Seconds, with default settings and one worker. `python -m bench.chaos.waits` repeats it.",
        "",
        f"{about['date']}, commit {about['commit']}, {about['cores']} cores of {about['cpu']}.",
        "",
        "| what | times | p50 | p95 | max | goal |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in report["waits"]:
        goal = "" if row["goal"] is None else f"{row['goal']:.2g}"
        cells = (row["what"], *(row[key] for key in ("jobs", "p50", "p95", "max")), goal)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, write the report, and return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos.waits", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("bench/results/waits"))
    asked = parser.parse_args()
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="convq-waits-") as folder,
        LocalStack(Path(folder)) as stack,
        convq.Client(stack.url) as client,
    ):
        bench = Bench(stack, client)
        for part in (cancels, loaded, poison, absences):
            for wait in part(bench):
                row = {"what": wait.what, "goal": wait.goal} | spread(wait.seconds)
                print(row, flush=True)
                rows.append(row)
    report = {"machine": machine(), "waits": rows}
    publish(report, markdown(report), asked.out)
    missed = [row["what"] for row in rows if row["goal"] is not None and row["max"] > row["goal"]]
    for what in missed:
        print("MISSED:", what)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
