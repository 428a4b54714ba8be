"""What CuPy, its libraries and devices refuse, or need: grids, alignment, memory, dtypes."""

import numpy as np
import pytest

from core.conv import convolve, overlap_save, values, wisdom
from core.conv import plan as planned
from core.conv.algorithms import by_name
from core.conv.cuda import (
    channels,
    direct,
    fft,
    gathering,
    memory,
    modules,
    separable,
    transfers,
)
from core.conv.cuda.launch import types
from core.conv.device import gpu, key
from core.conv.plan import make_plan, rank_pays
from core.conv.problem import ConvProblem
from core.errors import IntegerOverflow, InvalidInput, TooLarge
from core.nets.training.gpu.training import telling_memory
from tests.core.conv.cuda import standin
from tests.core.conv.cuda.forms import form_of, tiling_of

random = np.random.default_rng(0)


@pytest.mark.parametrize("family", [direct, separable])
def test_pictures_are_as_tall_as_grids(family) -> None:
    (rows, _), most = family.tile_of(form_of((3, 3), "float32")).span, 65535
    form = form_of((3, 3), "float32", sizes=(most * rows - 2, 5))
    assert family.supports(form)
    taller = form_of((3, 3), "float32", sizes=(most * rows - 1, 5))
    assert not family.supports(taller)
    device = gpu("a device")
    assert by_name("direct").cost(taller, device, None) == channels.cost(taller, device, None)


def test_outputs_of_an_image_are_counted_in_32_bits() -> None:
    n = 1 << 30
    assert gathering.supports(form_of((3,), "float32", sizes=(n,), out=(2 * n - 1,)))
    assert not gathering.supports(form_of((3,), "float32", sizes=(n,), out=(2 * n,)))


LAST_TILE = """
extern "C" __global__ void last_tile(
    long long *__restrict__ found, long long rows, long long columns)
{
    Planes p = {};
    p.rows = rows;
    p.columns = columns;
    const long long tiles = ((rows + OUT_Y - 1) / OUT_Y) * ((columns + OUT_X - 1) / OUT_X);
    blockIdx.x = (tiles - 1) / 2;
    const Corner corner = corner_of(p, (tiles - 1) % 2);
    found[0] = corner.row;
    found[1] = corner.column;
    found[2] = corner.exists;
}
"""


