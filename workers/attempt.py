"""One attempt at a job: the work, and how it ends."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from core.errors import Cancelled, ConvqError, LeaseLost, StoreAway
from core.jobs import registry
from core.jobs.ending import committed, without_results
from core.jobs.kind import Spec
from core.jobs.run import Continued, Drained, Run, Waiting
from core.store import documents
from core.store.artifacts import ArtifactStore
from core.store.files import as_full
from core.store.jobs import End, Job
from workers.patience import REDIS_AWAY
from workers.proof import prove
from workers.trial import DeviceFailed

log = logging.getLogger(__name__)

# As many as run together, as are claimed ahead, and some more.
_SPECS = 256

# Codes of failures behind which a GPU may be that has failed.
_SUSPICIOUS = frozenset({"internal", "unavailable", "out_of_memory"})


@dataclass(frozen=True)
class Ending:
    """How the work of an attempt ended, before it is committed."""

    state: Literal[
        "succeeded", "failed", "cancelled", "released", "continued", "waiting", "lost", "broken"
    ]
    error: dict[str, Any] | None = None
    reason: str = ""
    children: tuple[str, ...] = ()


def spec_of(job: Job, artifacts: ArtifactStore) -> Spec:
    """Return what the job is to do."""
    return _parsed(job.kind, documents.read_text(artifacts, job.spec))


# Asked twice of each job that runs together with others.
@lru_cache(maxsize=_SPECS)
def _parsed(kind: str, text: str) -> Spec:
    spec: Spec = registry.by_name(kind).spec.model_validate_json(text)
    return spec


def work(job: Job, run: Run) -> Ending:
    """Run the kind of a job; whatever goes wrong is told, not raised.

    Where it may have been the fault of the GPU, that is tested. If it does not pass, the job is not
    to blame, and the process can do nothing more.
    """
    ending = _tried(job, run)
    if run.gpu is None or ending.error is None or ending.error["code"] not in _SUSPICIOUS:
        return ending
    try:
        prove()
    except DeviceFailed as fault:
        return Ending("broken", reason=f"its GPU failed: {fault}")
    return ending


def _tried(job: Job, run: Run) -> Ending:
    try:
        try:
            registry.by_name(job.kind).run(spec_of(job, run.artifacts), run)
        except StoreAway:
            # Here and not in the queue, from where it would come back at once.
            run.wait_for_store()
            return Ending("released", reason="the artifact store went away")
    except Cancelled:
        return Ending("cancelled")
    except Drained:
        return Ending("released", reason="the worker was asked to stop")
    except Continued:
        return Ending("continued", reason="it runs in pieces; this one was over")
    except Waiting as waiting:
        return Ending("waiting", reason=waiting.message, children=tuple(waiting.children))
    except LeaseLost:
        return Ending("lost")
    except ConvqError as error:
        return Ending("failed", error.to_dict())
    except REDIS_AWAY:
        return Ending("released", reason="Redis went away")
    except MemoryError:
        return Ending(
            "failed", {"code": "out_of_memory", "message": "the worker ran out of memory"}
        )
    except Exception as error:  # whatever a kind gets wrong must not take the worker with it
        # Of temporary files; what is stored says so itself.
        if full := as_full(error):
            return Ending("failed", full.to_dict())
        log.exception("job %s failed by a defect", job.id)
        return Ending(
            "failed",
            {
                "code": "internal",
                "message": "a defect in convq stopped the job; the worker's log has details",
            },
        )
    why = without_results(run)
    return Ending("succeeded") if why is None else Ending("failed", why)


def needed_by(jobs: list[Job], artifacts: ArtifactStore) -> set[str]:
    """Return the digests of all that the jobs refer to."""
    return {
        digest
        for job in jobs
        for digest in registry.by_name(job.kind).references(spec_of(job, artifacts))
    }


def end_of(job: Job, run: Run, ending: Ending) -> End:
    """Return what is committed of an attempt that ends the job."""
    assert ending.state in ("succeeded", "failed", "cancelled")
    return committed(job.id, job.attempt, run, ending.state, ending.error)
