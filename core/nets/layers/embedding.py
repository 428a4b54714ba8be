"""A learned vector for each word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import scipy  # its parts, which take long to load, when they are first used
from pydantic import Field

from core.arrays import Array, array_module, is_on_gpu
from core.conv.capturable import is_capturable
from core.errors import InvalidInput
from core.nets.blas import product
from core.nets.layer import Backward, Context, Layer, LayerSpec, Parameter, Shape, Weights

# Numbers of a matrix that says which word is where, on a GPU.
_BLOCK = 1 << 24


class EmbeddingSpec(LayerSpec):
    """A learned vector for each word, given by its number."""

    layer: Literal["embedding"]
    vocabulary: int = Field(ge=1, le=1 << 24, description="How many words there are.")
    features: int = Field(ge=1, le=1 << 16, description="Length of a word's vector.")


def shape(spec: EmbeddingSpec, shapes: Sequence[Shape]) -> Shape:
    """Return ``(features, words)``."""
    (incoming,) = shapes
    if len(incoming) != 1:
        raise InvalidInput(
            "an embedding needs a sequence of words",
            field="inputs",
            given=incoming,
            accepted="one axis, (words,)",
        )
    return (spec.features, incoming[0])


def parameters(spec: EmbeddingSpec, shapes: Sequence[Shape]) -> dict[str, Parameter]:
    """Return ``weight (vocabulary, features)``."""
    return {"weight": Parameter((spec.vocabulary, spec.features), "normal", decays=True)}


def forward(
    spec: EmbeddingSpec, inputs: Sequence[Array], weights: Weights, context: Context
) -> tuple[Array, Backward]:
    """Return ``y[e, t, n] = weight[x[t, n], e]``, and the gradient of the weights.

    Words have no gradient.

    Raises
    ------
    InvalidInput
        A word is no integer, or none of the vocabulary.
    """
    (words,) = inputs
    if not (is_on_gpu(words) and is_capturable()):
        check_words(words, spec.vocabulary)
    weight = weights["weight"]
    # Whole vectors are gathered, and then turned.
    y = array_module(weight).ascontiguousarray(np.moveaxis(weight[words], -1, 0))

    def backward(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
        # A product with a matrix that has a one for each word: it sums what belongs to a word in
        # the order in which it occurs.
        count = words.size
        if is_on_gpu(words):
            return (None,), {"weight": _summed(spec, words, dy)}
        ones = np.ones(count, dy.dtype)
        shape = (spec.vocabulary, count)
        occurs = scipy.sparse.csr_array((ones, (words.reshape(-1), np.arange(count))), shape=shape)
        return (None,), {"weight": occurs @ dy.reshape(spec.features, count).T}

    return y, backward


def _summed(spec: EmbeddingSpec, words: Array, dy: Array) -> Array:
    # The same product with a matrix that is not sparse, some rows at a time; additions that race
    # for their order would not be the same every time.
    xp, count = array_module(words), words.size
    flat, slopes = words.reshape(-1), dy.reshape(spec.features, count).T
    found = xp.empty((spec.vocabulary, spec.features), dy.dtype)
    rows = max(1, _BLOCK // count)
    for first in range(0, spec.vocabulary, rows):
        numbers = xp.arange(first, min(first + rows, spec.vocabulary))
        occurs = (numbers[:, None] == flat).astype(dy.dtype)
        found[first : first + rows] = product(occurs, slopes)
    return found


def check_words(words: Array, vocabulary: int) -> None:
    """Refuse what is no number of a word of the vocabulary.

    Examples
    --------
    >>> check_words(np.array([[0, 2]]), 3)
    """
    if words.dtype.kind not in "iu":
        raise InvalidInput(
            "words are given by their numbers",
            field="inputs",
            given=str(words.dtype),
            accepted="integers",
        )
    if words.size and not 0 <= words.min() <= words.max() < vocabulary:
        raise InvalidInput(
            "a word is not in the vocabulary",
            field="inputs",
            given=f"{int(words.min())} to {int(words.max())}",
            accepted=f"0 to {vocabulary - 1}",
        )


LAYER = Layer(
    name="embedding",
    spec=EmbeddingSpec,
    shape=shape,
    forward=forward,
    parameters=parameters,
    # Its gradient is as large as the vocabulary: one for each group would be too many.
    whole_batch=True,
    words=True,
)
