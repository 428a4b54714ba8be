"""A device whose memory does not suffice: smaller tiles, and then an error that says how much."""

import numpy as np
import pytest

from core.conv import convolve
from core.conv.algorithms import fft_whole
from core.conv.cuda import fft, memory
from core.errors import TooLarge
from tests.core.conv.cuda.streams import OutOfMemoryError


@pytest.mark.parametrize("cap", [None, 900])
def test_tiles_shrink_until_there_is_room(cupy, cap) -> None:
    tried = []

    def run(cap: int | None):
        tried.append(cap)
        if needed(cap) > 130:
            raise OutOfMemoryError
        return cap

    def needed(cap: int | None) -> int:
        return 1000 if cap is None else max(100, cap - cap % 10)

    found = memory.with_what_there_is(run, needed, cupy.empty(1), cap)
    assert 100 <= found <= 130
    assert tried == sorted(tried, key=lambda c: -(1000 if c is None else c))


def test_what_cannot_shrink_says_what_it_needs(cupy, monkeypatch) -> None:
    def no_room(*_: object, **__: object) -> None:
        raise OutOfMemoryError

    x, w = np.ones((60, 70), "f"), np.ones((3, 3), "f")
    monkeypatch.setattr(fft_whole.overlap_save, "run", no_room)
    monkeypatch.setattr(fft, "run", no_room)
    for method in ("fft-whole", "fft-tiled"):
        with pytest.raises(TooLarge) as refused:
            convolve(cupy.asarray(x), cupy.asarray(w), method=method)
        assert refused.value.given == f"{1 << 20} bytes free of {1 << 30}"
        assert int(refused.value.accepted.split()[0]) > x.nbytes
