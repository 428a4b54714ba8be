"""An index of images by what a net makes of them, and the search for neighbours in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from core import strict_json
from core.conv.blocks import Check, never
from core.errors import ConvqError, InvalidInput, UnsupportedMedia
from core.media.guard import refusing_damaged
from core.media.npy import read_array
from core.media.types import NPZ
from core.nets.data.archive import open_archive
from core.nets.data.limits import LIMITS

Distance: TypeAlias = Literal["cosine", "euclidean"]

_FORMAT: Final = 1
# Vectors that are compared with all queries at a time.
_BLOCK: Final = 4096
_LISTED: Final = 10
_SHAPES: Final = {
    "vectors": ("f4", 2),
    "norms": ("f4", 1),
    "names": ("U", 1),
    "digests": ("U", 1),
    "images": ("i8", 1),
    "thumbnails": ("u1", 4),
    "model": ("u1", 1),
    "about": ("U", 0),
}


class Neighbours(NamedTuple):
    """The nearest vectors of each query, the nearest first.

    Attributes
    ----------
    rows : ndarray of int64, shape (queries, k)
        Which.
    distances : ndarray of float64, shape (queries, k)
        How far.
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Index:
    """Images as vectors, and what is needed to make a vector of another image.

    Attributes
    ----------
    vectors : ndarray of float32, shape (N, D)
        Of length 1, or 0 where a net gave zeros only.
    norms : ndarray of float32, shape (N,)
        Their lengths before.
    names, digests : ndarray of str, shape (N,)
        The inputs that the images were in.
    images : ndarray of int64, shape (N,)
        Their numbers there.
    thumbnails : ndarray of uint8, shape (N, H, W, 3)
        What they look like; (N, 0, 0, 3) if they are no pictures.
    model : bytes
        The model's file.
    about : dict
        ``model``, its digest, and the options that the vectors were made with.
    """

    vectors: NDArray[np.float32]
    norms: NDArray[np.float32]
    names: NDArray[np.str_]
    digests: NDArray[np.str_]
    images: NDArray[np.int64]
    thumbnails: NDArray[np.uint8]
    model: bytes
    about: dict[str, Any]

    def __len__(self) -> int:
        return len(self.vectors)


