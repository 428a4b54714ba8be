"""The inputs of a job: artifacts, with names for people."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field

from core.media.types import BY_EXTENSION, EXTENSIONS

Digest = Annotated[
    str,
    Field(
        pattern=r"^sha256:[0-9a-f]{64}$",
        description='Digest of an artifact: "sha256:" and 64 lower-case hexadecimal digits.',
        examples=["sha256:" + "0" * 64],
    ),
]


class Input(BaseModel):
    """An artifact, and the file name that its results are called after."""

    model_config = ConfigDict(extra="forbid")

    artifact: Digest
    name: Annotated[str, Field(min_length=1, max_length=255)] | None = None


class HasInputs(Protocol):
    """The Spec of a kind that works on one input after another."""

    inputs: list[Digest | Input]


def count(spec: HasInputs) -> int:
    """Return the number of inputs, each of which is an item of the job."""
    return len(spec.inputs)


def names(inputs: list[Digest | Input]) -> list[str]:
    """Return a file name for each input, unique within the job and safe in a URL.

    Examples
    --------
    >>> cat = Input(artifact="sha256:" + "0" * 64, name="pictures/cat.jpg")
    >>> names([cat, cat, "sha256:" + "1" * 64])
    ['cat.jpg', 'cat-2.jpg', '111111111111']
    """
    taken: set[str] = set()
    return [unique(_safe(entry), taken) for entry in inputs]


def unique(name: str, taken: set[str]) -> str:
    """Return ``name``, numbered if it is in ``taken``, and add it there.

    Examples
    --------
    >>> unique("cat.jpg", {"cat.jpg", "cat-2.jpg"})
    'cat-3.jpg'
    """
    number, first = 1, name
    while name in taken:
        number += 1
        path = PurePosixPath(first)
        name = f"{path.stem}-{number}{path.suffix}"
    taken.add(name)
    return name


def digests(inputs: list[Digest | Input]) -> list[str]:
    """Return the digest of each input."""
    return [entry if isinstance(entry, str) else entry.artifact for entry in inputs]


def distinct(inputs: list[Digest | Input], *others: str) -> tuple[str, ...]:
    """Return the digests of the inputs, and others, each once.

    Examples
    --------
    >>> first, second = "sha256:" + "0" * 64, "sha256:" + "1" * 64
    >>> distinct([first, first], second, first) == (first, second)
    True
    """
    return tuple(dict.fromkeys((*digests(inputs), *others)))


def renamed(name: str, media_type: str, suffix: str = "") -> str:
    """Return ``name`` with ``suffix`` and the extension of ``media_type``.

    Examples
    --------
    >>> renamed("cat.jpg", "application/x-npy", "-map3")
    'cat-map3.npy'
    >>> renamed("cat.jpeg", "image/jpeg")
    'cat.jpeg'
    """
    stem, _, extension = name.rpartition(".")
    known = BY_EXTENSION.get(f".{extension.lower()}") if stem else None
    kept = f".{extension}" if known == media_type else EXTENSIONS[media_type]
    return f"{stem if known else name}{suffix}{kept}"


def _safe(entry: Digest | Input) -> str:
    if isinstance(entry, str) or entry.name is None:
        digest = entry if isinstance(entry, str) else entry.artifact
        return digest.removeprefix("sha256:")[:12]
    base = entry.name.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(c if c.isalnum() or c in "-_. ()+" else "_" for c in base).strip(". ")
    return kept or "input"


def describe(shape: tuple[int, ...], dtype: str) -> str:
    """Return a shape and a dtype for people.

    Examples
    --------
    >>> describe((4, 6, 3), "uint8")
    '4 × 6 × 3 uint8'
    """
    return f"{' × '.join(map(str, shape))} {dtype}"
