"""Layers that learn nothing, against SciPy and against loops."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
import scipy.signal
from pydantic import ValidationError

from core.conv import convolve
from core.errors import InvalidInput
from core.kernels import PRESETS
from core.nets.layer import Context
from core.nets.layers import filter as preset_filter
from core.nets.layers import log_mel, standardize, stft


def test_standardize() -> None:
    x = np.arange(12.0).reshape(2, 3, 2)
    spec = standardize.StandardizeSpec(layer="standardize", mean=[1.0, 8.0], std=[2.0, 0.5])
    y, _ = standardize.forward(spec, [x], {}, Context())
    np.testing.assert_array_equal(y[0], (x[0] - 1) / 2)
    np.testing.assert_array_equal(y[1], (x[1] - 8) / 0.5)
    with pytest.raises(InvalidInput, match=r"mean: .*3 channels .*given: '2 numbers'"):
        standardize.shape(spec, [(3, 4)])


@pytest.mark.parametrize("bad", [{"std": 0.0}, {"std": [1.0, -1.0]}, {"mean": math.nan}], ids=str)
def test_a_standard_deviation_is_above_zero(bad) -> None:
    with pytest.raises(ValidationError):
        standardize.StandardizeSpec(**({"layer": "standardize", "mean": 0.0, "std": 1.0} | bad))


@pytest.mark.parametrize(
    ("preset", "ndim"),
    [
        pytest.param(preset, ndim, id=f"{preset.name}-{ndim}")
        for preset in PRESETS
        for ndim in preset.dimensions
    ],
)
def test_every_preset_filters_as_a_job_does(preset, ndim) -> None:
    sides = (7, 6, 5)[:ndim]
    x = np.random.default_rng(0).standard_normal((2, *sides, 3))
    kernel = {"preset": preset.name}
    spec = preset_filter.FilterSpec.model_validate({"layer": "filter", "kernel": kernel})
    assert preset_filter.shape(spec, [(2, *sides)]) == (2, *sides)
    y, _ = preset_filter.forward(spec, [x], {}, Context())
    stack = preset.build(spec.kernel, ndim)
    axes = range(1, ndim + 1)
    parts = [convolve(x, taps, mode="same", axes=axes) for taps in stack.stack]
    expected = np.sqrt(sum(part**2 for part in parts)) if stack.combine else parts[0]
    np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-12)


def test_filters_need_odd_sides_and_the_axes_that_they_are_for() -> None:
    even = {"layer": "filter", "kernel": {"preset": "box", "size": 2}}
    with pytest.raises(InvalidInput, match=r"kernel: an even number.*given: '2 x 2'"):
        preset_filter.shape(preset_filter.FilterSpec.model_validate(even), [(1, 4, 4)])
    sobel = {"layer": "filter", "kernel": {"preset": "sobel-magnitude"}}
    spec = preset_filter.FilterSpec.model_validate(sobel)
    with pytest.raises(InvalidInput, match=r"kernel.preset: .*not defined for 1-D inputs"):
        preset_filter.shape(spec, [(1, 4)])
    with pytest.raises(InvalidInput, match=r"inputs: .*given: \(4,\)"):
        preset_filter.shape(spec, [(4,)])


@pytest.mark.parametrize("kind", ["hann", "hamming"])
@pytest.mark.parametrize("frame", [2, 5, 8, 400])
def test_windows_are_those_of_scipy(kind, frame) -> None:
    expected = scipy.signal.get_window(kind, frame, fftbins=True)
    np.testing.assert_allclose(stft.window(kind, frame), expected, atol=1e-15)


@pytest.mark.parametrize(("frame", "hop", "samples"), [(8, 4, 22), (5, 7, 20), (6, 1, 6)])
@pytest.mark.parametrize("output", ["power", "magnitude"])
def test_stft_is_the_sum_of_its_definition(frame, hop, samples, output) -> None:
    x = np.random.default_rng(0).standard_normal((2, samples, 3))
    spec = stft.StftSpec(layer="stft", frame=frame, hop=hop, window="hamming", output=output)
    y, _ = stft.forward(spec, [x], {}, Context())
    assert y.shape[:-1] == stft.shape(spec, [(2, samples)])
    window = scipy.signal.get_window("hamming", frame)
    for c, k, j, n in np.ndindex(y.shape):
        total = sum(
            window[t] * x[c, hop * j + t, n] * cmath.exp(-2j * math.pi * k * t / frame)
            for t in range(frame)
        )
        expected = abs(total) if output == "magnitude" else abs(total) ** 2
        assert y[c, k, j, n] == pytest.approx(expected, abs=1e-12)


def test_silence_has_no_magnitude_and_no_gradient() -> None:
    spec = stft.StftSpec(layer="stft", frame=4, hop=2, output="magnitude")
    y, backward = stft.forward(spec, [np.zeros((1, 8, 1))], {}, Context())
    assert (y == 0).all()
    ((dx,), _) = backward(np.ones_like(y))
    assert (dx == 0).all()


def test_sound_shorter_than_a_frame_is_refused() -> None:
    spec = stft.StftSpec(layer="stft", frame=512)
    for shape in ((1, 511), (512,), (1, 512, 3)):
        with pytest.raises(InvalidInput, match=r"inputs: .*512 samples or more"):
            stft.shape(spec, [shape])


def test_mel_filters_are_triangles_between_even_steps_of_pitch() -> None:
    bands, frame, rate, low, high = 5, 64, 8000, 200.0, 3500.0
    found = log_mel.mel_filters(bands, frame, rate, low, high)

    def pitch(f: float) -> float:
        return 1127.010480 * math.log(1 + f / 700)  # The same scale as it is also written.

    def frequency(m: float) -> float:
        return 700 * (math.exp(m / 1127.010480) - 1)

    step = (pitch(high) - pitch(low)) / (bands + 1)
    for b, k in np.ndindex(found.shape):
        left, top, right = (frequency(pitch(low) + step * (b + i)) for i in range(3))
        f = k * rate / frame
        expected = np.interp(f, [left, top, right], [0, 1, 0])
        assert found[b, k] == pytest.approx(expected, abs=1e-6)


def test_log_mel_follows_a_tone() -> None:
    """A rising tone is loudest in rising bands."""
    rate, seconds = 8000, 1.0
    t = np.arange(int(rate * seconds)) / rate
    # From 200 to 3400 Hz.
    tone = np.sin(2 * math.pi * (200 * t + 1600 * t**2)).astype(np.float32)
    spec = log_mel.LogMelSpec(
        layer="log_mel", sample_rate=rate, frame=256, hop=128, bands=12, fmin=100.0
    )
    y, _ = log_mel.forward(spec, [tone[np.newaxis, :, np.newaxis]], {}, Context())
    assert y.dtype == np.float32
    assert y.shape[:-1] == log_mel.shape(spec, [(1, len(tone))])
    loudest = y[0, :, :, 0].argmax(axis=0)
    assert (np.diff(loudest) >= 0).all()
    assert loudest[0] <= 1
    assert loudest[-1] >= 10


def test_log_mel_is_the_logarithm_of_filtered_power() -> None:
    x = np.random.default_rng(0).standard_normal((2, 300, 3))
    spec = log_mel.LogMelSpec(
        layer="log_mel", sample_rate=16000, frame=64, hop=32, bands=6, epsilon=0.01
    )
    y, _ = log_mel.forward(spec, [x], {}, Context())
    power, _ = stft.power(spec, x)
    filters = log_mel.mel_filters(6, 64, 16000, 0.0, 8000.0)
    for c, j, n in np.ndindex(2, y.shape[2], 3):
        expected = np.log(filters @ power[c, :, j, n] + 0.01)
        np.testing.assert_allclose(y[c, :, j, n], expected, rtol=1e-12)


def test_bands_that_hold_no_frequency_are_refused() -> None:
    spec = log_mel.LogMelSpec(layer="log_mel", sample_rate=16000, frame=64, hop=32, bands=60)
    with pytest.raises(
        InvalidInput, match=r"bands: a band is so narrow.*given: 60.*longer than 64"
    ):
        log_mel.shape(spec, [(1, 1000)])


@pytest.mark.parametrize("bad", [{"fmax": 9000.0}, {"fmin": 8000.0}, {"fmin": 5.0, "fmax": 4.0}])
def test_bands_outside_of_the_spectrum_are_refused(bad) -> None:
    with pytest.raises(ValidationError, match="fmin < fmax <= sample_rate / 2"):
        log_mel.LogMelSpec(layer="log_mel", sample_rate=16000, **bad)
