"""Fetching a new version: download, check, try, swap. What runs goes on until the last step."""

import hashlib
from typing import Any, Callable, Dict

from core.edge.agent.disk import Disk, place, replace
from core.edge.agent.errors import Away, Replayed
from core.edge.agent.models import Models
from core.edge.agent.service import Service
from core.edge.runtime.container import bundle_in
from core.edge.runtime.errors import Damaged, WrongBoard

Check = Callable[[str, str], "Dict[str, Any]"]

_PART = ".part"
# After these the same bytes will never do.
_FINAL = (Damaged, WrongBoard, Replayed)
_PIECE = 1 << 20


class Updating:
    """Brings a box to the version that it should run.

    Parameters
    ----------
    disk : Disk
        What bundles lie on.
    models : Models
        What runs.
    check : callable
        From path and digest of a bundle to a version; raises EdgeError if it is not to be run.
    test : callable
        Tries the bundle at a path; raises Damaged.
    """

    def __init__(
        self, disk: Disk, models: Models, check: Check, test: "Callable[[str], None]"
    ) -> None:
        self._disk, self._models, self.check, self._test = disk, models, check, test
        self._etag = None  # type: str | None

    def step(self, service: Service) -> None:
        """Ask which version to run, and go over to it if it is another one.

        Raises
        ------
        Away, Refused
            The service cannot or will not say.
        EdgeError
            The version was refused: now, or before.
        OSError
            The disk is full, for example. Next time everything goes on from here.
        """
        wanted, etag = service.release(self._etag)
        if wanted is not None and wanted.get("digest") is not None:
            self._bring(service, wanted)
        # Only what needs no second look is not to be told again.
        self._etag = etag

    def _bring(self, service: Service, wanted: "Dict[str, Any]") -> None:
        digest, installed = wanted["digest"], self._models.installed
        refused = installed.refused
        if refused is not None and refused["digest"] == digest:
            return
        current = self._models.version
        if current is not None and current["digest"] == digest:
            return
        # By what the service says, which is not signed: it only saves the way.
        installed.check_newer(wanted)
        path = installed.path(wanted)
        if self._disk.size(path) != wanted["size"]:
            self._download(service, wanted, path)
        self.install(digest, path)

    def install(self, digest: str, path: str) -> None:
        """Check and try a bundle that is in its place, and let it be what runs.

        Raises
        ------
        EdgeError
            It is refused, for good; what runs goes on.
        """
        try:
            version = self.check(path, digest)
            self._models.installed.check_newer(version)
            self._test(path)
            self._models.swap(version)
        except _FINAL as error:
            self._models.refuse(digest, str(error))
            self._models.installed.tidy()
            raise

    def _download(self, service: Service, wanted: "Dict[str, Any]", path: str) -> None:
        part = path + _PART
        have = self._disk.size(part)
        if have >= wanted["size"]:
            have = 0
        try:
            at, pieces = service.bundle(wanted["digest"], have)
            if at < self._disk.size(part):
                self._disk.cut(part, at)
            for piece in pieces:
                if at + len(piece) > wanted["size"]:
                    raise _others(wanted)
                self._disk.write(part, piece, at)
                at += len(piece)
            if at < wanted["size"]:
                # What came is kept: next time the rest is asked for.
                raise Away(
                    "the bundle was cut short on its way",
                    "bundle",
                    given="{} bytes".format(at),
                    accepted="{} bytes".format(wanted["size"]),
                )
            if _digest(part) != wanted["digest"]:
                raise _others(wanted)
            self._disk.sync(part)
        except (OSError, _Others):
            # The room is needed for results; or these are not the bytes.
            self._disk.remove(part)
            raise
        place(self._disk, part, path)


class _Others(Away):
    """Other bytes came than were announced."""


def _others(wanted: "Dict[str, Any]") -> _Others:
    return _Others("what came is not the bundle that was announced", "bundle", wanted["digest"])


def _digest(path: str) -> str:
    found = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(_PIECE), b""):
            found.update(piece)
    return "sha256:" + found.hexdigest()


def take(disk: Disk, updating: Updating, models: Models, path: str) -> None:
    """Install a bundle that came with the program, unless this box has had a newer one.

    Of a standalone bundle that is the bundle in it, so that the box knows it again when the service
    rolls it out.

    Raises
    ------
    EdgeError
        It is not to be run here.
    """
    data = bundle_in(path)
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    installed = models.installed
    if models.version is not None and models.version["digest"] == digest:
        return
    try:
        installed.check_newer(updating.check(path, digest))
    except Replayed:
        return
    target = installed.path({"digest": digest})
    replace(disk, target, data)
    updating.install(digest, target)
