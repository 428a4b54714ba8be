"""Which layers have programs, and which are computed at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from core.nets.graph import Node
from core.nets.program import (
    average,
    conv,
    dense,
    dropout,
    images,
    join,
    norm,
    pool,
    rectifier,
    view,
)
from core.nets.program.unit import Form, Unit

# Of the forms that end with a layer the first that fits is taken: those of several layers first.
FORMS: tuple[Form, ...] = (
    *conv.FORMS,
    *dense.FORMS,
    *norm.FORMS,
    *join.FORMS,
    *pool.FORMS,
    *rectifier.FORMS,
    *view.FORMS,
    *average.FORMS,
    *images.FORMS,
    *dropout.FORMS,
)


def has_program(node: Node) -> bool:
    """Return whether there are kernels for a layer."""
    return any(form.layers == (node.layer.name,) and form.takes(node) for form in FORMS)


def units_of(
    nodes: Sequence[Node], leaves: Sequence[int], groups: Sequence[int], dtype: str
) -> list[Unit]:
    """Return the units of layers that all have programs, in order.

    Parameters
    ----------
    nodes : sequence of Node
        Consecutive ones.
    leaves : sequence of int
        Numbers of those that others read.
    groups : sequence of int
        How many images each has.
    dtype : str
        Of everything that is computed.
    """
    units = [form.build(own, groups, dtype) for form, own in _matched(list(nodes), leaves)]
    return units[::-1]


def _matched(left: list[Node], leaves: Sequence[int]) -> Iterator[tuple[Form, tuple[Node, ...]]]:
    # From the end, so that a rectifier goes with the pooling after it rather than with the
    # convolution before it.
    readers = Counter(source for node in left for source in node.sources)
    while left:
        form = next(form for form in FORMS if _ends_with(left, form, leaves, readers))
        count = len(form.layers)
        yield form, tuple(left[-count:])
        del left[-count:]


def _ends_with(nodes: list[Node], form: Form, leaves: Sequence[int], readers: Counter[int]) -> bool:
    own = nodes[-len(form.layers) :]
    if tuple(node.layer.name for node in own) != form.layers:
        return False
    for before, after in pairwise(own):
        inside = readers[before.index] == 1 and before.index not in leaves
        if after.sources != (before.index,) or not inside:
            return False
    return all(form.takes(node) for node in own)
