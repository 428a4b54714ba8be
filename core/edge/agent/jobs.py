"""Jobs of the service that a box computes beside its own inputs.

A job is claimed for a while, and the claim renewed between two images. What came of it is on the
disk before it is handed in, and the service takes it from the attempt that owns the job only: from
nobody twice, and from nobody whose claim ran out meanwhile.
"""

import base64
import hashlib
import os
import threading
import time
from functools import partial
from typing import Any, Callable, Dict, List, Optional

from core.edge.agent.errors import Away, Refused
from core.edge.agent.models import Models, Replaced, Say
from core.edge.agent.service import Service
from core.edge.agent.spool import Spool
from core.edge.runtime.errors import EdgeError

# The service may wait for a job for less time than it may be silent.
LONGEST_WAIT = 5.0
_TROUBLE = 1.0
# A claim is renewed when so much of its time is over.
_RENEW = 0.25


class Stopped(EdgeError):
    """The work on a job ends before it is done."""

    code = "cancelled"


class Jobs:
    """Claims jobs, computes them, and hands in what came of them.

    Parameters
    ----------
    service : callable
        The `Service` with this box's key; None before it is enrolled.
    models : Models
        What computes.
    spool : Spool
        Keeps what came of a job until the service has it; its own.
    say : callable
        Tells people.
    wait : float
        Seconds between two looks for a job, in which the service tells of one at once.

    Attributes
    ----------
    problem : str or None
        What goes wrong at the moment.
    """

    def __init__(
        self,
        service: "Callable[[], Optional[Service]]",
        models: Models,
        spool: Spool,
        say: Say,
        wait: float = LONGEST_WAIT,
    ) -> None:
        self._wait = min(wait, LONGEST_WAIT)
        self._service, self._models, self._spool, self._say = service, models, spool, say
        self._token = _new_token()
        self.problem = None  # type: str | None
        # What a process before this one has left is complete, too.
        spool.let_go()

    def run(self, stop: threading.Event) -> None:
        """Go on until ``stop`` is set."""
        while not stop.is_set():
            began = time.monotonic()
            pause = self._wait
            try:
                if self.step(stop):
                    pause = 0.0
                self.problem = None
            except Exception as error:  # noqa: BLE001
                # Also one that nobody thought of: the box's own inputs go on, and jobs tomorrow.
                known = isinstance(error, (EdgeError, OSError))
                text = str(error) if known else "{}: {}".format(type(error).__name__, error)
                if text != self.problem:
                    self._say("jobs: " + text)
                self.problem = text
                pause = _TROUBLE
            stop.wait(max(0.0, pause - (time.monotonic() - began)))

    def step(self, stop: threading.Event) -> bool:
        """Hand in what is there, then do a job; return whether there was one.

        Raises
        ------
        Away, Refused
            The service cannot or will not say.
        EdgeError, OSError
            What came of a job cannot be kept: the disk is full, for example.
        """
        service, release = self._service(), self._models.proved
        if service is None:
            return False
        self._hand_in(service)
        if release is None:
            return False
        job = service.claim(release["digest"], self._token, self._wait)
        # An answer that was lost would have been given again under this name.
        self._token = _new_token()
        if job is None:
            return False
        self._do(service, job, release, stop)
        return True

    def _do(
        self, service: Service, job: "Dict[str, Any]", release: "Dict[str, Any]", stop: "Any"
    ) -> None:
        claim = _Claim(service, job, stop)
        try:
            results = self._results(service, job, release, claim)
            entry = {
                "job": job["id"],
                "attempt": job["attempt"],
                "results": results,
                "load": claim.load,
                "run": claim.run,
            }
            self._spool.add(entry)
        except (Stopped, Replaced) as error:
            self._say("job {}: given back: {}".format(job["id"], error.message))
            service.give_back(job["id"], job["attempt"], error.message)
            return
        except Refused as error:
            self._say("job {}: dropped: {}".format(job["id"], error.message))
            return
        except (EdgeError, OSError) as error:
            service.give_back(job["id"], job["attempt"], str(error))
            raise
        self._spool.let_go()
        self._hand_in(service)

    def _results(
        self,
        service: Service,
        job: "Dict[str, Any]",
        release: "Dict[str, Any]",
        claim: "_Claim",
    ) -> "List[Dict[str, Any]]":
        results = []  # type: List[Dict[str, Any]]
        for entry in job["inputs"]:
            claim.renew(len(results))
            began = time.monotonic()
            data = claim.patiently(partial(self._fetch, service, claim, entry, len(results)))
            loaded = time.monotonic()
            said = self._models.outputs(data, release)
            claim.load += loaded - began
            claim.run += time.monotonic() - loaded
            if isinstance(said, str):
                results.append({"error": said})
            else:
                results.append({"output": base64.b64encode(said).decode("ascii")})
        return results

    def _fetch(
        self, service: Service, claim: "_Claim", entry: "Dict[str, Any]", done: int
    ) -> bytes:
        """Return the bytes of an input, once they are those that were asked for."""
        data = bytearray()
        for piece in service.input(claim.job["id"], entry["artifact"]):
            data += piece
            if len(data) > entry["size"]:
                break
            claim.renew(done)
        found = "sha256:" + hashlib.sha256(data).hexdigest()
        if found != entry["artifact"]:
            raise Away(
                "other bytes came than were asked for", "input", found, accepted=entry["artifact"]
            )
        return bytes(data)

    def _hand_in(self, service: Service) -> None:
        for entry in self._spool.waiting(1):
            try:
                state = service.finish(entry)
                self._say("job {}: {}".format(entry["job"], state))
            except Refused as error:
                # It is another attempt's, which does it all again.
                self._say("job {}: dropped: {}".format(entry["job"], error.message))
            self._spool.delivered(self._spool.before + 1)


class _Claim:
    """A job that this box has for a while, and what it took so far."""

    def __init__(self, service: Service, job: "Dict[str, Any]", stop: threading.Event) -> None:
        self.job = job
        self._service, self._stop = service, stop
        self.load = self.run = 0.0
        self._renewed()

    def _renewed(self) -> None:
        self._next = time.monotonic() + self.job["lease"] * _RENEW
        self._until = time.monotonic() + self.job["lease"]

    def renew(self, done: int) -> None:
        """Keep the job if it is time to.

        Raises
        ------
        Stopped
            The agent stops, or is asked to let the job go.
        Refused
            The job is another's now.
        Away
            The service has not answered for as long as the claim lasts.
        """
        if self._stop.is_set():
            raise Stopped("the agent stops", "job")
        if time.monotonic() < self._next:
            return
        try:
            asked = self._service.renew(self.job["id"], self.job["attempt"], done)
        except Away:
            self._next = time.monotonic() + _TROUBLE
            if self._is_over():
                raise
            return
        self._renewed()
        if asked == "lost":
            raise Refused("the claim was lost: the job is another attempt's now", "job")
        if asked != "ok":
            raise Stopped("the service asked for it ({})".format(asked), "job")

    def patiently(self, work: "Callable[[], bytes]") -> bytes:
        """Return what ``work`` returns; while the service is away it is done again.

        Raises
        ------
        Away
            The service has not answered for as long as the claim lasts.
        """
        while True:
            try:
                return work()
            except Away:
                if self._is_over() or self._stop.wait(_TROUBLE):
                    raise

    def _is_over(self) -> bool:
        return bool(time.monotonic() > self._until)


def _new_token() -> str:
    return os.urandom(16).hex()
