"""Memory caps, memory-mapped inputs and interruption."""

import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from core.conv import ALGORITHMS, conv, convolve, plan
from core.conv.blocks import cores
from core.errors import AlgorithmRefused, Cancelled, TooLarge

FAST = [
    algorithm.name
    for algorithm in ALGORITHMS
    if algorithm.name not in ("cudnn", "reference", "winograd")
]


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((1500, 1600)).astype(np.float32)


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("boundary", ["zero", "reflect"])
def test_memory_stays_near_the_prediction(picture, name, boundary) -> None:
    w = np.outer(*np.random.default_rng(1).standard_normal((2, 9))).astype(np.float32)
    planned = plan(picture, w, mode="same", boundary=boundary, method=name)
    planned.run(picture[:, :], w)
    tracemalloc.start()
    planned.run(picture, w)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most <= 1.05 * planned.candidate.bytes + 1e6


def test_the_prediction_of_many_channels() -> None:
    random = np.random.default_rng(1)
    x, w = random.standard_normal((2, 8, 200, 200)), random.standard_normal((12, 8, 3, 3))
    for name in ("direct", "fft-tiled", "fft-whole"):
        planned = plan(x, w, "conv", padding=1, method=name)
        planned.run(x, w)
        tracemalloc.start()
        planned.run(x, w)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most <= 1.05 * planned.candidate.bytes + 1e6


def test_a_cap_shrinks_the_tiles_and_the_result_is_the_same(picture) -> None:
    w = np.random.default_rng(1).standard_normal((31, 31)).astype(np.float32)
    free = plan(picture, w, mode="same", method="fft-tiled")
    cap = picture.nbytes + 600_000
    tight = plan(picture, w, mode="same", method="fft-tiled", memory_cap=cap)
    assert tight.candidate.bytes <= cap < free.candidate.bytes
    assert tight.candidate.seconds > free.candidate.seconds
    np.testing.assert_allclose(tight.run(picture, w), free.run(picture, w), atol=1e-3)


def test_a_run_stays_below_the_cap_with_all_that_is_not_the_algorithms(picture) -> None:
    w = np.random.default_rng(1).standard_normal((31, 31)).astype(np.float32)
    # The extended input and the result leave a million bytes for tiles.
    cap = 2 * picture.nbytes + 1_200_000
    options = {"mode": "same", "boundary": "wrap", "method": "fft-tiled"}
    planned = plan(picture, w, memory_cap=cap, **options)
    # What is generated and kept for later runs is not the run's.
    planned.run(picture, w)
    tracemalloc.start()
    planned.run(picture, w)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most <= cap
    # Without the cap it takes more than that, so the cap is what holds it.
    assert plan(picture, w, **options).candidate.bytes > cap + 1_000_000


def test_a_cap_refuses_what_does_not_fit(picture) -> None:
    w = np.ones((31, 31), np.float32)
    cap = picture.nbytes + 2_000_000
    planned = plan(picture, w, mode="same", memory_cap=cap)
    whole = next(c for c in planned.candidates if c.algorithm == "fft-whole")
    assert f"the memory cap is {cap}" in whole.refused
    with pytest.raises(AlgorithmRefused, match="memory cap"):
        convolve(picture, w, method="fft-whole", memory_cap=cap)
    with pytest.raises(TooLarge, match="memory_cap"):
        convolve(picture, w, memory_cap=picture.nbytes // 2)


def test_direct_makes_no_copy_per_tap() -> None:
    planned = plan((2000, 2000), (31, 31), dtype="float32", mode="same", method="direct")
    assert planned.candidate.bytes < 2 * 2000 * 2000 * 4
    gathered = plan((1, 64, 500, 500), (64, 64, 7, 7), "conv", dtype="float32", method="direct")
    assert gathered.candidate.bytes < 2 * 64 * 500 * 500 * 4 + 64e6


@pytest.mark.parametrize("name", FAST)
def test_a_memory_mapped_input(tmp_path: Path, picture, name: str) -> None:
    np.save(tmp_path / "x.npy", picture)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    w = np.outer([1, 2, 1], [1, 0, -1]).astype(np.float32)
    result = convolve(mapped, w, "same", method=name)
    assert type(result) is np.ndarray
    np.testing.assert_array_equal(result, convolve(picture, w, "same", method=name))


@pytest.mark.parametrize("name", [*FAST, "reference"])
def test_a_check_that_raises_stops_the_work(picture, name: str) -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        assert threading.current_thread() is threading.main_thread()
        if calls == 2:
            raise Cancelled("stop")

    w = np.outer(*np.random.default_rng(1).standard_normal((2, 25))).astype(np.float32)
    if name == "fft-whole":
        x, axes = np.stack([picture[:300, :300]] * 4), (1, 2)
    elif name in ("direct", "separable"):
        # So much that the calling thread takes a second block.
        x, axes = np.broadcast_to(picture, (8, *picture.shape)), (1, 2)
    else:
        x, axes = picture, (0, 1)
    # The pool of threads outlives a call; it never grows past the processors.
    before = max(threading.active_count(), cores() + 1)
    with pytest.raises(Cancelled, match="stop"):
        convolve(x, w, "same", method=name, axes=axes, check=check)
    assert calls == 2
    assert threading.active_count() <= before


@pytest.mark.parametrize("name", ["direct", "separable", "fft-tiled"])
def test_checks_are_never_far_apart(picture, name: str) -> None:
    # The processor's time is that of this program alone, however busy the machine is.
    times = [time.process_time()]
    w = np.outer(*np.random.default_rng(1).standard_normal((2, 41))).astype(np.float32)
    convolve(picture[:500], w, "same", method=name, check=lambda: times.append(time.process_time()))
    assert len(times) > 1
    times.append(time.process_time())
    # 0.3 s is promised, on all cores.
    assert max(np.diff(times)) < 1.5 * cores()


def test_checks_between_blocks_of_a_matrix_product() -> None:
    calls = []
    random = np.random.default_rng(1)
    x, w = random.standard_normal((8, 16, 256, 256)), random.standard_normal((16, 16, 5, 5))
    conv(x, w, method="direct", check=lambda: calls.append(None))
    assert len(calls) > 4


def test_the_reference_is_never_chosen_by_itself() -> None:
    """It fits under the smallest cap, and would take hours."""
    sizes = {c.algorithm: c.bytes for c in plan((3000, 3000), (31, 31), mode="same").candidates}
    assert sizes["reference"] == min(b for b in sizes.values() if b is not None)
    with pytest.raises(TooLarge) as caught:
        plan((3000, 3000), (31, 31), mode="same", memory_cap=sizes["reference"])
    needed = int(str(caught.value.accepted).split()[0])
    assert plan((3000, 3000), (31, 31), mode="same", memory_cap=needed).chosen != "reference"
