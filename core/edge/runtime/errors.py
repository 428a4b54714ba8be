"""What a box says when something is wrong; its fields are those of `core.errors`."""


class EdgeError(Exception):
    """A refusal for a person to read.

    Parameters
    ----------
    message : str
        One sentence.
    field : str
        What is at fault: a file, a member of the bundle, an option.
    given, accepted : object, optional
        The offending value, and what would do.

    Examples
    --------
    >>> str(EdgeError("no such file", "bundle", given="a.convq"))
    "bundle: no such file (given: 'a.convq')"
    """

    code = "invalid_input"

    def __init__(
        self, message: str, field: str, given: object = None, accepted: object = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.given = given
        self.accepted = accepted

    def __str__(self) -> str:
        """Return the sentence, what was given and what is accepted."""
        notes = []
        if self.given is not None:
            notes.append("given: {!r}".format(self.given))
        if self.accepted is not None:
            notes.append("accepted: {}".format(self.accepted))
        return "{}: {}{}".format(
            self.field, self.message, " ({})".format("; ".join(notes)) if notes else ""
        )


class Damaged(EdgeError):
    """Bytes are not the bytes that were signed, or are of no format that is known here."""

    code = "integrity_error"


class WrongBoard(EdgeError):
    """The bundle was made for another board."""

    code = "conflict"