@pytest.mark.parametrize("out", [(1, (3 << 30) + 1), ((3 << 30) + 1, 1)])
def test_tiles_begin_beyond_32_bits(cupy, out) -> None:
    form = form_of((3, 3), "float32", sizes=(9, 9))
    how = tiling_of(form, (32, 32))
    macros = (*types("float32", "float32", "float32"), *fft.macros(form, how))
    code = modules.source("fft", macros) + LAST_TILE
    kernel = cupy.RawModule(code=code, options=modules.OPTIONS).get_function("last_tile")
    found = cupy.empty(3, "int64")
    kernel((1, 1, 1), (1, 1, 1), (found, *map(np.int64, out)))
    corner = [(n - 1) // size * size for n, size in zip(out, how.size, strict=True)]
    assert found.get().tolist() == [*corner, 1]


@pytest.mark.parametrize("boundary", ["zero", "mirror"])
def test_a_result_goes_to_an_array_of_the_device(cupy, boundary) -> None:
    x, w = random.random((9, 12)).astype("f"), random.random((3, 2)).astype("f")
    out = cupy.empty((9, 12), "f")
    assert convolve(cupy.asarray(x), cupy.asarray(w), "same", boundary, out=out) is out
    np.testing.assert_allclose(out.get(), convolve(x, w, "same", boundary), rtol=1e-5)
    with pytest.raises(InvalidInput, match="different devices"):
        convolve(cupy.asarray(x), cupy.asarray(w), "same", out=np.empty((9, 12), "f"))


def test_integers_beyond_64_bits_are_refused(cupy) -> None:
    x = cupy.asarray(np.full(9, 1 << 62))
    with pytest.raises(IntegerOverflow, match="may need"):
        convolve(x, cupy.asarray(np.full(2, 1 << 40)))


def test_arrays_of_another_device_are_refused(cupy, monkeypatch) -> None:
    x = cupy.ones((9, 9), "f")
    monkeypatch.setattr(cupy.cuda.Device, "id", 1)
    with pytest.raises(InvalidInput) as refused:
        convolve(x, x[:2, :2])
    assert (refused.value.field, refused.value.given) == ("device", 0)


def test_times_are_measured_until_the_device_is_done(cupy, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("CONVQ_CACHE_DIR", str(tmp_path))
    make_plan.cache_clear()
    wisdom._read.cache_clear()
    done: list[str] = []
    run = overlap_save.run
    monkeypatch.setattr(
        overlap_save, "run", lambda *args, **options: (done.append("run"), run(*args, **options))
    )
    monkeypatch.setattr(cupy.cuda.Device, "synchronize", lambda _: done.append("wait"))
    x = cupy.ones((64, 64), "complex64")
    assert planned(x, x, method="measure").candidate.measured is not None
    told = "".join(done)
    assert "runwait" in told
    assert "runrun" not in told
    make_plan.cache_clear()


def test_numbers_begin_where_cufft_can_read_them(cupy) -> None:
    around = cupy.asarray(random.random(16 * 16 + 1).astype("f"))
    x, w = around[1:].reshape(16, 16), cupy.asarray(random.random((15, 15)).astype("f"))
    found = convolve(x, w, "valid", method="fft-whole")
    expected = convolve(x.get(), w.get(), "valid", method="reference")
    np.testing.assert_allclose(found.get(), expected, rtol=1e-4)


def test_plans_of_cufft_give_their_memory_back(cupy) -> None:
    standin.PLANS["a shape"] = cupy.empty(100)
    memory.make_room(cupy)
    assert not standin.PLANS


class CuFFTError(RuntimeError):
    """CuPy's have the library's code under this name."""

    def __init__(self, result: int) -> None:
        self.result = result


class CUDADriverError(RuntimeError):
    """The others of CuPy have it under this one."""

    def __init__(self, status: int) -> None:
        self.status = status


class CUBLASError(CUDADriverError):
    """As of the driver."""


MISSING = [(CuFFTError, 2), (CUDADriverError, 2), (CUBLASError, 3)]


@pytest.mark.parametrize(("kind", "code"), MISSING)
def test_libraries_that_have_no_memory_left_are_understood(cupy, kind, code) -> None:
    tried = []

    def run(cap):
        tried.append(cap)
        if len(tried) == 1:
            raise kind(code)
        return cap

    found = memory.with_what_there_is(run, lambda cap: cap, cupy.empty(1), 1000)
    assert (tried, found) == ([1000, 500], 500)
    tried.clear()
    assert transfers.with_enough_memory(lambda: run(7), cupy, 1) == 7
    with pytest.raises(TooLarge, match="for the training"), telling_memory(cupy):
        raise kind(code)


@pytest.mark.parametrize(("kind", "code"), [(CuFFTError, 5), (CUDADriverError, 700)])
def test_other_errors_of_libraries_go_on(cupy, kind, code) -> None:
    def fail(_=None):
        raise kind(code)

    with pytest.raises(kind):
        memory.with_what_there_is(fail, lambda cap: 1, cupy.empty(1), None)
    with pytest.raises(kind):
        transfers.with_enough_memory(fail, cupy, 1)


def test_the_rank_is_looked_for_where_that_may_pay(cupy, monkeypatch, tmp_path) -> None:
    """To look at a kernel is to wait for the device."""
    monkeypatch.setenv("CONVQ_CACHE_DIR", str(tmp_path))
    rank_pays.cache_clear()
    looks: list[ConvProblem] = []
    rank = values._rank
    monkeypatch.setattr(values, "_rank", lambda p, w: (looks.append(p), rank(p, w))[1])
    x, w = cupy.ones((200, 300), "f"), cupy.ones((3, 3), "f")
    plan = planned(x, w, mode="same")
    assert plan.chosen == "direct"
    found = convolve(x, w, "same")
    np.testing.assert_array_equal(found.get(), convolve(x.get(), w.get(), "same", method="direct"))
    assert looks == []
    large, wide = cupy.ones((4096, 4096), "f"), cupy.ones((31, 31), "f")
    assert planned(large, wide, mode="same").chosen == "separable"
    assert looks.pop().rank is None
    assert convolve(x, w, "same", method="separable").shape == x.shape
    named = planned(x, w, mode="same", method="direct")
    assert {c.algorithm: c.refused for c in named.candidates}["separable"] is None
    assert len(looks) == 2
    # What was measured is known by rank.
    folder = tmp_path / "wisdom" / key(plan.device)
    folder.mkdir(parents=True)
    (folder / "0.json").write_text("{}")
    rank_pays.cache_clear()
    convolve(x, w, "same")
    assert len(looks) == 3
    rank_pays.cache_clear()
