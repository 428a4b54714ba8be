"""What an agent does with a job, when the service is there and when it is not."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.edge.agent.errors import Away, Refused
from core.edge.agent.installed import Installed
from core.edge.agent.jobs import Jobs
from core.edge.agent.models import Models
from core.edge.agent.spool import Spool
from core.edge.runtime.errors import EdgeError
from tests.core.edge.agent.power import Quick

VERSION = {"digest": "sha256:" + "ab" * 32, "sequence": 1, "name": "net"}
IMAGES = [b"one", b"two", b"three"]


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Net:
    """Says an image backwards."""

    notes: tuple[str, ...] = ()
    input_shape = (1, 3, 3)

    def outputs(self, data: bytes) -> bytes:
        if data == b"torn":
            raise EdgeError("the file is damaged", "input")
        if data == b"worse":
            raise ZeroDivisionError
        return data[::-1]


class Service:
    """Has jobs, and notes what becomes of them; ``before`` is called before each answer."""

    def __init__(self, images: list[bytes], lease: float = 60.0) -> None:
        self.files = {digest_of(data): data for data in images}
        inputs = [{"artifact": digest_of(data), "size": len(data)} for data in images]
        self.jobs = [{"id": "a", "attempt": 1, "lease": lease, "inputs": inputs}]
        self.before: Callable[[str], None] = lambda call: None
        self.asked = "ok"
        self.claims: list[tuple[str, str]] = []
        self.renewed: list[int] = []
        self.finished: list[dict[str, Any]] = []
        self.back: list[str] = []

    def claim(self, release: str, token: str, wait: float) -> dict[str, Any] | None:
        self.claims.append((release, token))
        self.before("claim")
        return self.jobs.pop() if self.jobs else None

    def input(self, job: str, digest: str) -> Iterator[bytes]:
        self.before("input")
        yield self.files[digest]

    def renew(self, job: str, attempt: int, done: int) -> str:
        self.before("renew")
        self.renewed.append(done)
        return self.asked

    def finish(self, entry: dict[str, Any]) -> str:
        self.before("finish")
        self.finished.append(entry)
        return "succeeded"

    def give_back(self, job: str, attempt: int, reason: str) -> None:
        self.back.append(reason)


class Box:
    def __init__(self, folder: Path, service: Service, disk: Quick | None = None) -> None:
        self.said: list[str] = []
        self.disk = disk or Quick()
        installed = Installed(self.disk, str(folder))
        if installed.current is None:
            installed.swap(VERSION)
            installed.confirm()
        self.models = Models(installed, lambda path: Net(), self.said.append)
        self.models.start()
        self.spool = Spool(self.disk, str(folder / "jobs"))
        self.stop = threading.Event()
        found: Any = service
        self.jobs = Jobs(lambda: found, self.models, self.spool, self.said.append)

    def step(self) -> bool:
        return self.jobs.step(self.stop)


def decoded(entry: dict[str, Any]) -> list[bytes | str]:
    return [r.get("error") or base64.b64decode(r["output"]) for r in entry["results"]]


def failing(*calls: str, error: Exception) -> Callable[[str], None]:
    """Return what lets each of these calls fail, once for each time that it is named."""
    left = list(calls)

    def before(call: str) -> None:
        if call in left:
            left.remove(call)
            raise error

    return before


def test_a_job_is_computed_and_handed_in_once(tmp_path: Path) -> None:
    service = Service([*IMAGES, b"torn", b"worse"])
    box = Box(tmp_path, service)
    assert box.step()
    assert not box.step()
    (entry,) = service.finished
    assert (entry["job"], entry["attempt"]) == ("a", 1)
    *outputs, torn, worse = decoded(entry)
    assert outputs == [data[::-1] for data in IMAGES]
    assert "damaged" in str(torn)
    assert "ZeroDivisionError" in str(worse)
    assert entry["load"] >= 0
    assert entry["run"] >= 0
    assert service.claims[0][0] == VERSION["digest"]
    assert len({token for _, token in service.claims}) == 2
    assert len(box.spool) == 0


def test_what_came_of_a_job_outlives_an_absence_and_a_restart(tmp_path: Path) -> None:
    service = Service(IMAGES)
    service.before = failing("finish", error=Away("gone", "--server"))
    box = Box(tmp_path, service)
    with pytest.raises(Away):
        box.step()
    assert not service.finished
    # Power is cut: what follows is another process.
    box = Box(tmp_path, service)
    assert not box.step()
    assert [decoded(entry) for entry in service.finished] == [[d[::-1] for d in IMAGES]]
    box.step()
    assert len(service.finished) == 1


def test_a_claim_whose_answer_was_lost_is_made_under_the_same_name(tmp_path: Path) -> None:
    service = Service(IMAGES)
    service.before = failing("claim", error=Away("gone", "--server"))
    box = Box(tmp_path, service)
    with pytest.raises(Away):
        box.step()
    assert box.step()
    assert len(set(service.claims)) == 1


def test_what_was_overtaken_is_dropped_and_said(tmp_path: Path) -> None:
    service = Service(IMAGES)
    service.before = failing("finish", error=Refused("the claim was lost", "job"))
    box = Box(tmp_path, service)
    assert box.step()
    assert box.said[-1] == "job a: dropped: the claim was lost"
    assert not box.step()
    assert not service.finished
    assert len(box.spool) == 0


@pytest.mark.parametrize(("asked", "back"), [("cancel", 1), ("drain", 1), ("lost", 0)])
def test_a_job_is_let_go_when_the_service_asks_for_it(
    tmp_path: Path, asked: str, back: int
) -> None:
    service = Service(IMAGES, lease=1e-9)
    service.asked = asked
    box = Box(tmp_path, service)
    assert box.step()
    assert (len(service.back), service.finished) == (back, [])
    assert asked in box.said[-1]


def test_a_claim_is_kept_while_the_work_goes_on(tmp_path: Path) -> None:
    service = Service(IMAGES, lease=1e-9)
    assert Box(tmp_path, service).step()
    assert set(service.renewed) == {0, 1, 2}
    assert len(service.finished) == 1


def test_a_service_that_is_away_for_a_moment_costs_no_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.edge.agent.jobs._TROUBLE", 0.0)
    monkeypatch.setattr("core.edge.agent.jobs._RENEW", 0.0)
    service = Service(IMAGES)
    service.before = failing("input", "renew", "renew", "input", error=Away("gone", "--server"))
    assert Box(tmp_path, service).step()
    assert len(service.finished) == 1


def test_a_claim_that_ran_out_meanwhile_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.edge.agent.jobs._TROUBLE", 0.0)
    service = Service(IMAGES, lease=1e-9)
    service.before = failing(*["input"] * 9, error=Away("gone", "--server"))
    box = Box(tmp_path, service)
    with pytest.raises(Away):
        box.step()
    assert service.finished == []
    assert len(service.back) == 1


def test_a_job_is_given_back_when_another_version_runs_or_the_agent_stops(tmp_path: Path) -> None:
    service = Service(IMAGES)
    box = Box(tmp_path, service)

    def swap(call: str) -> None:
        if call == "input":
            box.models.swap(dict(VERSION, digest="sha256:" + "cd" * 32, sequence=2))

    service.before = swap
    assert box.step()
    assert service.back == ["another version runs now"]
    # On trial it takes no jobs.
    assert not box.step()
    assert len(service.claims) == 1
    box.models.installed.confirm()
    service.jobs = Service(IMAGES).jobs
    service.before = lambda call: box.stop.set()
    assert box.step()
    assert service.back[1:] == ["the agent stops"]
    assert service.finished == []


def test_other_bytes_than_those_of_the_digest_are_not_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.edge.agent.jobs._TROUBLE", 0.0)
    service = Service(IMAGES, lease=1e-9)
    service.files = dict.fromkeys(service.files, b"others")
    with pytest.raises(Away, match="other bytes"):
        Box(tmp_path, service).step()
    assert len(service.back) == 1


def test_trouble_is_said_once_and_over_when_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.edge.agent.jobs._TROUBLE", 0.0)
    service = Service(IMAGES)
    box = Box(tmp_path, service)
    seen: list[str | None] = []

    def before(call: str) -> None:
        if call == "claim":
            seen.append(box.jobs.problem)
            if len(seen) <= 2:
                raise Away("gone", "--server")
            box.stop.set()

    service.before = before
    box.jobs._wait = 0.0
    thread = threading.Thread(target=box.jobs.run, args=(box.stop,))
    thread.start()
    thread.join()
    assert (seen[0], len(seen)) == (None, 3)
    assert seen[1] == seen[2]
    assert [text for text in box.said if text.startswith("jobs:")] == [f"jobs: {seen[1]}"]
    assert box.jobs.problem is None
