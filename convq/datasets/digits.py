"""Handwritten digits of 8 x 8 pixels, from scikit-learn."""

from __future__ import annotations

from pathlib import Path

from convq.datasets.sample import Sample, carried

_PACKAGE = "scikit-learn"


def write(path: Path) -> None:
    """Write the digits: x (1797, 8, 8) from 0 to 16, and y."""
    from convq.datasets.arrays import read_numbers, write_npz

    rows = read_numbers(carried(_PACKAGE, "sklearn/datasets/data/digits.csv.gz"))
    write_npz(path, x=rows[:, :-1].reshape(-1, 8, 8), y=rows[:, -1])


SAMPLE = Sample(
    name="digits",
    summary="1,797 handwritten digits of 8 x 8 pixels, in 17 levels of grey",
    source="E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (1998), UCI, "
    "CC BY 4.0",
    package=_PACKAGE,
    extension=".npz",
    write=write,
)
