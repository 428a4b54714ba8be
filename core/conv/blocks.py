"""Outputs are computed block by block: in the cache, on all cores, and interruptible."""

from __future__ import annotations

import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np

from core.arrays import Array, is_on_gpu
from core.conv.normal import NormalForm, Shape

Check = Callable[[], None]


# Below this, calls cost more than arithmetic however heavy the arithmetic is.
_LEAST_ELEMENTS = 16
# A smaller share of the work than this is not worth another thread.
_WORTH_A_THREAD = 1 << 15


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


def cut(form: NormalForm, elements: int) -> tuple[Shape, int]:
    """Return the shape of a block of about ``elements`` outputs, and how many images it spans.

    Blocks are long in the last axes and short in the first; where whole images are smaller than
    a block, several go into one. Where the work would make fewer blocks than there are cores,
    blocks are smaller.

    Examples
    --------
    >>> form = NormalForm(4, 1, 1, 1, (9, 9), (1, 1), (0, 0), (9, 9), (1, 1), (1, 1), "float64")
    >>> cut(form, 30), cut(form, 200)
    (((3, 9), 1), ((9, 9), 2))
    """
    share = form.batch * math.prod(form.out) // cores()
    elements = max(min(elements, max(share, _WORTH_A_THREAD)), _LEAST_ELEMENTS)
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
def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers_for(x: Array) -> int:
    """Return how many blocks of ``x`` to compute at a time: a GPU is parallel by itself."""
    return 1 if is_on_gpu(x) else cores()


def for_each(
    work: Callable[[Block], None], items: Iterable[Block], check: Check, workers: int
) -> None:
    """Call ``work`` on every block, ``workers`` at a time, and ``check`` between blocks.

    ``check`` runs on the calling thread only; when it raises, blocks that have not begun are
    dropped, those that run are waited for, and the error goes on to the caller.
    """
    queue = iter(items)
    head = list(itertools.islice(queue, 2))
    queue = itertools.chain(head, queue)
    if workers == 1 or len(head) < 2:
        for item in queue:
            check()
            _quietly(work, item)
        return
    running: deque[Future[None]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            # A few blocks ahead keep every worker busy; all of them at once would take memory.
            for item in queue:
                running.append(pool.submit(_quietly, work, item))
                if len(running) > 2 * workers:
                    check()
                    running.popleft().result()
            for future in running:
                check()
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _quietly(work: Callable[[Block], None], item: Block) -> None:
    # NaN and overflow are results here, stated in the documentation; NumPy's warning state is
    # per thread, so it is set where the work is done.
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        work(item)
