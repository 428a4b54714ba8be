"""Pictures row by row: every window, dtype and order of colours, in pieces of every size."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from core.conv import convolve
from core.conv.algorithms import reference
from core.conv.blocks import never
from core.conv.codegen import box, rows, rows_run, separable, single
from core.conv.normal import NormalForm

# Inputs, taps, first output and outputs. Few sizes: each needs kernels of its own.
LENGTHS = st.tuples(
    st.sampled_from([1, 7, 70]),
    st.sampled_from([1, 3, 8]),
    st.sampled_from([-3, 0, 2, 12]),
    st.sampled_from([1, 18, 90]),
)


@st.composite
def problems(draw) -> tuple[NormalForm, np.ndarray]:
    """A window of the full convolution, and inputs as pictures have them."""
    spatial, kernel, start, out = zip(draw(LENGTHS), draw(LENGTHS), strict=True)
    batch, channels = draw(st.sampled_from([(1, 1), (3, 1), (1, 3), (2, 2), (4, 1)]))
    per_channel = draw(st.integers(1, 2))
    form = NormalForm(
        batch, channels, channels * per_channel, channels, spatial, kernel, start, out,
        (1, 1), (1, 1), "float32",
    )  # fmt: skip
    dtype = draw(st.sampled_from(["uint8", "float32"]))
    x = np.random.default_rng(draw(st.integers(0, 99))).integers(-9, 9, (batch, channels, *spatial))
    x = x.astype(dtype)
    match draw(st.sampled_from(["as it is", "colours last", "every second column"])):
        case "colours last":
            x = np.ascontiguousarray(x.transpose(2, 3, 0, 1)).transpose(2, 3, 0, 1)
        case "every second column":
            x = np.repeat(x, 2, axis=3)[..., ::2]
    return form, x


@contextmanager
def watched_scratch() -> Iterator[list[tuple[np.ndarray, int]]]:
    """Fail if a kernel writes behind the scratch that it was given."""
    given = []

    def watched(size: int) -> int:
        memory = np.full(size + 8192, 0xA5, np.uint8)
        first = -memory.ctypes.data % 64
        given.append((memory, first + size))
        return memory.ctypes.data + first

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_run, "scratch", watched)
        yield given
    assert all((memory[end:] == 0xA5).all() for memory, end in given)


def expected_of(form: NormalForm, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    out = np.empty(form.out_shape, form.dtype)
    reference.run(form, x.astype(form.dtype), w, out, check=never, memory_cap=None)
    return out


# It compiles for 20 s: 150 s were seen on a machine with four other programs at work.
@pytest.mark.timeout(900)
@settings(max_examples=60)
@given(problems(), st.integers(0, 99), st.sampled_from([None, 1, 100_000]))
def test_direct(problem, seed, cap) -> None:
    form, x = problem
    w = np.random.default_rng(seed).integers(-9, 9, (form.out_channels, 1, *form.kernel))
    w = w.astype(form.dtype)
    out = np.full(form.out_shape, np.nan, form.dtype)
    with watched_scratch():
        single.run(form, x, w, out, check=never, memory_cap=cap)
    # Sums of small integers are exact, in whatever order.
    np.testing.assert_array_equal(out, expected_of(form, x, w))


@settings(max_examples=30)
@given(problems(), st.integers(0, 99), st.sampled_from([None, 1]))
def test_separable(problem, seed, cap) -> None:
    form, x = problem
    random = np.random.default_rng(seed)
    vectors = [random.integers(-9, 9, (form.out_channels, k)) for k in form.kernel]
    w = np.einsum("oi,oj->oij", *vectors)[:, None].astype(form.dtype)
    out = np.full(form.out_shape, np.nan, form.dtype)
    form = NormalForm(**vars_of(form), rank=1)
    with watched_scratch():
        separable.run(form, x, w, out, check=never, memory_cap=cap)
    expected = expected_of(form, x, w)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-5 * (1 + abs(expected).max()))


@settings(max_examples=30)
@given(problems(), st.integers(0, 99), st.sampled_from([None, 1]))
def test_box(problem, seed, cap) -> None:
    form, x = problem
    w = np.random.default_rng(seed).integers(1, 9, (form.out_channels, 1, 1, 1))
    w = np.broadcast_to(w, (form.out_channels, 1, *form.kernel)).astype(form.dtype)
    out = np.full(form.out_shape, np.nan, form.dtype)
    form = NormalForm(**vars_of(form), rank=1, uniform=True)
    with watched_scratch():
        box.run(form, x, w, out, check=never, memory_cap=cap)
    np.testing.assert_array_equal(out, expected_of(form, x, w))


def test_boxes_stay_in_their_scratch_in_one_column_too() -> None:
    # Its lines are shorter than what a tile and its sums need beyond them.
    form = NormalForm(
        1, 1, 1, 1, (97, 1), (8, 1), (7, 0), (90, 1), (1, 1), (1, 1), "float32",
        rank=1, uniform=True,
    )  # fmt: skip
    x, w = np.ones((1, 1, 97, 1), "f4"), np.ones((1, 1, 8, 1), "f4")
    out = np.empty(form.out_shape, "f4")
    with watched_scratch() as given:
        box.run(form, x, w, out, check=never, memory_cap=None)
    assert given
    assert (out == 8).all()


def vars_of(form: NormalForm) -> dict:
    names = "batch in_channels out_channels groups spatial kernel start out stride dilation dtype"
    return {name: getattr(form, name) for name in names.split()}


def test_colours_are_read_where_they_lie() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    form = NormalForm(3, 1, 1, 1, (50, 60), (3, 3), (1, 1), (50, 60), (1, 1), (1, 1), "float32")
    layout = rows_run.layout_of(form, picture.transpose(2, 0, 1)[:, None])
    assert layout is not None
    assert (layout.storage, layout.apart) == ("uint8", 3)


def test_an_axis_of_length_one_may_have_any_stride() -> None:
    # NumPy calls such an array contiguous, and gives it back where a contiguous one is asked for.
    x = np.arange(24, dtype=np.uint8).reshape(1, 1, 4, 6)[:, :, :1, 2:8:5]
    assert x.flags.c_contiguous
    assert x.strides[-1] != x.itemsize
    form = NormalForm(1, 1, 1, 1, (1, 1), (1, 1), (0, 0), (1, 1), (1, 1), (1, 1), "float32")
    for stored in (x, x.astype("f4")[..., ::3]):
        layout, read = rows_run.readable(form, stored)
        assert layout.apart == 1
        assert read.item() == 2


def test_long_work_asks_whether_to_stop_and_short_work_is_done_at_once() -> None:
    asked = []
    x, w = np.ones((3000, 3000), np.float32), np.ones((21, 21), np.float32)
    convolve(x, w, "same", method="direct", check=lambda: asked.append(1))
    assert len(asked) > 4
    form = NormalForm(1, 1, 1, 1, (90, 90), (3, 3), (1, 1), (90, 90), (1, 1), (1, 1), "float32")
    assert rows.cut(form, 9, 0, None).at_once


def test_a_cap_narrows_what_is_brought_to_the_cache() -> None:
    form = NormalForm(
        1, 1, 1, 1, (3000, 4000), (9, 9), (4, 4), (3000, 4000), (1, 1), (1, 1), "float32"
    )
    free = rows.cut(form, 81, 0, None)
    tight = rows.cut(form, 81, 0, free.bytes // 4)
    assert tight.bytes <= free.bytes // 4
    assert tight.pieces[0].size[1] < free.pieces[0].size[1]


@pytest.mark.parametrize("cap", [None, 4_000_000])
def test_transforms_of_bytes_and_colours_are_those_of_planes(cap) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    w = np.random.default_rng(1).standard_normal((21, 23)).astype(np.float32)
    options = {"axes": (0, 1), "method": "fft-tiled", "boundary": "zero"}
    found = convolve(picture, w, "same", memory_cap=cap, **options)
    for colour in range(3):
        plane = np.ascontiguousarray(picture[..., colour], np.float32)
        expected = convolve(plane, w, "same", method="direct")
        np.testing.assert_allclose(found[..., colour], expected, atol=0.1)
