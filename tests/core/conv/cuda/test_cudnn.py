"""Sums over channels by cuDNN, here by its stand-in: what it is asked for, and when."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from core.conv import conv, convolve_bank, make_plan, plan
from core.conv.algorithms import by_name
from core.conv.batch_last import conv as conv_batch_last
from core.conv.capturable import capturable
from core.conv.cuda import cudnn as library
from core.conv.device import gpu
from core.conv.gradients import conv_input_gradient, conv_weight_gradient
from core.conv.problem import multi_channel_problem
from core.errors import AlgorithmRefused
from tests.core.conv.cuda import capture, cudnn_standin, streams

shapes = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def problems(draw, axes):
    """Arrays of whole numbers, and how they are convolved."""
    longest = {1: 20, 2: 7, 3: 4}[axes]
    numbers = st.tuples(*[st.integers(1, 3)] * axes)
    groups, inputs, outputs = (draw(st.integers(1, 3)) for _ in range(3))
    kernel, dilation, stride = draw(numbers), draw(numbers), draw(numbers)
    padding = draw(st.tuples(*[st.integers(0, 7)] * axes))
    spatial = tuple(
        draw(st.integers(1, longest)) + max(0, (k - 1) * d - 2 * p)
        for k, d, p in zip(kernel, dilation, padding, strict=True)
    )
    random = np.random.default_rng(draw(st.integers(0, 99)))
    x = random.integers(-3, 4, (draw(st.integers(1, 3)), groups * inputs, *spatial))
    w = random.integers(-3, 4, (groups * outputs, inputs, *kernel))
    assume(max(groups * inputs, groups * outputs) > 1)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return x, w, options


def there(cupy, array, layout):
    """Bring an array to the device: packed, with channels last, or with holes."""
    if layout == "channels last":
        return cupy.moveaxis(cupy.asarray(np.ascontiguousarray(np.moveaxis(array, 1, -1))), -1, 1)
    if layout == "holes":
        return cupy.asarray(np.repeat(array, 2, -1))[..., ::2]
    return cupy.asarray(array)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@shapes
@given(data=st.data(), layout=st.sampled_from(["packed", "channels last", "holes"]))
def test_it_is_convolution_with_its_gradients(cupy, cudnn, axes, dtype, data, layout) -> None:
    x, w, options = data.draw(problems(axes))
    x64, w64 = x.astype("float64"), w.astype("float64")
    y = conv(x64, w64, **options, method="reference")
    dy = np.random.default_rng(1).integers(-3, 4, y.shape).astype("float64")
    on_device = [there(cupy, array.astype(dtype), layout) for array in (x, w, dy)]
    cudnn_standin.forget()
    expected = [
        y,
        conv_input_gradient(dy, w64, x.shape, **options, method="reference"),
        conv_weight_gradient(x64, dy, w.shape, **options, method="reference"),
    ]
    options["method"] = "cudnn"
    if isinstance(library.operation_of(form_of(x, w, dtype, options), "output", dtype), str):
        with pytest.raises(AlgorithmRefused, match="no output reads the input"):
            conv(*on_device[:2], **options)
        return
    found = [
        conv(*on_device[:2], **options),
        conv_input_gradient(on_device[2], on_device[1], x.shape, **options),
        conv_weight_gradient(on_device[0], on_device[2], w.shape, **options),
    ]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == dtype
        np.testing.assert_array_equal(ours.get(), theirs)
    assert {graph.made for graph in cudnn.built if graph.launched} == {"x", "w", "y"}


def form_of(x, w, dtype, options):
    options = {name: value for name, value in options.items() if name != "method"}
    return multi_channel_problem(x.shape, w.shape, dtype, dtype, **options).normal


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("boundary", ["zero", "reflect"])
def test_kernels_are_turned_and_windows_cut_out(cupy, cudnn, mode, boundary) -> None:
    random = np.random.default_rng(4)
    x = random.integers(-9, 9, (9, 12)).astype("float32")
    bank = random.integers(-9, 9, (3, 2, 4)).astype("float32")
    options = {"mode": mode, "boundary": boundary}
    found = convolve_bank(cupy.asarray(x), cupy.asarray(bank), **options, method="cudnn")
    np.testing.assert_array_equal(found.get(), convolve_bank(x, bank, **options))


def arrays(cupy, dtype="float32", channels=16, side=12):
    random = np.random.default_rng(4)
    x = random.standard_normal((2, channels, side, side)).astype(dtype)
    w = random.standard_normal((channels, channels, 3, 3)).astype(dtype)
    return x, w, cupy.asarray(x), cupy.asarray(w)


@pytest.mark.parametrize(("precision", "rounds"), [("float32", False), ("tf32", True)])
def test_numbers_are_rounded_if_that_is_allowed(cupy, cudnn, precision, rounds) -> None:
    x, w, *on_device = arrays(cupy)
    exact = conv(x.astype("float64"), w.astype("float64"))
    found = conv(*on_device, method="cudnn", precision=precision)
    error = np.abs(found.get() - exact).max() / (np.abs(w).sum((1, 2, 3)).max() * np.abs(x).max())
    assert (error > 2.0**-20) == rounds
    problem = multi_channel_problem(x.shape, w.shape, "float32", "float32", precision=precision)
    planned = make_plan(problem, gpu("a GPU", has_cudnn=True), "cudnn")
    assert planned.products == precision
    assert error < by_name("cudnn").error_bound(problem.normal)


def test_what_is_not_finite_reaches_what_it_should(cupy, cudnn) -> None:
    x, w, *_ = arrays(cupy, channels=4, side=6)
    x, w = np.round(x), np.round(w)
    x[0, 3, 5, 5], x[1, 2, 0, 0] = np.nan, np.inf
    for weights in (w, np.where(w == 2, np.inf, w)):
        found = conv(cupy.asarray(x), cupy.asarray(weights), padding=1, method="cudnn")
        np.testing.assert_array_equal(found.get(), conv(x, weights, padding=1, method="reference"))
    # Zeros around the input do not meet what is not finite among gradients either.
    dy = np.ones_like(x)
    dy[0, 0, 0, 0] = np.inf
    found = conv_weight_gradient(
        cupy.asarray(np.ones_like(x)), cupy.asarray(dy), w.shape, padding=1, method="cudnn"
    )
    expected = conv_weight_gradient(np.ones_like(x), dy, w.shape, padding=1, method="reference")
    np.testing.assert_array_equal(found.get(), expected)


def test_graphs_are_planned_once_for_a_shape(cupy, cudnn) -> None:
    _, _, x, w = arrays(cupy)
    for _ in range(3):
        conv(x, w, method="cudnn")
        conv_input_gradient(conv(x, w), w, x.shape, method="cudnn")
    assert sorted(graph.made for graph in cudnn.built) == ["x", "y"]
    conv(x[:1], w, method="cudnn")
    assert len(cudnn.built) == 3


def test_channels_that_are_last_stay_last(cupy, cudnn) -> None:
    x, w, *_ = arrays(cupy)
    found = conv(there(cupy, x, "channels last"), cupy.asarray(w), method="cudnn")
    np.testing.assert_allclose(found.get(), conv(x, w), atol=1e-4)
    (launched,) = (graph for graph in cudnn.built if graph.launched)
    assert all(launched.tensors[name].stride[1] == 1 for name in "xwy")


def test_its_workspace_keeps_to_the_cap(cupy, cudnn) -> None:
    x, w, on_device, weights = arrays(cupy)
    planned = plan(on_device, weights, "conv", method="cudnn")
    enough = planned.candidate.bytes
    # The first plan of the stand-in that convq wants takes as much as x.
    for cap in (enough, enough - 1):
        capped = plan(on_device, weights, "conv", method="cudnn", memory_cap=cap)
        assert capped.candidate.bytes == (enough if cap == enough else enough - x.nbytes)
        streams.MEMORY.set_limit(cap)
        try:
            found = conv(on_device, weights, method="cudnn", memory_cap=cap)
        finally:
            streams.MEMORY.limit = None
        np.testing.assert_allclose(found.get(), conv(x, w), atol=1e-4)
    with pytest.raises(AlgorithmRefused, match="memory cap"):
        conv(on_device, weights, method="cudnn", memory_cap=enough - x.nbytes - 1)


def predicted(monkeypatch, seconds):
    """Let a multiply-add of cuDNN take so long, and calls nothing, as beside large arrays."""
    monkeypatch.setattr("core.conv.device._CUDNN", {"float32": seconds})
    monkeypatch.setattr("core.conv.algorithms.cudnn._CALLS", 0)


def test_plans_name_it_and_say_why_not(cupy, cudnn, monkeypatch) -> None:
    _, _, x, w = arrays(cupy, channels=64)
    predicted(monkeypatch, 1e-18)
    planned = plan(x, w, "conv")
    assert planned.chosen == "cudnn"
    assert planned.why.startswith("predicted ")

    def refused(*args, **options):
        found = plan(*args, **options)
        return next(c.refused for c in found.candidates if c.algorithm == "cudnn")

    assert refused(np.ones((2, 2, 9)), np.ones((2, 2, 3)), "conv") == "it computes on NVIDIA GPUs"
    without = gpu("a GPU")
    shape = ((2, 64, 56, 56), (64, 64, 3, 3), "conv")
    options = {"dtype": "float32", "device": without}
    assert refused(*shape, **options) == "there is no cuDNN where the GPU is"
    assert refused(cupy.ones((9, 9)), cupy.ones((3, 3))) == "there are no channels"
    # What this process cannot ask is planned by what cuDNN is known to do.
    elsewhere = gpu("another GPU", has_cudnn=True)
    monkeypatch.setattr(cudnn, "refuses", "not today")
    assert plan(*shape, dtype="float32", device=elsewhere).chosen == "cudnn"
    again = (x[:1], w, "conv")
    assert refused(*again) == "cuDNN has no kernel for it: not today"
    assert plan(*again).chosen != "cudnn"
    with pytest.raises(AlgorithmRefused, match="not today"):
        conv(*again[:2], method="cudnn")


def broken():
    raise RuntimeError("libcudnn.so.9: no such file")


@pytest.mark.parametrize(
    ("version", "why"),
    [
        (None, "nvidia-cudnn-frontend is not installed"),
        (broken, "it cannot be loaded: libcudnn.so.9: no such file"),
        (lambda: 8907, "its version is 8907, not 90000"),
    ],
)
def test_what_is_missing_is_told(cupy, cudnn, version, why) -> None:
    _, _, x, w = arrays(cupy, channels=2, side=5)
    # The fixture would be undone after the stand-in is taken away, and put it back for good.
    with pytest.MonkeyPatch.context() as patch:
        if version is None:
            patch.setitem(sys.modules, "cudnn", None)
        else:
            patch.setattr(sys.modules["cudnn"], "backend_version", version)
        with pytest.raises(AlgorithmRefused, match=f"no cuDNN where the GPU is: {why}"):
            conv(x, w, method="cudnn")
        assert plan(x, w, "conv").chosen != "cudnn"


@pytest.mark.parametrize(("seconds", "made"), [(1e-18, ["x", "w"]), (1e-9, [])])
def test_gradients_take_it_where_it_is_predicted_to_be_faster(
    cupy, cudnn, monkeypatch, seconds, made
) -> None:
    predicted(monkeypatch, seconds)
    x, w = cupy.ones((2, 8, 16, 16), "float32"), cupy.ones((8, 8, 2, 2), "float32")
    dy = cupy.ones((2, 8, 8, 8), "float32")
    conv_input_gradient(dy, w, x.shape, stride=2)
    conv_weight_gradient(x, dy, w.shape, stride=2)
    assert [graph.made for graph in cudnn.built if graph.launched] == made


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"dtype": "complex64"}, "float16, float32 and float64"),
        ({"dtype": "int64", "bits": 20}, "float16, float32 and float64"),
        ({"start": (-99,)}, "no output reads"),
        ({"in_channels": 1, "out_channels": 1}, "no channels"),
    ],
)
def test_what_it_cannot_do_is_refused(change, why) -> None:
    form = multi_channel_problem((2, 4, 30), (4, 4, 3), "float32", "float32").normal
    assert by_name("cudnn").refuses(form) is None
    assert why in by_name("cudnn").refuses(replace(form, **change))


def test_a_cuda_graph_holds_it(tmp_path, monkeypatch) -> None:
    random = np.random.default_rng(3)
    with capture.nets(tmp_path) as (cupy, recorder), cudnn_standin.installed() as graphs:
        monkeypatch.setattr(library, "call", capture.as_kernel(recorder, library.call))
        x = cupy.asarray(random.standard_normal((64, 9, 9, 4), "f"))
        w = cupy.asarray(random.standard_normal((64, 64, 3, 3), "f"))
        stream = cupy.cuda.Stream(non_blocking=True)
        with stream, capturable():
            expected = conv_batch_last(x, w, padding=1).get()
            with cupy.cuda.using_allocator(None):
                stream.begin_capture()
                found = conv_batch_last(x, w, padding=1)
                graph = stream.end_capture()
            reads = recorder.reads
            graph.launch(stream=stream)
            assert recorder.reads == reads
            np.testing.assert_array_equal(found.get(), expected)
        assert [each.launched for each in graphs.built] == [3]
