"""The service that a command talks to, and the jobs that people name."""

from __future__ import annotations

from itertools import islice

from convq.client import Client
from core.errors import InvalidInput, NotFound

ID_LENGTH = 20


def resolve(client: Client, text: str) -> str:
    """Return the id of the one job whose id starts with ``text``.

    Raises
    ------
    NotFound
        If there is none.
    InvalidInput
        If there are several.
    """
    if len(text) >= ID_LENGTH:
        return text
    found = list(islice((job.id for job in client.jobs() if job.id.startswith(text)), 4))
    if not found:
        raise NotFound("there is no job whose id starts so", field="id", given=text)
    if len(found) > 1:
        raise InvalidInput(
            "several jobs have ids that start so", field="id", given=text, accepted=found
        )
    return found[0]
