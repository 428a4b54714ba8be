"""What an agent says when something is wrong, beside the errors of `core.edge.runtime`."""

from core.edge.runtime.errors import EdgeError


class Away(EdgeError):
    """The service does not answer, or not as it should: the same request may succeed later."""

    code = "unavailable"


class Refused(EdgeError):
    """The service understood the request and says no."""

    code = "conflict"


class Replayed(EdgeError):
    """A version that is not newer than what this box has had."""

    code = "conflict"


class Full(EdgeError):
    """The spool takes no more results before some have been delivered."""

    code = "storage_full"
