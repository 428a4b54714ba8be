"""The operations on boxes at the edge: how each is asked for, and how its answer is read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from convq.client.edge_models import Delivery, EdgeBox, EdgeGroup
from convq.client.flow import Flow, Request, work
from convq.client.operations import get, post
from convq.client.retry import exchange
from convq.client.uploads import upload
from core.edge.runtime.container import bundle_in

_PAGE = 200
_DAY = 86400.0
# The service reads the whole bundle before it answers.
_PATIENCE = 300.0


def groups() -> Flow[list[EdgeGroup]]:
    """Read all groups."""
    answer = yield from exchange(Request("GET", "/v1/edge/groups"))
    return [EdgeGroup.model_validate(group) for group in json.loads(answer.content)["groups"]]


def group(name: str) -> Flow[EdgeGroup]:
    """Read a group."""
    return get(_path(name), EdgeGroup)


def boxes(name: str) -> Flow[list[EdgeBox]]:
    """Read the boxes of a group."""
    answer = yield from exchange(Request("GET", _path(name, "boxes")))
    return [EdgeBox.model_validate(box) for box in json.loads(answer.content)["boxes"]]


def token(name: str, lasts: float = _DAY) -> Flow[str]:
    """Make a token with which one box can enrol."""
    # Not repeatable: a token that nobody has seen would be left.
    request = Request("POST", _path(name, "tokens"), json={"lasts": lasts}, repeatable=False)
    answer = yield from exchange(request)
    return str(json.loads(answer.content)["token"])


def roll_out(name: str, bundle: Path, stages: Sequence[int] | None) -> Flow[EdgeGroup]:
    """Upload a bundle and begin to roll it out."""
    # Boxes keep, and are offered, what is signed, without the program around it.
    known = (yield from work(lambda: bundle_in(str(bundle)))) if bundle.is_file() else bundle
    stored = yield from upload(known)
    body = {"artifact": stored.digest} | ({} if stages is None else {"stages": list(stages)})
    answer = yield from exchange(
        Request("POST", _path(name, "rollout"), json=body, timeout=_PATIENCE)
    )
    return EdgeGroup.model_validate_json(answer.content)


def stop(name: str) -> Flow[EdgeGroup]:
    """Let no further box have what is rolled out."""
    return post(_path(name, "rollout", "stop"), EdgeGroup)


def resume(name: str) -> Flow[EdgeGroup]:
    """Go on with the next stage of a roll-out."""
    # Not repeatable: the second request would skip a stage.
    request = Request("POST", _path(name, "rollout", "resume"), repeatable=False)
    answer = yield from exchange(request)
    return EdgeGroup.model_validate_json(answer.content)


def remove(box: str) -> Flow[None]:
    """Remove a box and its API key."""
    path = f"/v1/edge/boxes/{quote(box, safe='')}"
    yield from exchange(Request("DELETE", path, repeatable=False))


class DeliveryPages:
    """What the boxes of a group have delivered, the oldest first, a page at a time."""

    def __init__(self, name: str, after: str | None) -> None:
        self._path = _path(name, "results")
        self._params = {"limit": str(_PAGE)} | ({} if after is None else {"cursor": after})
        self._page: Iterator[Delivery] = iter(())
        self._more = True

    def next(self) -> Flow[Delivery | None]:
        """Return the next delivery, ``None`` after the last."""
        while True:
            for found in self._page:
                return found
            if not self._more:
                return None
            answer = yield from exchange(Request("GET", self._path, params=self._params))
            page = json.loads(answer.content)
            self._page = iter([Delivery.model_validate(entry) for entry in page["deliveries"]])
            self._more = page["next"] is not None
            self._params = {**self._params, "cursor": page["next"]}

    def close(self) -> Flow[None]:
        """Let go of what the iteration holds: nothing, between pages."""
        yield from ()


def _path(name: str, *parts: str) -> str:
    return "/".join(["/v1/edge/groups", *(quote(part, safe="") for part in (name, *parts))])
