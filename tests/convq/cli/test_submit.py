from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

Convq = Callable[..., Any]


def job_body(service: Any) -> Any:
    posted = [r for r in service.requests if r.url.path == "/v1/jobs" and r.method == "POST"]
    return json.loads(posted[-1].content)


def test_from_files_to_files(convq: Convq, service: Any) -> None:
    result = convq("submit", "convolve", "a.bin", "c.bin", "-k", "box", "--out", "out/new")
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in Path("out/new").iterdir()) == ["a.bin", "c.bin"]
    assert Path("out/new/c.bin").read_bytes() == b"c.bin"
    assert "succeeded, ran 20 ms, waited 0" in result.stdout
    assert "2 of 2 items done" in result.stdout
    assert "2 files to out/new/" in result.stdout
    assert "separable  12 ms and 3.0 MB predicted" in result.stderr
    assert "rank 1" in result.stderr


def test_only_given_options_are_sent(convq: Convq, service: Any) -> None:
    convq("submit", "convolve", "a.bin", "-k", "gaussian:sigma=2")
    body = job_body(service)
    assert body["kernel"] == {"preset": "gaussian", "sigma": 2}
    assert set(body) == {"kind", "inputs", "kernel", "label"}


def test_all_options_are_sent(convq: Convq, service: Any) -> None:
    Path("k.npy").write_bytes(b"kernel")
    options = "--mode valid --boundary constant --cval 1.5 --axis 0 --axis 1 --normalize sum"
    options += " --operation correlation --method direct --output npy --range signed --label hi"
    options += " --precision tf32"
    result = convq("submit", "convolve", "a.bin", "-k", "k.npy", *options.split())
    assert result.exit_code == 0, result.stderr
    body = job_body(service)
    assert service.artifacts[body.pop("kernel")["artifact"]]["data"] == b"kernel"
    assert body.pop("inputs")[0]["name"] == "a.bin"
    assert body == {
        "kind": "convolve",
        "mode": "valid",
        "boundary": "constant",
        "cval": 1.5,
        "axes": [0, 1],
        "normalize": "sum",
        "operation": "correlation",
        "method": "direct",
        "precision": "tf32",
        "output": "npy",
        "range": "signed",
        "label": "hi",
    }


def test_a_folder_stands_for_its_visible_files(convq: Convq, service: Any, tmp_path: Path) -> None:
    (tmp_path / ".hidden").write_bytes(b"")
    (tmp_path / "sub").mkdir()
    convq("submit", "convolve", ".", "-k", "box")
    assert [item["name"] for item in job_body(service)["inputs"]] == ["a.bin", "bad.bin", "c.bin"]
    result = convq("submit", "convolve", "sub", "-k", "box")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (
        2,
        "error: FILE: the folder holds no files",
    )


def test_one_bad_item(convq: Convq, service: Any) -> None:
    service.bad_names = {"bad.bin"}
    result = convq("submit", "convolve", ".", "-k", "box", "-o", "out")
    assert result.exit_code == 1
    assert "3 of 3 items done, 1 failed" in result.stdout
    assert "bad.bin  broken (unsupported_media)" in result.stdout
    assert "2 files to out/" in result.stdout


def test_all_items_bad(convq: Convq, service: Any) -> None:
    service.bad_names = {"bad.bin"}
    result = convq("submit", "convolve", "bad.bin", "-k", "box", "-o", "out")
    assert result.exit_code == 1
    assert "every input failed (invalid_input)" in result.stdout


def test_json_is_all_there_is_on_stdout(convq: Convq) -> None:
    result = convq("submit", "convolve", "a.bin", "-k", "box", "-o", "out", "--json")
    shown = json.loads(result.stdout)
    assert shown["job"]["state"] == "succeeded"
    assert shown["results"][0]["name"] == "a.bin"
    assert shown["failures"] == []
    assert shown["files"] == ["out/a.bin"]
    assert result.stderr == ""


def test_detached(convq: Convq, service: Any) -> None:
    service.runs = False
    result = convq("submit", "convolve", "a.bin", "-k", "box", "--detach")
    (job_id,) = service.jobs
    assert result.stdout == f"{job_id}\n"
    shown = convq("submit", "convolve", "a.bin", "-k", "box", "--detach", "--json").stdout
    assert json.loads(shown)["job"]["state"] == "queued"


def test_detached_with_a_folder_makes_no_sense(convq: Convq, service: Any) -> None:
    result = convq("submit", "convolve", "a.bin", "-k", "box", "--detach", "--out", "x")
    assert result.exit_code == 2
    assert service.requests == []


def test_an_interrupt_leaves_the_job_alone(
    convq: Convq, service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.runs = False

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    impatient = SimpleNamespace(**(vars(time) | {"sleep": interrupt}))
    monkeypatch.setattr("convq.client.blocking.time", impatient)
    service.faults += [None, None, None, None]
    result = convq("submit", "convolve", "a.bin", "-k", "box")
    assert result.exit_code == 130
    (job_id,) = service.jobs
    assert f"job {job_id} goes on" in result.stderr
    assert f"convq cancel {job_id}" in result.stderr
    assert service.jobs[job_id]["state"] == "queued"


def test_an_interrupt_before_there_is_a_job(convq: Convq, service: Any) -> None:
    def interrupt(_: Any) -> Any:
        raise KeyboardInterrupt

    service.faults.append(interrupt)
    result = convq("submit", "convolve", "a.bin", "-k", "box")
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


def test_a_refused_job(convq: Convq, service: Any) -> None:
    service.faults += [
        None,
        None,
        lambda _: service.problem(
            422,
            "invalid_input",
            "sigma must be positive",
            field="kernel.gaussian.sigma",
            given=-1,
            accepted="a number greater than 0",
        ),
    ]
    result = convq("submit", "convolve", "a.bin", "-k", "gaussian:sigma=-1")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: kernel.gaussian.sigma: sigma must be positive\n"
        "  given: -1\n"
        "  accepted: a number greater than 0\n"
    )


