"""What the Lua scripts do to one job, as plain Python: small enough to look at every state.

One job, two workers and a child that the job may begin. `actions` lists what may happen next,
`step` says what comes of it and what the store answers. Nothing here talks to Redis;
`test_machine.py` visits every state, and `test_conformance.py` holds the scripts to this.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

MAX_LOST = 3
WORKERS = (0, 1)
ENDED = ("succeeded", "failed", "cancelled")

Action = tuple[str, int]
"""What happens, and to which worker (0 where it does not matter)."""


@dataclass(frozen=True)
class Machine:
    """The job's record, what each worker really does, and what was seen on the way.

    Attributes
    ----------
    state, attempt, cancel, lost
        As in the record.
    silent : bool
        Whether the lease has run out.
    child : str
        ``none``, ``queued``, ``running``, ``ended`` or ``cancelled``.
    awaited, child_cancel : bool
        Whether the job waits for the child, and whether the child is asked to stop.
    works : tuple of int
        The attempt that each worker's process works on; 0 for none.
    died : tuple of int
        The attempt with which each worker's last process died, until its parent has told.
    robbed : frozenset of int
        Attempts that lost the job because they were silent.
    commits : int
        Ends that were accepted since the job was queued by a user.
    mischief : int
        How much may still go wrong.
    """

    state: str = "queued"
    attempt: int = 0
    cancel: bool = False
    lost: int = 0
    silent: bool = False
    child: str = "none"
    awaited: bool = False
    child_cancel: bool = False
    works: tuple[int, int] = (0, 0)
    died: tuple[int, int] = (0, 0)
    robbed: frozenset[int] = frozenset()
    commits: int = 0
    mischief: int = 5

    def owned_by(self, attempt: int) -> bool:
        return self.state == "running" and self.attempt == attempt


# What users and misfortune do; each costs one of the mischief that is left. A lease that nobody
# renews runs out even when none is left.
TROUBLE = ("crash", "silence", "cancel", "retry", "release", "checkpoint", "begin", "wait")


def actions(machine: Machine) -> list[Action]:
    """Return everything that may happen next."""
    found: list[Action] = []
    for worker in WORKERS:
        if machine.works[worker]:
            names = ["renew", "succeed", "fail", "crash", "release", "checkpoint"]
            names += ["begin"] if machine.child == "none" else ["wait"]
            # Work only stops for a cancel that somebody has asked for.
            names += ["stop"] if machine.cancel else []
            found += [(name, worker) for name in names]
        elif machine.state == "queued" or machine.child != "queued":
            # Whoever claims gets the best job; the child is worse than the job.
            found.append(("claim", worker))
        if machine.died[worker]:
            found.append(("report_death", worker))
    if machine.state == "running" and not machine.silent:
        found.append(("silence", 0))
    found += [("expire", 0), ("cancel", 0), ("retry", 0)]
    if machine.child == "queued" and machine.state != "queued":
        found.append(("child_starts", 0))
    if machine.child == "running":
        found.append(("child_ends", 0))
    free = machine.mischief > 0
    return [
        action for action in found if free or action[0] not in TROUBLE or _orphan(machine, action)
    ]


def _orphan(machine: Machine, action: Action) -> bool:
    return action[0] == "silence" and machine.attempt not in machine.works


def step(machine: Machine, action: Action) -> tuple[Machine, object]:
    """Return what comes of an action, and the store's answer to it."""
    name, worker = action
    if name in TROUBLE:
        machine = replace(machine, mischief=max(0, machine.mischief - 1))
    attempt = machine.works[worker]
    owned = bool(attempt) and machine.owned_by(attempt)
    match name:
        case "claim":
            if machine.state != "queued":
                return machine, None
            number = machine.attempt + 1
            machine = replace(machine, state="running", attempt=number, silent=False)
            return _working(machine, worker, number), number
        case "renew":
            if not owned:
                return _working(machine, worker, 0), "lost"
            return replace(machine, silent=False), "cancel" if machine.cancel else "ok"
        case "succeed" | "fail" | "stop":
            end = {"succeed": "succeeded", "fail": "failed", "stop": "cancelled"}[name]
            machine = _working(machine, worker, 0)
            if not owned:
                return machine, False
            return _conclude(replace(machine, commits=machine.commits + 1), end), True
        case "release":
            machine = _working(machine, worker, 0)
            if not owned:
                return machine, False
            return (_conclude(machine, "cancelled") if machine.cancel else _queue(machine)), True
        case "checkpoint":
            return (replace(machine, lost=0), "kept") if owned else (machine, "lost")
        case "begin":
            return (replace(machine, child="queued"), True) if owned else (machine, False)
        case "wait":
            machine = _working(machine, worker, 0)
            if not owned:
                return machine, False
            if machine.cancel:
                return _conclude(machine, "cancelled"), True
            pending = machine.child in ("queued", "running")
            return (_await(machine) if pending else _queue(machine)), True
        case "crash":
            died = _put(machine.died, worker, attempt)
            return replace(_working(machine, worker, 0), died=died), None
        case "report_death":
            dead = machine.died[worker]
            machine = replace(machine, died=_put(machine.died, worker, 0))
            if not machine.owned_by(dead):
                return machine, None
            machine = _lose(machine)
            return machine, machine.state
        case "silence":
            return replace(machine, silent=True), None
        case "expire":
            if machine.state != "running" or not machine.silent:
                return machine, None
            machine = replace(machine, robbed=machine.robbed | {machine.attempt})
            machine = _lose(machine)
            return machine, machine.state
        case "cancel":
            return _cancel(machine)
        case "retry":
            if machine.state not in ("failed", "cancelled"):
                return machine, False
            child = "queued" if machine.child == "cancelled" else machine.child
            return _queue(replace(machine, cancel=False, lost=0, commits=0, child=child)), True
        case "child_starts":
            return replace(machine, child="running"), None
        case "child_ends":
            return _child_ended(machine), None
    raise AssertionError(action)


