"""Every error that convq raises on purpose, in one tree.

::

    ConvqError
    ├── InvalidInput          a field of a request, or an argument, is not acceptable
    │   ├── UnsupportedMedia  the bytes are no format that convq reads, or are damaged
    │   └── IntegerOverflow   the exact result does not fit the result's dtype
    ├── AlgorithmRefused      the named algorithm cannot solve this problem
    ├── NotFound              no such job, artifact, result or kind
    ├── Conflict              the state of the thing does not allow this now
    ├── TooLarge              a stated limit would be exceeded
    ├── Unauthenticated       the service wants an API key, and this is none that it knows
    ├── Forbidden             the API key does not allow this
    ├── RateLimited           too many requests with this API key; try again later
    │   └── QueueFull         too many jobs are queued
    ├── Unavailable           a service that convq needs did not answer; try again
    │   └── StoreAway         it is the store of the artifacts
    ├── StorageFull           the disk takes no more, or may not be written
    │   └── QuotaFull         as much is stored as may be
    ├── Diverged              a training's loss is no finite number any more
    ├── IntegrityError        stored bytes are not the bytes that were stored
    ├── Cancelled             the user asked for the work to stop
    └── LeaseLost             another attempt owns the job now; this one must not commit

Each error carries what a person needs to mend it: a stable ``code``, the ``field``, what was
``given`` and what is ``accepted``. The API turns them into RFC 9457 problems, the client turns
those back.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ConvqError(Exception):
    """Base of all deliberate errors.

    Parameters
    ----------
    message : str
        One sentence for a person.
    field : str, optional
        The argument or JSON path at fault, for example ``"kernel.sigma"``.
    given : object, optional
        The offending value (shortened when long).
    accepted : object, optional
        What would have been accepted: a list of names or a sentence.

    Examples
    --------
    >>> from core.errors import InvalidInput
    >>> str(InvalidInput("no such mode", field="mode", given="sam", accepted=["full", "same"]))
    "mode: no such mode (given: 'sam'; accepted: full, same)"
    """

    code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        given: Any = None,
        accepted: Any = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.given = given
        self.accepted = accepted

    def __str__(self) -> str:
        """Return the message with field, given and accepted around it."""
        head = f"{self.field}: {self.message}" if self.field else self.message
        notes = []
        if self.given is not None:
            notes.append(f"given: {_short(self.given)}")
        if self.accepted is not None:
            notes.append(f"accepted: {_listed(self.accepted)}")
        return f"{head} ({'; '.join(notes)})" if notes else head

    def to_dict(self) -> dict[str, Any]:
        """Return the error as a JSON-ready dict with the keys that are set."""
        parts = {
            "code": self.code,
            "message": self.message,
            "field": self.field,
            "given": None if self.given is None else _short(self.given),
            "accepted": None if self.accepted is None else _listed(self.accepted),
        }
        return {key: value for key, value in parts.items() if value is not None}


class InvalidInput(ConvqError, ValueError):
    """A field of a request, or an argument of a call, is not acceptable."""

    code = "invalid_input"


class UnsupportedMedia(InvalidInput):
    """The bytes are of no format that convq reads, or are damaged."""

    code = "unsupported_media"


class IntegerOverflow(InvalidInput, OverflowError):
    """The exact result of an integer convolution does not fit the result's dtype."""

    code = "integer_overflow"


class AlgorithmRefused(ConvqError, ValueError):
    """The algorithm that the caller named cannot solve this problem."""

    code = "algorithm_refused"


class NotFound(ConvqError, LookupError):
    """There is no such job, artifact, result or kind."""

    code = "not_found"


class Conflict(ConvqError):
    """The present state of the thing does not allow the request."""

    code = "conflict"


class TooLarge(ConvqError):
    """A stated limit would be exceeded."""

    code = "too_large"


class Unauthenticated(ConvqError):
    """The service wants an API key, and there was none, or none that it knows."""

    code = "unauthenticated"


class Forbidden(ConvqError):
    """The request is understood, and whoever asks may not have it done."""

    code = "forbidden"


class RateLimited(ConvqError):
    """Too many requests with this API key; the same request succeeds later.

    Parameters
    ----------
    message : str
        One sentence for a person.
    seconds : float
        How long to wait.
    **parts
        ``field``, ``given`` and ``accepted``, as for `ConvqError`.
    """

    code = "rate_limited"

    def __init__(self, message: str, *, seconds: float = 1.0, **parts: Any) -> None:
        super().__init__(message, **parts)
        self.seconds = seconds


class QueueFull(RateLimited):
    """So many jobs are queued that no more are taken; the same request succeeds later."""

    code = "queue_full"


class Unavailable(ConvqError):
    """A service that convq needs did not answer; the same request may succeed later."""

    code = "unavailable"


class StoreAway(Unavailable):
    """The store of the artifacts did not answer, or refused; accepted work waits for it."""


class StorageFull(ConvqError):
    """The disk takes no more bytes, or may not be written; once there is room the same succeeds."""

    code = "storage_full"


class QuotaFull(StorageFull):
    """As much is stored as may be; nothing comes of waiting until something is deleted."""


class Diverged(ConvqError, ArithmeticError):
    """The loss of a training, or a weight, is no finite number any more."""

    code = "diverged"


class IntegrityError(ConvqError):
    """Stored bytes are not the bytes that were stored."""

    code = "integrity_error"


class Cancelled(ConvqError):
    """The user asked for the work to stop."""

    code = "cancelled"


class LeaseLost(ConvqError):
    """Another attempt owns the job now; this one must not commit."""

    code = "lease_lost"


def _short(value: Any, limit: int = 200) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _listed(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(str(item) for item in value)
    return str(value)
