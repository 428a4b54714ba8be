"""Outputs are computed block by block: in the cache, on all cores, and interruptible."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar

import numpy as np

from core.arrays import Array, is_on_gpu
from core.conv.normal import NormalForm, Shape

Check = Callable[[], None]
Item = TypeVar("Item")


# Below this, calls cost more than arithmetic however heavy the arithmetic is.
_LEAST_ELEMENTS = 16
# A smaller share of the work than this is not worth another thread.
_WORTH_A_THREAD = 1 << 15
_CGROUPS: Final = Path("/sys/fs/cgroup")


def never() -> None:
    """Do nothing: the check of work that nobody cancels."""


@dataclass(frozen=True)
class Block:
    """A box of outputs: images ``first <= n < last``, positions ``at`` to ``at + size``."""

    first: int
    last: int
    at: Shape
    size: Shape

    @property
    def images(self) -> slice:
        """Where the block lies on the batch axis."""
        return slice(self.first, self.last)

    @property
    def positions(self) -> tuple[slice, ...]:
        """Where the block lies on the convolved axes."""
        return tuple(slice(a, a + m) for a, m in zip(self.at, self.size, strict=True))


def cut(form: NormalForm, elements: int, least: int = _WORTH_A_THREAD) -> tuple[Shape, int]:
    """Return the shape of a block of about ``elements`` outputs, and how many images it spans.

    Blocks are long in the last axes and short in the first; where whole images are smaller than
    a block, several go into one. Where the work would make fewer blocks than there are cores,
    blocks are smaller, down to ``least`` outputs: fewer are not worth another thread.

    Examples
    --------
    >>> form = NormalForm(4, 1, 1, 1, (9, 9), (1, 1), (0, 0), (9, 9), (1, 1), (1, 1), "float64")
    >>> cut(form, 30), cut(form, 200)
    (((3, 9), 1), ((9, 9), 2))
    """
    share = form.batch * math.prod(form.out) // cores()
    elements = max(min(elements, max(share, least)), _LEAST_ELEMENTS)
    size: Shape = ()
    left = elements
    for length in reversed(form.out):
        step = max(1, min(length, left))
        size = (step, *size)
        left //= step
    return size, max(1, min(form.batch, elements // math.prod(size))) if size == form.out else 1


def blocks(form: NormalForm, size: Shape, images: int) -> Iterator[Block]:
    """Cut the outputs into blocks of ``images`` times ``size`` (smaller at the far edges)."""
    starts = [range(0, n, m) for n, m in zip(form.out, size, strict=True)]
    for first in range(0, form.batch, images):
        for at in itertools.product(*starts):
            cut = tuple(min(m, n - a) for m, n, a in zip(size, form.out, at, strict=True))
            yield Block(first, min(first + images, form.batch), at, cut)


def block_count(form: NormalForm, size: Shape, images: int) -> int:
    """Return how many blocks `blocks` yields."""
    count = -(-form.batch // images)
    for n, m in zip(form.out, size, strict=True):
        count *= -(-n // m)
    return count


@cache
def cores(cgroups: Path = _CGROUPS) -> int:
    """Return how many processors this process may use.

    Parameters
    ----------
    cgroups : Path
        Where Linux tells how much time the container gets. More threads than that would be stopped
        in turns.

    Examples
    --------
    >>> cores() >= 1
    True
    """
    mine = hasattr(os, "sched_getaffinity")
    found = len(os.sched_getaffinity(0)) if mine else os.cpu_count() or 1
    quota = _quota(cgroups)
    return found if quota is None else max(1, min(found, int(quota)))


def _quota(cgroups: Path) -> float | None:
    # Microseconds of each period of so many: in one file, or in two with cgroups of version 1.
    try:
        time, period = (cgroups / "cpu.max").read_text().split()
    except OSError:
        try:
            time = (cgroups / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (cgroups / "cpu" / "cpu.cfs_period_us").read_text()
        except OSError:
            return None
    return None if time in ("max", "-1") else int(time) / int(period)


def workers_for(x: Array) -> int:
    """Return how many blocks of ``x`` to compute at a time: a GPU is parallel by itself."""
    return 1 if is_on_gpu(x) else cores()


def for_each(
    work: Callable[[Item], None], items: Iterable[Item], check: Check, workers: int
) -> None:
    """Call ``work`` on every item, ``workers`` at a time, and ``check`` between them.

    The calling thread is one of the workers, and ``check`` runs on it only; when it raises,
    blocks that have not begun are dropped, those that run are waited for, and the error goes on
    to the caller.
    """
    queue = iter(items)
    head = list(itertools.islice(queue, max(workers, 2)))
    if len(head) == 1:
        check()
        _quietly(work, head[0])
        return
    # Blocks are taken one by one: all of them at once would take memory.
    queue, lock = itertools.chain(head, queue), Lock()

    def drain(check: Check) -> None:
        nonlocal queue
        while True:
            with lock:
                item = next(queue, None)
            if item is None:
                return
            try:
                check()
                _quietly(work, item)
            except BaseException:
                with lock:
                    queue = itertools.chain()
                raise

    helpers = [_pool().submit(drain, never) for _ in head[1:workers]]
    try:
        drain(check)
    finally:
        # Helpers that have not begun, because others use the pool, have nothing left to do.
        begun = [helper for helper in helpers if not helper.cancel()]
        wait(begun)
    for helper in begun:
        helper.result()


@cache
def _pool() -> ThreadPoolExecutor:
    # Starting threads for each call would cost more than a small convolution.
    return ThreadPoolExecutor(cores(), thread_name_prefix="convq-blocks")


# Threads do not survive a fork: a child starts its own.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


def _quietly(work: Callable[[Item], None], item: Item) -> None:
    # NaN and overflow are results here, stated in the documentation; NumPy's warning state is
    # per thread, so it is set where the work is done.
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        work(item)
