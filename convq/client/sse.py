"""Server-sent events, as the WHATWG HTML standard defines their parsing (section 9.2.6)."""

from __future__ import annotations

import codecs
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One event as it came over the wire.

    Attributes
    ----------
    event : str
        Its type, ``"message"`` when none was given.
    data : str
        Its data lines joined by newlines.
    id : str
        The last id seen up to and including this event; empty when there was none.
    """

    event: str
    data: str
    id: str


class Parser:
    r"""Turn the bytes of an event stream, cut anywhere, into messages.

    The field ``retry`` is ignored: the client paces its reconnections itself.

    Examples
    --------
    >>> parser = Parser()
    >>> parser.feed(b"id: 7\nevent: state\ndata: {}")
    []
    >>> parser.feed(b"\n\n")
    [Message(event='state', data='{}', id='7')]
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._line: list[str] = []
        self._after_cr = False
        self._event = ""
        self._data: list[str] = []
        self._id = ""

    def feed(self, chunk: bytes) -> list[Message]:
        """Take the next bytes and return the messages that they complete."""
        text = self._decoder.decode(chunk)
        if not text:
            return []
        # A CRLF may be cut in two: its CR has already ended the line.
        if self._after_cr and text.startswith("\n"):
            text = text[1:]
            self._after_cr = False
        if text:
            self._after_cr = text.endswith("\r")
        *lines, rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        messages = []
        for line in lines:
            self._line.append(line)
            message = self._take_line("".join(self._line))
            self._line.clear()
            if message is not None:
                messages.append(message)
        self._line.append(rest)
        return messages

    def _take_line(self, line: str) -> Message | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _dispatch(self) -> Message | None:
        message = None
        if self._data:
            message = Message(self._event or "message", "\n".join(self._data), self._id)
        self._event = ""
        self._data = []
        return message
