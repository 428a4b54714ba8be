"""One run: work, faults, and the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.chaos.arena import Arena, wait_until
from bench.chaos.campaign import Campaign, settle
from bench.chaos.faults import FAULTS
from bench.chaos.load import POISON, SLOW, Load
from bench.chaos.poison import Poison
from bench.chaos.verdict import history, judge, recoveries

_KILLS = frozenset(fault.name for fault in FAULTS if fault.kill)
_THREADS = 4

Say = Callable[[str], None]


def run(
    folder: Path,
    *,
    jobs: int,
    kills: int,
    seconds: float,
    seed: int,
    workers: int = 2,
    patience: float = 120,
    side: int = 3000,
    epochs: int = 12,
    settings: Mapping[str, Any] = MappingProxyType({}),
    say: Say = lambda line: None,
) -> dict[str, Any]:
    """Run a stack under load and faults, and return the report.

    Parameters
    ----------
    folder : Path
        For the stack's data; should be new.
    jobs, kills : int
        How many jobs are submitted and how many processes are killed.
    seconds : float
        How long the faults take, at least.
    seed : int
        Decides what is submitted and what strikes when; only the machine's own timing differs.
    workers : int
        Workers beside the one behind a proxy and the one with a wrong clock.
    patience : float
        Jobs are stuck if none of them ends for so long after the last fault.
    side : int
        Pixels a side of the picture that makes the slow work slow.
    epochs : int
        Of the trainings.
    settings : mapping of str to object
        Fields of `core.settings.Settings` that are not as by default.
    say : callable
        Told what goes on.
    """
    arena = Arena(folder, workers, settings)
    started = time.monotonic()
    try:
        arena.start()
        load = Load(arena.stack.url, seed, side, epochs)
        expected = load.prepare()
        before = arena.memory()
        say(f"up after {time.monotonic() - started:.0f} s; skipped: {arena.skipped or 'nothing'}")
        poison = Poison(arena, load.submit(SLOW, sort=POISON))
        campaign = Campaign(arena, kills=kills, seconds=seconds, seed=seed)
        campaign.start()
        load.start(jobs, _THREADS, pace=jobs / seconds / _THREADS)
        while campaign.running() or load.running():
            time.sleep(1)
            say(f"{len(load.accepted.sorts)} jobs accepted, {len(campaign.blows)} faults")
        healed = time.monotonic()
        poison.join()
        settle(arena, list(load.accepted.sorts), patience)
        settled = time.monotonic() - healed
        arena.stack.wait_until_ready()
        wait_until(lambda: not arena.running(), 10)
        return {
            "seed": seed,
            "workers": len(arena.workers()),
            "settings": dict(settings),
            "seconds": round(time.monotonic() - started, 1),
            "settled_after": round(settled, 1),
            "kills": sum(blow.fault in _KILLS for blow in campaign.blows),
            "verdict": judge(arena, load.accepted, expected, campaign.blows),
            "recovery": recoveries(arena, campaign.blows),
            "poison": history(arena, poison.job_id),
            "memory": {"before": before, "after": arena.memory()},
            "skipped": arena.skipped,
        }
    finally:
        arena.stop()
