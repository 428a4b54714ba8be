"""What a net says of images, as JSON, CSV or npy."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.jobs.inference import Row
from core.media import CSV, JSON, NPY
from core.media.jsonable import finite

Format: TypeAlias = Literal["json", "csv", "npy"]


class File(NamedTuple):
    """A result: its name, its media type, and how to write it."""

    name: str
    media_type: str
    write: Callable[[Path], None]
    array: NDArray[Any] | None = None


def of_classes(
    rows: Sequence[Row],
    best: NDArray[np.int64],
    worth: NDArray[np.float32],
    classes: Sequence[str],
    format_: Format,
) -> list[File]:
    """Return the files that tell the best classes of each image.

    Parameters
    ----------
    rows : sequence of Row
        The images.
    best : ndarray of int64, shape (images, k)
        The numbers of their classes, the best first.
    worth : ndarray of float32, shape (images, k)
        Their probabilities.
    classes : sequence of str
        All names.
    format_ : {"json", "csv", "npy"}
        With npy, ``best`` and a table of the images.
    """
    if format_ == "npy":
        return _as_npy(rows, best)
    listed = zip(rows, best.tolist(), worth.tolist(), strict=True)
    if format_ == "csv":
        lines = (
            [row.input, row.image, rank, classes[number], number, share]
            for row, numbers, shares in listed
            for rank, (number, share) in enumerate(zip(numbers, shares, strict=True), 1)
        )
        head = ["input", "image", "rank", "class", "number", "probability"]
        return [_csv("predictions.csv", head, lines)]
    return _as_json(
        _place(row)
        | {
            "top": [
                {"class": classes[number], "number": number, "probability": share}
                for number, share in zip(numbers, shares, strict=True)
            ]
        }
        for row, numbers, shares in listed
    )


def of_outputs(rows: Sequence[Row], y: NDArray[Any], format_: Format) -> list[File]:
    """Return the files that hold the outputs of a layer.

    Parameters
    ----------
    rows : sequence of Row
        The images.
    y : ndarray, shape (images, *shape)
        The outputs.
    format_ : {"json", "csv", "npy"}
        JSON has nested lists, with null for what is not finite; CSV a column for each number, in
        C order; with npy there is a table of the images besides.
    """
    if format_ == "npy":
        return _as_npy(rows, y)
    if format_ == "csv":
        flat = y.reshape(len(y), -1)
        head = ["input", "image", *(f"y{number}" for number in range(flat.shape[1]))]
        lines = ([row.input, row.image, *v.tolist()] for row, v in zip(rows, flat, strict=True))
        return [_csv("predictions.csv", head, lines)]
    return _as_json(
        _place(row) | {"output": finite(v.tolist())} for row, v in zip(rows, y, strict=True)
    )


def _place(row: Row) -> dict[str, Any]:
    return {"input": row.input, "artifact": row.digest, "image": row.image}


def _as_json(images: Iterator[dict[str, Any]]) -> list[File]:
    def write(path: Path) -> None:
        # Image by image: all of them together as Python objects would take many times the arrays.
        with path.open("w", encoding="utf-8") as file:
            file.write('{"images":[')
            for number, image in enumerate(images):
                file.write(",\n" if number else "\n")
                file.write(json.dumps(finite(image), allow_nan=False))
            file.write("\n]}")

    return [File("predictions.json", JSON, write)]


def _as_npy(rows: Sequence[Row], y: NDArray[Any]) -> list[File]:
    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, y, allow_pickle=False)

    listed = ([row.input, row.digest, row.image] for row in rows)
    images = _csv("images.csv", ["input", "artifact", "image"], listed)
    return [File("predictions.npy", NPY, write, y), images]


def _csv(name: str, head: list[str], lines: Iterable[list[Any]]) -> File:
    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(head)
            writer.writerows(lines)

    return File(name, CSV, write)
