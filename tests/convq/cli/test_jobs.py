from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

Convq = Callable[..., Any]


@pytest.fixture
def job_id(convq: Convq, service: Any) -> str:
    assert convq("submit", "convolve", "a.bin", "-k", "box", "--label", "one").exit_code == 0
    (job_id,) = service.jobs
    return str(job_id)


def test_listing(convq: Convq, service: Any, job_id: str) -> None:
    convq("submit", "convolve", "c.bin", "-k", "box", "--label", "a [red]label[/red]\x1b[2J")
    lines = convq("jobs").stdout.splitlines()
    assert lines[0].split() == ["ID", "STATE", "KIND", "GOOD", "RAN", "AGE", "LABEL"]
    assert lines[1].split()[1:4] == ["succeeded", "convolve", "1/1"]
    assert "[red]" in "".join(lines)
    assert "\x1b" not in "".join(lines)
    assert lines[-1].split()[0] == job_id
    assert max(map(len, lines)) <= 80
    assert job_id not in convq("jobs", "--limit", "1").stdout
    assert len(convq("jobs", "--label", "one").stdout.splitlines()) == 2
    shown = json.loads(convq("jobs", "--state", "succeeded", "--json").stdout)
    assert [job["label"] for job in shown["jobs"]][1] == "one"


def test_whose_jobs_they_are_is_shown_where_a_tenant_is_named(
    convq: Convq, service: Any, job_id: str
) -> None:
    head, line = convq("jobs", "--tenant", "*").stdout.splitlines()
    assert (head.split()[1], line.split()[1]) == ("TENANT", "default")
    assert service.requests[-1].url.params["tenant"] == "*"


def test_the_list_in_json_is_the_service_s(convq: Convq, service: Any, job_id: str) -> None:
    left_out = {"plan", "attempts", "spec"}
    (job,) = service.jobs.values()
    listed = {name: value for name, value in job.items() if name not in left_out}
    assert json.loads(convq("jobs", "--json").stdout) == {"jobs": [listed]}


def test_a_list_says_when_there_are_more(convq: Convq, job_id: str) -> None:
    convq("submit", "convolve", "c.bin", "-k", "box")
    for options in (["--limit", "1"], ["--limit", "1", "--json"]):
        assert convq("jobs", *options).stderr == "there are more; --limit 2 shows twice as many\n"
    assert convq("jobs", "--limit", "2").stderr == ""


def test_no_jobs(convq: Convq) -> None:
    result = convq("jobs")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no jobs\n")
    assert json.loads(convq("jobs", "--json").stdout) == {"jobs": []}


def test_show(convq: Convq, job_id: str) -> None:
    shown = convq("show", job_id).stdout
    for part in (job_id, "succeeded", "one", "decode 5 ms, convolve 15 ms", "worker-1", "* "):
        assert part in shown
    assert json.loads(convq("show", job_id, "--json").stdout)["spec"]["kernel"] == {"preset": "box"}


def test_ids_may_be_shortened(convq: Convq, service: Any, job_id: str) -> None:
    assert job_id in convq("show", job_id[:6]).stdout
    convq("submit", "convolve", "c.bin", "-k", "box")
    result = convq("show", job_id[:3])
    assert result.exit_code == 2
    assert "several jobs have ids that start so" in result.stderr
    assert job_id in result.stderr
    result = convq("show", "zzz")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (1, "  try: convq jobs")
    result = convq("show", "z" * 20)
    assert result.exit_code == 1
    assert "there is no such job" in result.stderr


def test_watch(convq: Convq, service: Any, job_id: str) -> None:
    result = convq("watch", job_id, "--out", "out")
    assert result.exit_code == 0
    assert Path("out/a.bin").read_bytes() == b"a.bin"


def test_results(convq: Convq, service: Any, job_id: str) -> None:
    shown = convq("results", job_id)
    assert shown.exit_code == 0
    assert "a.bin" in shown.stdout
    assert "1 file written to out/" in convq("results", job_id, "--out", "out").stdout
    assert Path("out/a.bin").read_bytes() == b"a.bin"
    assert json.loads(convq("results", job_id, "--json").stdout)["results"][0]["name"] == "a.bin"


def test_cancel_retry_delete(convq: Convq, service: Any) -> None:
    service.runs = False
    job_id = convq("submit", "convolve", "a.bin", "-k", "box", "--detach").stdout.strip()
    assert convq("cancel", job_id).stdout == f"job {job_id} is cancelled\n"
    assert json.loads(convq("retry", job_id, "--json").stdout)["state"] == "succeeded"
    result = convq("cancel", job_id)
    assert result.exit_code == 1
    assert "error: state: the job has succeeded already" in result.stderr
    assert convq("delete", job_id).stdout == f"job {job_id} is deleted\n"
    assert service.jobs == {}


def test_a_cancelled_job_exits_with_1(convq: Convq, service: Any) -> None:
    service.runs = False
    job_id = convq("submit", "convolve", "a.bin", "-k", "box", "--detach").stdout.strip()
    service.results[job_id] = {"results": [], "failures": []}
    convq("cancel", job_id)
    assert convq("watch", job_id).exit_code == 1


def test_queue_and_workers(convq: Convq) -> None:
    assert "queued        3" in convq("queue").stdout
    assert json.loads(convq("queue", "--json").stdout)["depth"]["running"] == 1
    assert "worker-1" in convq("workers").stdout
    assert json.loads(convq("workers", "--json").stdout)["workers"][0]["state"] == "up"


def test_a_service_that_is_away(convq: Convq, service: Any, naps: list[float]) -> None:
    service.faults += [httpx.ConnectError("refused")] * 4
    result = convq("jobs")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "http://convq.test cannot be reached" in result.stderr
    assert result.stderr.splitlines()[-1] == "  try: convq doctor"


def test_an_address_that_is_none(convq: Convq) -> None:
    result = convq("jobs", "--url", "nonsense")
    assert result.exit_code == 2
    assert "error: url: this is no address" in result.stderr
