"""What an agent does with bundles that it should not run, and with a service that misbehaves."""

from __future__ import annotations

import hashlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.edge.agent.disk import Disk
from core.edge.agent.errors import Away, Replayed
from core.edge.agent.installed import MOST_STARTS, Installed
from core.edge.agent.models import Models
from core.edge.agent.net import Net
from core.edge.agent.spool import Spool
from core.edge.agent.trying import checked, self_test
from core.edge.agent.updating import Updating, take
from core.edge.agent.watching import Watching
from core.edge.profiles import Profile, profile
from core.edge.runtime.errors import Damaged, EdgeError, WrongBoard
from core.edge.signing import SigningKey
from core.edge.standalone import standalone
from tests.core.edge.agent.power import Quick


class Fake:
    """A net that the test tells what to do."""

    notes: tuple[str, ...] = ()
    input_shape = (1, 2, 2)

    def __init__(self, path: str) -> None:
        self.text = Path(path).read_bytes()
        if b"does not load" in self.text:
            raise Damaged("it does not load", "bundle")

    def predict(self, data: bytes) -> dict[str, Any]:
        if b"fails" in self.text:
            raise ZeroDivisionError("division by zero")
        if data == b"no image":
            raise EdgeError("this is no image", "input")
        return {"by": self.text.decode()}

    def self_test(self) -> None:
        if b"worse later" in self.text:
            raise Damaged("the self-test failed", "bundle")


class Service:
    """Offers a bundle, and sends what it is told to."""

    def __init__(self) -> None:
        self.wanted: dict[str, Any] = {"digest": None}
        self.pieces: list[bytes] = []
        self.asked: list[int] = []

    def offer(self, content: bytes, sequence: int, pieces: list[bytes] | None = None) -> str:
        self.wanted = {"digest": digest_of(content), "size": len(content), "sequence": sequence}
        self.pieces = [content] if pieces is None else pieces
        return str(self.wanted["digest"])

    def release(self, etag: str | None) -> tuple[dict[str, Any] | None, str | None]:
        return (
            (None, etag) if etag == self.wanted["digest"] else (self.wanted, self.wanted["digest"])
        )

    def bundle(self, digest: str, start: int) -> tuple[int, Iterator[bytes]]:
        self.asked.append(start)
        return start, iter([b"".join(self.pieces)[start:]])


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Box:
    """An agent's models and its way to new ones; bundles say their sequence themselves."""

    def __init__(self, folder: Path, disk: Quick | None = None) -> None:
        self.said: list[str] = []
        self.disk = disk or Quick()
        self.models = Models(Installed(self.disk, str(folder)), Fake, self.said.append)
        self.tests: list[str] = []
        self.updating = Updating(self.disk, self.models, self.check, self.test)
        self.models.start()

    def check(self, path: str, digest: str) -> dict[str, Any]:
        text = Path(path).read_text()
        if "wrong" in text:
            raise Damaged("signed by another key", "bundle")
        if "board" in text:
            raise WrongBoard("the bundle is for another board", "bundle")
        return {"digest": digest, "sequence": int(text.split()[0]), "name": "net"}

    def test(self, path: str) -> None:
        self.tests.append(path)
        if "bad" in Path(path).read_text():
            raise Damaged("the self-test failed: it died by signal 11", "bundle")

    @property
    def runs(self) -> str | None:
        try:
            return str(self.models.predict(b"image").get("by"))
        except Away:
            return None


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def box(tmp_path: Path, service: Service) -> Box:
    """Return a box that runs version 2, which has proved itself."""
    made = Box(tmp_path)
    service.offer(b"2 first", 2)
    made.updating.step(service)  # type: ignore[arg-type]
    made.models.tend(0)
    return made


def test_a_new_version(box: Box, service: Service, tmp_path: Path) -> None:
    assert box.runs == "2 first"
    service.offer(b"3 second", 3)
    box.updating.step(service)  # type: ignore[arg-type]
    assert box.runs == "3 second"
    assert box.models.installed.starts == 1
    # The first one is there to go back to until a third one is proved.
    assert len(list((tmp_path / "versions").iterdir())) == 2
    service.offer(b"4 third", 4)
    box.updating.step(service)  # type: ignore[arg-type]
    box.models.tend(0)
    assert box.models.installed.starts is None
    assert len(list((tmp_path / "versions").iterdir())) == 2
    box.updating.step(service)  # type: ignore[arg-type]
    assert len(box.tests) == 3


