"""Kim's net: sentences are classified by short runs of words."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.nets.architectures.architecture import Architecture, ArchitectureSpec, net
from core.nets.layer import Shape
from core.nets.spec import NetSpec


class KimSpec(ArchitectureSpec):
    """Kim's net; the values of the paper are the defaults."""

    architecture: Literal["kim"]
    vocabulary: int = Field(ge=2, le=1 << 24, description="How many words there are.")
    features: int = Field(default=300, ge=1, le=4096, description="Numbers that stand for a word.")
    windows: list[int] = Field(
        default=[3, 4, 5], min_length=2, max_length=8, description="Words that a filter sees."
    )
    filters: int = Field(default=100, ge=1, le=4096, description="Filters of each window.")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="Before the dense layer.")


def build(spec: KimSpec, shape: Shape, outputs: int) -> NetSpec:
    """Return Kim's net for sentences of ``(words,)``.

    Y. Kim, "Convolutional neural networks for sentence classification", 2014: filters of several
    widths over word vectors, of each its greatest response in the sentence, dropout, classes.

    Examples
    --------
    >>> from core.nets.network import Network
    >>> spec = build(KimSpec(architecture="kim", vocabulary=1000), (56,), 2)
    >>> Network(spec).parameter_count == 1000 * 300 + (3 + 4 + 5) * 300 * 100 + 3 * 100 + 602
    True
    """
    layers: list[dict[str, object]] = [
        {
            "layer": "embedding",
            "name": "words",
            "vocabulary": spec.vocabulary,
            "features": spec.features,
        }
    ]
    found = []
    for number, window in enumerate(spec.windows, 1):
        layers += [
            {"layer": "conv", "inputs": ["words"], "filters": spec.filters, "kernel": window},
            {"layer": "relu"},
            {"layer": "global_max_pool", "name": f"window{number}"},
        ]
        found.append(f"window{number}")
    return net(
        shape,
        [
            *layers,
            {"layer": "concatenate", "inputs": found},
            {"layer": "dropout", "rate": spec.dropout},
            {"layer": "dense", "features": outputs},
        ],
    )


ARCHITECTURE = Architecture(
    name="kim",
    spec=KimSpec,
    build=build,
    input=(56,),
    outputs=2,
    summary="sentences by windows of 3, 4 and 5 words (Kim 2014)",
)
