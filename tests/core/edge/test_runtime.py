"""The runtime as a box has it: its imports, its Python, its command."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vermin

from core.edge import agent, runtime
from core.edge.profiles import Profile, profile
from core.edge.runtime.folder import once, work_through
from core.edge.runtime.results import Results
from core.edge.signing import SigningKey
from core.edge.standalone import standalone

SOURCES = sorted(
    path for package in (agent, runtime) for path in Path(package.__path__[0]).glob("*.py")
)


@pytest.fixture
def app(signing: SigningKey, here: Profile, small_bundle: Callable[..., Path]) -> Path:
    path = small_bundle(here)
    app = path.with_suffix(".pyz")
    app.write_bytes(standalone(path.read_bytes(), signing.public))
    return app


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(8):
        np.save(folder / f"{number}.npy", random.normal(size=(2, 9, 8)))
    return folder


def _run(app: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    # Without the packages of this project: only the standard library and NumPy are found.
    return subprocess.run(
        [sys.executable, "-I", str(app), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_source_is_python_3_6(path: Path) -> None:
    source = path.read_text()
    ast.parse(source, feature_version=(3, 6))
    _, minimum = vermin.detect(source)
    assert minimum is None or minimum == (0, 0) or minimum <= (3, 6)


def test_the_checker_finds_what_is_newer() -> None:
    assert vermin.detect("import math\nmath.prod([1])")[1] == (3, 8)


def test_it_imports_numpy_and_nothing_else() -> None:
    program = (
        "import sys, core.edge.runtime.main, core.edge.runtime.model, core.edge.runtime.folder;"
        "import core.edge.runtime.serve, core.edge.runtime.pictures, core.edge.runtime.board;"
        "import core.edge.agent.main, core.edge.agent.uplink, core.edge.agent.net;"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    allowed = {"numpy", "core", "__main__", "sitecustomize", "__mp_main__"}
    strangers = {
        name
        for name in ast.literal_eval(found.stdout)
        if name not in allowed | sys.stdlib_module_names
        and not name.startswith(("_", "__editable"))
    }
    assert not strangers


def test_standalone(app: Path, images: Path) -> None:
    done = _run(app, "--input", images / "0.npy")
    assert done.returncode == 0, done.stderr
    assert "note" not in done.stderr
    result = json.loads(done.stdout)
    assert result["label"] in ("a", "b", "c")
    slow = json.loads(_run(app, "--input", images / "0.npy", "--numpy").stdout)
    np.testing.assert_allclose(slow["output"], result["output"], rtol=1e-4, atol=1e-5)


def test_another_board_is_refused(
    signing: SigningKey, small_bundle: Callable[..., Path], images: Path
) -> None:
    path = small_bundle(profile("jetson-tk1"))
    app = path.with_suffix(".pyz")
    app.write_bytes(standalone(path.read_bytes(), signing.public))
    refused = _run(app, "--input", images / "0.npy")
    assert refused.returncode == 1
    assert "another board: it is for NVIDIA Jetson TK1" in refused.stderr
    forced = _run(app, "--input", images / "0.npy", "--any-board")
    assert forced.returncode == 0
    assert "NumPy computes instead: it is for armv7" in forced.stderr


def test_a_damaged_bundle_says_so(app: Path, images: Path) -> None:
    content = bytearray(app.read_bytes())
    content[content.index(b"weights.bin") + 60] ^= 1
    app.write_bytes(content)
    done = _run(app, "--input", images / "0.npy")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: bundle")
    assert "Traceback" not in done.stderr


def test_every_file_once_whatever_kills_it(app: Path, images: Path) -> None:
    results = images / "results.jsonl"
    # From before it has begun to after it has ended.
    for delay in (0.02, 0.08, 0.1, 0.12, 0.14, 0.16):
        process = subprocess.Popen(
            [sys.executable, "-I", str(app), "--input", str(images), "--once"],
            stderr=subprocess.DEVNULL,
        )
        time.sleep(delay)
        process.kill()
        process.wait()
    assert _run(app, "--input", images, "--once").returncode == 0
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert sorted(line["input"] for line in lines) == [f"{i}.npy" for i in range(8)]
    assert all("output" in line for line in lines)


def test_results_after_a_torn_write(tmp_path: Path) -> None:
    path = tmp_path / "results"
    results = Results(str(path))
    for number in range(3):
        results.add(f"{number}", "s", {"value": number})
    results.close()
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        again = Results(str(path))
        for number in range(3):
            if not again.has(f"{number}", "s"):
                again.add(f"{number}", "s", {"value": number})
        again.close()
        assert path.read_bytes() == whole


def test_a_full_disk_leaves_the_results_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = Results(str(tmp_path / "results"))
    results.add("a", "s", {})
    before = (tmp_path / "results").read_bytes()
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, data[:5], at))
    with pytest.raises(OSError, match="no room"):
        results.add("b", "s", {})
    monkeypatch.undo()
    assert (tmp_path / "results").read_bytes() == before
    assert not results.has("b", "s")
    results.close()


def test_files_are_read_when_they_are_complete(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    results, settled, seen = Results(str(tmp_path / "results")), {}, []  # type: ignore[var-annotated]

    def predict(data: bytes) -> dict[str, Any]:
        seen.append(data)
        return {}

    for name in (".hidden", "b.part"):
        (folder / name).write_bytes(b"no")
    (folder / "a").write_bytes(b"1")
    assert work_through(str(folder), results, predict, settled) == 0
    (folder / "a").write_bytes(b"12")
    assert work_through(str(folder), results, predict, settled) == 0
    assert work_through(str(folder), results, predict, settled) == 1
    assert work_through(str(folder), results, predict, settled) == 0
    # Another file of the same name is another input.
    (folder / "a").write_bytes(b"123")
    assert once(str(folder), results, predict) == 1
    assert seen == [b"12", b"123"]
    results.close()


@pytest.fixture
def served(app: Path) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-I", str(app), "--input", "http:0"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if line.startswith("POST"):
                yield line.split()[-1]
                break
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_serving(served: str, images: Path) -> None:
    def ask(path: str, data: bytes | None = None) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(served + path, data, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    status, result = ask("/predict", (images / "0.npy").read_bytes())
    assert (status, len(result["output"])) == (200, 3)
    assert ask("/predict", b"nothing")[0] == 422
    assert ask("/elsewhere", b"")[0] == 404
    status, state = ask("/health")
    assert (status, state["model"], state["notes"]) == (200, "small", [])


def test_watching_ends_when_asked(app: Path, images: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-I", str(app), "--input", str(images), "--interval", "0.02"],
        stderr=subprocess.DEVNULL,
    )
    results = images / "results.jsonl"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if results.is_file() and len(results.read_bytes().splitlines()) == 8:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0
    assert len(results.read_bytes().splitlines()) == 8
