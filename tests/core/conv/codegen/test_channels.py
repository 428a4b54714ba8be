"""Kernels of many channels against the definition, on shapes below and above their tiles."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.conv import codegen, conv
from core.conv.blocks import never
from core.conv.device import cpu
from core.conv.normal import NormalForm
from core.conv.problem import multi_channel_problem
from core.errors import Cancelled

if not codegen.available():
    pytest.skip("kernels cannot be generated here", allow_module_level=True)

from core.conv.codegen import channels, channels_planes
from core.conv.codegen.channels_depthwise import Tile as PlaneTile
from core.conv.codegen.channels_depthwise import source as depthwise_source
from core.conv.codegen.channels_sums import Tile, kernel, source
from core.conv.codegen.channels_transpose import source as transpose_source
from core.conv.codegen.library import compile_object
from core.conv.codegen.target import host, named


def by_definition(form: NormalForm, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Every tap of every output, in double precision; only the channels are NumPy's."""
    y = np.zeros(form.out_shape)
    grouped = x.reshape(form.batch, form.groups, form.group_channels, *form.spatial)
    kernels = w.reshape(form.groups, -1, form.group_channels, *form.kernel).astype("float64")
    by_group = y.reshape(form.batch, form.groups, -1, *form.out)
    for position in np.ndindex(*form.out):
        for tap in np.ndindex(*form.kernel):
            at = tuple(
                p + s * i - d * t
                for p, s, i, d, t in zip(
                    form.start, form.stride, position, form.dilation, tap, strict=True
                )
            )
            if all(0 <= a < n for a, n in zip(at, form.spatial, strict=True)):
                values = grouped[(..., *at)].astype("float64")
                by_group[(..., *position)] += np.einsum(
                    "ngc,goc->ngo", values, kernels[(..., *tap)]
                )
    return y


@st.composite
def forms(draw: st.DrawFn, group_channels: st.SearchStrategy[int]) -> NormalForm:
    ndim = draw(st.integers(1, 3))
    longest = {1: 70, 2: 14, 3: 6}[ndim]
    per_axis = st.lists(st.integers(1, longest), min_size=ndim, max_size=ndim)
    spatial = tuple(draw(per_axis))
    few = st.lists(st.integers(1, 3), min_size=ndim, max_size=ndim)
    kernel = tuple(min(k, 5) for k in draw(per_axis))
    groups, channels = draw(st.integers(1, 3)), draw(group_channels)
    return NormalForm(
        batch=draw(st.one_of(st.integers(1, 5), st.integers(14, 18))),
        in_channels=groups * channels,
        out_channels=groups * draw(st.integers(1, 19)),
        groups=groups,
        spatial=spatial,
        kernel=kernel,
        start=tuple(draw(st.integers(-4, 4)) for _ in spatial),
        out=tuple(draw(per_axis)),
        stride=tuple(draw(few)),
        dilation=tuple(draw(few)),
        dtype=draw(st.sampled_from(["float32", "float64"])),
    )


def check(family, form: NormalForm, seed: int, memory_cap: int | None) -> None:
    random = np.random.default_rng(seed)
    x = random.standard_normal((form.batch, form.in_channels, *form.spatial)).astype(form.dtype)
    w = random.standard_normal((form.out_channels, form.group_channels, *form.kernel))
    w = w.astype(form.dtype)
    out = np.full(form.out_shape, np.nan, form.dtype)
    family.run(form, x, w, out, check=never, memory_cap=memory_cap)
    expected = by_definition(form, x, w)
    tolerance = 1e-4 if form.dtype == "float32" else 1e-12
    np.testing.assert_allclose(out, expected, atol=tolerance)


@settings(max_examples=60)
@given(form=forms(st.integers(1, 5)), seed=st.integers(0, 99), cap=st.sampled_from([None, 0]))
def test_sums_over_channels(form: NormalForm, seed: int, cap: int | None) -> None:
    check(channels, form, seed, cap)


@settings(max_examples=60)
@given(form=forms(st.just(1)), seed=st.integers(0, 99), cap=st.sampled_from([None, 0]))
def test_planes(form: NormalForm, seed: int, cap: int | None) -> None:
    check(channels_planes, form, seed, cap)


def layer(
    x_shape: tuple[int, ...], w_shape: tuple[int, ...], dtype: str = "float32", **options: int
) -> NormalForm:
    return multi_channel_problem(x_shape, w_shape, dtype, dtype, **options).normal


