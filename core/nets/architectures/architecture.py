"""What a named architecture is: a description with few choices, and the net that it stands for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from core.nets.layer import Shape
from core.nets.spec import NetSpec


class ArchitectureSpec(BaseModel):
    """Base of the choices that an architecture leaves."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    architecture: str


SpecT = TypeVar("SpecT", bound=ArchitectureSpec)


@dataclass(frozen=True)
class Architecture(Generic[SpecT]):
    """A named architecture; one file ends with one of these.

    Attributes
    ----------
    name : str
        The value of ``architecture`` in its description.
    spec : type
        The pydantic model of the description.
    build : callable
        ``(spec, shape of one image, outputs) -> NetSpec``: outputs are the classes, or the
        numbers that are to be predicted.
    input, outputs : tuple of int, int
        Those of the paper.
    summary : str
        One line for lists.
    """

    name: str
    spec: type[SpecT]
    build: Callable[[SpecT, Shape, int], NetSpec]
    input: Shape
    outputs: int
    summary: str


def net(shape: Shape, layers: Sequence[dict[str, object]]) -> NetSpec:
    """Return the description of a net.

    Examples
    --------
    >>> net((4,), [{"layer": "dense", "features": 2}]).input
    [4]
    """
    return NetSpec.model_validate({"input": list(shape), "layers": list(layers)})
