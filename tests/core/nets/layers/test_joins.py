"""Sums, joined channels, and words."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InvalidInput
from core.nets.layer import Context
from core.nets.layers import add, concatenate, edge_channel, embedding

ADD = add.AddSpec(layer="add")
CONCATENATE = concatenate.ConcatenateSpec(layer="concatenate")
EDGE = edge_channel.EdgeChannelSpec(layer="edge_channel")
WORDS = embedding.EmbeddingSpec(layer="embedding", vocabulary=6, features=3)


def test_add() -> None:
    inputs = [np.full((2, 3), value) for value in (1.0, 20.0, 300.0)]
    y, backward = add.forward(ADD, inputs, {}, Context())
    np.testing.assert_array_equal(y, np.full((2, 3), 321.0))
    np.testing.assert_array_equal(inputs[0], np.ones((2, 3)))
    dy = np.arange(6.0).reshape(2, 3)
    for dx in backward(dy)[0]:
        np.testing.assert_array_equal(dx, dy)


@pytest.mark.parametrize("shapes", [[(2, 3)], [(2, 3), (2, 4)], [(2, 3), (2, 3), (1, 3)]], ids=str)
def test_what_has_no_sum_is_refused(shapes) -> None:
    with pytest.raises(InvalidInput, match=r"inputs: .*two or more of the same shape"):
        add.shape(ADD, shapes)


def test_concatenate() -> None:
    inputs = [np.full((channels, 2, 1), channels) for channels in (1, 3, 2)]
    y, backward = concatenate.forward(CONCATENATE, inputs, {}, Context())
    assert y[:, 0, 0].tolist() == [1, 3, 3, 3, 2, 2]
    parts = backward(y)[0]
    assert [part.shape for part in parts] == [x.shape for x in inputs]
    assert all((part == x).all() for part, x in zip(parts, inputs, strict=True))


@pytest.mark.parametrize("shapes", [[(2, 3)], [(2, 3), (2, 4)], [(2, 3), (2, 3, 1)]], ids=str)
def test_what_does_not_join_is_refused(shapes) -> None:
    with pytest.raises(InvalidInput, match="inputs: only the channels may differ"):
        concatenate.shape(CONCATENATE, shapes)


def test_an_edge_channel_is_the_last_and_of_ones() -> None:
    x = np.zeros((2, 3, 3, 4), np.float32)
    y, _ = edge_channel.forward(EDGE, [x], {}, Context())
    assert y.shape == (3, 3, 3, 4)
    assert y.dtype == np.float32
    assert (y[:2] == 0).all()
    assert (y[2] == 1).all()
    with pytest.raises(InvalidInput, match=r"inputs: a vector has no edge \(given: \(3,\)"):
        edge_channel.shape(EDGE, [(3,)])


def test_every_word_becomes_its_vector_and_gathers_its_gradients() -> None:
    random = np.random.default_rng(0)
    weight, words = random.standard_normal((6, 3)), random.integers(0, 6, (9, 4))
    y, backward = embedding.forward(WORDS, [words], {"weight": weight}, Context())
    dy = random.standard_normal(y.shape)
    expected = np.zeros_like(weight)
    for t, n in np.ndindex(words.shape):
        np.testing.assert_array_equal(y[:, t, n], weight[words[t, n]])
        expected[words[t, n]] += dy[:, t, n]
    (nothing,), gradients = backward(dy)
    assert nothing is None
    np.testing.assert_allclose(gradients["weight"], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (np.array([[0], [6]]), "0 to 6.*accepted: 0 to 5"),
        (np.array([[-1], [2]]), "-1 to 2"),
        (np.array([[0.0], [1.0]]), "words are given by their numbers.*float64.*integers"),
    ],
)
def test_what_is_no_word_is_refused(words, message) -> None:
    with pytest.raises(InvalidInput, match=f"inputs: .*{message}"):
        embedding.forward(WORDS, [words], {"weight": np.zeros((6, 3))}, Context())


def test_an_embedding_needs_a_sequence() -> None:
    with pytest.raises(InvalidInput, match=r"inputs: .*given: \(1, 5\); accepted: one axis"):
        embedding.shape(WORDS, [(1, 5)])
