"""Every state that a job can come to, whatever happens, keeps what is promised.

The search is breadth first and complete: about ten thousand states that two
workers and four misfortunes lead to. That the scripts do what is
searched here is `test_conformance.py`'s matter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.core.store import machine as model
from tests.core.store.machine import ENDED, TROUBLE, Action, Machine

Step = Callable[[Machine, Action], tuple[Machine, object]]
Edge = tuple[Machine, Action, Machine]


def explore(step: Step = model.step, mischief: int = 4) -> Iterator[Edge]:
    """Yield every transition that can be reached."""
    start = Machine(mischief=mischief)
    seen, ahead = {start}, deque([start])
    while ahead:
        now = ahead.popleft()
        for action in model.actions(now):
            after, _ = step(now, action)
            yield now, action, after
            if after not in seen:
                seen.add(after)
                ahead.append(after)


def fault(before: Machine, action: Action, after: Machine) -> str | None:
    """Say what a transition breaks of all that is promised."""
    name, _ = action
    if after.commits > 1:
        return "committed twice"
    if before.state in ENDED and after.state != before.state and name != "retry":
        return "an end that was told did not stay"
    if any(
        attempt and not after.owned_by(attempt) and attempt not in after.robbed
        for attempt in after.works
    ):
        # So `cancelled` is told only when the work has stopped, or was silent for a whole lease.
        return "work goes on that does not own the job and was never silent"
    if sum(after.owned_by(attempt) for attempt in after.works if attempt) > 1:
        return "two workers own the job"
    if after.state == "cancelled" and after.child == "running":
        return "cancelled, and its child works"
    return None


def faults(step: Step, mischief: int = 4) -> set[str]:
    return set(filter(None, (fault(*edge) for edge in explore(step, mischief))))


def test_no_sequence_of_events_breaks_a_promise() -> None:
    assert faults(model.step) == set()


def test_no_job_is_ever_lost() -> None:
    # From wherever it is, the job comes to an end by what the service does of itself.
    leads: dict[Machine, list[Machine]] = {}
    states: set[Machine] = set()
    for before, action, after in explore():
        states |= {before, after}
        # A lease that is not renewed runs out by itself.
        if action[0] not in TROUBLE or action[0] == "silence":
            leads.setdefault(after, []).append(before)
    ahead = deque(state for state in states if state.state in ENDED)
    ending = set(ahead)
    while ahead:
        for before in leads.get(ahead.popleft(), ()):
            if before not in ending:
                ending.add(before)
                ahead.append(before)
    assert len(states) > 9_000
    assert states - ending == set()


def test_a_job_that_is_lost_without_progress_is_tried_three_times() -> None:
    last = {
        after.state
        for before, _, after in explore()
        if before.lost < after.lost and after.lost >= model.MAX_LOST
    }
    assert last == {"failed"}


def without_fence(before: Machine, action: Action) -> tuple[Machine, object]:
    after, answer = model.step(before, action)
    if action[0] == "succeed" and answer is False:
        return replace(after, state="succeeded", commits=after.commits + 1), True
    return after, answer


def cancelled_at_once(before: Machine, action: Action) -> tuple[Machine, object]:
    if action[0] == "cancel" and before.state == "running":
        return replace(before, state="cancelled", mischief=before.mischief - 1), "cancelled"
    return model.step(before, action)


def death_without_attempt(before: Machine, action: Action) -> tuple[Machine, object]:
    # As it was once: the parent named the job and itself, and not the attempt that had died.
    if action[0] == "report_death" and before.state == "running":
        before = replace(before, died=(before.attempt, before.attempt))
    return model.step(before, action)


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        (without_fence, "committed twice"),
        (cancelled_at_once, "work goes on that does not own the job and was never silent"),
        (death_without_attempt, "work goes on that does not own the job and was never silent"),
    ],
)
def test_the_search_finds_what_is_broken(broken: Step, found: str) -> None:
    assert found in faults(broken, mischief=3)
