"""What a net should say of each image: labels and their classes, or targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput
from core.nets.data.checks import check_dtype, check_finite
from core.nets.data.info import DataInfo, Task
from core.nets.data.limits import Limits


@dataclass(frozen=True, eq=False)
class Answers:
    """Labels with the names of their classes, or targets.

    Attributes
    ----------
    y : ndarray
        int64 ``(N,)`` or float32 ``(N, *T)``.
    classes : tuple of str, optional
        With labels.
    """

    y: NDArray[Any]
    classes: tuple[str, ...] | None = None


def describe(
    format_name: str,
    count: int,
    shape: tuple[int, ...],
    dtype: str,
    answers: Answers | None,
    about: Mapping[str, Any] | None = None,
) -> DataInfo:
    """Return the description of a data set with these images and answers.

    Raises
    ------
    InvalidInput
        If there are not as many answers as images.
    """
    known = dict(about or {})
    if answers is None:
        return DataInfo(
            format_name, count, shape, dtype, "reconstruction", None, None, shape, known
        )
    if len(answers.y) != count:
        raise InvalidInput(
            "there are not as many labels as images",
            field="data.y",
            given=f"{len(answers.y)} labels",
            accepted=f"one for each of {count} images",
        )
    task: Task = "regression" if answers.classes is None else "classification"
    counts = None
    if answers.classes is not None:
        counts = tuple(np.bincount(answers.y, minlength=len(answers.classes)).tolist())
    target = None if answers.classes is not None else answers.y.shape[1:]
    return DataInfo(format_name, count, shape, dtype, task, answers.classes, counts, target, known)


def from_array(y: NDArray[Any], classes: Sequence[str] | None, limits: Limits) -> Answers:
    """Read labels or targets from an array.

    Parameters
    ----------
    y : ndarray
        Integers ``(N,)`` or ``(N, 1)`` are labels, which count from 0; anything else is targets,
        ``(N,)`` being one number per image.
    classes : sequence of str, optional
        The names of the classes; by default their numbers.
    limits : Limits
        How many there may be.

    Returns
    -------
    Answers

    Raises
    ------
    InvalidInput
        If a label is negative or has no name, there is only one class, a class has no image, or
        a target is not finite.

    Examples
    --------
    >>> from core.nets.data.limits import LIMITS
    >>> from_array(np.array([0, 2, 1]), None, LIMITS).classes
    ('0', '1', '2')
    >>> from_array(np.array([0.5, -1.0]), None, LIMITS).y.shape
    (2, 1)
    """
    if y.ndim == 0 or 0 in y.shape:
        raise InvalidInput("there are no labels", field="data.y", given=y.shape)
    if y.dtype.kind in "iub" and y.shape in ((len(y),), (len(y), 1)):
        return _labels(y.reshape(-1), classes, limits)
    if classes is not None:
        raise InvalidInput(
            "classes are named, but y holds no labels",
            field="data.y",
            given=f"{y.dtype} {y.shape}",
            accepted="integers (N,) or (N, 1)",
        )
    check_dtype(y.dtype, "data.y")
    check_finite(y, "data.y")
    with np.errstate(over="ignore"):
        targets = y.astype(np.float32)
    check_finite(targets, "data.y")
    return Answers(targets[:, None] if y.ndim == 1 else targets)


def from_names(names: Sequence[str], limits: Limits) -> Answers:
    """Read labels from the name of the class of each image.

    Classes are in the order of their names, numbers in that of their values.

    Raises
    ------
    InvalidInput
        If there is only one class, or there are too many.

    Examples
    --------
    >>> from core.nets.data.limits import LIMITS
    >>> found = from_names(["10", "9", "9"], LIMITS)
    >>> found.classes, found.y.tolist()
    (('9', '10'), [1, 0, 0])
    """
    classes = in_order(set(names))
    _check_count(len(classes), limits)
    number = {name: label for label, name in enumerate(classes)}
    return Answers(np.array([number[name] for name in names], np.int64), tuple(classes))


def in_order(names: set[str]) -> list[str]:
    """Return the names of classes in their order: numbers by value, other names by letters."""
    if all(name.isascii() and name.isdigit() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def from_columns(columns: Mapping[str, Sequence[str]], limits: Limits) -> Answers | None:
    """Read labels or targets from the columns of a table.

    Parameters
    ----------
    columns : mapping
        A single column ``label`` holds the names of classes; columns of other names hold one
        number of the target each. None at all: there are no answers.
    limits : Limits
        How many classes there may be.

    Returns
    -------
    Answers or None

    Raises
    ------
    InvalidInput
        Names the column and the row, the first below the header being 1.

    Examples
    --------
    >>> from core.nets.data.limits import LIMITS
    >>> from_columns({"label": ["cat", "dog"]}, LIMITS).classes
    ('cat', 'dog')
    >>> from_columns({"steering": ["0.5", "-1"]}, LIMITS).y.tolist()
    [[0.5], [-1.0]]
    """
    if not columns:
        return None
    if set(columns) == {"label"}:
        _refuse_fractions(columns["label"])
        return from_names(columns["label"], limits)
    if "label" in columns:
        raise InvalidInput(
            "a column label stands alone; targets are columns of other names",
            field="data",
            given=list(columns),
        )
    values = np.stack([_numbers(name, texts) for name, texts in columns.items()], axis=1)
    return from_array(values, None, limits)


def _refuse_fractions(names: Sequence[str]) -> None:
    for row, name in enumerate(names, 1):
        if not name.strip():
            raise InvalidInput("there is no label", field="data.label", given=f"row {row}")
        if "." in name and _number(name) is not None:
            raise InvalidInput(
                "a label names a class; a column of numbers to learn is called otherwise",
                field="data.label",
                given=f"{name} in row {row}",
                accepted="names of classes, or a column such as target",
            )


def _numbers(column: str, texts: Sequence[str]) -> NDArray[np.float64]:
    found = np.empty(len(texts))
    for row, text in enumerate(texts):
        value = _number(text)
        if value is None or not np.isfinite(value):
            raise InvalidInput(
                "this is no number to learn",
                field=f"data.{column}",
                given=f"{text!r} in row {row + 1}",
                accepted="a finite number; names of classes stand in a column label",
            )
        found[row] = value
    return found


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _labels(y: NDArray[Any], classes: Sequence[str] | None, limits: Limits) -> Answers:
    if y.dtype.kind == "i" and y.min() < 0:
        raise InvalidInput(
            "labels count from 0",
            field="data.y",
            given=f"{y.min()} at number {int(y.argmin())}",
            accepted="integers from 0",
        )
    count = int(y.max()) + 1
    _check_count(count, limits)
    if classes is None:
        classes = [str(label) for label in range(count)]
    elif len(classes) < count or len(set(classes)) < len(classes):
        raise InvalidInput(
            "every class has one name of its own",
            field="data.classes",
            given=classes,
            accepted=f"{count} different names",
        )
    labels = y.astype(np.int64)
    check_populated(classes, np.bincount(labels, minlength=len(classes)))
    return Answers(labels, tuple(classes))


def check_populated(classes: Sequence[str], counts: Sequence[int] | NDArray[Any]) -> None:
    """Refuse classes of which there is no image.

    Raises
    ------
    InvalidInput
        Names them.
    """
    empty = [name for name, count in zip(classes, counts, strict=True) if count == 0]
    if empty:
        raise InvalidInput(
            "a class has no image",
            field="data.y",
            given=empty[:10],
            accepted=f"at least one image of each of {len(classes)} classes",
        )


def _check_count(count: int, limits: Limits) -> None:
    if count < 2:
        raise InvalidInput(
            "there is only one class, so there is nothing to tell apart",
            field="data.y",
            given=f"{count} class",
            accepted="at least two, or reconstruct",
        )
    if count > limits.classes:
        raise InvalidInput(
            "there are too many classes",
            field="data.y",
            given=count,
            accepted=f"at most {limits.classes}; numbers to learn are floats",
        )
