"""Everything that strangers can reach, and what it is fed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from math import prod
from pathlib import Path
from random import Random
from typing import Any, Final
from zipfile import ZipFile

from pydantic import ValidationError

from api.body import parse
from core.errors import ConvqError, UnsupportedMedia
from core.jobs import index as indices
from core.media import decode, inspect
from core.nets import data, model, onnx
from core.nets.network import Network
from core.nets.spec import NetSpec
from core.nets.training import state
from core.tiles import listing
from core.tiles.arrays import reader
from core.tiles.header import read_header
from fuzz import jobs, samples
from fuzz.options import OPTIONS

# Small enough that a limit that does not hold is seen.
_PIXELS: Final = 100_000
_LIMITS: Final = data.Limits(expanded=1 << 22, harmless=1 << 22, pixels=_PIXELS)


@dataclass(frozen=True)
class Parser:
    """What reads files of one format, or does jobs of one kind.

    Attributes
    ----------
    name : str
        For the report.
    samples : callable
        Gives valid files, which are broken.
    read : callable
        ``read(content, scratch)`` with the bytes, and a folder for those that want a file.
    draw : callable, optional
        Gives an input in place of the samples.
    """

    name: str
    samples: Callable[[], list[bytes]]
    read: Callable[[bytes, Path], Any]
    draw: Callable[[Random], bytes] | None = None


def refused(error: BaseException) -> bool:
    """Tell whether a parser may raise this: convq's own errors, and pydantic's of a model."""
    return isinstance(error, ConvqError | ValidationError)


def _media(content: bytes, _scratch: Path) -> None:
    try:
        info = inspect(content, max_pixels=_PIXELS)
    except ConvqError:
        info = None
    decoded = decode(content, max_pixels=_PIXELS)
    # A plan is made of what the header says, so both must say the same.
    assert info is not None
    assert info.shape == decoded.array.shape
    assert info.dtype == decoded.array.dtype.name


def _data(content: bytes, _scratch: Path) -> None:
    with suppress(ConvqError):
        data.inspect(content, limits=_LIMITS)
    data.load(content, limits=_LIMITS)
    data.load(content, limits=_LIMITS, room=data.Room(memory=1000)).batch([0])


def _filed(load: Callable[[Path], Any], content: bytes, scratch: Path) -> None:
    path = scratch / "file"
    path.write_bytes(content)
    load(path)


def _checkpoint(path: Path) -> None:
    state.restore(path, samples.training(), {})


def _array(content: bytes, scratch: Path) -> None:
    files = {}
    try:
        with ZipFile(BytesIO(content)) as archive:
            for place, name in enumerate(archive.namelist()):
                (scratch / str(place)).write_bytes(archive.read(name))
                files[name] = str(place)
    except Exception as error:
        # How the files come is no matter of the array.
        raise UnsupportedMedia("no archive") from error
    header = read_header(files, lambda name: (scratch / name).read_bytes())
    if prod(header.shape) > _PIXELS:
        raise UnsupportedMedia("an array that no tile holds")
    reader(files, header, lambda name: scratch / name)(tuple(map(slice, header.shape)))


def _net(content: bytes, _scratch: Path) -> None:
    Network(NetSpec.model_validate(parse(content)))


PARSERS: Final[tuple[Parser, ...]] = (
    *(
        Parser(made.__name__, made, _media)
        for made in (
            samples.png,
            samples.jpeg,
            samples.tiff,
            samples.webp,
            samples.npy,
            samples.npz,
            samples.wav,
        )
    ),
    *(
        Parser(f"data set: {name}", made, _data)
        for name, made in (
            ("npz", samples.data_npz),
            ("class folders", samples.folders),
            ("index.csv", samples.index),
            ("IDX", samples.idx),
            ("texts", samples.text),
        )
    ),
    Parser("model (safetensors)", samples.model, partial(_filed, model.load)),
    Parser("checkpoint (safetensors)", samples.checkpoint, partial(_filed, _checkpoint)),
    Parser("index of images (npz)", samples.neighbours, partial(_filed, indices.load)),
    Parser("array (Zarr)", samples.array, _array),
    Parser("listing (JSON)", samples.listing, lambda content, _: listing.parse(content)),
    Parser("ONNX", samples.onnx, lambda content, _: onnx.load(content)),
    Parser("net (JSON)", samples.net, _net),
    *(Parser(f"jobs: {kind}", list, jobs.work, partial(jobs.drawn, kind)) for kind in OPTIONS),
)
