from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from convq.cli import tables
from convq.client import Failure, Job, JobPlan, Queue, Result, Worker

words = st.text(max_size=120)
shapes = st.lists(st.integers(1, 10**5), max_size=4)
seconds = st.none() | st.floats(0, 1e6)
sizes = st.none() | st.integers(0, 10**13)
states = st.sampled_from(["queued", "running", "succeeded", "failed", "cancelled", "new"])
counts = st.integers(0, 99_999)

plans = st.builds(
    JobPlan,
    device=st.fixed_dictionaries({"kind": st.just("cpu"), "name": words}),
    seconds=seconds,
    bytes=sizes,
    groups=st.lists(
        st.fixed_dictionaries(
            {
                "inputs": counts,
                "input": words,
                "chosen": st.none() | words,
                "why": words,
                "seconds": seconds,
                "bytes": sizes,
                "measured_seconds": seconds,
                "problem": st.fixed_dictionaries(
                    {
                        "x_shape": shapes,
                        "kernel_shape": shapes.map(lambda s: [2, *s]),
                        "bank": st.booleans(),
                    }
                ),
                "error": st.none() | st.fixed_dictionaries({"code": words, "message": words}),
                "candidates": st.lists(
                    st.fixed_dictionaries(
                        {
                            "algorithm": st.sampled_from(["direct", "fft-tiled", "reference"]),
                            "seconds": seconds,
                            "bytes": sizes,
                            "refused": st.none() | words,
                        }
                    ),
                    max_size=3,
                ),
            }
        ),
        max_size=2,
    ),
)
jobs = st.builds(
    Job,
    id=st.just("06h06mk9n5h7xmxa89j9"),
    kind=st.just("convolve"),
    state=states,
    label=st.none() | words,
    progress=st.fixed_dictionaries({"done": counts, "total": counts, "failed": counts}),
    plan=st.none() | plans,
    timings=st.fixed_dictionaries({"queued": seconds, "ran": seconds}),
    created=st.none() | st.just(datetime.now(UTC) - timedelta(hours=3)),
    attempts=st.lists(
        st.fixed_dictionaries(
            {"number": counts, "worker": words, "outcome": words, "reason": words}
        ),
        max_size=2,
    ),
    error=st.none() | st.fixed_dictionaries({"code": words, "message": words}),
)
names = st.builds(
    Result,
    name=words,
    digest=words,
    media_type=st.just("application/x-npy"),
    shape=shapes,
    dtype=st.just("float32"),
    size=sizes,
)
workers = st.builds(
    Worker,
    name=words,
    state=st.sampled_from(["up", "busy", "odd"]),
    device=st.none() | st.fixed_dictionaries({"kind": st.just("cpu"), "name": words}),
)

VIEWS = {
    "jobs": st.lists(jobs, max_size=3).map(tables.jobs_table),
    "job": jobs.map(tables.job_view),
    "plan": plans.map(tables.plan_view),
    "plan line": plans.map(tables.plan_line),
    "results": st.lists(names, max_size=3).map(tables.results_table),
    "failures": st.lists(st.builds(Failure, name=words, message=words), max_size=3).map(
        tables.failures_table
    ),
    "workers": st.lists(workers, max_size=3).map(tables.workers_table),
}


@pytest.mark.parametrize("view", VIEWS)
@settings(max_examples=25)
@given(data=st.data())
def test_everything_fits_80_columns_and_controls_no_terminal(view: str, data: Any) -> None:
    console = Console(width=80, color_system=None, markup=False, highlight=False, emoji=False)
    with console.capture() as capture:
        console.print(data.draw(VIEWS[view]))
    shown = capture.get()
    assert all(line.isprintable() for line in shown.split("\n"))
    assert max(console.measure(line).maximum for line in shown.split("\n")) <= 80


def test_the_queue_knows_states_that_are_new() -> None:
    console = Console(width=80, color_system=None)
    queue = Queue(counts={"queued": 3, "running": 0, "paused": 2}, oldest_seconds=4.2)
    with console.capture() as capture:
        console.print(tables.queue_view(queue))
    lines = [line.split() for line in capture.get().splitlines()]
    assert lines == [
        ["queued", "3"],
        ["running", "0"],
        ["paused", "2"],
        ["longest", "wait", "4.20", "s"],
    ]