@pytest.fixture
def empty() -> Path:
    Path("empty.png").touch()
    return Path("empty.png")


REFUSED = "refused empty.png: the body is empty (invalid_input)"


def test_a_refused_file_is_named_and_the_others_are_processed(
    convq: Convq, service: Any, empty: Path
) -> None:
    result = convq("submit", "convolve", "a.bin", empty, "c.bin", "-k", "box", "-o", "out")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0] == REFUSED
    assert "2 of 2 items done" in result.stdout
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.bin", "c.bin"]
    assert [item["name"] for item in job_body(service)["inputs"]] == ["a.bin", "c.bin"]


def test_a_refused_file_in_json(convq: Convq, empty: Path) -> None:
    shown = json.loads(convq("submit", "convolve", "a.bin", empty, "-k", "box", "--json").stdout)
    assert [(one["name"], one["code"]) for one in shown["refused"]] == [
        ("empty.png", "invalid_input")
    ]
    result = convq("submit", "convolve", "a.bin", empty, "-k", "box", "--json", "--detach")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["refused"] == shown["refused"]


def test_nothing_but_refused_files(convq: Convq, service: Any, empty: Path) -> None:
    result = convq("submit", "convolve", empty, "-k", "box", "-o", "out")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[:2] == [
        REFUSED,
        "error: inputs: every input was refused; there is no job",
    ]
    assert service.jobs == {}


def test_planning_without_a_refused_file(convq: Convq, service: Any, empty: Path) -> None:
    result = convq("plan", "convolve", "a.bin", empty, "-k", "box")
    assert (result.exit_code, result.stderr) == (1, f"{REFUSED}\n")
    assert "separable" in result.stdout
    assert convq("plan", "convolve", empty, "-k", "box").exit_code == 2


@pytest.mark.parametrize("command", ["submit", "plan"])
@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (
            "gaussian:sigm=2",
            "error: kernel.sigm: gaussian has no such parameter; did you mean sigma?\n"
            "  given: 'sigm'\n"
            "  accepted: sigma, truncate\n"
            "  try: convq kernels gaussian\n",
        ),
        ("sobel-y:size=3", "error: kernel.size: sobel-y has no such parameter\n"),
        (
            "gausian:sigma=2",
            "error: kernel.preset: there is no such preset; did you mean gaussian?\n"
            "  given: 'gausian'\n"
            "  accepted: identity, box, gaussian, ",
        ),
    ],
)
def test_misspelt_kernels_cost_no_upload(
    convq: Convq, service: Any, command: str, kernel: str, message: str
) -> None:
    result = convq(command, "convolve", "a.bin", "-k", kernel)
    assert result.exit_code == 2
    assert result.stderr.startswith(message)
    assert service.paths() == ["GET /v1/kinds"]


def test_a_folder_that_cannot_be_made(convq: Convq) -> None:
    result = convq("submit", "convolve", "a.bin", "-k", "box", "--out", "a.bin/out")
    assert result.exit_code == 1
    assert result.stderr.endswith("error: a.bin/out: Not a directory\n")


def test_no_such_file(convq: Convq) -> None:
    result = convq("submit", "convolve", "nope.jpg", "-k", "box")
    assert result.exit_code == 2
    assert result.stderr == "error: FILE: there is no such file\n  given: 'nope.jpg'\n"


def test_planning(convq: Convq, service: Any) -> None:
    result = convq("plan", "convolve", "a.bin", "-k", "gaussian:sigma=2")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "2 inputs, 480 × 640 uint8 with a kernel of 13 × 13"
    assert [line.split()[:2] for line in lines if line.startswith("*")] == [["*", "separable"]]
    assert "refused: only for kernels of 3x3 and 5x5" in result.stdout
    assert "separable: the kernel has rank 1" in result.stdout
    assert lines[-1].startswith("in all 12 ms and 3.0 MB predicted, on test processor")
    assert service.jobs == {}
    shown = json.loads(convq("plan", "convolve", "a.bin", "-k", "box", "--json").stdout)
    assert shown["plan"]["groups"][0]["chosen"] == "separable"
    convq("plan", "convolve", "a.bin", "-k", "box", "--device", "gpu")
    assert service.planned["device"] == "gpu"


def test_results_do_not_go_into_a_file(convq: Convq, service: Any) -> None:
    result = convq("submit", "convolve", "a.bin", "-k", "box", "-o", "c.bin")
    assert (result.exit_code, service.requests) == (2, [])
    assert "c.bin is there, and is no folder" in result.stderr


def test_a_value_that_is_none_of_those(convq: Convq) -> None:
    result = convq("submit", "convolve", "a.bin", "-k", "box", "--mode", "sam")
    assert result.exit_code == 2
    assert "'--mode': 'sam' is not one of 'full', 'same', 'valid'" in result.stderr


@pytest.mark.parametrize(
    ("command", "field"),
    [
        ("match no.bin a.bin", "template"),
        ("search no.npz a.bin", "index"),
        ("train --model lenet5 --data no.npz", "data"),
        ("models register digits no/model.safetensors", "ORIGIN"),
    ],
)
def test_a_file_that_is_not_there(convq: Convq, service: Any, command: str, field: str) -> None:
    result = convq(*command.split())
    assert (result.exit_code, service.requests) == (2, [])
    assert result.stderr.startswith(f"error: {field}: there is no such file")