@pytest.mark.parametrize(
    ("content", "sequence", "error", "why"),
    [
        (b"3 wrong key", 3, Damaged, "another key"),
        (b"3 board", 3, WrongBoard, "another board"),
        (b"3 bad", 3, Damaged, "died by signal 11"),
        (b"3 does not load", 3, Damaged, "does not load"),
        # Whoever replays a version may say of it what he likes: the signed number counts.
        (b"1 old", 9, Replayed, "as new or newer"),
        (b"2 other", 9, Replayed, "as new or newer"),
    ],
)
def test_what_is_refused_for_good(
    box: Box, service: Service, content: bytes, sequence: int, error: type[EdgeError], why: str
) -> None:
    digest = service.offer(content, sequence)
    with pytest.raises(error, match=why):
        box.updating.step(service)  # type: ignore[arg-type]
    assert box.runs == "2 first"
    refused = box.models.installed.refused
    assert refused is not None
    assert refused["digest"] == digest
    assert why in refused["why"]
    # It is not fetched again.
    asked = len(service.asked)
    box.updating.step(service)  # type: ignore[arg-type]
    assert len(service.asked) == asked


def test_an_older_version_is_not_even_fetched(box: Box, service: Service) -> None:
    service.offer(b"1 old", 1)
    asked = len(service.asked)
    with pytest.raises(Replayed):
        box.updating.step(service)  # type: ignore[arg-type]
    assert len(service.asked) == asked


def test_a_version_stays_refused_after_a_new_start(
    box: Box, service: Service, tmp_path: Path
) -> None:
    service.offer(b"5 fails", 5)
    box.updating.step(service)  # type: ignore[arg-type]
    # Rolled back within the prediction, which is answered all the same.
    assert box.runs == "2 first"
    assert "ZeroDivisionError" in box.said[-2]
    again = Box(tmp_path)
    assert again.runs == "2 first"
    assert again.models.installed.highest == 5
    again.updating.step(service)  # type: ignore[arg-type]
    assert again.runs == "2 first"
    # Nor is anything taken that is not newer than it.
    service.offer(b"4 old", 9)
    with pytest.raises(Replayed):
        again.updating.step(service)  # type: ignore[arg-type]


def test_a_download_that_is_cut_goes_on(box: Box, service: Service) -> None:
    service.offer(b"3 second", 3, [b"3 sec"])
    with pytest.raises(Away, match="cut short"):
        box.updating.step(service)  # type: ignore[arg-type]
    assert box.runs == "2 first"
    service.pieces = [b"3 second"]
    box.updating.step(service)  # type: ignore[arg-type]
    assert service.asked[-2:] == [0, 5]
    assert box.runs == "3 second"


@pytest.mark.parametrize("pieces", [[b"3 secund"], [b"3 second", b" and more"], [b"<html>" * 99]])
def test_other_bytes_than_announced(box: Box, service: Service, pieces: list[bytes]) -> None:
    service.offer(b"3 second", 3, pieces)
    for _ in range(2):
        with pytest.raises(Away, match="not the bundle"):
            box.updating.step(service)  # type: ignore[arg-type]
    assert box.runs == "2 first"
    # It is not the version's fault.
    assert box.models.installed.refused is None
    service.pieces = [b"3 second"]
    box.updating.step(service)  # type: ignore[arg-type]
    assert box.runs == "3 second"


