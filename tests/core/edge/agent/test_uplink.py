"""What an agent does with the service in turn, when it is there and when it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.edge.agent.errors import Away, Refused
from core.edge.agent.health import health
from core.edge.agent.identity import Identity
from core.edge.agent.installed import Installed
from core.edge.agent.models import Models
from core.edge.agent.spool import Spool
from core.edge.agent.updating import Updating
from core.edge.agent.uplink import Uplink
from core.edge.runtime.errors import EdgeError
from tests.core.edge.agent.power import Quick


class Service:
    """Takes everything, unless the test says what goes wrong."""

    def __init__(self) -> None:
        self.wrong: Exception | None = None
        self.enrolled: list[dict[str, Any]] = []
        self.received: list[dict[str, Any]] = []
        self.reports: list[dict[str, Any]] = []

    def _answer(self) -> None:
        if self.wrong is not None:
            raise self.wrong

    def enrol(self, document: dict[str, Any]) -> str:
        self.enrolled.append(document)
        self._answer()
        return "k3v9x2mwpa"

    def release(self, etag: str | None) -> tuple[dict[str, Any] | None, str | None]:
        self._answer()
        return {"digest": None}, etag

    def deliver(self, spool: str, before: int, results: list[dict[str, Any]]) -> int:
        self._answer()
        self.received += results[len(self.received) - before :]
        return before + len(results)

    def health(self, document: dict[str, Any]) -> None:
        self._answer()
        self.reports.append(document)


class Box:
    def __init__(self, folder: Path, service: Service, token: str | None = "token") -> None:
        self.said: list[str] = []
        disk = Quick()
        self.identity = Identity(disk, str(folder))
        self.models = Models(Installed(disk, str(folder)), lambda path: None, self.said.append)
        self.spool = Spool(disk, str(folder / "spool"))

        def refuse(path: str, digest: str) -> dict[str, Any]:
            raise EdgeError("never", "bundle")

        self.uplink = Uplink(
            lambda key: service,  # type: ignore[arg-type,return-value]
            self.identity,
            lambda connection: self.identity.enrol(connection, "cams", token),
            Updating(disk, self.models, refuse, lambda path: None),
            self.models,
            self.spool,
            lambda problem: health(self.models, self.spool, problem, str(folder)),
            0,
            0,
            self.said.append,
        )

    def turn(self) -> None:
        """Let everything be due, and do it."""
        self.uplink._next = dict.fromkeys(self.uplink._next, 0.0)
        self.uplink.step()


def test_everything_is_made_up_for(tmp_path: Path) -> None:
    service = Service()
    service.wrong = Away("nobody there", "--server")
    box = Box(tmp_path, service)
    for number in range(3):
        box.spool.add({"number": number})
    box.spool.let_go()
    for _ in range(3):
        box.turn()
    assert box.said == ["enrolment: --server: nobody there"]
    assert box.identity.key is None
    service.wrong = None
    box.turn()
    assert service.received == [{"number": 0}, {"number": 1}, {"number": 2}]
    assert len(box.spool) == 0
    assert service.reports[-1]["spool"]["delivered"] == 3
    # The secret was there before anybody was told of it, and is the same after a new start.
    assert {document["digest"] for document in service.enrolled} == {service.enrolled[0]["digest"]}
    again = Box(tmp_path, service, token=None)
    assert again.identity.key == box.identity.key
    count = len(service.enrolled)
    again.turn()
    assert len(service.enrolled) == count


def test_a_box_without_a_token_says_so(tmp_path: Path) -> None:
    box = Box(tmp_path, Service(), token=None)
    box.turn()
    assert "not enrolled" in box.said[0]


@pytest.mark.parametrize(
    "wrong", [Refused("no", "--server"), KeyError("digest"), OSError(28, "full")]
)
def test_trouble_is_told_once_and_results_stay(tmp_path: Path, wrong: Exception) -> None:
    service = Service()
    box = Box(tmp_path, service)
    box.turn()
    box.spool.add({"number": 0})
    box.spool.let_go()
    service.wrong = wrong
    for _ in range(5):
        box.turn()
    assert len([text for text in box.said if text.startswith("results")]) == 1
    assert len(box.spool) == 1
    service.wrong = None
    box.turn()
    assert service.received == [{"number": 0}]
    box.turn()
    assert service.reports[-1]["problem"] is None