def normalised(y: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return outputs of a layer as vectors of length 1, and the lengths that they had.

    Parameters
    ----------
    y : ndarray, shape (N, ...)
        Zeros stay zeros.

    Raises
    ------
    InvalidInput
        A number is not finite.

    Examples
    --------
    >>> vectors, norms = normalised(np.array([[3.0, 4.0], [0.0, 0.0]]))
    >>> vectors.tolist(), norms.tolist()
    ([[0.6000000238418579, 0.800000011920929], [0.0, 0.0]], [5.0, 0.0])
    """
    flat = y.reshape(len(y), -1).astype(np.float64)
    if not np.isfinite(flat).all():
        raise InvalidInput(
            "the net gives numbers that are not finite, which are no place among others",
            field="model",
            given="NaN or an infinity",
        )
    norms = np.sqrt(np.square(flat).sum(axis=1))
    vectors = flat / np.where(norms, norms, 1)[:, np.newaxis]
    return vectors.astype(np.float32), norms.astype(np.float32)


def save(index: Index, path: Path) -> None:
    """Write an index as an .npz; see `load`."""
    arrays = {name: getattr(index, name) for name in _SHAPES if name not in ("model", "about")}
    document = {"format": _FORMAT} | index.about
    with path.open("wb") as file:
        np.savez(
            file,
            allow_pickle=False,
            model=np.frombuffer(index.model, np.uint8),
            about=np.array(json.dumps(document, sort_keys=True)),
            **arrays,
        )


def load(path: Path) -> Index:
    """Read an index; nothing in it is executed.

    Raises
    ------
    UnsupportedMedia
        It is no index, or is damaged.
    TooLarge
        It expands to too much, as a data set would.
    """
    try:
        arrays = _arrays(path)
    except UnsupportedMedia as error:
        raise _no_index(error.message) from error
    for name, (dtype, ndim) in _SHAPES.items():
        found = arrays[name]
        wrong = found.dtype.kind != "U" if dtype == "U" else found.dtype != dtype
        if wrong or found.ndim != ndim:
            raise _no_index(f"{name}: {found.dtype} {found.shape}")
    counted = [n for n in _SHAPES if n not in ("model", "about")]
    if len({len(arrays[name]) for name in counted}) > 1 or not len(arrays["vectors"]):
        raise _no_index("arrays of several lengths, or none")
    try:
        about = strict_json.parse(str(arrays["about"]))
    except InvalidInput:
        about = None
    if not isinstance(about, dict) or about.pop("format", None) != _FORMAT:
        raise _no_index("of another version of convq")
    return Index(
        **{name: arrays[name] for name in counted}, model=arrays["model"].tobytes(), about=about
    )


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    with path.open("rb") as file, refusing_damaged(NPZ):
        archive = open_archive(file, LIMITS)
        if set(archive.names) != {f"{name}.npy" for name in _SHAPES}:
            raise UnsupportedMedia(f"files {', '.join(archive.names[:_LISTED])}")
        arrays = {}
        for name, (dtype, _) in _SHAPES.items():
            member = f"{name}.npy"
            with archive.open(member) as stream:
                arrays[name] = read_array(
                    cast("BinaryIO", stream), archive.size(member), texts=dtype == "U"
                )
        return arrays


def nearest(
    index: Index,
    vectors: NDArray[np.float32],
    norms: NDArray[np.float32],
    k: int,
    distance: Distance,
    check: Check = never,
) -> Neighbours:
    """Return the nearest images of an index for each query, by comparing with all of them.

    Parameters
    ----------
    index : Index
        Where to search.
    vectors, norms : ndarray, shapes (queries, D) and (queries,)
        As from `normalised`.
    k : int
        How many at most.
    distance : {"cosine", "euclidean"}
        1 - cos of the angle between two vectors; or the length of their difference, not
        normalised.
    check : callable
        Called now and then; what it raises ends the search.

    Examples
    --------
    >>> v, n = normalised(np.array([[1.0, 0], [0, 1], [2, 2]]))
    >>> names = np.array(["a", "b", "c"])
    >>> index = Index(v, n, names, names, np.arange(3), np.zeros((3, 0, 0, 3), "u1"), b"", {})
    >>> nearest(index, v[:1], n[:1], 2, "euclidean").rows.tolist()
    [[0, 1]]
    >>> nearest(index, v[:1], n[:1], 2, "cosine").rows.tolist()
    [[0, 2]]
    """
    k = min(k, len(index))
    queries = _placed(vectors, norms, distance)
    rows = np.empty((len(queries), 0), np.int64)
    found = np.empty((len(queries), 0))
    for first in range(0, len(index), _BLOCK):
        check()
        block = slice(first, first + _BLOCK)
        others = _placed(index.vectors[block], index.norms[block], distance)
        product = queries @ others.T
        if distance == "cosine":
            far = 1 - product
        else:
            far = np.square(queries).sum(axis=1)[:, None] - 2 * product
            far = np.maximum(far + np.square(others).sum(axis=1), 0)
        numbers = np.broadcast_to(np.arange(first, first + len(others)), far.shape)
        rows, found = np.hstack([rows, numbers]), np.hstack([found, far])
        # Stable, so that of equals the first ones are kept.
        best = np.argsort(found, axis=1, kind="stable")[:, :k]
        rows = np.take_along_axis(rows, best, axis=1)
        found = np.take_along_axis(found, best, axis=1)
    if distance == "cosine":
        return Neighbours(rows, np.maximum(found, 0))
    # Squares of differences of large numbers are not exact; those of the few that are left are.
    for number, query in enumerate(queries):
        others = _placed(index.vectors[rows[number]], index.norms[rows[number]], distance)
        found[number] = np.sqrt(np.square(others - query).sum(axis=1))
    order = np.argsort(found, axis=1, kind="stable")
    return Neighbours(
        np.take_along_axis(rows, order, axis=1), np.take_along_axis(found, order, axis=1)
    )


def _placed(
    vectors: NDArray[np.float32], norms: NDArray[np.float32], distance: Distance
) -> NDArray[np.float64]:
    if distance == "cosine":
        return vectors.astype(np.float64)
    return vectors.astype(np.float64) * norms[:, np.newaxis]


def _no_index(given: str) -> ConvqError:
    return UnsupportedMedia(
        "this is no index, or a damaged one",
        field="index",
        given=given,
        accepted="the index.npz of a job of the kind embed",
    )
