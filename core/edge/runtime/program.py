"""A plan as functions without arguments, over memory that is reserved beforehand."""

from typing import Any, Callable, Dict, Tuple

import numpy as np

from core.edge.runtime.steps import Room, compute
from core.edge.runtime.views import strided, view

Calls = Dict[int, Tuple[int, Callable[[], None]]]
"""Functions by the number of the first step that they compute, with how many they compute."""


def program(
    plan: "dict[str, Any]", room: Room, x: "np.ndarray[Any, Any]", calls: Calls
) -> "list[Callable[[], None]]":
    """Return what is called for one image.

    Parameters
    ----------
    plan : dict
        Of the manifest.
    room : Room
        Memory; its scratch is replaced by as much as the steps need.
    x : ndarray
        Holds the image.
    calls : Calls
        What machine code computes; the other steps are those of `core.edge.runtime.steps`.
    """
    covered = {first + i for first, (count, _) in calls.items() for i in range(count)}
    scratch = [s["scratch"] for i, s in enumerate(plan["steps"]) if i not in covered]
    room.scratch = room.xp.zeros(max(scratch + [0]), np.float32)
    found = []
    for number, step in enumerate(plan["steps"]):
        if number in calls:
            found.append(calls[number][1])
        elif number not in covered:
            found.append(_input(step, room, x) if step["op"] == "input" else _step(step, room))
    return found


def outcome(plan: "dict[str, Any]", room: Room) -> "np.ndarray[Any, Any]":
    """Return the view of the arena that the outcome is in, in the shape of the output."""
    y = view(room.arena, plan["result"])
    channels, rows, columns = y.strides[0], y.strides[1], y.strides[2]
    shape = tuple(plan["output"])
    strides = {1: (channels,), 2: (channels, columns), 3: (channels, rows, columns)}[len(shape)]
    return strided(y, shape, strides)


def _step(step: "dict[str, Any]", room: Room) -> "Callable[[], None]":
    return compute[step["op"]](step, room)


def _input(step: "dict[str, Any]", room: Room, x: "np.ndarray[Any, Any]") -> "Callable[[], None]":
    y = view(room.arena, step["y"])
    shaped = x.reshape(y.shape)
    return lambda: room.xp.copyto(y, shaped)
