"""Jobs that are for the box's group: one at a time, held by a lease that is renewed."""

import io
import time
from typing import Any, Dict, Iterator

import numpy as np

from core.edge.agent.models import Models, Say
from core.edge.agent.service import Service
from core.edge.runtime.errors import EdgeError

# Of work between two looks at everything else.
_SLICE = 0.5
_GO_ON = ("ok",)


class Jobs:
    """Works on jobs, a slice at a time.

    Parameters
    ----------
    models : Models
        What computes.
    say : callable
        Tells people.
    """

    def __init__(self, models: Models, say: Say) -> None:
        self._models, self._say = models, say
        self._work = None  # type: Iterator[None] | None

    def step(self, service: Service) -> bool:
        """Go on for a while; return whether there is more to do at once.

        Raises
        ------
        EdgeError
            The service is away, or says no; the job is another box's then.
        """
        if self._work is None:
            version = self._models.version
            model = None if version is None else version.get("model")
            if model is None:
                return False
            job = service.claim(model)
            if job is None:
                return False
            self._work = self._done(service, job, model)
        until = time.monotonic() + _SLICE
        try:
            for _ in self._work:
                if time.monotonic() > until:
                    return True
        except EdgeError:
            self._work = None
            raise
        self._work = None
        return True

    def _done(self, service: Service, job: "Dict[str, Any]", model: str) -> "Iterator[None]":
        every = job.get("lease", 10) / 4.0
        renewed = time.monotonic()
        found = []  # type: list[np.ndarray[Any, Any]]
        for number in range(job["inputs"]):
            data = service.job_input(job, number)
            for x in () if data is None else _images(data):
                y = self._models.compute(x, model)
                if y is None:
                    service.release_job(job, "the box has another model now")
                    return
                found.append(y)
                if time.monotonic() - renewed > every:
                    answer = service.renew(job, number)
                    if answer not in _GO_ON:
                        self._say("job {}: {}".format(job["id"], answer))
                        if answer != "lost":
                            service.release_job(job, "the box was asked to stop")
                        return
                    renewed = time.monotonic()
                yield
        file = io.BytesIO()
        np.save(file, np.stack(found) if found else np.zeros(0, np.float32))
        service.finish(job, file.getvalue())


def _images(data: bytes) -> "np.ndarray[Any, Any]":
    try:
        return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))
    except (ValueError, EOFError, OSError) as error:
        raise EdgeError("the service sent no images ({})".format(error), "job") from None
