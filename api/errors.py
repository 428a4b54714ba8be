"""Errors that only HTTP knows, beside the tree of `core.errors`.

::

    HTTPError
    ├── MediaTypeMismatch   415  the body is not what its Content-Type says
    ├── Stalled             408  nothing of the body came for too long
    ├── NotAcceptable       406  no representation of the thing matches Accept
    ├── RangeNotSatisfiable 416  the range lies outside the bytes
    └── NotReady            409  the job has not ended, so there are no results yet
"""

from __future__ import annotations

from typing import Any, ClassVar

from core.errors import ConvqError, InvalidInput


class HTTPError(ConvqError):
    """Base: an error with a status and, perhaps, headers of its own.

    Parameters
    ----------
    message : str
        One sentence for a person.
    headers : dict, optional
        Sent with the response.
    **parts
        ``field``, ``given`` and ``accepted``, as for `core.errors.ConvqError`.
    """

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Error"

    def __init__(self, message: str, *, headers: dict[str, str] | None = None, **parts: Any):
        super().__init__(message, **parts)
        self.headers = headers or {}


class MediaTypeMismatch(HTTPError):
    """The body is not of the type that its Content-Type says, or not of one that is read here."""

    code = "media_type_mismatch"
    status = 415
    title = "Unsupported media type"


class Stalled(HTTPError):
    """The client began a body and then fell silent."""

    code = "stalled"
    status = 408
    title = "The request took too long"


class NotAcceptable(HTTPError):
    """Nothing that can be made of the thing matches the Accept header."""

    code = "not_acceptable"
    status = 406
    title = "Not acceptable"


class RangeNotSatisfiable(HTTPError):
    """The range lies outside the bytes."""

    code = "range_not_satisfiable"
    status = 416
    title = "Range not satisfiable"


class NotReady(HTTPError):
    """The job has not ended; its results do not exist yet."""

    code = "not_ready"
    status = 409
    title = "The job has not ended"


class ArtifactNotFound(InvalidInput):
    """A request refers to an artifact that is not stored."""

    code = "artifact_not_found"
