"""What is made of kernels that do not change, kept on the device that made it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cache
from threading import Lock, get_ident
from typing import Any, TypeVar

from core.arrays import Array, array_module, is_on_gpu

T = TypeVar("T")

# Of a device's memory; what takes more than half of that alone is not kept.
_SHARE = 16


@dataclass(frozen=True)
class _Entry:
    made: Any
    device: int
    nbytes: int


_entries: OrderedDict[Hashable, _Entry] = OrderedDict()
_lock = Lock()


def kept(x: Array, name: Hashable, make: Callable[[], T]) -> T:
    """Return ``make()``, or what it returned when it was last called under this name.

    It is kept for each device, stream and thread. So nobody has to wait for the stream that made
    it, and its memory, once dropped, goes to what follows on that stream. The least recently used
    goes first.

    Parameters
    ----------
    x : array
        Of the current device.
    name : hashable
        Says all that the result depends on: values, not places of them.
    make : callable
        Returns arrays of the device, also in tuples, or numbers, that nobody changes.
    """
    cupy, device = array_module(x), x.device.id
    # A thread may have a default stream of its own, which CuPy calls as those of the others. The
    # stream is held, so that no other gets its address.
    key = (device, cupy.cuda.get_current_stream(), get_ident(), name)
    with _lock:
        if key in _entries:
            _entries.move_to_end(key)
            return _entries[key].made  # type: ignore[no-any-return]
    made = make()
    nbytes, most = _bytes(made), _most(cupy, device)
    if nbytes <= most // 2:
        with _lock:
            _entries[key] = _Entry(made, device, nbytes)
            _shrink(device, most)
    return made


def drop() -> bool:
    """Forget everything, and return whether that gives memory back."""
    with _lock:
        found = any(entry.nbytes for entry in _entries.values())
        _entries.clear()
    return found


def _shrink(device: int, most: int) -> None:
    there = [(key, entry.nbytes) for key, entry in _entries.items() if entry.device == device]
    total = sum(nbytes for _, nbytes in there)
    for key, nbytes in there:
        if total <= most:
            return
        del _entries[key]
        total -= nbytes


def _bytes(made: Any) -> int:
    if is_on_gpu(made):
        return int(made.nbytes)
    return sum(map(_bytes, made)) if isinstance(made, tuple | list) else 0


@cache
def _most(cupy: Any, device: int) -> int:
    _, total = cupy.cuda.runtime.memGetInfo()
    return int(total) // _SHARE
