"""Boards: what they are, and what they may do; the values are in ``profiles.toml``."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from core.conv.codegen.target import Target, named
from core.errors import InvalidInput


class Processor(BaseModel):
    """What machine code is compiled for.

    Attributes
    ----------
    cpu : str
        LLVM's name of it.
    needs : list of str
        What ``/proc/cpuinfo`` must say for that code to run.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cpu: str
    needs: list[str]

    @property
    def target(self) -> Target:
        """The processor, to compile for."""
        return named(self.cpu)


class Profile(BaseModel):
    """A board.

    Attributes are those of ``profiles.toml``, which says what they mean and where they are from.

    Examples
    --------
    >>> tk1 = profile("jetson-tk1")
    >>> tk1.title, tk1.memory >> 30, tk1.may
    ('NVIDIA Jetson TK1', 2, ['predict'])
    >>> [processor.cpu for processor in profile("x86").processors]
    ['x86-64-v4', 'x86-64-v3']
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    architecture: Literal["aarch64", "armv7", "x86_64"]
    cpu: str
    needs: list[str]
    faster: list[Processor] = []
    memory: int = Field(gt=0)
    bandwidth: float = Field(gt=0)
    cores: int = Field(gt=0)
    clock: float = Field(gt=0)
    power: list[float] = Field(min_length=1)
    gpu: str | None = None
    software: str | None = None
    python: str | None = None
    cupy: str = "none"
    compatible: str | None = None
    model: str | None = None
    may: list[Literal["predict", "train"]]
    source: str
    unverified: list[
        Literal["memory", "bandwidth", "cores", "clock", "power", "gpu", "software"]
    ] = []

    @property
    def processors(self) -> list[Processor]:
        """What machine code is compiled for: the one that all such boxes have is the last."""
        return [*self.faster, Processor(cpu=self.cpu, needs=self.needs)]


@cache
def profiles() -> dict[str, Profile]:
    """Return all profiles by name, in the order of the file.

    Examples
    --------
    >>> list(profiles())[0]
    'jetson-tk1'
    """
    text = resources.files("core.edge").joinpath("profiles.toml").read_text("utf-8")
    return {
        name: Profile.model_validate({"name": name} | values)
        for name, values in tomllib.loads(text).items()
    }


def profile(name: str) -> Profile:
    """Return the profile called ``name``.

    Raises
    ------
    InvalidInput
        There is none.

    Examples
    --------
    >>> profile("jetson-orin-nano").cpu
    'cortex-a78'
    """
    if name not in profiles():
        raise InvalidInput(
            "no such profile", field="profile", given=name, accepted=list(profiles())
        )
    return profiles()[name]