def test_a_full_disk(tmp_path: Path, service: Service) -> None:
    class Small(Quick):
        most = 1 << 20

        def write(self, path: str, data: bytes, at: int = 0) -> None:
            super().write(path, data[: self.most], at)
            if len(data) > self.most:
                raise OSError(28, "No space left on device", path)

    disk = Small()
    box = Box(tmp_path, disk)
    service.offer(b"2 first", 2)
    box.updating.step(service)  # type: ignore[arg-type]
    service.offer(b"3 second", 3)
    disk.most = 5
    with pytest.raises(OSError, match="No space"):
        box.updating.step(service)  # type: ignore[arg-type]
    assert box.runs == "2 first"
    # Its room is free for results.
    assert not list((tmp_path / "versions").glob("*.part"))
    # The bundle has room, the note that it is the current one has not.
    disk.most = 20
    with pytest.raises(OSError, match="No space"):
        box.updating.step(service)  # type: ignore[arg-type]
    assert box.runs == "2 first"
    assert Box(tmp_path).runs == "2 first"
    disk.most = 1 << 20
    box.updating.step(service)  # type: ignore[arg-type]
    assert box.runs == "3 second"


def test_what_dies_again_and_again_is_rolled_back(
    box: Box, service: Service, tmp_path: Path
) -> None:
    service.offer(b"3 second", 3)
    box.updating.step(service)  # type: ignore[arg-type]
    # A power cut or two are not its fault.
    for _ in range(MOST_STARTS - 1):
        assert Box(tmp_path).runs == "3 second"
    last = Box(tmp_path)
    assert last.runs == "2 first"
    assert "never lasted" in last.said[0]


def test_a_prediction_that_hangs_is_seen_from_outside(
    box: Box, service: Service, tmp_path: Path
) -> None:
    service.offer(b"3 second", 3)
    box.updating.step(service)  # type: ignore[arg-type]
    going, may_end = threading.Event(), threading.Event()

    def hang(data: bytes) -> dict[str, Any]:
        going.set()
        may_end.wait(60)
        return {}

    box.models._model.predict = hang
    thread = threading.Thread(target=box.models.predict, args=(b"image",), daemon=True)
    assert not box.models.hangs(0)
    thread.start()
    going.wait(60)
    assert not box.models.hangs(60)
    time.sleep(0.002)
    assert box.models.hangs(0.001)
    # As the agent begins anew it finds the version before.
    assert Box(tmp_path).runs == "2 first"
    may_end.set()
    thread.join()


def test_what_gets_worse_is_rolled_back(box: Box, service: Service) -> None:
    service.offer(b"3 worse later", 3)
    box.updating.step(service)  # type: ignore[arg-type]
    box.models.tend(3600)
    assert box.runs == "3 worse later"
    box.models.tend(0)
    assert box.runs == "2 first"


def test_a_bundle_that_went_bad_on_the_disk(box: Box, service: Service, tmp_path: Path) -> None:
    service.offer(b"3 second", 3)
    box.updating.step(service)  # type: ignore[arg-type]
    box.models.tend(0)
    installed = box.models.installed
    Path(installed.path(installed.current or {})).write_bytes(b"3 does not load")
    again = Box(tmp_path)
    assert again.runs == "2 first"
    Path(installed.path(again.models.installed.current or {})).unlink()
    assert Box(tmp_path).runs is None


def test_what_is_wrong_with_an_image_is_the_images_fault(box: Box, service: Service) -> None:
    service.offer(b"3 second", 3)
    box.updating.step(service)  # type: ignore[arg-type]
    assert box.models.predict(b"no image")["error"] == "input: this is no image"
    assert box.runs == "3 second"


def test_a_camera_that_goes_and_comes_back(box: Box, service: Service, tmp_path: Path) -> None:
    class Camera:
        def __init__(self, left: int) -> None:
            self.left = left
            self.is_closed = False

        def read(self, shape: tuple[int, ...]) -> Any:
            self.left -= 1
            if self.left < 0:
                raise EdgeError("the camera gives no images any more", "--input")
            return np.zeros(shape)

        def close(self) -> None:
            self.is_closed = True

    cameras = [Camera(2), Camera(1)]
    opened = []

    def connect() -> Camera:
        if not cameras:
            raise EdgeError("this camera cannot be opened", "--input")
        opened.append(cameras.pop(0))
        return opened[-1]

    spool = Spool(box.disk, str(tmp_path / "spool"))
    watching = Watching(connect, "camera:0", box.models, spool, interval=0)
    for _ in range(2):
        assert watching.step() == 1
    with pytest.raises(EdgeError, match="no images any more"):
        watching.step()
    assert opened[0].is_closed
    # What the model is does not depend on the camera.
    service.offer(b"3 second", 3)
    box.updating.step(service)  # type: ignore[arg-type]
    assert watching.step() == 1
    for why in ("no images any more", "cannot be opened"):
        with pytest.raises(EdgeError, match=why):
            watching.step()
    found = spool.waiting(9)
    assert [result["by"] for result in found] == ["2 first", "2 first", "3 second"]
    assert {result["input"] for result in found} == {"camera:0"}


