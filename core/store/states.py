"""The states and priorities of jobs, for those too who must not wait for Redis' client to load."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

State: TypeAlias = Literal["queued", "running", "waiting", "succeeded", "failed", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
TERMINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled"})

Priority: TypeAlias = Literal["interactive", "normal", "batch"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
"""From the one that goes first to the one that goes last."""
