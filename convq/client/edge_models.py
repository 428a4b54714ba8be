"""What the service answers about boxes at the edge, typed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from convq.client.models import Model


class Release(Model):
    """A bundle that boxes run, or will; boxes take none whose ``sequence`` is not higher.

    It was made of the model's file with the digest ``model``, and ``latency`` is what one image was
    predicted to take, in seconds.
    """

    digest: str
    size: int
    name: str
    sequence: int
    profile: str
    key: str
    model: str | None = None
    latency: float | None = None


class RollOut(Model):
    """The last roll-out of a group.

    Of a hundred boxes ``share`` get the release at this stage: ``chosen`` in all, of which ``good``
    run it and have proved it. ``state`` is ``rolling``, ``stopped`` (``reason`` says why) or
    ``done``.
    """

    release: Release
    state: str
    reason: str | None = None
    share: int
    chosen: int
    good: int
    began: datetime


class EdgeGroup(Model):
    """Boxes that run the same ``release``, and the last roll-out to them."""

    name: str
    boxes: int
    release: Release | None = None
    rollout: RollOut | None = None
    created: datetime


class EdgeBox(Model):
    """A box; ``health`` is its last report, and ``seen`` when it last said something."""

    id: str
    group: str
    name: str
    board: str | None = None
    created: datetime
    seen: datetime | None = None
    health: dict[str, Any] | None = None


class Delivery(Model):
    """Results of a box that came together, in an artifact with a line of JSON for each."""

    id: str
    box: str
    name: str
    spool: str
    before: int
    count: int
    artifact: str
    received: datetime
