from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.edge.bundle import build
from core.edge.profiles import Profile
from core.edge.runtime.camera import Camera, fitted
from core.edge.runtime.errors import EdgeError
from core.edge.runtime.main import main
from core.edge.signing import SigningKey
from core.nets.model import Model

SIDES = st.integers(1, 9)


@settings(max_examples=40)
@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from([1, 3]), st.integers(0, 1000))
def test_a_pixel_is_the_mean_of_what_lies_in_its_place(
    have_rows: int, have_columns: int, rows: int, columns: int, channels: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    frame = random.integers(0, 256, (have_rows, have_columns, 3)).astype(np.uint8)
    found = fitted(frame, (channels, rows, columns))
    assert found.shape == (channels, rows, columns)
    for row in range(rows):
        for column in range(columns):
            top, left = row * have_rows // rows, column * have_columns // columns
            bottom = max(top + 1, (row + 1) * have_rows // rows)
            right = max(left + 1, (column + 1) * have_columns // columns)
            blue, green, red = frame[top:bottom, left:right].reshape(-1, 3).mean(axis=0)
            grey = 0.299 * red + 0.587 * green + 0.114 * blue
            wanted = [grey] if channels == 1 else [red, green, blue]
            np.testing.assert_allclose(found[:, row, column], wanted, rtol=1e-5)


def test_a_net_that_takes_no_pictures() -> None:
    with pytest.raises(EdgeError, match="pictures"):
        fitted(np.zeros((2, 2, 3), np.uint8), (2, 4, 4))


def test_without_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(EdgeError, match="OpenCV"):
        Camera("camera:/dev/video0")


class _Capture:
    """What OpenCV has of a camera that gives two frames and goes."""

    CAP_PROP_BUFFERSIZE = 38
    names: ClassVar[list[object]] = []

    def __init__(self, name: object) -> None:
        self.names.append(name)
        self.left = 2

    def set(self, what: int, value: int) -> None:
        assert (what, value) == (self.CAP_PROP_BUFFERSIZE, 1)

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self.names[-1] != "/nowhere"

    def read(self) -> tuple[bool, object]:
        self.left -= 1
        return self.left >= 0, np.full((4, 4, 3), 9, np.uint8)

    def release(self) -> None:
        self.names.append("released")


@pytest.fixture
def opencv(monkeypatch: pytest.MonkeyPatch) -> type[_Capture]:
    class Module:
        CAP_PROP_BUFFERSIZE = _Capture.CAP_PROP_BUFFERSIZE
        VideoCapture = _Capture

    monkeypatch.setitem(sys.modules, "cv2", Module)  # type: ignore[arg-type]
    _Capture.names.clear()
    return _Capture


def test_a_camera_that_goes(opencv: type[_Capture]) -> None:
    camera = Camera("camera:0")
    assert opencv.names == [0]
    assert camera.read((1, 2, 2)).tolist() == [[[9, 9], [9, 9]]]
    camera.read((3, 4, 4))
    with pytest.raises(EdgeError, match=r"no images any more.*camera:0"):
        camera.read((1, 2, 2))


def test_no_such_camera(opencv: type[_Capture]) -> None:
    with pytest.raises(EdgeError, match="cannot be opened"):
        Camera("camera:/nowhere")


@pytest.fixture
def sigterm() -> Iterator[None]:
    """Bring back what SIGTERM did before."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("sigterm")
def test_a_line_for_each_image_until_the_camera_goes(
    opencv: type[_Capture],
    here: Profile,
    make_model: Callable[..., Model],
    signing: SigningKey,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    layers = [{"layer": "global_average_pool"}]
    model, path = make_model({"input": [1, 2, 2], "layers": layers}), tmp_path / "bundle"
    path.write_bytes(build(model, here, signing, name="mean"))
    command = [str(path), "--input", "camera:0", "--interval", "0", "--any-board"]
    with pytest.raises(SystemExit) as ended:
        main(arguments=command)
    out, err = capsys.readouterr()
    assert [json.loads(line)["output"] for line in out.splitlines()] == [[9.0], [9.0]]
    assert (ended.value.code, "no images any more" in err) == (2, True)
    assert opencv.names == [0, "released"]
    opencv.names.clear()
    main(arguments=[*command, "--once"])
    assert len(capsys.readouterr().out.splitlines()) == 1