@pytest.mark.parametrize("family", [channels, channels_planes])
@pytest.mark.parametrize(
    "stored", ["float16", "float32", "uint8", "int16", "int32", "int64", ">f4", "reversed", "view"]
)
def test_inputs_of_any_dtype_and_order(family, stored: str) -> None:
    random = np.random.default_rng(1)
    groups = 4 if family is channels_planes else 1
    form = layer((17, 4, 9, 11), (8, 4 // groups, 3, 3), padding=1, groups=groups)
    w = random.integers(-3, 4, (8, 4 // groups, 3, 3)).astype("float32")
    x = random.integers(0, 9, (17, 4, 9, 11)).astype("float32")
    expected = by_definition(form, x, w)
    if stored == "reversed":
        x = np.ascontiguousarray(x[..., ::-1, ::-1])[..., ::-1, ::-1]
    elif stored == "view":
        x = np.repeat(x, 2, axis=3)[..., ::2].copy(order="F")
    else:
        x = x.astype(stored)
    out = np.empty(form.out_shape, "float32")
    family.run(form, x, w, out, check=never, memory_cap=None)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("family", [channels, channels_planes])
@pytest.mark.parametrize("images", [2, 16])
def test_special_values_stay_where_they_are(family, images: int) -> None:
    groups = 3 if family is channels_planes else 1
    form = layer((images, 3, 9, 10), (6, 3 // groups, 3, 3), padding=1, groups=groups)
    random = np.random.default_rng(2)
    x = random.standard_normal((images, 3, 9, 10)).astype("float32")
    w = random.standard_normal((6, 3 // groups, 3, 3)).astype("float32")
    x[0, 1, 0, 0], x[-1, 2, 8, 9], x[1, 0, 4, 4] = np.nan, np.inf, -np.inf
    out = np.empty(form.out_shape, "float32")
    family.run(form, x, w, out, check=never, memory_cap=None)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(out, by_definition(form, x, w), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("width", [21, 22, 25, 26, 34, 37])
def test_chunks_are_added_once_whatever_the_width(width: int) -> None:
    # Of such widths a tile that wastes least overlaps the one before.
    random = np.random.default_rng(width)
    x = random.integers(-9, 9, (16, 100, 3, width + 2)).astype(np.float32)
    w = random.integers(-9, 9, (4, 100, 3, 3)).astype(np.float32)
    expected = conv(x, w, method="fft-whole")
    np.testing.assert_allclose(conv(x, w, method="direct"), expected, atol=0.2)


def test_channels_in_several_chunks_and_passes() -> None:
    """More channels than the first cache holds, and than are computed in one pass."""
    random = np.random.default_rng(3)
    form = layer((3, 150, 6, 6), (70, 150, 3, 3))
    method = channels.choose(form, cpu(), None)[1]
    assert method.chunk < 150
    x = random.standard_normal((3, 150, 6, 6)).astype("float32")
    w = random.standard_normal((70, 150, 3, 3)).astype("float32")
    out = np.empty(form.out_shape, "float32")
    channels.run(form, x, w, out, check=never, memory_cap=None)
    np.testing.assert_allclose(out, by_definition(form, x, w), atol=1e-3)


@pytest.mark.parametrize("family", [channels, channels_planes])
def test_a_cap_makes_bundles_smaller(family) -> None:
    form = layer((32, 8, 40, 40), (8, 1, 5, 5), padding=2, groups=8)
    if family is channels:
        form = layer((32, 8, 40, 40), (8, 8, 5, 5), padding=2)
    free = family.cost(form, cpu(), None)
    capped = family.cost(form, cpu(), free.bytes // 4)
    assert capped.bytes <= free.bytes // 4
    assert capped.seconds > free.seconds


def test_a_check_that_raises_stops_the_work() -> None:
    form = layer((64, 8, 20, 20), (8, 8, 3, 3), padding=1)
    x, w = np.ones((64, 8, 20, 20), "f4"), np.ones((8, 8, 3, 3), "f4")

    def stop() -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        channels.run(form, x, w, np.empty(form.out_shape, "f4"), check=stop, memory_cap=None)


def test_what_the_families_do_not_support() -> None:
    form = layer((16, 2, 9), (4, 2, 3))
    assert channels.supports(form)
    assert not channels_planes.supports(form)
    assert not channels.supports(replace(form, dtype="complex64"))
    assert not channels.supports(replace(form, groups=2, out_channels=2))
    assert channels_planes.supports(replace(form, groups=2, out_channels=2))


@settings(max_examples=25)
@given(
    panel=st.sampled_from([1, 2, 4, 8]),
    vectors=st.integers(1, 4),
    stride=st.integers(1, 3),
    steps=st.integers(1, 9),
    adds=st.booleans(),
    seed=st.integers(0, 99),
)
def test_the_kernel_of_sums(panel, vectors, stride, steps, adds, seed) -> None:
    lanes = host().lanes(8)
    tile = Tile("float64", lanes, min(panel, lanes), vectors, stride)
    random = np.random.default_rng(seed)
    x, w = random.standard_normal((40, lanes)), random.standard_normal((steps, lanes))
    offsets = random.integers(0, 20, steps) * lanes
    place = np.array([3 * lanes, 0, 0])
    out = random.standard_normal((tile.panel, vectors, lanes))
    expected = out.copy() if adds else np.zeros_like(out)
    for step, offset in enumerate(offsets):
        inputs = x[3 + offset // lanes :: stride][:vectors]
        expected += w[step, : tile.panel, None, None] * inputs
    addresses = [a.ctypes.data for a in (x, offsets, w, place, out)]
    kernel(tile)(*addresses, steps, 1, 1, w.size, vectors * lanes, int(adds))
    np.testing.assert_allclose(out, expected, atol=1e-12)


@pytest.mark.parametrize("cpu_name", ["cortex-a78", "x86-64-v3", "x86-64-v4"])
def test_kernels_compile_for_other_processors(cpu_name: str) -> None:
    target = named(cpu_name)
    lanes = target.lanes(4)
    for text in (
        source(Tile("float32", lanes, 4, 2, 1), target),
        depthwise_source(PlaneTile("float32", lanes, 2, 2, 1), target),
        transpose_source("gather", "float32", 1, target),
        transpose_source("scatter", "float32", 1, target),
    ):
        assert len(compile_object(text, target)) > 500


def test_sums_stay_in_registers() -> None:
    from core.conv.codegen.library import assembly

    target = named("x86-64-v4")
    for panel, vectors in [(4, 4), (8, 3), (4, 6), (2, 8)]:
        text = assembly(source(Tile("float32", 16, panel, vectors, 1), target), target)
        assert text.count("vfmadd") == panel * vectors
        assert not [line for line in text.splitlines() if "zmm" in line and "(%rsp)" in line]
