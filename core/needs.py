"""What a job needs of the worker that runs it, and a worker offers: memory, and a kind of device.

Memory is counted in classes. Each is a ninth more than the one before, so that a queue is enough
for all jobs of one.
"""

from __future__ import annotations

import math
import re
from typing import Literal, NamedTuple, TypeAlias, cast

Wish: TypeAlias = Literal["auto", "cpu", "gpu"]
"""Which kind of device somebody wants work to be done on; any that suits for ``auto``."""

ANY = 0
"""The class of jobs that every worker has the memory for."""

_LEAST = 256 << 20
_PER_OCTAVE = 8


def most(class_: int) -> int:
    """Return the bytes that a job of this class may need.

    Examples
    --------
    >>> most(ANY) >> 20, most(8) >> 20
    (256, 512)
    """
    return math.floor(_LEAST * 2 ** (class_ / _PER_OCTAVE))


def needed(size: int) -> int:
    """Return the class of a job that needs ``size`` bytes, the first one that holds it.

    Examples
    --------
    >>> needed(1000), needed(3 << 30)
    (0, 29)
    """
    class_ = max(ANY, math.floor(_PER_OCTAVE * math.log2(max(size, 1) / _LEAST)))
    return class_ if size <= most(class_) else class_ + 1


def offered(size: int) -> int:
    """Return the largest class of jobs that a worker with ``size`` bytes can run.

    Examples
    --------
    >>> offered(3 << 30), offered(100 << 20)
    (28, 0)
    """
    class_ = max(ANY, math.ceil(_PER_OCTAVE * math.log2(max(size, 1) / _LEAST)))
    return class_ if class_ == ANY or most(class_) <= size else class_ - 1


def token(class_: int, on: Wish = "auto") -> str | None:
    """Return what stands in a job's record for its needs; None where any worker will do.

    Examples
    --------
    >>> token(29), token(ANY, "gpu"), token(ANY)
    ('29', 'gpu0', None)
    """
    if class_ == ANY and on == "auto":
        return None
    return f"{'' if on == 'auto' else on}{class_}"


def device_in(token: str | None) -> Wish:
    """Return the kind of device in what `token` made.

    Examples
    --------
    >>> device_in("gpu0"), device_in("29"), device_in(None)
    ('gpu', 'auto', 'auto')
    """
    return cast(Wish, re.sub(r"\d", "", token or "") or "auto")


_NONE = -1


class Offers(NamedTuple):
    """The largest classes of jobs that a worker runs, by the kind of device that they ask for."""

    auto: int
    cpu: int
    gpu: int


def offers(memory: int, gpu_memory: int | None = None) -> Offers:
    """Return what a worker offers.

    Parameters
    ----------
    memory : int
        Bytes that it has.
    gpu_memory : int, optional
        Bytes that its GPU has; without it the worker computes on the processor. What a job takes on
        the GPU it may also take on its way there, so the smaller of the two counts.

    Examples
    --------
    >>> offers(3 << 30)
    Offers(auto=28, cpu=28, gpu=-1)
    >>> offers(3 << 30, 1 << 30)
    Offers(auto=28, cpu=-1, gpu=16)
    """
    class_ = offered(memory)
    if gpu_memory is None:
        return Offers(class_, class_, _NONE)
    return Offers(class_, _NONE, min(class_, offered(gpu_memory)))
