"""What a box asks of the service, over HTTP."""

import http.client
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Dict, Iterator, List, Optional, Tuple

from core.edge.agent.errors import Away, Refused
from core.edge.runtime.errors import EdgeError

# Of a document; bundles and images are read piece by piece.
_MOST_BYTES = 1 << 20
_PIECE = 64 << 10
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_BOX = "/v1/edge/box"
# Of a reason.
_MOST_TEXT = 1000
# Statuses after which the same request may succeed later.
_LATER = (408, 425, 429)
_REFUSED = "the service refuses this"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirection would carry the box's key to another host."""

    def redirect_request(self, *arguments: "Any") -> None:
        return None


class Service:
    """The service, as one box sees it.

    Parameters
    ----------
    url : str
        Its address: http or https.
    key : str, optional
        The box's API key.
    timeout : float
        Seconds of silence after which the service counts as away.

    Raises
    ------
    EdgeError
        ``url`` is no address. Every method raises `Away` where the service does not answer or
        answers what makes no sense, and `Refused` where it says no.
    """

    def __init__(self, url: str, key: "Optional[str]" = None, timeout: float = 10.0) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise EdgeError("no address", "--server", given=url, accepted="https://host or http://")
        self._url, self._key, self._timeout = url.rstrip("/"), key, timeout
        self._opener = urllib.request.build_opener(_NoRedirects)

    def enrol(self, document: "Dict[str, Any]") -> str:
        """Make this box one of its group; return its id."""
        answer = self._post("/v1/edge/enrol", document)
        return _text(answer, "box")

    def release(self, etag: "Optional[str]") -> "Tuple[Optional[Dict[str, Any]], Optional[str]]":
        """Return the version that this box should run, None if it is still that of ``etag``.

        Returns
        -------
        tuple
            The document, whose ``digest`` is None where there is no version yet, and its tag.
        """
        headers = {} if etag is None else {"If-None-Match": etag}
        status, found, body = self._ask("GET", _BOX + "/release", headers=headers)
        if status == 304:
            return None, etag
        document = _document(body)
        if document.get("digest") is not None:
            if not _DIGEST.match(_text(document, "digest")):
                raise _garbage(document)  # it becomes the name of a file
            for name in ("size", "sequence"):
                _number(document, name)
        return document, found.get("ETag")

    def bundle(self, digest: str, start: int) -> "Tuple[int, Iterator[bytes]]":
        """Return where the bytes of a bundle begin that come, and their pieces.

        Parameters
        ----------
        digest : str
            Of the bundle.
        start : int
            How many bytes are there already; the service may begin anew all the same.
        """
        headers = {"Range": "bytes={}-".format(start)} if start else {}
        answer = self._open("GET", _BOX + "/bundles/" + digest, headers=headers)
        place = answer.headers.get("Content-Range", "")
        if answer.status == 206 and not place.startswith("bytes {}-".format(start)):
            answer.close()
            raise Away("the service sends other bytes than were asked for", "bundle", given=place)
        return start if answer.status == 206 else 0, _pieces(answer)

    def health(self, document: "Dict[str, Any]") -> None:
        """Tell how this box is."""
        self._post(_BOX + "/health", document)

    def deliver(self, spool: str, before: int, results: "List[Dict[str, Any]]") -> int:
        """Hand in results; return how many of this spool the service has.

        Parameters
        ----------
        spool : str
            What the box calls its spool.
        before : int
            How many results came before these.
        results : list of dict
            In their order.
        """
        document = {"spool": spool, "before": before, "results": results}
        return _number(self._post(_BOX + "/results", document), "received")

    def claim(self, release: str, token: str, wait: float) -> "Optional[Dict[str, Any]]":
        """Return a job that is addressed to this box's group, None if there is none.

        Parameters
        ----------
        release : str
            Digest of the bundle that this box runs.
        token : str
            The same one gives the same job again.
        wait : float
            Seconds that the service may wait for a job.
        """
        document = {"release": release, "token": token, "pid": os.getpid(), "wait": wait}
        job = self._post(_BOX + "/jobs", document).get("job")
        if job is None:
            return None
        if not isinstance(job, dict) or not isinstance(job.get("inputs"), list):
            raise _garbage(job)
        _text(job, "id")
        for entry in job["inputs"]:
            if not isinstance(entry, dict) or not _DIGEST.match(_text(entry, "artifact")):
                raise _garbage(entry)
            _number(entry, "size")
        _number(job, "attempt")
        if not isinstance(job.get("lease"), (int, float)) or not job["lease"] > 0:
            raise _garbage(job["id"])
        return job

    def input(self, job: str, digest: str) -> "Iterator[bytes]":
        """Return the bytes of an input of a job, piece by piece."""
        return _pieces(self._open("GET", "{}/jobs/{}/inputs/{}".format(_BOX, job, digest)))

    def renew(self, job: str, attempt: int, done: int) -> str:
        """Keep a job; return ``ok``, or what is asked of this box.

        ``cancel`` and ``drain`` ask to give it back, ``lost`` to drop it.
        """
        document = {"attempt": attempt, "done": done}
        return _text(self._post("{}/jobs/{}/renew".format(_BOX, job), document), "asked")

    def finish(self, entry: "Dict[str, Any]") -> str:
        """Hand in what came of a job; return the state that it has now.

        Parameters
        ----------
        entry : dict
            ``job``, ``attempt``, ``results``, and the seconds ``load`` and ``run``.
        """
        document = {name: value for name, value in entry.items() if name != "job"}
        return _text(self._post("{}/jobs/{}/finish".format(_BOX, entry["job"]), document), "state")

    def give_back(self, job: str, attempt: int, reason: str) -> None:
        """Let the service give a job to somebody else."""
        document = {"attempt": attempt, "reason": reason[:_MOST_TEXT]}
        self._post("{}/jobs/{}/release".format(_BOX, job), document)

    def _post(self, path: str, document: "Dict[str, Any]") -> "Dict[str, Any]":
        return _document(self._ask("POST", path, document)[2])

    def _ask(
        self,
        method: str,
        path: str,
        document: "Optional[Dict[str, Any]]" = None,
        headers: "Optional[Dict[str, str]]" = None,
        body: "Optional[bytes]" = None,
        content_type: str = "application/json",
    ) -> "Tuple[int, Any, bytes]":
        headers = dict(headers or {})
        if document is not None:
            body = json.dumps(document).encode("ascii")
        if body is not None:
            headers["Content-Type"] = content_type
        answer = self._open(method, path, headers, body)
        found = b"".join(_pieces(answer, _MOST_BYTES))
        return answer.status, answer.headers, found

    def _open(
        self,
        method: str,
        path: str,
        headers: "Optional[Dict[str, str]]" = None,
        body: "Optional[bytes]" = None,
    ) -> "Any":
        headers = dict(headers or {})
        if self._key is not None:
            headers["Authorization"] = "Bearer " + self._key
        request = urllib.request.Request(  # noqa: S310 - http and https, see above
            self._url + path, body, headers, method=method
        )
        try:
            return self._opener.open(request, timeout=self._timeout)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 304:
                    return _Unchanged(error.headers)
                why = _problem(error)
            kind = Away if error.code >= 500 or error.code in _LATER else Refused
            if error.code < 400:
                raise Away("the service sends elsewhere", "--server", given=error.code) from None
            raise kind(why, "--server", given=error.code) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Away("the service does not answer: {}".format(error), "--server") from None


