"""What boxes at the edge send and see of the jobs that are addressed to them."""

from __future__ import annotations

import base64
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from api.described import DIGEST, JOB_ID
from api.wire_edge import Digest, Text
from core.store.states import State

LONGEST_WAIT = 30.0

Attempt = Annotated[int, Field(ge=1, le=2**53, description="Of the claim.")]
Seconds = Annotated[float, Field(ge=0)]


class _Given(BaseModel):
    """Base of what is sent: strict, and nothing unknown."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Ready(_Given):
    """A box that can take a job."""

    release: Digest = Field(description="The bundle that it runs and that has proved itself.")
    token: str = Field(
        pattern="^[0-9a-f]{32}$",
        description="Names this request: the same one gets the same job again.",
    )
    pid: int = Field(ge=0, le=2**31, description="Process that does the work.")
    wait: float = Field(
        default=0, ge=0, le=LONGEST_WAIT, description="Seconds to wait until there is a job."
    )


class EdgeInput(BaseModel):
    """An input of a job."""

    artifact: str = Field(description="Its digest.", examples=[DIGEST])
    size: int = Field(description="Bytes.")


class EdgeJob(BaseModel):
    """A job that a box has claimed."""

    id: str = Field(examples=[JOB_ID])
    attempt: int = Field(description="Names this claim in everything that is said of it.")
    lease: float = Field(description="Seconds that the claim lasts without being renewed.")
    inputs: list[EdgeInput] = Field(description="One image each, in this order.")


class Claimed(BaseModel):
    """The job that a box has claimed, if there was one."""

    job: EdgeJob | None


class Renewal(_Given):
    """A claim that goes on."""

    attempt: Attempt
    done: int = Field(ge=0, le=2**53, description="How many inputs are done.")


class Asked(BaseModel):
    """What is asked of the box.

    To go on; to release the job, as it is to be cancelled or the box to drain; or to drop it, as
    it is another's now.
    """

    asked: Literal["ok", "cancel", "drain", "lost"]


class Said(_Given):
    """What a box says of one input."""

    output: str | None = Field(
        default=None, description="What the net says: little-endian float32 in C order, as Base64."
    )
    error: Text | None = Field(default=None, description="What was wrong with the input.")

    @field_validator("output")
    @classmethod
    def _encoded(cls, output: str | None) -> str | None:
        base64.b64decode(output or "", validate=True)
        return output

    @property
    def said(self) -> bytes | str:
        """The bytes of the output, or else the error."""
        return self.error or base64.b64decode(self.output or "")

    @model_validator(mode="after")
    def _either(self) -> Said:
        if (self.output is None) == (self.error is None):
            raise ValueError("there is either an output or an error")
        return self


class EdgeEnd(_Given):
    """What a box says of all inputs of a job, and how long it took."""

    attempt: Attempt
    results: list[Said] = Field(max_length=1000, description="In the order of the inputs.")
    load: Seconds = Field(description="Seconds for fetching inputs.")
    run: Seconds = Field(description="Seconds for reading and computing them.")


class Ended(BaseModel):
    """A job as this box has ended it."""

    state: State


class Release(_Given):
    """A claim that a box gives back."""

    attempt: Attempt
    reason: Text


class Released(BaseModel):
    """Whether the job was this box's to give back."""

    released: bool
