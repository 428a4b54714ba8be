"""Parts of blocks: every output once, and inner parts within the input."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from core.conv.codegen.borders import fetch, inside_of, parts_of_blocks
from core.conv.normal import NormalForm, read


@settings(max_examples=150)
@given(
    lengths=st.lists(
        st.tuples(st.integers(1, 30), st.integers(1, 6), st.integers(-3, 8), st.integers(1, 40)),
        min_size=1,
        max_size=3,
    ),
    size=st.lists(st.integers(1, 40), min_size=3, max_size=3),
    least=st.lists(st.integers(1, 9), min_size=3, max_size=3),
    batch=st.integers(1, 3),
)
def test_every_output_once_from_the_right_inputs(lengths, size, least, batch) -> None:
    spatial, kernel, start, out = (tuple(axis) for axis in zip(*lengths, strict=True))
    ndim = len(spatial)
    ones = (1,) * ndim
    form = NormalForm(batch, 1, 1, 1, spatial, kernel, start, out, ones, ones, "float64")
    size = tuple(min(s, m) for s, m in zip(size, out, strict=False))
    x = np.random.default_rng(0).standard_normal((batch, 1, *spatial))
    covered = np.zeros(form.out_shape, int)
    for block in parts_of_blocks(form, size, 1, tuple(least[:ndim]), inside_of(x, form)):
        for part in block:
            covered[part.outputs] += 1
            at = tuple(s.start for s in part.outputs[2:])
            span = form.span_of(tuple(s.stop - s.start for s in part.outputs[2:]))
            expected = read(x[part.outputs[0]], form.first_input(at), span, "float64")
            np.testing.assert_array_equal(fetch(x, part, "float64"), expected)
    assert (covered == 1).all()


def test_most_of_a_picture_is_read_where_it_lies() -> None:
    form = NormalForm(1, 1, 1, 1, (600, 800), (5, 5), (2, 2), (600, 800), (1, 1), (1, 1), "float64")
    x = np.zeros((1, 1, 600, 800))
    ((*edges, inner),) = parts_of_blocks(form, (600, 800), 1, (4, 64), inside_of(x, form))
    assert np.shares_memory(fetch(x, inner, "float64"), x)
    assert len(edges) == 4
    assert math.prod(inner.shape) > 0.8 * x.size


def test_work_begins_before_all_of_many_blocks_are_cut() -> None:
    form = NormalForm(
        1, 1, 1, 1, (40_000,) * 2, (9, 9), (4, 4), (40_000,) * 2, (1, 1), (1, 1), "float32"
    )
    x = np.broadcast_to(np.float32(0), (1, 1, *form.spatial))
    # A million blocks would take half a minute.
    parts = parts_of_blocks(form, (40, 40), 1, (4, 64), inside_of(x, form))
    start = time.process_time()
    first = next(iter(parts))
    assert time.process_time() - start < 1
    sizes = [[s.stop - s.start for s in part.outputs[2:]] for part in first]
    assert sum(map(math.prod, sizes)) == 40 * 40