class _Unchanged:
    """An answer 304, which urllib takes for an error."""

    status = 304

    def __init__(self, headers: "Any") -> None:
        self.headers = headers

    def read(self, size: int) -> bytes:
        return b""

    def close(self) -> None:
        pass


def _pieces(answer: "Any", most: "Optional[int]" = None) -> "Iterator[bytes]":
    total = 0
    try:
        while True:
            piece = answer.read(_PIECE)
            if not piece:
                return
            total += len(piece)
            if most is not None and total > most:
                raise Away("the service sends more than makes sense", "--server", given=total)
            yield piece
    except (OSError, http.client.HTTPException) as error:
        raise Away("the service fell silent: {}".format(error), "--server") from None
    finally:
        answer.close()


def _document(body: bytes) -> "Dict[str, Any]":
    try:
        document = json.loads(body.decode("utf-8"))
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise _garbage(body[:60])
    return document


def _text(document: "Dict[str, Any]", name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise _garbage(document)
    return value


def _number(document: "Dict[str, Any]", name: str) -> int:
    value = document.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _garbage(document)
    return value


def _garbage(given: object) -> Away:
    return Away("the service answers what makes no sense; is it convq?", "--server", given=given)


def _problem(error: "urllib.error.HTTPError") -> str:
    """Return what a problem document says."""
    try:
        document = json.loads(error.read(_PIECE).decode("utf-8"))
        return str(document.get("detail") or document.get("title") or _REFUSED)
    except (ValueError, OSError, AttributeError, http.client.HTTPException):
        return _REFUSED
