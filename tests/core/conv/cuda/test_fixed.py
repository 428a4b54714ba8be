"""Kernels that do not change: what is made of them is made once, and never of other values."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import conv
from core.conv import FixedKernel
from core.conv.capturable import capturable
from core.conv.cuda import fft, gathering, kept, launch, memory
from core.conv.device import gpu
from core.errors import InvalidInput
from tests.core.conv.cuda import standin, streams

random = np.random.default_rng(0)
# Methods that need no compiled kernel for these problems, and the axes of the problem.
METHODS = {
    "direct": (2, "complex64"),
    "separable": (3, "float32"),
    "fft-tiled": (3, "float32"),
    "fft-whole": (2, "float32"),
    "fft-whole, exact": (2, "int64"),
}


@pytest.fixture(autouse=True)
def nothing_kept():
    kept.drop()
    yield
    kept.drop()


@pytest.fixture
def transforms(cupy, monkeypatch):
    """Shapes of what is transformed forward on the device."""
    import cupyx.scipy.fft as found

    shapes = []
    rfftn = found.rfftn

    def counted(x, *args, **options):
        shapes.append(x.shape)
        return rfftn(x, *args, **options)

    monkeypatch.setattr(found, "rfftn", counted, raising=False)
    return shapes


def numbers(shape, dtype):
    found = random.integers(-9, 9, shape)
    return (found + 1j * random.integers(-9, 9, shape) if dtype[0] == "c" else found).astype(dtype)


@pytest.mark.parametrize("case", METHODS)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_results_have_the_bits_of_those_with_an_array(cupy, case, data) -> None:
    ndim, dtype = METHODS[case]
    method = case.partition(",")[0]
    operation = data.draw(st.sampled_from([conv.convolve, conv.correlate]))
    boundary = data.draw(st.sampled_from(["zero", "wrap"]))
    w = numbers([4, 3, 2][:ndim], dtype)
    if method == "separable":
        w = np.multiply.outer(np.multiply.outer(w[:, 0, 0], w[0, :, 0]), w[0, 0]) + 1
    if dtype != "int64":
        strange = [1, 1e30, np.nan, np.inf] if method.startswith("fft") else [1, 1e30]
        w.flat[0] = data.draw(st.sampled_from(strange))
    fixed = FixedKernel(w)
    for n in data.draw(st.permutations([6, 6, 9]))[:2]:
        x = numbers([n, 7, 5][:ndim], dtype)
        if dtype == "float32":
            x.flat[3] = data.draw(st.sampled_from([3, np.inf]))
        expected = operation(cupy.asarray(x), cupy.asarray(w), "same", boundary, method)
        found = operation(cupy.asarray(x), fixed, "same", boundary, method)
        np.testing.assert_array_equal(found.get(), expected.get())


@pytest.mark.parametrize("method", ["fft-whole", "fft-tiled", "winograd"])
def test_channels_have_the_bits_of_those_with_an_array(cupy, method) -> None:
    for groups, seed in ((1, 1), (2, 1), (2, 2)):
        w = np.random.default_rng(seed).standard_normal((4, 4 // groups, 3, 3), "f")
        fixed = FixedKernel(w)
        for n in (7, 7, 12):
            x = cupy.asarray(random.standard_normal((2, 4, n, n), "f"))
            options = {"padding": 1, "groups": groups, "method": method}
            expected = conv.conv(x, cupy.asarray(w), **options)
            np.testing.assert_array_equal(conv.conv(x, fixed, **options).get(), expected.get())


# What is computed, and how many arrays that are made of the kernel alone a launch takes.
FAMILIES = {
    "direct": (lambda x, w: conv.convolve(x[0, 0], w, method="direct"), (3, 3), 1),
    "separable": (lambda x, w: conv.convolve(x[0, 0], w, method="separable"), (3, 3), 3),
    "fft-tiled": (lambda x, w: conv.convolve(x[0, 0], w, method="fft-tiled"), (3, 3), 3),
    "channels": (lambda x, w: conv.conv(x, w, method="direct"), (4, 2, 3, 3), 1),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_compiled_kernels_take_what_was_made_for_the_input_before(
    cupy, monkeypatch, family
) -> None:
    compute, shape, count = FAMILIES[family]
    launched: list[tuple[str, tuple[int, ...]]] = []

    def function(x, name, entry, *_: object):
        def start(grid, block, arguments, **_: object) -> None:
            arrays = [a for a in arguments if isinstance(a, cupy.ndarray)]
            launched.append((entry, tuple(a.host.ctypes.data for a in arrays[1 : 1 + count])))

        return start

    for module in (launch, fft, gathering):
        monkeypatch.setattr(module, "function", function)
    x, w = cupy.ones((1, 2, 20, 21), "f"), random.integers(1, 9, shape).astype("f")
    fixed, there = FixedKernel(w), cupy.asarray(w)
    for kernel in (fixed, fixed, there, there):
        compute(x, kernel)
    spectra = [entry for entry, _ in launched].count("spectrum")
    assert spectra == (3 if family == "fft-tiled" else 0)
    first, second, third, _ = (arrays for entry, arrays in launched if entry != "spectrum")
    assert first == second
    assert not set(first) & set(third)


def test_a_kernel_is_transformed_once(cupy, transforms) -> None:
    w = random.standard_normal((5, 4), "f")
    fixed = FixedKernel(w)
    for count in range(1, 4):
        conv.convolve(
            cupy.asarray(random.standard_normal((20, 20), "f")), fixed, method="fft-whole"
        )
        assert len(transforms) == 1 + count
    # By its values: an equal one shares it, another does not, nor does a reversed one.
    x = cupy.asarray(random.standard_normal((20, 20), "f"))
    for use, own in (
        (lambda: conv.convolve(x, FixedKernel(w.copy()), method="fft-whole"), 0),
        (lambda: conv.convolve(x, FixedKernel(w * 2), method="fft-whole"), 1),
        (lambda: conv.correlate(x, fixed, method="fft-whole"), 1),
        (lambda: conv.convolve(x, fixed, "valid", method="fft-whole"), 1),
        (lambda: conv.convolve(x, cupy.asarray(w), method="fft-whole"), 1),
        (lambda: conv.convolve(x, cupy.asarray(w), method="fft-whole"), 1),
    ):
        before = len(transforms)
        use()
        assert len(transforms) - before == 1 + own


def test_nothing_is_asked_of_the_device_where_the_kernel_is_known(cupy, monkeypatch) -> None:
    fixed = FixedKernel(np.outer([1.0, 2, 1], [1.0, 0, 3]).astype("f"))
    x = cupy.asarray(random.standard_normal((30, 30), "f"))
    expected = conv.convolve(x, fixed, method="direct").get()

    def asked(*_: object, **__: object) -> None:
        raise AssertionError("the host waits for the device")

    for name in ("get", "item", "__float__", "__bool__", "__complex__", "__int__"):
        monkeypatch.setattr(standin.ndarray, name, asked)
    found = conv.convolve(x, fixed, method="direct")
    monkeypatch.undo()
    np.testing.assert_array_equal(found.get(), expected)


def test_values_that_change_afterwards_change_nothing(cupy) -> None:
    x, w = cupy.asarray(random.standard_normal((9, 9), "f")), np.ones((3, 3), "f")
    there = cupy.asarray(w)
    for given_kernel in (w, there):
        fixed = FixedKernel(given_kernel)
        before = conv.convolve(x, fixed, method="fft-whole").get()
        given_kernel[0, 0] = 100
        np.testing.assert_array_equal(conv.convolve(x, fixed, method="fft-whole").get(), before)
        given_kernel[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        fixed.host[0, 0] = 3


def test_arrays_are_looked_at_anew(cupy) -> None:
    x, w = cupy.asarray(random.standard_normal((9, 9), "f")), cupy.asarray(np.ones((3, 3), "f"))
    conv.convolve(x, w, method="fft-whole")
    w[1, 1] = 7
    expected = conv.convolve(x.get(), w.get(), method="reference")
    found = conv.convolve(x, w, method="fft-whole").get()
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert not kept.drop()


def test_each_device_stream_and_thread_has_its_own(cupy, transforms, monkeypatch) -> None:
    w = random.standard_normal((3, 3), "f")
    fixed, x = FixedKernel(w), random.standard_normal((20, 20), "f")
    expected = conv.convolve(x, w)

    def use() -> None:
        found = conv.convolve(cupy.asarray(x), fixed, method="fft-whole")
        np.testing.assert_allclose(found.get(), expected, atol=1e-4)

    def made() -> int:
        found = transforms.count((1, 1, 3, 3))
        transforms.clear()
        return found

    streams.reset()
    other = cupy.cuda.Stream(non_blocking=True)
    use()
    assert made() == 1
    with other:
        # The stand-in would tell of a race.
        use()
        use()
    assert made() == 1
    use()
    assert made() == 0
    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert made() == 1
    monkeypatch.setattr(standin.ndarray, "device", SimpleNamespace(id=1))
    monkeypatch.setattr(standin.Device, "id", 1)
    use()
    assert made() == 1
    monkeypatch.undo()
    assert streams.MEMORY.freed_early == []
    streams.reset()


def test_the_least_recently_used_goes_first(cupy, monkeypatch) -> None:
    # 1,600 bytes are kept.
    monkeypatch.setattr(cupy.cuda.runtime, "memGetInfo", lambda: (0, 1600 * kept._SHARE))
    kept._most.cache_clear()
    x, made = cupy.empty(1), []

    def use(name: str, size: int = 500) -> None:
        def make():
            made.append(name)
            return (cupy.empty(size, "uint8"), 1.0)

        assert kept.kept(x, name, make)[0].nbytes == size

    for name in "abcabc":
        use(name)
    assert made == ["a", "b", "c"]
    use("a")
    use("d")
    use("a")
    assert made[3:] == ["d"]
    use("b")
    assert made[4:] == ["b"]
    # What takes more than half is not kept, and drives nothing out.
    use("large", 900)
    use("large", 900)
    for name in "dab":
        use(name)
    assert made[5:] == ["large", "large"]
    kept._most.cache_clear()


def test_what_is_kept_makes_room_before_tiles_shrink(cupy) -> None:
    x, tried = cupy.empty(1), []
    kept.kept(x, "another", lambda: cupy.empty(9))

    def run(cap):
        tried.append(cap)
        kept.kept(x, "this", lambda: cupy.empty(9))
        if len(tried) < 3:
            raise streams.OutOfMemoryError
        return cap

    assert memory.with_what_there_is(run, lambda cap: cap, x, 1000) == 500
    assert tried == [1000, 1000, 500]


def test_memory_is_free_again(cupy) -> None:
    streams.reset()
    cupy.get_default_memory_pool().set_limit(size=1 << 20)
    x, fixed = cupy.zeros((32, 32), "f"), FixedKernel(random.standard_normal((9, 9), "f"))
    before = streams.MEMORY.live
    conv.convolve(x, fixed, method="fft-whole")
    assert streams.MEMORY.live > before
    assert kept.drop()
    assert streams.MEMORY.live == before
    streams.reset()


def test_a_graph_holds_nothing_that_may_be_dropped(cupy, transforms) -> None:
    x, fixed = cupy.zeros((9, 9), "f"), FixedKernel(np.ones((3, 3), "f"))
    for _ in range(2):
        with capturable():
            conv.convolve(x, fixed, method="fft-whole")
    assert transforms.count((1, 1, 3, 3)) == 2
    assert not kept.drop()


@pytest.mark.parametrize(("method", "other"), [("fft-tiled", "direct"), ("fft-whole", "direct")])
def test_transforms_pay_earlier_where_the_kernel_is_fixed(method, other) -> None:
    device = gpu("a device", 227 << 10)
    x, w = (3, 64, 64), np.ones((40, 9, 9), "f")

    def seconds(kernel, name):
        planned = conv.plan(
            x, kernel, dtype="f", bank=True, mode="same", axes=(1, 2), device=device
        )
        return next(c.seconds for c in planned.candidates if c.algorithm == name)

    fixed = FixedKernel(w)
    assert seconds(fixed, method) < 0.95 * seconds(w, method)
    assert seconds(fixed, other) == seconds(w, other)


def test_on_the_processor_it_is_as_good_as_the_array() -> None:
    x = random.standard_normal((100, 100), "f")
    for k in (3, 31):
        w = random.standard_normal((k, k), "f")
        plans = [conv.plan(x, kernel, dtype="f") for kernel in (w, FixedKernel(w))]
        assert plans[0].to_dict() == plans[1].to_dict()
        np.testing.assert_array_equal(conv.convolve(x, FixedKernel(w)), conv.convolve(x, w))
        np.testing.assert_array_equal(plans[1].run(x, FixedKernel(w)), plans[0].run(x, w))


def test_a_mask_is_not_lost(cupy) -> None:
    with pytest.raises(InvalidInput, match="masked"):
        FixedKernel(np.ma.masked_array([1.0, 2.0], [True, False]))


def test_truth_values_count_beside_numbers(cupy) -> None:
    x, w = np.arange(5.0), np.array([True, False, True])
    expected = conv.convolve(x, w)
    np.testing.assert_array_equal(conv.convolve(x, FixedKernel(w)), expected)
    found = conv.convolve(cupy.asarray(x), FixedKernel(w), method="fft-whole")
    np.testing.assert_allclose(found.get(), expected, atol=1e-12)


def test_roots_are_brought_for_each_stream(cupy) -> None:
    fft._roots.cache_clear()
    here = cupy.cuda.get_current_stream()
    other = cupy.cuda.Stream(non_blocking=True)
    first = fft._roots(cupy, here, 0, 32, "float32")
    assert fft._roots(cupy, other, 0, 32, "float32") is not first
    assert fft._roots(cupy, here, 0, 32, "float32") is first
    streams.reset()