def _put(pair: tuple[int, int], place: int, value: int) -> tuple[int, int]:
    return (value, pair[1]) if place == 0 else (pair[0], value)


def _working(machine: Machine, worker: int, attempt: int) -> Machine:
    return replace(machine, works=_put(machine.works, worker, attempt))


def _queue(machine: Machine) -> Machine:
    return replace(machine, state="queued", silent=False)


def _await(machine: Machine) -> Machine:
    return replace(machine, state="waiting", awaited=True, silent=False)


def _conclude(machine: Machine, end: str) -> Machine:
    if end != "succeeded" and machine.child in ("queued", "running"):
        machine = _cancel_child(machine)
        if end == "cancelled" and machine.child == "running":
            return _await(machine)
    return replace(machine, state=end, silent=False)


def _lose(machine: Machine) -> Machine:
    if machine.cancel:
        return _conclude(machine, "cancelled")
    machine = replace(machine, lost=machine.lost + 1)
    return _conclude(machine, "failed") if machine.lost >= MAX_LOST else _queue(machine)


def _cancel(machine: Machine) -> tuple[Machine, object]:
    if machine.state == "queued":
        machine = _conclude(replace(machine, cancel=True), "cancelled")
    elif machine.state == "running":
        machine = replace(machine, cancel=True)
    elif machine.state == "waiting" and not machine.cancel:
        machine = _cancel_child(replace(machine, cancel=True))
    return machine, machine.state


def _cancel_child(machine: Machine) -> Machine:
    if machine.child == "queued":
        return _child_ended(machine)
    return replace(machine, child_cancel=True) if machine.child == "running" else machine


def _child_ended(machine: Machine) -> Machine:
    cancelled = machine.child_cancel or machine.child == "queued"
    machine = replace(machine, child="cancelled" if cancelled else "ended", child_cancel=False)
    if not machine.awaited:
        return machine
    machine = replace(machine, awaited=False)
    return replace(machine, state="cancelled") if machine.cancel else _queue(machine)
