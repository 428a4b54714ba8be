"""Mixed work over HTTP, as impatient users would send it: again and again until it is accepted."""

from __future__ import annotations

import io
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import convq
from convq.client.models import Job
from core.errors import Conflict, ConvqError, StorageFull, Unavailable
from core.media import JSON

# Share of each sort of work, and what it is.
SMALL, MEDIUM, SLOW, MANY, TRAINING = "small", "medium", "slow", "many", "training"
POISON = "poison"
_SHARES = {SMALL: 50, MEDIUM: 15, SLOW: 22, MANY: 10, TRAINING: 3}
_KEYS_SENT_TWICE, _CANCELLED = 0.1, 0.03
_MODEL: dict[str, Any] = {
    "input": [1, 16, 16],
    "layers": [
        {"layer": "conv", "filters": 16, "kernel": 3},
        {"layer": "relu"},
        {"layer": "max_pool", "kernel": 2},
        {"layer": "dropout", "rate": 0.2},
        {"layer": "flatten"},
        {"layer": "dense", "features": 3},
    ],
}


@dataclass
class Accepted:
    """Jobs that the service has promised to do.

    Attributes
    ----------
    sorts : dict
        What sort of work each job is, by its id.
    cancelled : set of str
        Those that a user has cancelled.
    doubled : list
        Keys that gave two jobs.
    problems : dict
        Answers other than those that ask to come again, and how often.
    """

    sorts: dict[str, str] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    doubled: list[str] = field(default_factory=list)
    problems: dict[str, int] = field(default_factory=dict)


class Load:
    """Threads that submit jobs.

    Parameters
    ----------
    url : str
        Of the API.
    seed : int
        Decides what is submitted.
    side : int
        Pixels a side of the picture that makes the slow work slow.
    epochs : int
        Of the trainings.
    """

    def __init__(self, url: str, seed: int, side: int, epochs: int) -> None:
        self.accepted = Accepted()
        self._url = url
        self._seed = seed
        self._side = side
        self._epochs = epochs
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def prepare(self) -> dict[str, str]:
        """Upload the inputs and do each sort of work once; return the digests of the results."""
        arrays = np.random.default_rng(self._seed)
        with convq.Client(self._url) as client:

            def upload(*shape: int) -> str:
                return client.upload(arrays.normal(size=shape).astype(np.float32)).digest

            self._work: dict[str, dict[str, Any]] = {
                SMALL: {"inputs": [upload(64, 64)], "kernel": {"preset": "box"}},
                MEDIUM: {
                    "inputs": [upload(512, 512)],
                    "kernel": {"preset": "gaussian", "sigma": 4},
                },
                SLOW: {
                    "inputs": [upload(self._side, self._side)],
                    "kernel": {"artifact": upload(121, 121)},
                    "method": "direct",
                },
                MANY: {
                    "inputs": [upload(96, 96) for _ in range(12)],
                    "kernel": {"preset": "sharpen"},
                },
                TRAINING: {
                    "kind": "train",
                    "data": client.upload(data_set(arrays, images=3000, side=16)).digest,
                    "model": _MODEL,
                    "options": {"epochs": self._epochs, "batch": 16, "checkpoint_seconds": 0.5},
                },
            }
            jobs = {sort: client.submit(**work) for sort, work in self._work.items()}
            return {sort: digests(client, client.wait(job)) for sort, job in jobs.items()}

    def start(self, jobs: int, threads: int, pace: float) -> None:
        """Submit so many jobs, no thread more than ``pace`` a second."""
        for number in range(threads):
            share = jobs // threads + (number < jobs % threads)
            thread = threading.Thread(
                target=self._submit_all, args=(number, share, pace), daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def submit(self, work: str, sort: str) -> str:
        """Submit one job, whatever it takes, note it as of this sort, and return its id."""
        with convq.Client(self._url) as client:
            job = self._insist(client, work, f"{self._seed}-{sort}")
        self.accepted.sorts[job.id] = sort
        return job.id

    def running(self) -> bool:
        """Tell whether there is more to submit."""
        return any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Submit no more."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _submit_all(self, number: int, share: int, pace: float) -> None:
        # Of its own, so that a thread's choices do not depend on the others' speed.
        chance = random.Random(f"{self._seed}/{number}")
        with convq.Client(self._url) as client:
            for count in range(share):
                if self._stop.is_set():
                    return
                started = time.monotonic()
                (sort,) = chance.choices(list(_SHARES), list(_SHARES.values()))
                key = f"{self._seed}-{number}-{count}"
                job = self._insist(client, sort, key)
                if chance.random() < _KEYS_SENT_TWICE:
                    again = self._insist(client, sort, key)
                    if again.id != job.id:
                        self.accepted.doubled.append(key)
                if chance.random() < _CANCELLED:
                    self._cancel(client, job)
                self._stop.wait(max(0.0, 1 / pace - (time.monotonic() - started)))

    def _insist(self, client: convq.Client, sort: str, key: str) -> Job:
        while True:
            try:
                job = client.submit(**self._work[sort], idempotency_key=key)
            except (Unavailable, StorageFull):
                time.sleep(0.2)
            except ConvqError as error:
                with self._lock:
                    known = self.accepted.problems
                    known[error.code] = known.get(error.code, 0) + 1
                time.sleep(0.2)
            else:
                with self._lock:
                    self.accepted.sorts[job.id] = sort
                return job

    def _cancel(self, client: convq.Client, job: Job) -> None:
        try:
            client.cancel(job)
        except Conflict:
            return
        except ConvqError:
            # Perhaps asked, perhaps not.
            pass
        with self._lock:
            self.accepted.cancelled.add(job.id)


def data_set(random: np.random.Generator, *, images: int, side: int) -> bytes:
    """Return an ``.npz`` of noisy images of three classes."""
    y = np.arange(images) % 3
    x = random.normal(size=(images, side, side)).astype(np.float32) + y[:, None, None] / 8
    file = io.BytesIO()
    np.savez(file, x=x, y=y)
    return file.getvalue()


def digests(client: convq.Client, job: Job) -> str:
    """Return the digests of a job's results as one text, which equal work makes equal."""
    results = client.results(job).results
    # The figures of a training tell of its time, too.
    return " ".join(result.digest for result in results if result.media_type != JSON)
