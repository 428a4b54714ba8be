"""Batch norm, layer norm and whitening against their definitions, channel by channel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.nets.layer import Context
from core.nets.layers import batch_norm, layer_norm, whiten

SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)


def learned(random: np.random.Generator, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {"weight": random.uniform(0.5, 2, shape), "bias": random.standard_normal(shape)}


@settings(max_examples=40)
@given(shape=SHAPES, images=st.integers(2, 5), seed=st.integers(0, 1000))
def test_batch_norm_learns_from_the_batch_and_remembers_it(shape, images, seed) -> None:
    random = np.random.default_rng(seed)
    spec = batch_norm.BatchNormSpec(layer="batch_norm", momentum=0.3, epsilon=1e-3)
    x, weights = random.standard_normal((*shape, images)) * 3 + 1, learned(random, shape[:1])
    state = {"mean": random.standard_normal(shape[:1]), "variance": random.random(shape[:1])}
    context = Context(training=True, state=state)
    y, _ = batch_norm.forward(spec, [x], weights, context)
    for c in range(shape[0]):
        normal = (x[c] - x[c].mean()) / np.sqrt(x[c].var() + 1e-3)
        expected = weights["weight"][c] * normal + weights["bias"][c]
        np.testing.assert_allclose(y[c], expected, rtol=1e-10, atol=1e-12)
        for name, new in (("mean", x[c].mean()), ("variance", x[c].var(ddof=1))):
            moved = 0.7 * state[name][c] + 0.3 * new
            np.testing.assert_allclose(context.updates[name][c], moved, rtol=1e-10, atol=1e-12)


def test_batch_norm_uses_what_it_remembers_outside_of_training() -> None:
    random = np.random.default_rng(0)
    spec = batch_norm.BatchNormSpec(layer="batch_norm")
    x, weights = random.standard_normal((3, 2, 1)), learned(random, (3,))
    state = {"mean": np.array([1.0, 2.0, 3.0]), "variance": np.array([4.0, 9.0, 0.25])}
    context = Context(state=state)
    y, _ = batch_norm.forward(spec, [x], weights, context)
    for c, deviation in enumerate(np.sqrt([4.0 + 1e-5, 9.0 + 1e-5, 0.25 + 1e-5])):
        normal = (x[c] - state["mean"][c]) / deviation
        expected = weights["weight"][c] * normal + weights["bias"][c]
        np.testing.assert_allclose(y[c], expected, rtol=1e-12)
    assert context.updates == {}


@pytest.mark.parametrize("shape", [(70, 8, 8, 32), (3, 100_003), (5, 40_000, 1)], ids=str)
def test_batch_norm_is_the_same_in_blocks(shape) -> None:
    """Channels that share a block, and those longer than one; means far from zero."""
    random = np.random.default_rng(1)
    spec = batch_norm.BatchNormSpec(layer="batch_norm")
    x = (random.standard_normal(shape) + 30).astype(np.float32)
    dy = random.standard_normal(shape).astype(np.float32)
    found = {}
    for dtype in (np.float32, np.float64):
        weights = {"weight": np.full(shape[:1], 2, dtype), "bias": np.ones(shape[:1], dtype)}
        state = {"mean": np.zeros(shape[:1], dtype), "variance": np.ones(shape[:1], dtype)}
        outcomes = []
        for _ in range(2):
            context = Context(training=True, state=state)
            y, backward = batch_norm.forward(spec, [x.astype(dtype)], weights, context)
            (dx,), gradients = backward(dy.astype(dtype))
            outcomes.append((y, dx, *gradients.values(), *context.updates.values()))
        for a, b in zip(*outcomes, strict=True):
            np.testing.assert_array_equal(a, b)
        found[dtype] = outcomes[0]
    for single, double in zip(found[np.float32], found[np.float64], strict=True):
        assert single.dtype == np.float32
        assert abs(single - double).max() < 1e-5 * abs(double).max() + 1e-5


@pytest.mark.parametrize("generated", [True, False])
@settings(max_examples=20)
@given(
    shape=SHAPES,
    images=st.lists(st.integers(1, 20), min_size=1, max_size=4).filter(lambda n: sum(n) > 1),
    wanted=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_batch_norm_of_pieces_is_that_of_the_whole(generated, shape, images, wanted, seed) -> None:
    random = np.random.default_rng(seed)
    spec, weights = batch_norm.BatchNormSpec(layer="batch_norm"), learned(random, shape[:1])
    state = {"mean": np.zeros(shape[:1]), "variance": np.ones(shape[:1])}
    xs, dys = ([random.standard_normal((*shape, n)) for n in images] for _ in range(2))
    contexts = [Context(training=True, state=state, wanted=wanted) for _ in range(2)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.conv.codegen.available", lambda: generated)
        ys, back = batch_norm.forward_pieces(spec, [xs], weights, contexts[0])
        (dxs,), gradients = back(dys)
        patch.setattr("core.conv.codegen.available", lambda: False)
        y, back_whole = batch_norm.forward(
            spec, [np.concatenate(xs, axis=-1)], weights, contexts[1]
        )
        (dx,), expected = back_whole(np.concatenate(dys, axis=-1))
    pairs = [(np.concatenate(ys, axis=-1), y)]
    pairs += [(gradients[name], expected[name]) for name in expected]
    pairs += [(contexts[0].updates[name], contexts[1].updates[name]) for name in state]
    if wanted:
        pairs.append((np.concatenate(dxs, axis=-1), dx))
    else:
        assert dxs is None
        assert dx is None
    for found, right in pairs:
        np.testing.assert_allclose(found, right, rtol=1e-8, atol=1e-9)


def test_batch_norm_of_one_number_per_channel_is_refused() -> None:
    spec = batch_norm.BatchNormSpec(layer="batch_norm")
    weights = {"weight": np.ones(3), "bias": np.zeros(3)}
    state = {"mean": np.zeros(3), "variance": np.ones(3)}
    with pytest.raises(InvalidInput, match=r"batch: .*given: 1; accepted: two or more images"):
        batch_norm.forward(spec, [np.ones((3, 1))], weights, Context(training=True, state=state))


@settings(max_examples=30)
@given(shape=SHAPES, images=st.integers(1, 4), seed=st.integers(0, 1000))
def test_layer_norm_is_per_image(shape, images, seed) -> None:
    random = np.random.default_rng(seed)
    spec = layer_norm.LayerNormSpec(layer="layer_norm", epsilon=1e-3)
    x, weights = random.standard_normal((*shape, images)) * 3 + 1, learned(random, shape)
    y, _ = layer_norm.forward(spec, [x], weights, Context())
    for n in range(images):
        image = x[..., n]
        normal = (image - image.mean()) / np.sqrt(image.var() + 1e-3)
        expected = weights["weight"] * normal + weights["bias"]
        np.testing.assert_allclose(y[..., n], expected, rtol=1e-10, atol=1e-12)


def test_whitened_images_have_mean_0_and_variance_1() -> None:
    x = np.random.default_rng(0).random((3, 6, 5, 4)) * 200 + 20
    for cut_off in (None, 0.4):
        spec = whiten.WhitenSpec(layer="whiten", cut_off=cut_off, epsilon=1e-9)
        y, _ = whiten.forward(spec, [x], {}, Context())
        np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), 0, atol=1e-9)
        np.testing.assert_allclose(y.var(axis=(0, 1, 2)), 1, rtol=1e-6)


def test_an_image_of_one_colour_becomes_zeros() -> None:
    for cut_off in (None, 0.4):
        spec = whiten.WhitenSpec(layer="whiten", cut_off=cut_off)
        y, _ = whiten.forward(spec, [np.full((1, 4, 4, 2), 7.0)], {}, Context())
        np.testing.assert_allclose(y, 0, atol=1e-9)


@pytest.mark.parametrize("sides", [(6,), (5, 4), (3, 4, 5)], ids=str)
def test_whitening_multiplies_every_wave_by_the_response(sides) -> None:
    """A wave stays a wave; two waves come out in the ratio of the responses."""

    def wave(*cycles: int) -> np.ndarray:
        places = np.meshgrid(*(np.arange(n) / n for n in sides), indexing="ij")
        return np.cos(2 * np.pi * sum(k * p for k, p in zip(cycles, places, strict=True)))

    def response(*cycles: int) -> float:
        f = np.linalg.norm([k / n for k, n in zip(cycles, sides, strict=True)])
        return f * np.exp(-((f / 0.3) ** 4))

    low, high = (1,) * len(sides), (0,) * (len(sides) - 1) + (2,)
    x = (5 * wave(*low) + wave(*high) + 9)[np.newaxis, ..., np.newaxis]
    spec = whiten.WhitenSpec(layer="whiten", cut_off=0.3, epsilon=1e-12)
    y, _ = whiten.forward(spec, [x], {}, Context())
    expected = 5 * response(*low) * wave(*low) + response(*high) * wave(*high)
    np.testing.assert_allclose(y[0, ..., 0], expected / expected.std(), rtol=1e-6, atol=1e-9)


def test_a_vector_has_no_spectrum() -> None:
    spec = whiten.WhitenSpec(layer="whiten", cut_off=0.4)
    with pytest.raises(
        InvalidInput, match=r"cut_off: a vector has no spectrum.*given: 0.4.*\(4,\)"
    ):
        whiten.shape(spec, [(4,)])
