"""Everything that a box does with the service, in turn: nothing of it holds up predictions."""

import threading
import time
from typing import Any, Callable, Dict, Optional

from core.edge.agent.errors import Away, Refused
from core.edge.agent.identity import Identity
from core.edge.agent.models import Models, Say
from core.edge.agent.service import Service
from core.edge.agent.spool import Spool
from core.edge.agent.updating import Updating
from core.edge.runtime.errors import EdgeError

# Results of a request.
_RESULTS = 200
# Between two looks whether there are new results.
_PAUSE = 0.2
# Before somebody who was away is asked again.
_LONGEST_PAUSE = 5.0


class Uplink:
    """Polls for versions, delivers results, and tells how the box is.

    Parameters
    ----------
    service : callable
        ``service(key)`` gives the `Service` with an API key, or without one.
    identity : Identity
        Who this box is.
    enrol : callable
        ``enrol(service)`` makes the box known.
    updating, models, spool
        Of this box.
    health : callable
        ``health(problem)`` gives what is told of the box.
    poll, report : float
        Seconds between two looks for a version, and between two reports.
    say : callable
        Tells people.
    """

    def __init__(
        self,
        service: "Callable[[Optional[str]], Service]",
        identity: Identity,
        enrol: "Callable[[Service], None]",
        updating: Updating,
        models: Models,
        spool: Spool,
        health: "Callable[[Optional[str]], Dict[str, Any]]",
        poll: float,
        report: float,
        say: Say,
    ) -> None:
        self._connect, self._identity, self._enrol = service, identity, enrol
        self._updating, self._models, self._spool = updating, models, spool
        self._health, self._say = health, say
        self._every = {"update": poll, "health": report, "results": _PAUSE}
        self._next = dict.fromkeys(self._every, 0.0)
        self._service = None  # type: Service | None
        self._said = {}  # type: dict[str, str]
        self._told = None  # type: Any

    def run(self, stop: threading.Event) -> None:
        """Go on until ``stop`` is set."""
        while not stop.is_set():
            self.step()
            stop.wait(max(0.0, min(_PAUSE, min(self._next.values()) - time.monotonic())))

    def step(self) -> None:
        """Do what is due."""
        if self._service is None and not self._do("enrolment", self._connected):
            self._put_off(self._every["update"])
            return
        state = (self._models.version, self._models.installed.starts is None)
        if state != self._told:
            # A roll-out goes on when it hears of this.
            self._next["health"] = 0.0
        for duty, work in (
            ("update", self._update),
            ("results", self._deliver),
            ("health", self._report),
        ):
            if time.monotonic() >= self._next[duty]:
                self._next[duty] = time.monotonic() + self._every[duty]
                self._do(duty, work)

    def _connected(self, _: "Any") -> None:
        if self._identity.key is None:
            self._enrol(self._connect(None))
        self._service = self._connect(self._identity.key)

    def _update(self, service: Service) -> None:
        try:
            self._updating.step(service)
        except (Away, Refused):
            raise
        except EdgeError:
            self._next["health"] = 0.0
            raise

    def _deliver(self, service: Service) -> None:
        results = self._spool.waiting(_RESULTS)
        if results:
            spool = self._spool
            spool.delivered(service.deliver(spool.name, spool.before, results))
            self._next["results"] = 0.0

    def _report(self, service: Service) -> None:
        state = (self._models.version, self._models.installed.starts is None)
        # What is said about reporting itself would be old by then.
        problems = [text for duty, text in sorted(self._said.items()) if duty != "health"]
        self._told = state
        try:
            service.health(self._health("; ".join(problems) or None))
        except Away:
            self._told = None
            raise

    def _do(self, duty: str, work: "Callable[[Any], None]") -> bool:
        """Do a duty, and say what hinders it, once; return whether it was done."""
        try:
            work(self._service)
        except Exception as error:  # noqa: BLE001
            # Also one that nobody thought of: results must still be delivered tomorrow.
            known = isinstance(error, (EdgeError, OSError))
            text = str(error) if known else "{}: {}".format(type(error).__name__, error)
            if self._said.get(duty) != text:
                self._say("{}: {}".format(duty, text))
            self._said[duty] = text
            if isinstance(error, Away):
                self._put_off(min(self._every["update"], _LONGEST_PAUSE))
            return False
        self._said.pop(duty, None)
        return True

    def _put_off(self, seconds: float) -> None:
        """Ask nothing for a while: whoever is away for one is away for all."""
        for duty, due in self._next.items():
            self._next[duty] = max(due, time.monotonic() + seconds)
