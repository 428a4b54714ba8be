"""Workers on two GPUs, of which one fails at work and comes back: real processes, stand-in GPUs."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis

from bench.chaos.arena import wait_until
from core.media import NPY
from core.settings import Settings
from core.store.artifacts import ArtifactStore
from core.store.jobs import JobStore, NewJob
from core.store.workers import WorkerStore

pytestmark = pytest.mark.stack

ROOT = Path(__file__).resolve().parents[2]
GPUS = [{"uuid": f"GPU-{letter}", "name": "H", "memory": 8 << 30} for letter in "ab"]
SECONDS = 120
# Of another size than what a GPU is tested with.
X = np.arange(400, dtype=np.float32).reshape(20, 20)


class Machine:
    """A machine with two GPUs, and ``convq worker run`` on it."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        (folder / "gpus.json").write_text(json.dumps(GPUS))
        variables = {
            "CONVQ_REDIS_URL": settings.redis_url,
            "CONVQ_STORE_URL": settings.store_url,
            "CONVQ_GPUS": "all",
            "CONVQ_GPU_RETRY": "0.5",
            "CONVQ_HEARTBEAT_INTERVAL": "0.5",
            # What is lost here is lost by what is tested, not by a machine that is busy.
            "CONVQ_LEASE": "60",
            "CONVQ_DRAIN": "1",
            "STAND_IN_GPUS": str(folder),
            "PYTHONPATH": os.pathsep.join(
                [str(ROOT / "tests" / "workers" / "stand_in"), str(ROOT)]
            ),
        }
        environment = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
        command = [Path(sys.executable).with_name("convq"), "worker", "run", "lab"]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command, env=environment | variables, stdout=log, stderr=log
            )

    def set(self, name: str, text: str = "") -> None:
        # Seen with its content or not at all.
        (self._folder / "new").write_text(text)
        (self._folder / "new").rename(self._folder / name)

    def unset(self, name: str) -> None:
        (self._folder / name).unlink()

    def loaded(self) -> set[int]:
        """Return the processes that have loaded CUDA."""
        return {int(path.suffix[1:]) for path in self._folder.glob("loaded.*")}

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def machine(tmp_path: Path, settings: Settings, client: redis.Redis) -> Iterator[Machine]:
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    machine = Machine(tmp_path, settings)
    yield machine
    machine.kill()


def test_a_gpu_that_fails_at_work_is_taken_out_and_comes_back(
    machine: Machine,
    settings: Settings,
    jobs: JobStore,
    artifacts: ArtifactStore,
    client: redis.Redis,
) -> None:
    workers = WorkerStore(client, settings)

    def states() -> dict[str, str]:
        return {worker.name: worker.state for worker in workers.all()}

    def fault(name: str) -> str | None:
        return next(worker.about["fault"] for worker in workers.all() if worker.name == name)

    def await_states(**expected: str) -> None:
        wanted = {name.replace("_", "-"): state for name, state in expected.items()}
        assert wait_until(lambda: wanted.items() <= states().items(), SECONDS), states()

    def await_all(ids: list[str], **expected: Any) -> None:
        def fields() -> list[dict[str, Any]]:
            found = [jobs.get(job) for job in ids]
            return [{name: getattr(job, name) for name in expected} for job in found]

        assert wait_until(lambda: fields() == [expected] * len(ids), SECONDS), fields()

    def submit() -> str:
        new = NewJob("convolve", json.dumps(spec), device="gpu", artifacts=(stored.digest,))
        return jobs.submit_many([new]).answers[0][0].id  # type: ignore[index]

    def attempts(job: str) -> list[tuple[str, str | None]]:
        return [(attempt.worker, attempt.outcome) for attempt in jobs.attempts(job)]

    def submit_two_that_run() -> dict[str, str]:
        """Return jobs by the workers that are at work on them and get no further."""
        machine.set("hold-GPU-a", str(X.size))
        machine.set("hold-GPU-b", str(X.size))
        made = [submit(), submit()]
        await_all(made, state="running")
        return {jobs.get(job).worker or "": job for job in made}

    data = io.BytesIO()
    np.save(data, X)
    stored = artifacts.put(data.getvalue(), NPY, X.shape, str(X.dtype))
    spec = {
        "kind": "convolve",
        "inputs": [stored.digest],
        "kernel": {"preset": "box"},
        "device": "gpu",
    }
    await_states(lab_gpu0="up", lab_gpu1="up")

    running = submit_two_that_run()
    assert running.keys() == {"lab-gpu0", "lab-gpu1"}
    machine.set("broken-GPU-a")
    machine.unset("hold-GPU-a")
    assert wait_until(lambda: "ECC" in (fault("lab-gpu0") or ""), SECONDS)
    await_states(lab_gpu0="out")
    machine.unset("hold-GPU-b")
    await_all([*running.values()], state="succeeded")
    assert attempts(running["lab-gpu0"]) == [("lab-gpu0", "lost"), ("lab-gpu1", "succeeded")]
    assert "its GPU failed: " in (jobs.attempts(running["lab-gpu0"])[0].reason or "")
    assert attempts(running["lab-gpu1"]) == [("lab-gpu1", "succeeded")]

    machine.unset("broken-GPU-a")
    await_states(lab_gpu0="up", lab_gpu1="up")
    # The other one hangs in a call that never returns, and the driver has lost it.
    running = submit_two_that_run()
    machine.set("broken-GPU-b")
    machine.set("lost-GPU-b")
    machine.unset("hold-GPU-a")
    await_all([*running.values()], state="succeeded", worker="lab-gpu0")
    assert attempts(running["lab-gpu1"]) == [("lab-gpu1", "lost"), ("lab-gpu0", "succeeded")]
    await_states(lab_gpu1="out", lab_gpu0="up")
    parents = {worker.about["pid"] for worker in workers.all()}
    assert len(parents) == 2
    assert machine.loaded().isdisjoint(parents)
