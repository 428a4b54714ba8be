"""A power cut at any moment leaves a version that works, and every input gives one result."""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.edge.agent.disk import Disk, replace
from core.edge.agent.inbox import Inbox
from core.edge.agent.installed import Installed
from core.edge.agent.spool import Spool
from core.edge.runtime.errors import EdgeError
from tests.core.edge.agent.power import TIME, Quick, Recording, leave

OPERATIONS = ("arrive", "take", "deliver", "lose", "update", "prove", "fail", "restart")


class Server:
    """Takes each number of each spool once, as core/store/edge_results.py does."""

    def __init__(self) -> None:
        self.received: dict[str, int] = {}
        self.inputs: list[str] = []

    def take(self, spool: str, before: int, results: list[dict[str, Any]]) -> int:
        received = self.received.get(spool, 0)
        assert before <= received
        new = results[received - before :]
        self.inputs += [result["input"] for result in new]
        self.received[spool] = received + len(new)
        return self.received[spool]


class Box:
    """The parts of an agent that write to the disk, in a folder."""

    def __init__(self, disk: Disk, root: Path) -> None:
        self.disk = disk
        self.root = root
        self.incoming = root / "incoming"
        self.incoming.mkdir(exist_ok=True)
        self.begin()

    def begin(self) -> None:
        self.installed = Installed(self.disk, str(self.root))
        self.installed.begin()
        self.spool = Spool(self.disk, str(self.root / "spool"), most=100_000)
        self.inbox = Inbox(self.disk, str(self.incoming), self.spool, self.predict)

    def predict(self, data: bytes) -> dict[str, Any]:
        return {"read": data.decode()}

    def arrive(self, name: str) -> None:
        path = str(self.incoming / name)
        self.disk.write(path, name.encode())
        os.utime(path, ns=(TIME, TIME))
        self.disk.sync(path)
        self.disk.sync_folder(str(self.incoming))

    def take(self) -> None:
        # Seen, seen again unchanged, taken.
        while self.inbox.step() or any(self.incoming.iterdir()):
            pass

    def deliver(self, server: Server, most: int, *, is_lost: bool = False) -> None:
        results = self.spool.waiting(most)
        received = server.take(self.spool.name, self.spool.before, results)
        if not is_lost:
            self.spool.delivered(received)

    def update(self, sequence: int) -> None:
        found = version(sequence)
        replace(self.disk, self.installed.path(found), content(sequence))
        self.installed.swap(found)

    def check_version(self) -> None:
        """Whatever is current is there, whole."""
        if self.installed.current is not None:
            sequence = self.installed.current["sequence"]
            assert Path(self.installed.path(version(sequence))).read_bytes() == content(sequence)


def version(sequence: int) -> dict[str, Any]:
    return {"digest": f"sha256:{sequence:064x}", "sequence": sequence, "name": "net"}


def content(sequence: int) -> bytes:
    return f"bundle {sequence}".encode() * 50


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.sampled_from(OPERATIONS), min_size=1, max_size=25),
    st.floats(0, 1),
    st.integers(0, 1 << 32),
)
def test_a_power_cut_at_any_moment(operations: list[str], when: float, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, copy = Path(folder) / "box", Path(folder) / "after"
        root.mkdir()
        copy.mkdir()
        disk, server = Recording(), Server()
        # What was true from when on: the place in the log, the inputs that are there for good, what
        # the service has, the version, the highest that was run.
        history: list[tuple[int, list[str], dict[str, int], list[str], Any, int]] = [
            (0, [], {}, [], None, 0)
        ]
        box = Box(disk, root)
        arrived: list[str] = []
        sequence = 0

        def note() -> None:
            installed = box.installed
            history.append(
                (
                    len(disk.log),
                    list(arrived),
                    dict(server.received),
                    list(server.inputs),
                    installed.current,
                    installed.highest,
                )
            )

        note()
        for operation in operations:
            if operation == "arrive":
                name = f"{len(arrived)}.npy"
                box.arrive(name)
                arrived.append(name)
            elif operation == "take":
                box.take()
            elif operation in ("deliver", "lose"):
                box.deliver(server, most=3, is_lost=operation == "lose")
                # It is the service that has them, before anything is written here.
            elif operation == "update":
                sequence += 1
                box.update(sequence)
            elif operation == "prove":
                box.installed.confirm()
                box.installed.tidy()
            elif operation == "fail":
                if box.installed.current is not None and box.installed.previous is not None:
                    box.installed.roll_back("a test")
            else:
                box.begin()
            note()
        cut = round(when * len(disk.log))
        # What was true at the latest moment before the cut; deliveries had come before what they
        # led to was written.
        at = max(i for i, entry in enumerate(history) if entry[0] <= cut)
        _, safe, _, _, current, highest = history[at]
        following = history[min(at + 1, len(history) - 1)]
        after_server = Server()
        after_server.received, after_server.inputs = dict(following[2]), list(following[3])
        leave(disk.log[:cut], random.Random(seed), root, copy)

        after = Box(Quick(), copy)
        after.check_version()
        # The version of before, or the one that was being brought; never one of long ago.
        assert after.installed.highest in (highest, following[5])
        accepted = {entry and entry["digest"] for entry in (current, following[4])}
        found = after.installed.current
        assert (found and found["digest"]) in accepted or after.installed.refused is not None
        after.take()
        while len(after.spool):
            after.deliver(after_server, most=3)
        assert len(set(after_server.inputs)) == len(after_server.inputs)
        assert set(safe) <= set(after_server.inputs)


def test_the_simulation_finds_what_is_not_synced(tmp_path: Path) -> None:
    """Without syncing a power cut loses what was said to be safe: so the test above can fail."""

    class Careless(Recording):
        def sync(self, path: str) -> None:
            pass

    lost = 0
    for seed in range(30):
        root, copy = tmp_path / f"{seed}", tmp_path / f"{seed}-after"
        root.mkdir()
        copy.mkdir()
        disk = Careless()
        box = Box(disk, root)
        box.update(1)
        leave(disk.log, random.Random(seed), root, copy)
        try:
            Box(Quick(), copy).check_version()
        except (EdgeError, OSError, AssertionError):
            lost += 1
    assert lost > 5
