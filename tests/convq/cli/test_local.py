from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

import api.server
import workers.main
from core.settings import Settings

# By name, since the package has a function of that name too.
calibration = import_module("core.conv.calibrate")

Convq = Callable[..., Any]


class Recorder:
    """Notes how it was called."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls.append((args, kwargs))
        return self.answer


def test_serve(convq: Convq, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(130)
    monkeypatch.setattr("convq.stack.serve", recorder)
    assert convq("serve", "--port", "0", "--data", "d", "--workers", "3").exit_code == 130
    expected = {"port": 0, "host": "127.0.0.1", "data": Path("d"), "workers": 3}
    assert recorder.calls == [((), expected)]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, redis_server: Any) -> None:
    monkeypatch.setenv("CONVQ_REDIS_URL", redis_server.url)


@pytest.mark.usefixtures("given")
def test_api(convq: Convq, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    monkeypatch.setattr(api.server, "serve", recorder)
    assert convq("api", "--port", "1234", "--host", "0.0.0.0").exit_code == 0
    assert recorder.calls == [((Settings(), "0.0.0.0", 1234), {})]


@pytest.mark.usefixtures("given")
def test_worker(convq: Convq, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(0)
    monkeypatch.setattr(workers.main, "run", recorder)
    assert convq("worker", "w1", "--queue", "a", "--queue", "b").exit_code == 0
    asked = {"name": "w1", "gpu": None, "queues": ["a", "b"]}
    assert recorder.calls == [((Settings(),), asked)]
    convq("worker")
    assert recorder.calls[1][1]["queues"] is None
    assert recorder.calls[1][1]["name"]


PARTS = [["api", "--port", "0"], ["worker", "w1"], ["serve", "--port", "0", "--data", "data"]]


@pytest.mark.parametrize("part", PARTS, ids=["api", "worker", "serve"])
@pytest.mark.parametrize(
    ("variable", "value", "code", "message"),
    [
        (
            "REDIS_URL",
            "redis://:secret@127.0.0.1:1/0",
            3,
            "error: Redis at redis://127.0.0.1:1/0 does not answer: ",
        ),
        ("REDIS_URL", "foo", 3, "error: CONVQ_REDIS_URL: this is no address of a Redis"),
        ("STORE_URL", "foo://bar", 2, "error: CONVQ_STORE_URL: "),
        ("LEASE", "soon", 2, "error: CONVQ_LEASE: this is not acceptable\n  given: 'soon'\n"),
    ],
)
def test_what_cannot_start_says_why_at_once(
    convq: Convq,
    monkeypatch: pytest.MonkeyPatch,
    part: list[str],
    variable: str,
    value: str,
    code: int,
    message: str,
) -> None:
    monkeypatch.setenv(f"CONVQ_{variable}", value)
    result = convq(*part)
    assert result.exit_code == code
    assert result.stderr.startswith(message)
    assert "secret" not in result.stderr
    assert "Traceback" not in result.stderr


def test_a_defect_is_not_taken_for_a_setting(convq: Convq, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(**_: Any) -> int:
        raise ValueError("a defect")

    monkeypatch.setattr("convq.stack.serve", defect)
    assert isinstance(convq("serve").exception, ValueError)


def test_demo(convq: Convq, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(1)
    monkeypatch.setattr("convq.demo.run", recorder)
    assert convq("demo", "--out", "x").exit_code == 1
    assert recorder.calls == [((Path("x"),), {})]


def test_calibrate(convq: Convq, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tuple(
        calibration.Row(k, {"direct": k * 1e-3, "fft-whole": 8e-3}, "direct") for k in (3, 9)
    )
    device = calibration.devices.cpu()
    recorder = Recorder(calibration.Calibration(device, (512, 512), rows, Path("there.json")))
    monkeypatch.setattr(calibration, "calibrate", recorder)
    result = convq("calibrate", "--quick", "--out", "crossover.png")
    assert result.exit_code == 0, result.stderr
    assert "FFT is faster than direct from 9x9 on" in result.stdout
    assert "stored in there.json" in result.stdout
    assert Path("crossover.png").read_bytes().startswith(b"\x89PNG")
    assert recorder.calls[0][1]["shape"] == (512, 512)
    assert json.loads(convq("calibrate", "--json").stdout)["crossover"] == 9
    assert recorder.calls[1] == ((None,), {})
    # The GPU, where there is one.
    monkeypatch.setitem(sys.modules, "cupy", None)
    refused = convq("calibrate", "--gpu")
    assert refused.exit_code == 3
    assert "CuPy is not installed" in refused.stderr


# -- planning without a service ---------------------------------------------------------------


@pytest.fixture
def picture(convq: Convq) -> Path:
    Image.fromarray(np.zeros((60, 80, 3), np.uint8)).save("picture.png")
    return Path("picture.png")


def test_a_local_plan(convq: Convq, service: Any, picture: Path) -> None:
    result = convq("plan", "convolve", picture, "-k", "gaussian:sigma=2", "--local")
    assert result.exit_code == 0, result.stderr
    assert "1 input, 60 × 80 × 3 uint8 with a kernel of 17 × 17" in result.stdout
    assert "separable" in result.stdout
    assert service.requests == []


def test_a_local_plan_with_the_kernel_in_a_file(convq: Convq, picture: Path) -> None:
    np.save("k.npy", np.ones((5, 7), np.float32))
    result = convq("plan", "convolve", picture, "-k", "k.npy", "--local", "--json")
    (group,) = json.loads(result.stdout)["plan"]["groups"]
    assert group["problem"]["kernel_shape"][-2:] == [5, 7]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-k", "gaussian:sigma=-1"], "error: kernel.sigma: this is not acceptable"),
        (
            ["-k", "gausian"],
            "error: kernel.preset: there is no such preset; did you mean gaussian?",
        ),
        (["-k", "[[0,[1]]]"], "error: kernel.values: "),
        (["-k", "box", "--method", "nonsense"], "error: method: "),
        (["-k", "no.npy"], "error: kernel: there is no such file"),
    ],
)
def test_a_local_plan_that_is_refused(
    convq: Convq, picture: Path, options: list[str], message: str
) -> None:
    result = convq("plan", "convolve", picture, "--local", *options)
    assert result.exit_code == 2
    assert result.stderr.startswith(message)


def test_a_local_plan_leaves_refused_files_out(convq: Convq, picture: Path) -> None:
    Path("empty.png").touch()
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    result = convq("plan", "convolve", "empty.png", picture, "broken.png", "-k", "box", "--local")
    assert result.exit_code == 1
    assert "1 input, 60 × 80 × 3 uint8" in result.stdout
    empty, broken = result.stderr.splitlines()
    assert empty == "refused empty.png: the file is empty (invalid_input)"
    assert broken.startswith("refused broken.png: ")
    result = convq("plan", "convolve", picture, "-k", "empty.png", "--local")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (
        2,
        "error: kernel: the file is empty",
    )


# -- kernels ----------------------------------------------------------------------------------


def test_kernels(convq: Convq) -> None:
    from core.kernels import PRESETS

    listed = convq("kernels").stdout
    assert all(preset.name in listed for preset in PRESETS)
    described = json.loads(convq("kernels", "--json").stdout)["presets"]
    assert [preset["name"] for preset in described] == [preset.name for preset in PRESETS]


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_one_kernel(convq: Convq, ndim: int) -> None:
    shown = json.loads(convq("kernels", "box:size=2", "--ndim", ndim, "--json").stdout)
    np.testing.assert_array_equal(shown["array"], np.full((1,) + (2,) * ndim, 0.5**ndim))
    assert "0.5" in convq("kernels", "box:size=2", "--ndim", "1").stdout


def test_every_kernel_can_be_shown(convq: Convq) -> None:
    from core.kernels import PRESETS

    for preset in PRESETS:
        result = convq("kernels", preset.name)
        assert result.exit_code == 0, result.stderr
        assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        ("nonsense", "kernel.preset: there is no such preset\n"),
        ("gaussian:sigma=-1", "kernel.sigma: this is not acceptable\n  given: -1\n  accepted: gr"),
        ("gaussian:colour=1", "kernel.colour: gaussian has no such parameter\n"),
        ("k.npy", "kernel.preset: there is no such preset\n"),
    ],
)
def test_kernels_that_there_are_not(convq: Convq, kernel: str, message: str) -> None:
    result = convq("kernels", kernel)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {message}")


# -- doctor -----------------------------------------------------------------------------------


@pytest.fixture
def plain(convq: Convq, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CONVQ_URL")
    monkeypatch.delenv("CONVQ_REDIS_URL", raising=False)
    monkeypatch.setenv("CONVQ_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CONVQ_STORE_URL", str(tmp_path / "store" / "artifacts"))


def checks(result: Any) -> dict[str, Any]:
    return {check["name"]: check for check in json.loads(result.stdout)["checks"]}


@pytest.mark.usefixtures("plain")
def test_doctor_on_a_plain_machine(convq: Convq, service: Any, naps: Any, tmp_path: Path) -> None:
    service.faults += [httpx.ConnectError("refused")] * 4
    result = convq("doctor", "--json")
    found = checks(result)
    assert result.exit_code == 0
    assert {name for name, check in found.items() if check["status"] != "ok"} == {
        "calibration",
        "service",
    }
    assert found["calibration"]["advice"] == "convq calibrate"
    assert "numpy " in found["libraries"]["found"]
    assert not (tmp_path / "store").exists(), "looking changes nothing"


@pytest.mark.usefixtures("plain")
def test_doctor_goes_on_where_the_constants_are_damaged(
    convq: Convq, service: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = calibration.devices
    stored = tmp_path / "cache" / "devices" / f"{device.key(device.cpu())}.json"
    stored.parent.mkdir(parents=True)
    stored.write_text("[]")
    monkeypatch.setattr(device, "cpu", device.cpu.__wrapped__)
    result = convq("doctor", "--json")
    assert result.exit_code == 1
    found = checks(result)
    assert found["processor"]["status"] == "missing"
    assert "delete it" in found["processor"]["advice"]
    assert found["service"]["status"] == "ok"


@pytest.mark.usefixtures("plain")
def test_doctor_reads_well(convq: Convq, service: Any) -> None:
    shown = convq("doctor").stdout
    assert "1 of 1 workers are up" in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.usefixtures("plain")
def test_doctor_wants_the_service_that_is_named(convq: Convq, service: Any, naps: Any) -> None:
    service.faults += [httpx.ConnectError("refused")] * 4
    assert convq("doctor", "--url", "http://convq.test").exit_code == 1


@pytest.mark.usefixtures("plain")
def test_doctor_wants_the_redis_that_is_named(
    convq: Convq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVQ_REDIS_URL", "redis://:secret@127.0.0.1:1/0")
    result = convq("doctor", "--json")
    assert result.exit_code == 1
    assert checks(result)["redis"]["status"] == "missing"
    assert "secret" not in result.stdout


@pytest.mark.usefixtures("plain")
def test_doctor_looks_into_redis(
    convq: Convq, monkeypatch: pytest.MonkeyPatch, redis_server: Any
) -> None:
    import redis

    monkeypatch.setenv("CONVQ_REDIS_URL", redis_server.url)
    good = checks(convq("doctor", "--json"))["redis"]
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        name = client.info()["server_name"]
        assert (good["status"], good["found"]) == (
            "ok",
            f"{name} {client.info()[f'{name}_version']}",
        )
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("appendfsync", "everysec")
        found = checks(convq("doctor", "--json"))["redis"]
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("appendfsync", "always")
    assert found["status"] == "warn"
    assert "set appendfsync always\n" in found["advice"]
    assert found["advice"].endswith("set maxmemory-policy noeviction")


@pytest.mark.usefixtures("plain")
def test_doctor_wants_a_store_that_can_be_written(
    convq: Convq, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("/proc/nowhere", "foo://bar", "://"):
        monkeypatch.setenv("CONVQ_STORE_URL", place)
        result = convq("doctor", "--json")
        assert result.exit_code == 1
        assert checks(result)["store"]["advice"] == "name another place with CONVQ_STORE_URL"
