"""What ``convq predict``, ``convq embed`` and ``convq search`` send."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from core.jobs.embed import EmbedSpec
from core.jobs.predict import PredictSpec
from core.jobs.search import SearchSpec

Convq = Callable[..., Any]
DIGEST = "sha256:" + "0" * 64


def job_body(service: Any) -> Any:
    posted = [r for r in service.requests if r.url.path == "/v1/jobs" and r.method == "POST"]
    return json.loads(posted[-1].content)


def test_only_given_options_are_sent(convq: Convq, service: Any) -> None:
    result = convq("predict", "digits@2", "a.bin", "--detach")
    assert result.exit_code == 0, result.stderr
    body = job_body(service)
    (reference,) = body.pop("inputs")
    assert service.artifacts[reference["artifact"]]["data"] == b"a.bin"
    assert (reference["name"], body) == (
        "a.bin", {"kind": "predict", "model": "digits@2", "label": None},
    )  # fmt: skip


def test_all_options_make_a_prediction(convq: Convq, service: Any) -> None:
    options = "--layer conv1 --output csv --with resize=8,8 --with colour=grey --label x -d"
    result = convq("predict", DIGEST, "a.bin", "c.bin", *options.split())
    assert result.exit_code == 0, result.stderr
    spec = PredictSpec.model_validate(job_body(service))
    assert (spec.output, spec.layer, spec.format) == ("features", "conv1", "csv")
    assert (spec.reading.resize, len(spec.inputs)) == ([8, 8], 2)
    convq("predict", DIGEST, "a.bin", "--raw", "-d")
    assert PredictSpec.model_validate(job_body(service)).output == "raw"


def test_a_job_is_addressed_to_boxes(convq: Convq, service: Any) -> None:
    assert convq("predict", DIGEST, "a.bin", "--on", "cameras", "-d").exit_code == 0
    assert PredictSpec.model_validate(job_body(service)).on == "cameras"


def test_a_file_of_a_model_is_uploaded(convq: Convq, service: Any) -> None:
    convq("predict", "c.bin", "a.bin", "--top", 3, "--precision", "tf32", "-d")
    spec = PredictSpec.model_validate(job_body(service))
    assert (service.artifacts[spec.model]["data"], spec.top) == (b"c.bin", 3)
    assert spec.precision == "tf32"


def test_an_index_and_a_search_are_jobs(convq: Convq, service: Any) -> None:
    arguments = ["--layer", "code", "--filter", "gaussian:sigma=2", "-d"]
    assert convq("embed", "shoes", "a.bin", *arguments).exit_code == 0
    spec = EmbedSpec.model_validate(job_body(service))
    assert (spec.model, spec.layer, spec.filter.sigma) == ("shoes", "code", 2)
    arguments = ["-k", 3, "--distance", "euclidean", "-d"]
    assert convq("search", "c.bin", "a.bin", *arguments).exit_code == 0
    found = SearchSpec.model_validate(job_body(service))
    assert (found.neighbours, found.distance) == (3, "euclidean")
    assert service.artifacts[found.index]["data"] == b"c.bin"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--top", "3", "--raw"],
        ["--raw", "--layer", "x"],
        ["-d", "--out", "x"],
        ["--with", "what=1"],
    ],
)
def test_what_makes_no_sense_is_refused(convq: Convq, service: Any, arguments: list[str]) -> None:
    assert convq("predict", "digits", "a.bin", *arguments).exit_code in (1, 2)
    assert not [r for r in service.requests if r.url.path == "/v1/jobs"]
