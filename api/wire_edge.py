"""What clients and boxes send and see of the edge: the models of OpenAPI."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from api.described import DIGEST, DIGEST_PATTERN
from core.store.edge import STAGES

_BOX = "k3v9x2mwpa"
_TOKEN = "convqbox_k3v9x2mwpa_…"  # noqa: S105 - an example
_RELEASE: dict[str, Any] = {
    "digest": DIGEST,
    "size": 98304,
    "name": "digits",
    "sequence": 3,
    "profile": "jetson-nano",
    "key": "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "model": DIGEST,
    "latency": 0.0021,
}

Digest = Annotated[str, Field(pattern=DIGEST_PATTERN)]
Short = Annotated[str, Field(max_length=200)]
Text = Annotated[str, Field(max_length=2000)]
# Of a board, by name.
Readings = Annotated[dict[Short, float], Field(max_length=64)]


class _Given(BaseModel):
    """Base of what is sent: strict, and nothing unknown."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Invitation(_Given):
    """For how long a token can be used."""

    lasts: float = Field(
        default=24 * 3600, ge=1, le=366 * 86400, description="Seconds until it expires."
    )


class Token(BaseModel):
    """A token with which one box can enrol; it is shown this once."""

    token: str = Field(examples=[_TOKEN])
    group: str


class NewRollOut(_Given):
    """A bundle that is to be rolled out."""

    artifact: Digest = Field(description="The bundle, uploaded before.", examples=[DIGEST])
    stages: list[Annotated[int, Field(ge=1, le=100)]] = Field(
        default=list(STAGES),
        min_length=1,
        max_length=10,
        description="Percentages of the boxes that get it, one after the other; rising to 100.",
    )

    @field_validator("stages")
    @classmethod
    def _rising(cls, stages: list[int]) -> list[int]:
        if stages[-1] != 100 or any(a >= b for a, b in pairwise(stages)):
            raise ValueError("stages rise, and end with 100")
        return stages


class Release(BaseModel):
    """A bundle that boxes run, or will."""

    model_config = ConfigDict(json_schema_extra={"examples": [_RELEASE]})

    digest: str = Field(description="Of the bundle, an artifact.")
    size: int = Field(description="Bytes.")
    name: str = Field(description="What the model is called.")
    sequence: int = Field(description="Which version: boxes take none that is not higher.")
    profile: str = Field(description="The board that it is for.")
    key: str = Field(description="The public key that signed it, in hexadecimal.")
    model: str | None = Field(
        description="Digest of the model's file that it was made of, if the bundle says so."
    )
    latency: float | None = Field(
        description="Seconds that one image takes on the board, by prediction."
    )


class RollOut(BaseModel):
    """The last roll-out of a group."""

    release: Release
    state: Literal["rolling", "stopped", "done"]
    reason: str | None = Field(description="Why it stopped.")
    share: int = Field(description="Percentage of the boxes that get it at this stage.")
    chosen: int = Field(description="How many boxes get it.")
    good: int = Field(description="How many of these run it and have proved it.")
    began: datetime


class EdgeGroup(BaseModel):
    """Boxes that run the same version."""

    name: str
    boxes: int = Field(description="How many there are.")
    release: Release | None = Field(description="What all of them should run.")
    rollout: RollOut | None = Field(description="The last one.")
    created: datetime


class EdgeGroups(BaseModel):
    """All groups, by name."""

    groups: list[EdgeGroup]


class Version(_Given):
    """A version on a box."""

    digest: Digest
    sequence: int = Field(ge=0)
    name: Short


class Refusal(_Given):
    """A version that a box has refused."""

    digest: Digest
    why: Text


class Latency(_Given):
    """Of the last predictions, in seconds; and how many there were in all."""

    p50: float | None
    p95: float | None
    p99: float | None
    count: int = Field(ge=0)


class Waiting(_Given):
    """Results on a box."""

    waiting: int = Field(ge=0, description="That were not delivered.")
    bytes: int = Field(ge=0, description="That their file takes.")
    delivered: int = Field(ge=0)


class Health(_Given):
    """How a box is."""

    version: Version | None = Field(description="What it runs.")
    proved: bool = Field(description="Whether that has proved itself.")
    refused: Refusal | None = Field(description="What it refused last.")
    latency: Latency
    memory: int | None = Field(ge=0, description="Resident, in bytes.")
    watts: Readings = Field(description="By rail.")
    celsius: Readings = Field(description="By thermal zone.")
    throttled: list[Short] = Field(max_length=64, description="Cooling devices at work.")
    spool: Waiting
    uptime: float = Field(ge=0, description="Of the agent, in seconds.")
    board: Short | None = Field(description="What the board calls itself.")
    notes: list[Text] = Field(max_length=20, description="What runs otherwise than intended.")
    problem: Text | None = Field(description="What goes wrong at the moment.")


class EdgeBox(BaseModel):
    """A box."""

    id: str = Field(description="Also the id of its API key.", examples=[_BOX])
    group: str
    name: str = Field(description="What it calls itself.")
    board: str | None = Field(description="What its board calls itself.")
    created: datetime
    seen: datetime | None = Field(description="When it last said something.")
    health: dict[str, Any] | None = Field(description="Its last report.")


class EdgeBoxes(BaseModel):
    """The boxes of a group, the oldest first."""

    boxes: list[EdgeBox]


class Delivery(BaseModel):
    """Results that came together."""

    id: str
    box: str
    name: str = Field(description="What the box calls itself.")
    spool: str
    before: int = Field(description="They are the numbers after this one.")
    count: int
    artifact: str = Field(description="A file with a line of JSON for each.")
    received: datetime


class Deliveries(BaseModel):
    """What boxes have found, the oldest first."""

    deliveries: list[Delivery]
    next: str | None = Field(description="The cursor of the next page; null on the last.")


class Enrolment(_Given):
    """A box that wants to belong to a group."""

    token: str = Field(max_length=200, examples=[_TOKEN])
    group: str = Field(max_length=63)
    digest: str = Field(
        pattern="^[0-9a-f]{64}$", description="SHA-256 of the secret that the box has made."
    )
    name: str = Field(min_length=1, max_length=100, description="What the box calls itself.")
    board: Short | None = None


class Enrolled(BaseModel):
    """A box has an API key now: ``convq_``, this id, ``_`` and the secret that it has made."""

    box: str = Field(examples=[_BOX])


class Wanted(BaseModel):
    """What a box should run; all null where there is nothing yet."""

    digest: str | None
    size: int | None
    sequence: int | None
    name: str | None


class Results(_Given):
    """Results of a box, in the order in which it numbered them."""

    spool: str = Field(pattern="^[0-9a-f]{16}$", description="In which they are numbered.")
    before: int = Field(ge=0, le=2**53, description="How many came before these.")
    results: list[dict[str, Any]] = Field(max_length=1000)


class Received(BaseModel):
    """How many results of the spool the service has."""

    received: int
