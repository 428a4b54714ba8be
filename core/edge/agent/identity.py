"""Who a box is to the service: an id, and a secret that the box has made itself."""

import base64
import hashlib
import json
import os
import platform
from typing import Any, Dict, Optional

from core.edge.agent.disk import Disk, replace
from core.edge.agent.service import Service
from core.edge.runtime.board import identity as board_identity
from core.edge.runtime.errors import Damaged, EdgeError

_DOCUMENT = "identity.json"
_SECRET_BYTES = 32


class Identity:
    """The secret and, once it is enrolled, the id of a box.

    The secret is on the disk before anybody is told of it, and the service is told its digest
    only. So enrolment can be tried again when its answer was lost.

    Parameters
    ----------
    disk : Disk
        What it lies on.
    folder : str
        The agent's own.

    Raises
    ------
    Damaged
        The file cannot be read.
    """

    def __init__(self, disk: Disk, folder: str) -> None:
        self._disk, self._path = disk, os.path.join(folder, _DOCUMENT)
        data = disk.read(self._path)
        if data is None:
            secret = base64.urlsafe_b64encode(os.urandom(_SECRET_BYTES)).rstrip(b"=")
            self._known: "Dict[str, Any]" = {"secret": secret.decode("ascii"), "box": None}
            self._write()
            return
        try:
            known = json.loads(data.decode("ascii"))
            self._known = {name: known[name] for name in ("secret", "box")}
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged(
                "this file cannot be read ({}); delete it and enrol again".format(error),
                _DOCUMENT,
                given=self._path,
            ) from None

    @property
    def key(self) -> "Optional[str]":
        """The API key, None before the box is enrolled."""
        if self._known["box"] is None:
            return None
        return "convq_{}_{}".format(self._known["box"], self._known["secret"])

    def enrol(self, service: Service, group: str, token: "Optional[str]") -> None:
        """Let the service know this box.

        Raises
        ------
        EdgeError
            There is no token, or it is not acceptable.
        """
        if token is None:
            raise EdgeError(
                "this box is not enrolled", "--token", accepted="what `convq edge enrol` printed"
            )
        digest = hashlib.sha256(self._known["secret"].encode("ascii")).hexdigest()
        board = board_identity()
        self._known["box"] = service.enrol(
            {
                "token": token,
                "group": group,
                "digest": digest,
                "name": platform.node()[:100] or "box",
                "board": board["model"],
            }
        )
        self._write()

    def _write(self) -> None:
        replace(self._disk, self._path, json.dumps(self._known).encode("ascii"))
