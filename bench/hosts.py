"""``python -m bench.hosts``: one service on three hosts, each a network namespace; needs root.

The first host has Redis, the API and an S3-compatible store; the two others have a worker each and
reach the first over a cable of their own. The same mix of jobs as under ``make chaos`` runs on one
of them, then on both, then while one cable is cut; every result is compared with the first one of
its sort. Writes bench/results/hosts.{json,md}.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import convq
from bench.chaos.cable import Cable
from bench.chaos.load import Load, digests
from bench.chaos.proxy import Proxy
from bench.measure import machine, publish
from bench.s3 import S3Server
from convq.stack import LocalStack
from convq.stack.process import Process, stop

_HOSTS = ("host-a", "host-b")
_LEASE = 5
_PATIENCE = 600


class Far:
    """A host with a worker, at the other end of a cable.

    Parameters
    ----------
    name : str
        Of the worker.
    number : int
        Of the cable, unique in this process.
    stack : LocalStack
        Whose Redis it uses.
    store : S3Server
        Where artifacts are.
    folder : Path
        For its log and its temporary files.
    """

    def __init__(
        self, name: str, number: int, stack: LocalStack, store: S3Server, folder: Path
    ) -> None:
        self.name = name
        self.cable = Cable(number)
        if reason := self.cable.refuses():
            raise SystemExit(f"no network namespaces here: {reason}")
        assert stack.redis is not None
        # Both listen on the first host's 127.0.0.1, and hosts have one of their own.
        self._redis = Proxy(stack.redis.port, self.cable.address)
        self._s3 = Proxy(store.port, self.cable.address)
        url = urlsplit(stack.redis_url)
        login = url.netloc.rpartition("@")[0]
        near = f"{login}@{self.cable.address}:{self._redis.port}"
        scratch = folder / name
        scratch.mkdir()
        self.process = Process(
            name,
            self.cable.inside(sys.executable, "-m", "workers", "--name", name),
            log=folder / f"{name}.log",
            environment={
                **os.environ,
                **store.environment(self.cable.address, self._s3.port),
                "CONVQ_REDIS_URL": url._replace(netloc=near).geturl(),
                "CONVQ_STORE_URL": store.url,
                "CONVQ_LEASE": str(_LEASE),
                "TMPDIR": str(scratch),
            },
        )

    def close(self) -> None:
        """Take the host away."""
        self.cable.mend()
        stop([self.process], deadline=30)
        self._redis.close()
        self._s3.close()
        self.cable.remove()


def main() -> int:
    """Run, write the report, and return 1 if a result was wrong or a job was lost."""
    parser = argparse.ArgumentParser(prog="python -m bench.hosts", description=__doc__)
    parser.add_argument("--jobs", type=int, default=120, help="of each round")
    parser.add_argument("--out", type=Path, default=Path("bench/results/hosts"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="convq-hosts-") as folder:
        report = run(Path(folder), asked.jobs)
    publish(report, markdown(report), asked.out)
    print(markdown(report))
    return 0 if all(row["wrong"] == 0 for row in report["rounds"]) else 1


def run(folder: Path, jobs: int) -> dict[str, Any]:
    """Return the figures of three rounds."""
    with ExitStack() as undo:
        store = S3Server(folder / "s3")
        store.start()
        undo.callback(store.stop)
        os.environ.update(store.environment())
        settings = {"store_url": store.url, "lease": _LEASE}
        stack = undo.enter_context(LocalStack(folder / "data", settings=settings))
        with convq.Client(stack.url) as client:
            # The stack's own worker is on the first host: all that it does is what results are
            # compared with.
            client.drain_worker(stack.workers[0])
            hosts = []
            for number, name in enumerate(_HOSTS):
                hosts.append(Far(name, number, stack, store, folder))
                undo.callback(hosts[-1].close)
            rounds = []
            for title, working, cut in (
                ("one host", hosts[:1], False),
                ("two hosts", hosts, False),
                ("two hosts, a cable cut for 15 s", hosts, True),
            ):
                for host in working:
                    if not host.process.running():
                        host.process.start()
                    _wait_for_worker(client, host.name)
                print(f"{title} ...", flush=True)
                figures = _round(stack, client, len(rounds), jobs, working[-1] if cut else None)
                rounds.append({"round": title, "jobs": jobs, **figures})
        return {"machine": machine(), "lease": _LEASE, "rounds": rounds}


def _round(
    stack: LocalStack, client: convq.Client, seed: int, jobs: int, cut: Far | None
) -> dict[str, Any]:
    load = Load(stack.url, seed=seed, side=1024, epochs=2)
    hosts = [worker.name for worker in client.workers() if worker.name in _HOSTS]
    for name in hosts:
        client.drain_worker(name)
    client.resume_worker(stack.workers[0])
    expected = load.prepare()
    client.drain_worker(stack.workers[0])
    for name in hosts:
        client.resume_worker(name)
        _wait_for_worker(client, name)
    begun = time.monotonic()
    load.start(jobs, threads=4, pace=50)
    if cut is not None:
        while not any(w.name == cut.name and w.state == "busy" for w in client.workers()):
            time.sleep(0.05)
        cut.cable.cut()
        time.sleep(15)
        cut.cable.mend()
    while load.running():
        time.sleep(0.05)
    accepted = load.accepted
    ended = {job_id: client.wait(job_id, timeout=_PATIENCE) for job_id in accepted.sorts}
    seconds = time.monotonic() - begun
    wrong = sum(
        job.state != "succeeded" or digests(client, job) != expected[accepted.sorts[job.id]]
        for job in ended.values()
        if job.id not in accepted.cancelled
    )
    attempts = [attempt for job in ended.values() for attempt in job.attempts]
    return {
        "seconds": round(seconds, 1),
        "wrong": wrong,
        "by_host": Counter(attempt.worker for attempt in attempts if attempt.worker in _HOSTS),
        "taken_over": sum(attempt.outcome == "expired" for attempt in attempts),
    }


def _wait_for_worker(client: convq.Client, name: str) -> None:
    end = time.monotonic() + 60
    while not any(w.name == name and w.state == "up" for w in client.workers()):
        if time.monotonic() > end:
            raise SystemExit(f"the worker {name} does not come up")
        time.sleep(0.1)


def markdown(report: dict[str, Any]) -> str:
    """Return the report as a page."""
    found = report["machine"]
    lines = [
        "# One service on three hosts",
        "",
        "`python -m bench.hosts`: Redis, API and an S3-compatible store (SeaweedFS) on one host, a",
        "worker each on two others; hosts are network namespaces joined by virtual cables. The",
        f"mix of jobs is that of `make chaos`; a lease lasts {report['lease']} s.",
        "",
        "| round | jobs | seconds | attempts by host | taken over | wrong or lost |",
        "|---|---|---|---|---|---|",
    ]
    for row in report["rounds"]:
        hosts = ", ".join(f"{name} {count}" for name, count in sorted(row["by_host"].items()))
        lines.append(
            f"| {row['round']} | {row['jobs']} | {row['seconds']} | {hosts} | {row['taken_over']} "
            f"| {row['wrong']} |"
        )
    lines += [
        "",
        f"{found['date']}, commit {found['commit']}, {found['cores']} cores of {found['cpu']} for",
        "all three hosts together: this shows that it works, not how it scales.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
