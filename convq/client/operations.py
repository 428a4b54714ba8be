"""The operations of the API: how each is asked for, and how its answer is read."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from convq.client.flow import Flow, Request
from convq.client.models import (
    Garbage,
    Job,
    JobPlan,
    Kinds,
    LogLine,
    Model,
    Queue,
    Results,
    Storage,
    Worker,
)
from convq.client.problems import error_of
from convq.client.retry import exchange
from convq.client.uploads import OnRefused, job_body
from core.errors import ConvqError, Unavailable

M = TypeVar("M", bound=Model)

_PAGE = 100
# Jobs in a request, well within what a service takes by default.
_BATCH = 500


def get(path: str, model: type[M], **params: str) -> Flow[M]:
    """Read one resource."""
    answer = yield from exchange(Request("GET", path, params=params))
    return model.model_validate_json(answer.content)


def job_path(job: Job | str, *parts: str) -> str:
    """Return the path of a job, or of something below it."""
    return "/".join(["/v1/jobs", *(quote(part, safe="") for part in (id_of(job), *parts))])


def id_of(job: Job | str) -> str:
    """Return the id of a job, given either way."""
    return job.id if isinstance(job, Job) else job


def submit(
    kind: str,
    inputs: Any,
    wait: float | None,
    idempotency_key: str | None,
    spec: Mapping[str, Any],
    timeout: float,
    on_refused: OnRefused | None,
) -> Flow[Job]:
    """Upload the inputs and queue a job."""
    body = yield from job_body(kind, inputs, spec, on_refused)
    # With a key the service recognises the request when an answer got lost and it comes again.
    headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
    if wait is not None:
        headers["Prefer"] = f"wait={wait:g}"
        timeout += wait
    answer = yield from exchange(
        Request("POST", "/v1/jobs", headers=headers, json=body, timeout=timeout)
    )
    return Job.model_validate_json(answer.content)


def submit_many(specs: Sequence[Mapping[str, Any]], timeout: float) -> Flow[list[Job | ConvqError]]:
    """Upload the inputs of jobs and queue them, many in a request."""
    items = []
    outcomes: list[Job | ConvqError | None] = []
    for spec in specs:
        fields = {"kind": "convolve", **spec}
        key = fields.pop("idempotency_key", None) or uuid.uuid4().hex
        try:
            body = yield from job_body(fields.pop("kind"), fields.pop("inputs", None), fields)
        except Unavailable:
            raise
        except ConvqError as error:
            outcomes.append(error)
        else:
            outcomes.append(None)
            items.append({"job": body, "idempotency_key": key})
    answers: list[dict[str, Any]] = []
    for first in range(0, len(items), _BATCH):
        jobs = items[first : first + _BATCH]
        answer = yield from exchange(
            Request("POST", "/v1/jobs/batch", json={"jobs": jobs}, timeout=timeout)
        )
        answers += json.loads(answer.content)["jobs"]
    queued = iter(answers)
    return [_outcome(next(queued)) if outcome is None else outcome for outcome in outcomes]


def _outcome(answer: dict[str, Any]) -> Job | ConvqError:
    if answer["job"] is not None:
        return Job.model_validate(answer["job"])
    return error_of(answer["status"], answer["problem"])


def plan(
    kind: str, inputs: Any, spec: Mapping[str, Any], on_refused: OnRefused | None
) -> Flow[JobPlan]:
    """Upload the inputs and plan a job without queueing it."""
    body = yield from job_body(kind, inputs, spec, on_refused)
    answer = yield from exchange(Request("POST", "/v1/plans", json=body))
    return JobPlan.model_validate(json.loads(answer.content)["plan"])


def job(job_id: str) -> Flow[Job]:
    """Read a job's record."""
    return get(job_path(job_id), Job)


def body(of: Job | str) -> Flow[dict[str, Any]]:
    """Read what a job was asked to do."""
    answer = yield from exchange(Request("GET", job_path(of, "body")))
    asked: dict[str, Any] = json.loads(answer.content)
    return asked


def results(of: Job | str) -> Flow[Results]:
    """Read the list of a job's results."""
    return get(job_path(of, "results"), Results)


def logs(of: Job | str) -> Flow[list[LogLine]]:
    """Read what was logged about a job."""
    answer = yield from exchange(Request("GET", job_path(of, "logs")))
    return [LogLine.model_validate(line) for line in json.loads(answer.content)["lines"]]


def cancel(of: Job | str) -> Flow[Job]:
    """Ask for a job to stop."""
    answer = yield from exchange(Request("POST", job_path(of, "cancel")))
    return Job.model_validate_json(answer.content)


def retry(of: Job | str) -> Flow[Job]:
    """Queue a failed or cancelled job again."""
    # Not repeatable: the second request would find the job queued, and that is a conflict.
    answer = yield from exchange(Request("POST", job_path(of, "retry"), repeatable=False))
    return Job.model_validate_json(answer.content)


def delete(of: Job | str) -> Flow[None]:
    """Forget a job that has ended."""
    yield from exchange(Request("DELETE", job_path(of), repeatable=False))


def kinds() -> Flow[Kinds]:
    """Read what the service can do."""
    return get("/v1/kinds", Kinds)


def queue() -> Flow[Queue]:
    """Read how much work waits."""
    return get("/v1/queue", Queue)


def post(path: str, model: type[M]) -> Flow[M]:
    """Ask for something that may be asked for twice, and read what is there after it."""
    answer = yield from exchange(Request("POST", path))
    return model.model_validate_json(answer.content)


def storage() -> Flow[Storage]:
    """Read how much is stored."""
    return get("/v1/storage", Storage)


def garbage() -> Flow[Garbage]:
    """Ask what a collection would delete."""
    return get("/v1/storage/garbage", Garbage)


def pause() -> Flow[Queue]:
    """Let no job begin."""
    return post("/v1/queue/pause", Queue)


def resume() -> Flow[Queue]:
    """Let jobs begin again."""
    return post("/v1/queue/resume", Queue)


def drain_worker(name: str) -> Flow[Worker]:
    """Take a worker out of service."""
    return post(f"/v1/workers/{quote(name, safe='')}/drain", Worker)


def resume_worker(name: str) -> Flow[Worker]:
    """Put a worker back into service."""
    return post(f"/v1/workers/{quote(name, safe='')}/resume", Worker)


def workers() -> Flow[list[Worker]]:
    """Read which workers there are."""
    answer = yield from exchange(Request("GET", "/v1/workers"))
    return [Worker.model_validate(worker) for worker in json.loads(answer.content)["workers"]]


class JobPages:
    """The jobs that match a filter, newest first, a page at a time.

    Parameters
    ----------
    filters : mapping of str to str or None
        ``state``, ``kind``, ``label`` and ``tenant``.
    """

    def __init__(self, filters: Mapping[str, str | None]) -> None:
        self._params = {name: value for name, value in filters.items() if value is not None}
        self._params["limit"] = str(_PAGE)
        self._page: Iterator[Job] = iter(())
        self._more = True

    def next(self) -> Flow[Job | None]:
        """Return the next job, ``None`` after the last."""
        while True:
            for found in self._page:
                return found
            if not self._more:
                return None
            answer = yield from exchange(Request("GET", "/v1/jobs", params=self._params))
            page = json.loads(answer.content)
            self._page = iter([Job.model_validate(summary) for summary in page["jobs"]])
            self._more = page["next"] is not None
            if self._more:
                self._params = {**self._params, "cursor": page["next"]}

    def close(self) -> Flow[None]:
        """Let go of what the iteration holds: nothing, between pages."""
        yield from ()
