"""Which version a box runs, which it can go back to, and which it will never take again.

All of it is one small document that is replaced as a whole: to swap models is to replace it.
"""

import json
import os
import threading
from typing import Any, Dict, Optional

from core.edge.agent.disk import Disk, replace
from core.edge.agent.errors import Replayed
from core.edge.runtime.errors import Damaged

# A power cut while a new version is tried is not its fault; dying again and again is.
MOST_STARTS = 3

# Of a reason, which is kept and told.
_MOST_TEXT = 500

_DOCUMENT = "installed.json"
_VERSIONS = "versions"
_NOTHING = {
    "highest": 0,
    "current": None,
    "previous": None,
    "starts": None,
    "refused": None,
}  # type: dict[str, Any]


class Installed:
    """The versions on a box.

    A version is a dict with ``digest``, ``sequence`` and ``name``. Every change is on the disk
    before it is seen here.

    Parameters
    ----------
    disk : Disk
        What it lies on.
    folder : str
        The agent's own; it is there.

    Attributes
    ----------
    current, previous : dict or None
        The version that runs, and the one to go back to.
    highest : int
        The highest sequence that was ever run.
    starts : int or None
        How often the current version was started while it is on trial; None once it has proved
        itself.
    refused : dict or None
        The ``digest`` that was refused last, and ``why``.

    Examples
    --------
    >>> import tempfile
    >>> installed = Installed(Disk(), tempfile.mkdtemp())
    >>> installed.swap({"digest": "sha256:aa", "sequence": 1})
    >>> installed.confirm()
    >>> installed.swap({"digest": "sha256:bb", "sequence": 2})
    >>> installed.roll_back("it hangs")
    >>> installed.current["sequence"], installed.highest
    (1, 2)
    """

    def __init__(self, disk: Disk, folder: str) -> None:
        self._disk = disk
        self._lock = threading.Lock()
        self._path = os.path.join(folder, _DOCUMENT)
        self.folder = os.path.join(folder, _VERSIONS)
        os.makedirs(self.folder, exist_ok=True)
        disk.sync_folder(folder)
        self._known = self._read()

    @property
    def current(self) -> "Optional[Dict[str, Any]]":
        """What runs."""
        return self._known["current"]  # type: ignore[no-any-return]

    @property
    def previous(self) -> "Optional[Dict[str, Any]]":
        """What to go back to."""
        return self._known["previous"]  # type: ignore[no-any-return]

    @property
    def highest(self) -> int:
        """The highest sequence that was ever run."""
        return self._known["highest"]  # type: ignore[no-any-return]

    @property
    def starts(self) -> "Optional[int]":
        """How often what is on trial was started; None once it has proved itself."""
        return self._known["starts"]  # type: ignore[no-any-return]

    @property
    def refused(self) -> "Optional[Dict[str, Any]]":
        """What was refused last, and why."""
        return self._known["refused"]  # type: ignore[no-any-return]

    def path(self, version: "Dict[str, Any]") -> str:
        """Return where the bundle of a version lies."""
        return os.path.join(self.folder, version["digest"].partition(":")[2] + ".convq")

    def check_newer(self, version: "Dict[str, Any]") -> None:
        """Refuse a version that is not newer than all that this box has run.

        Raises
        ------
        Replayed
            It is the same or an older one, whoever signed it.
        """
        current = self.current
        again = current is not None and current["digest"] == version["digest"]
        if not again and version["sequence"] <= self.highest:
            raise Replayed(
                "this box has had a version that is as new or newer",
                "bundle.sequence",
                given=version["sequence"],
                accepted="more than {}".format(self.highest),
            )

    def swap(self, version: "Dict[str, Any]") -> None:
        """Let a version be the current one, on trial; its bundle is in its place.

        Raises
        ------
        Replayed
            As `check_newer`.
        """
        self.check_newer(version)
        # What has not proved itself is nothing to go back to.
        before = self.current if self.starts is None else self.previous
        if self.current is not None and version["digest"] == self.current["digest"]:
            before = self.previous
        self._write(
            current=version,
            previous=before,
            highest=max(self.highest, version["sequence"]),
            starts=1,
        )

    def begin(self) -> None:
        """Count a start of the agent, and roll back what has died too often."""
        if self.starts is None:
            return
        if self.starts >= MOST_STARTS:
            self.roll_back("it was started {} times and never lasted".format(self.starts))
        else:
            self._write(starts=self.starts + 1)

    def confirm(self) -> None:
        """Let the current version be one that has proved itself."""
        if self.starts is not None:
            self._write(starts=None)

    def roll_back(self, why: str) -> None:
        """Return to the version before, and refuse the current one from now on."""
        if self.current is not None:
            refused = {"digest": self.current["digest"], "why": why[:_MOST_TEXT]}
            self._write(current=self.previous, previous=None, starts=None, refused=refused)

    def refuse(self, digest: str, why: str) -> None:
        """Remember that a version was refused, and why."""
        if self.refused is None or self.refused["digest"] != digest:
            self._write(refused={"digest": digest, "why": why[:_MOST_TEXT]})

    def tidy(self) -> None:
        """Remove bundles that are neither run nor gone back to."""
        kept = [self.path(version) for version in (self.current, self.previous) if version]
        for name in self._disk.names(self.folder):
            path = os.path.join(self.folder, name)
            if path not in kept:
                self._disk.remove(path)

    def _read(self) -> "Dict[str, Any]":
        data = self._disk.read(self._path)
        if data is None:
            return dict(_NOTHING)
        try:
            known = json.loads(data.decode("utf-8"))
            return {name: known[name] for name in _NOTHING}
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged(
                "this file cannot be read ({}); delete the folder and enrol again".format(error),
                _DOCUMENT,
                given=self._path,
            ) from None

    def _write(self, **changed: "Any") -> None:
        with self._lock:
            known = dict(self._known, **changed)
            text = json.dumps(known, sort_keys=True, indent=1)
            replace(self._disk, self._path, text.encode("utf-8"))
            self._known = known
