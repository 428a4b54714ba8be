"""Very many jobs, as the scripts of the store would have left them; nothing is computed."""

from __future__ import annotations

import json
from collections.abc import Iterator

from core.store.jobs import End, JobStore, NewJob, Progress

_AT_ONCE = 1000
_CLAIMED = 100
# Of a hundred jobs: so many are still queued, have failed, were cancelled. All others succeeded.
_QUEUED, _FAILED, _CANCELLED = 2, 5, 3
_PRIORITIES = ("interactive", "normal", "batch")
_KINDS = ("convolve", "convolve", "spectrum", "match", "train")


def fill(jobs: JobStore, digest: str, spec: str, number: int) -> None:
    """Record so many jobs of many kinds, labels and ends.

    Parameters
    ----------
    jobs : JobStore
        Where to; no worker may take any of them meanwhile.
    digest : str
        An artifact that is their input and result.
    spec : str
        What each was asked to do, as a document.
    number : int
        How many.
    """
    new = list(_new(digest, spec, number))
    queued = number * _QUEUED // 100
    for first in range(0, number - queued, _AT_ONCE):
        jobs.submit_many(new[first : min(first + _AT_ONCE, number - queued)])
        while claimed := jobs.claim(worker="bench", pid=1, lease=600, most=_CLAIMED):
            jobs.finish_many(
                [_end(job.id, job.attempt, digest, int(job.id[-3:], 36)) for job in claimed]
            )
    for first in range(number - queued, number, _AT_ONCE):
        jobs.submit_many(new[first : first + _AT_ONCE])


def _new(digest: str, spec: str, number: int) -> Iterator[NewJob]:
    for at in range(number):
        yield NewJob(
            kind=_KINDS[at % len(_KINDS)],
            spec=spec,
            label=f"survey {at % 997:03d}, strip {at % 13}",
            priority=_PRIORITIES[at % len(_PRIORITIES)],
            total=1,
            artifacts=(digest,),
            alike="bench",
        )


def _end(job_id: str, attempt: int, digest: str, chance: int) -> End:
    result = {"name": "out.png", "digest": digest, "media_type": "image/png", "input": digest}
    share = chance % 100
    if share < _FAILED:
        error = {"code": "invalid_input", "message": "the picture could not be read"}
        return End(job_id, attempt, "failed", Progress(1, 1, 1), {"load": 0.01}, error=error)
    if share < _FAILED + _CANCELLED:
        return End(job_id, attempt, "cancelled", Progress(0, 1), {})
    results = json.dumps({"results": [result], "failures": []})
    timings = {"load": 0.01, "convolve": 0.02, "store": 0.01}
    return End(job_id, attempt, "succeeded", Progress(1, 1), timings, results, artifacts=(digest,))
