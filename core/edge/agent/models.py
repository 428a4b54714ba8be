"""The model that a box predicts with: on trial first, then for good, or rolled back."""

import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, Optional, Tuple, Union

from core.edge.agent.errors import Away
from core.edge.agent.installed import Installed
from core.edge.runtime.errors import EdgeError

# Of which percentiles are told.
_LATENCIES = 1024

Say = Callable[[str], None]


class Replaced(EdgeError):
    """What a job was claimed for does not run any more."""

    code = "conflict"


class Models:
    """Predicts with the current version; safe to use from several threads.

    Parameters
    ----------
    installed : Installed
        The versions on this box.
    load : callable
        From the path of a bundle to something like `core.edge.agent.net.Net`; raises EdgeError or
        OSError.
    say : callable
        Tells people.

    Attributes
    ----------
    busy_since : float or None
        When the prediction began that goes on now, on the clock of `time.monotonic`.
    latencies : deque of float
        What the last predictions took, in seconds.
    count : int
        How many there were.
    """

    def __init__(self, installed: Installed, load: "Callable[[str], Any]", say: Say) -> None:
        self.installed = installed
        self._load, self._say = load, say
        self._model = None  # type: Any
        self._version = None  # type: dict[str, Any] | None
        self._lock = threading.RLock()
        self._began = time.monotonic()
        self.busy_since = None  # type: float | None
        self.latencies = deque(maxlen=_LATENCIES)  # type: deque[float]
        self.count = 0

    @property
    def version(self) -> "Optional[Dict[str, Any]]":
        """What runs."""
        return self._version

    @property
    def proved(self) -> "Optional[Dict[str, Any]]":
        """What runs, if it has proved itself."""
        return self._version if self.installed.starts is None else None

    @property
    def input_shape(self) -> "Optional[Tuple[int, ...]]":
        """What images are like that the current model takes."""
        model = self._model
        return None if model is None else model.input_shape

    def start(self) -> None:
        """Load the current version, or else the one before."""
        with self._lock:
            before = self.installed.current
            self.installed.begin()
            if self.installed.current != before:
                self._say_rolled_back()
            while self.installed.current is not None:
                try:
                    model = self._load(self.installed.path(self.installed.current))
                except (EdgeError, OSError) as error:
                    self._roll_back("it cannot be loaded: {}".format(error))
                else:
                    self._use(self.installed.current, model)
                    return

    def swap(self, version: "Dict[str, Any]") -> None:
        """Predict with a version from now on; its bundle is in its place and was tested.

        Raises
        ------
        EdgeError, OSError
            It cannot be loaded, or it cannot be noted; the model before goes on.
        """
        model = self._load(self.installed.path(version))
        with self._lock:
            self.installed.swap(version)
            self._use(version, model)

    def predict(self, data: bytes) -> "Dict[str, Any]":
        """Return the result for an image; what is wrong with the image is in it as ``error``.

        Raises
        ------
        Away
            There is no model yet.
        """
        with self._lock:
            version = self._version
            if version is None:
                raise Away("there is no model yet", "model")
            try:
                with self._timed():
                    result = self._model.predict(data)
            except EdgeError as error:
                result = {"error": str(error)}
            except Exception as error:  # noqa: BLE001 - whatever a model on trial does, the one before goes on
                why = "{}: {}".format(type(error).__name__, error)
                if self._give_up(version, why):
                    return self.predict(data)
                result = {"error": "the model failed: " + why}
            return dict(result, sequence=version["sequence"], model=version["name"])

    def outputs(self, data: bytes, version: "Dict[str, Any]") -> "Union[bytes, str]":
        """Return what a version says of an image: little-endian float32, or what is wrong with it.

        Raises
        ------
        Replaced
            Another version runs now.
        """
        with self._lock:
            if self._version != version:
                raise Replaced("another version runs now", "model")
            try:
                with self._timed():
                    return self._model.outputs(data)  # type: ignore[no-any-return]
            except EdgeError as error:
                return str(error)
            except Exception as error:  # noqa: BLE001 - as in predict
                return "the model failed: {}: {}".format(type(error).__name__, error)

    def tend(self, trial: float) -> None:
        """Let the current version be one that has proved itself, after so many seconds."""
        if self.installed.starts is None or time.monotonic() - self._began < trial:
            return
        with self._lock:
            version = self._version
            if version is None:
                return
            self.busy_since = time.monotonic()
            try:
                self._model.self_test()
            except Exception as error:  # noqa: BLE001 - as in predict
                self._give_up(version, str(error))
            else:
                self.installed.confirm()
                self.installed.tidy()
            finally:
                self.busy_since = None

    @contextmanager
    def _timed(self) -> "Iterator[None]":
        self.busy_since = started = time.monotonic()
        try:
            yield
            self.latencies.append(time.monotonic() - started)
            self.count += 1
        finally:
            self.busy_since = None

    def hangs(self, limit: float) -> bool:
        """Return whether a prediction takes longer than that; then roll back what is on trial.

        The prediction that hangs goes on: the caller begins the program anew.
        """
        since = self.busy_since
        if since is None or time.monotonic() - since <= limit:
            return False
        # Without the lock: who hangs has it.
        if self.installed.starts is not None:
            self._roll_back("a prediction took longer than {:g} s".format(limit))
        return True

    def refuse(self, digest: str, why: str) -> None:
        """Remember that a version was refused."""
        with self._lock:
            self.installed.refuse(digest, why)

    def notes(self) -> "list[str]":
        """Return what runs otherwise than the bundle was made for."""
        return [] if self._model is None else list(self._model.notes)

    def _give_up(self, version: "Dict[str, Any]", why: str) -> bool:
        """Go back from a version if it is on trial; return whether there is another one now."""
        with self._lock:
            if self.installed.starts is None or self.installed.current != version:
                return False
            self._roll_back(why)
            self._model = self._version = None
            self.start()
            return self._model is not None

    def _roll_back(self, why: str) -> None:
        self.installed.roll_back(why)
        self._say_rolled_back()

    def _say_rolled_back(self) -> None:
        refused, current = self.installed.refused or {}, self.installed.current
        self._say(
            "rolled back to {}: {}".format(
                "nothing" if current is None else "version {}".format(current["sequence"]),
                refused.get("why"),
            )
        )

    def _use(self, version: "Dict[str, Any]", model: "Any") -> None:
        self._version, self._model = version, model
        self._began = time.monotonic()
        self.latencies.clear()
        self._say("{} {} is running".format(version["name"], version["sequence"]))
        for note in model.notes:
            self._say("note: " + note)