def test_a_bundle_that_comes_with_the_program(tmp_path: Path, service: Service) -> None:
    (tmp_path / "given").write_bytes(b"2 given")
    state = tmp_path / "state"
    state.mkdir()
    box = Box(state)
    for _ in range(2):
        take(box.disk, box.updating, box.models, str(tmp_path / "given"))
        assert box.runs == "2 given"
    assert len(box.tests) == 1
    service.offer(b"3 second", 3)
    box.updating.step(service)  # type: ignore[arg-type]
    again = Box(state)
    take(again.disk, again.updating, again.models, str(tmp_path / "given"))
    assert again.runs == "3 second"
    (tmp_path / "given").write_bytes(b"4 wrong")
    with pytest.raises(Damaged):
        take(again.disk, again.updating, again.models, str(tmp_path / "given"))
    assert again.runs == "3 second"


def test_a_box_knows_the_bundle_in_its_program_again(
    signing: SigningKey,
    small_bundle: Callable[..., Path],
    here: Profile,
    tmp_path: Path,
    service: Service,
) -> None:
    content = small_bundle(here, sequence=2).read_bytes()
    program = tmp_path / "given.pyz"
    program.write_bytes(standalone(content, signing.public))
    state = tmp_path / "state"
    state.mkdir()
    disk = Disk()
    models = Models(
        Installed(disk, str(state)), lambda path: Net(path, signing.public, False), print
    )
    updating = Updating(
        disk,
        models,
        lambda path, digest: checked(path, signing.public, digest, True),
        lambda path: None,
    )
    take(disk, updating, models, str(program))
    assert models.version is not None
    assert models.version["digest"] == service.offer(content, 2)
    updating.step(service)  # type: ignore[arg-type]
    assert not service.asked


def test_real_bundles_are_checked(
    signing: SigningKey, small_bundle: Callable[..., Path], here: Profile, tmp_path: Path
) -> None:
    path = small_bundle(here, sequence=7)
    found = checked(str(path), signing.public, "sha256:x")
    assert (found["sequence"], found["name"], found["digest"]) == (7, "small", "sha256:x")
    with pytest.raises(Damaged, match="another key"):
        checked(str(path), SigningKey.new().public, "sha256:x")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Damaged):
        checked(str(path), signing.public, "sha256:x")
    other = small_bundle(profile("jetson-tk1"))
    with pytest.raises(WrongBoard, match="it is for NVIDIA Jetson TK1"):
        checked(str(other), signing.public, "sha256:x")
    assert checked(str(other), signing.public, "sha256:x", any_board=True)["sequence"] == 1


def test_the_self_test_is_another_process(
    signing: SigningKey, small_bundle: Callable[..., Path], here: Profile
) -> None:
    path = small_bundle(here)
    agent = [sys.executable, "-m", "core.edge.agent"]
    self_test(agent, str(path), signing.public, patience=60)
    with pytest.raises(Damaged, match="signed by another key"):
        self_test(agent, str(path), SigningKey.new().public, patience=60)
    net = Net(str(path), signing.public)
    net.self_test()
    assert net.notes == []


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import os; os.kill(os.getpid(), 11)", f"signal {int(signal.SIGSEGV)}"),
        ("import time; time.sleep(600)", "longer than 0.2 s"),
        ("raise SystemExit(3)", "the code 3"),
        ("raise SystemExit('this\\nand that')", "and that"),
    ],
)
def test_a_self_test_that_does_not_end_well(program: str, why: str) -> None:
    with pytest.raises(Damaged, match=why):
        self_test(
            [sys.executable, "-c", program], "bundle", bytes(32), 0.2 if "sleep" in program else 60
        )
