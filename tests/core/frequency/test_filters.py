"""Filters by frequency against full complex transforms of explicitly extended values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.frequency import (
    BOUNDARIES,
    SHAPES,
    Filter,
    grid,
    keep_largest,
    mask_picture,
    multiply,
    passed,
    transfer,
)

SHAPE = st.lists(st.integers(1, 7), min_size=1, max_size=3).map(tuple)
SEED = st.integers(0, 999)


@st.composite
def filters(draw: Any, ndim: int) -> Filter:
    band = draw(st.sampled_from(["low-pass", "high-pass", "band-pass", "band-stop", "notch"]))
    cutoff = draw(st.floats(0.03, 0.3))
    notch = st.tuples(*[st.floats(-0.5, 0.5)] * ndim)
    return Filter(
        band,
        draw(st.sampled_from(SHAPES)),
        cutoff,
        cutoff + draw(st.floats(0.05, 0.3)) if band.startswith("band") else None,
        draw(st.integers(1, 6)),
        tuple(draw(st.lists(notch, min_size=1, max_size=2))) if band == "notch" else (),
    )


def gain(wanted: Filter, radius: float, cutoff: float) -> float:
    """Return what a low-pass lets through, by the formulas of the textbooks."""
    if wanted.shape == "ideal":
        return float(radius <= cutoff + 1e-12)
    if wanted.shape == "gaussian":
        return float(np.exp(-(radius**2) / (2 * cutoff**2)))
    return float(1 / (1 + (radius / cutoff) ** (2 * wanted.order)))


def response(wanted: Filter, f: np.ndarray, mirrored: bool) -> float:
    radius = float(np.linalg.norm(f))
    low = gain(wanted, radius, wanted.cutoff)
    if wanted.band == "low-pass":
        return low
    if wanted.band == "high-pass":
        return 1 - low
    if wanted.upper is not None:
        between = gain(wanted, radius, wanted.upper) * (1 - low)
        return between if wanted.band == "band-pass" else 1 - between
    through = 1.0
    for centre in set(wanted.notches):
        signs = np.array(list(np.ndindex((2,) * len(f)))) * 2 - 1
        if not mirrored:
            signs = signs[[0, -1]]
        for place in {tuple(sign * np.array(centre)) for sign in signs}:
            away = (f - place + 0.5) % 1 - 0.5
            through *= 1 - gain(wanted, float(np.linalg.norm(away)), wanted.cutoff)
    return through


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("cutoff", [0.1, 0.2, 0.3, 0.4])
def test_a_wave_at_the_cutoff_goes_through(boundary: Any, cutoff: float) -> None:
    for length in (5, 10, 20, 30, 50):
        frequencies = grid((length,), boundary)
        (through,) = np.nonzero(np.isclose(abs(frequencies[0]), cutoff))
        wanted = Filter("low-pass", "ideal", cutoff)
        assert (transfer(wanted, frequencies, boundary)[through] == 1).all()


@settings(max_examples=60)
@given(SHAPE, SEED, st.sampled_from(BOUNDARIES), st.data())
def test_filters_are_products_of_the_whole_transform(
    shape: tuple[int, ...], seed: int, boundary: Any, data: Any
) -> None:
    x = np.random.default_rng(seed).normal(size=shape)
    wanted = data.draw(filters(len(shape)))
    extended = np.pad(x, [(0, n) for n in shape], "symmetric") if boundary == "reflect" else x
    spectrum = np.fft.fftn(extended)
    lines = [np.fft.fftfreq(n) for n in extended.shape]
    mask = np.empty(extended.shape)
    for place in np.ndindex(extended.shape):
        f = np.array([line[i] for line, i in zip(lines, place, strict=True)])
        # A real filter does to a wave what it does to its opposite.
        mask[place], opposite = (response(wanted, g, boundary == "reflect") for g in (f, -f))
        assert abs(mask[place] - opposite) < 1e-9
    expected = np.fft.ifftn(spectrum * mask).real[tuple(slice(n) for n in shape)]
    axes = list(range(len(shape)))
    ours = transfer(wanted, grid(shape, boundary), boundary)
    y, energy = multiply(x, ours, axes, boundary)
    np.testing.assert_allclose(y, expected, atol=1e-9)
    share = (abs(spectrum * mask) ** 2).sum() / (abs(spectrum) ** 2).sum()
    if boundary == "wrap":
        np.testing.assert_allclose(energy, share, atol=1e-9)
        np.testing.assert_allclose(passed(ours, shape, boundary), (mask >= 0.5).mean())


@given(SEED, st.floats(0.01, 1), st.sampled_from(BOUNDARIES))
def test_the_largest_coefficients_are_the_best_ones(seed: int, share: float, boundary: Any) -> None:
    x = np.random.default_rng(seed).normal(size=(8, 9))
    kept = keep_largest(x, share, [0, 1], boundary)
    # As few as were asked for, and the other half of a wave.
    assert share - 1 / x.size < kept.fraction <= share + 3 / x.size
    if boundary == "wrap":
        spectrum = np.fft.fft2(x)
        magnitudes = np.sort(abs(spectrum).ravel())[::-1]
        count = round(kept.fraction * x.size)
        lost = (magnitudes[count:] ** 2).sum() / x.size
    else:
        spectrum = scipy.fft.dctn(x, norm="ortho")
        magnitudes = np.sort(abs(spectrum).ravel())[::-1]
        lost = (magnitudes[round(kept.fraction * x.size) :] ** 2).sum()
    np.testing.assert_allclose(((x - kept.values) ** 2).sum(), lost, atol=1e-9)


def test_everything_kept_is_everything() -> None:
    x = np.random.default_rng(0).normal(size=(6, 7, 3)).astype(np.float32)
    kept = keep_largest(x, 1.0, [0, 1], "wrap")
    assert kept.fraction == 1
    assert kept.values.dtype == np.float32
    np.testing.assert_allclose(kept.values, x, atol=1e-5)


def test_channels_are_filtered_alike() -> None:
    x = np.random.default_rng(0).normal(size=(6, 7, 3))
    mask = transfer(Filter("low-pass", "gaussian", 0.1), grid((6, 7), "reflect"), "reflect")
    y, _ = multiply(x, mask, [0, 1], "reflect")
    for channel in range(3):
        alone, _ = multiply(x[..., channel].copy(), mask, [0, 1], "reflect")
        np.testing.assert_allclose(y[..., channel], alone)


@pytest.mark.parametrize("shape", [(5, 6), (6, 5), (4, 4), (1, 3)])
def test_the_picture_of_a_mask_is_the_whole_of_it(shape: tuple[int, int]) -> None:
    wanted = Filter("notch", "gaussian", 0.1, notches=((0.2, 0.1),))
    drawn = mask_picture(transfer(wanted, grid(shape, "wrap"), "wrap"), shape, "wrap")
    full = [np.fft.fftfreq(n) for n in shape]
    whole = transfer(wanted, [full[0][:, None], full[1][None]], "wrap")
    # The finest wave may be written with either sign.
    inside = np.ix_(*[np.abs(np.fft.fftshift(line)) < 0.5 for line in full])
    np.testing.assert_allclose(drawn[inside], np.rint(255 * np.fft.fftshift(whole))[inside])


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("band-pass", "ideal", 0.2), "upper"),
        (("band-stop", "ideal", 0.2, 0.1), "upper"),
        (("low-pass", "ideal", 0.2, 0.3), "upper"),
        (("notch", "ideal", 0.2), "notches"),
        (("low-pass", "ideal", 0.2, None, 2, ((0.1, 0.1),)), "notches"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Filter(*arguments)
    assert caught.value.field == field


def test_a_notch_has_a_frequency_for_each_axis() -> None:
    with pytest.raises(InvalidInput, match="2 frequencies"):
        transfer(Filter("notch", "ideal", 0.1, notches=((0.1,),)), grid((4, 4), "wrap"), "wrap")
