"""Small real data sets, made from files that installed packages carry."""

from __future__ import annotations

from typing import Final

from convq.datasets.digits import SAMPLE as DIGITS
from convq.datasets.mnist_small import SAMPLE as MNIST_SMALL
from convq.datasets.photographs import SAMPLE as PHOTOGRAPHS
from convq.datasets.sample import Sample, make
from convq.datasets.textures import SAMPLE as TEXTURES

SAMPLES: Final[tuple[Sample, ...]] = (DIGITS, MNIST_SMALL, TEXTURES, PHOTOGRAPHS)

__all__ = ["SAMPLES", "Sample", "make"]
