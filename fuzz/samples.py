"""Small valid files of every format, from which broken ones are made."""

from __future__ import annotations

import csv
import gzip
import io
import json
import struct
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numcodecs
import numpy as np
import zarr
from numpy.typing import NDArray
from PIL import Image
from zarr.codecs import BloscCodec, ZstdCodec
from zarr.storage import MemoryStore

from core.jobs import index as indices
from core.media import encode
from core.nets.model import Model, dump
from core.nets.network import Network
from core.nets.spec import NetSpec
from core.nets.training import state
from core.tiles import listing as listings

_RNG: Final = np.random.default_rng(0)
_COLOUR: Final = _RNG.integers(0, 256, (12, 15, 3), np.uint8)
_SOUND: Final = np.arange(60, dtype=np.int16).reshape(30, 2)
_IDX_TYPES: Final = {"u1": 0x08, "i2": 0x0B, "f4": 0x0D}

NETS: Final[tuple[dict[str, Any], ...]] = (
    {"input": [3], "layers": [{"layer": "dense", "features": 2}]},
    {
        "input": [1, 8, 8],
        "layers": [
            {"layer": "conv", "name": "a", "filters": 3, "kernel": 3, "padding": "same"},
            {"layer": "batch_norm"},
            {"layer": "relu", "name": "b"},
            {"layer": "conv", "filters": 3, "kernel": [1, 1]},
            {"layer": "add", "inputs": ["conv2", "b"]},
            {"layer": "max_pool", "kernel": 2},
            {"layer": "flatten"},
            {"layer": "dropout", "rate": 0.5},
            {"layer": "dense", "features": 2},
            {"layer": "softmax"},
        ],
    },
    {
        "input": [6],
        "layers": [
            {"layer": "embedding", "vocabulary": 9, "features": 4},
            {"layer": "conv", "filters": 2, "kernel": 3},
            {"layer": "global_max_pool"},
            {"layer": "dense", "features": 2},
        ],
    },
)
"""Descriptions of nets."""


def pictures(kind: str, **options: Any) -> list[bytes]:
    """Return pictures in grey, colour, with alpha, a palette and Exif, as Pillow writes them."""
    exif = Image.Exif()
    exif[0x0112] = 6
    colour = Image.fromarray(_COLOUR)
    made = [colour, colour.convert("L"), colour.convert("P" if kind == "PNG" else "L")]
    if kind in ("PNG", "WEBP", "TIFF"):
        made.append(colour.convert("RGBA"))
    if kind in ("PNG", "TIFF"):
        made.append(Image.fromarray(_COLOUR[..., 0].astype(np.uint16)))
    return [_saved(image, kind, exif=exif, **options) for image in made]


def png() -> list[bytes]:
    """Return PNGs, one of which moves."""
    frames = [Image.fromarray(_COLOUR), Image.fromarray(_COLOUR[::-1])]
    moving = _saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    return [*pictures("PNG"), moving]


def jpeg() -> list[bytes]:
    """Return JPEGs, baseline and progressive."""
    return [*pictures("JPEG"), *pictures("JPEG", progressive=True)]


def tiff() -> list[bytes]:
    """Return TIFFs of several compressions, and one of two pages."""
    pages = [Image.fromarray(_COLOUR), Image.fromarray(_COLOUR[::-1])]
    several = _saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    deflated = pictures("TIFF", compression="tiff_deflate") + pictures(
        "TIFF", compression="tiff_lzw"
    )
    return [*pictures("TIFF"), *deflated, several]


def webp() -> list[bytes]:
    """Return WebPs with and without loss."""
    return [*pictures("WEBP"), *pictures("WEBP", lossless=True)]


def npy() -> list[bytes]:
    """Return arrays of several dtypes, orders and byte orders, in both versions of the format."""
    arrays: list[Any] = [_COLOUR, _SOUND.astype(">f8"), np.asfortranarray(_SOUND), np.array(1j)]
    made = [_npy(array) for array in arrays]
    file = io.BytesIO()
    np.lib.format.write_array(file, _SOUND, version=(2, 0))
    return [*made, file.getvalue()]


def npz() -> list[bytes]:
    """Return archives of one array."""
    return [_npz(False, arr_0=_SOUND), _npz(True, arr_0=_COLOUR)]


def wav() -> list[bytes]:
    """Return sounds of several sample formats."""
    extra = {"sample_rate": 8000}
    made = [_SOUND, _SOUND.astype(np.float32), _SOUND[:, 0].astype(np.uint8)]
    return [
        *(encode(array, "audio/wav", extra=extra) for array in made),  # type: ignore[arg-type]
        encode(_SOUND.astype(np.int32), "audio/wav", extra=extra | {"bits_per_sample": 24}),  # type: ignore[arg-type]
    ]


def idx() -> list[bytes]:
    """Return images in IDX: alone, gzipped, and with labels in an archive."""
    x, y = _COLOUR[..., 0:1].repeat(4, -1), np.arange(12, dtype=np.uint8) % 2
    pair = {"images": _idx(x), "labels": _idx(y)}
    return [_idx(x), _idx(x, gzipped=True), packed(pair), packed({"images": _idx(x, gzipped=True)})]


def data_npz() -> list[bytes]:
    """Return data sets of arrays."""
    x, y = _RNG.integers(0, 256, (6, 8, 8), np.uint8), np.arange(6) % 2
    return [
        _npz(False, x=x, y=y, classes=np.array(["a", "b"])),
        _npz(True, x=x.astype(np.float32), y=y / 2),
        _npz(True, x=x),
    ]


def folders() -> list[bytes]:
    """Return archives of pictures and of recordings in a folder for each class."""
    grey = _COLOUR[..., 0]
    return [
        packed({f"{'ab'[i % 2]}/{i}.png": encode(grey, "image/png") for i in range(4)}),
        packed({f"top/{name}/1.wav": wav()[0] for name in "ab"}),
    ]


def index() -> list[bytes]:
    """Return an archive of pictures with a table."""
    grey = encode(_COLOUR[..., 0], "image/png")
    names = {f"{i}.png": grey for i in range(4)}
    labels = _table(["file", "label"], [(name, int(name[0]) % 2) for name in names])
    numbers = _table(["file", "x", "y"], [(name, 0.5, -1) for name in names])
    return [packed(names | {"index.csv": labels}), packed(names | {"index.csv": numbers})]


def text() -> list[bytes]:
    """Return tables of texts."""
    return [
        _table(["text", "label"], [("good, really", 1), ("bad", 0), ('so "so"\n', 1)]),
        _table(["text", "score"], [("good", 0.5), ("bad", -1)]),
    ]


def model() -> list[bytes]:
    """Return files of models."""
    made = []
    for net in NETS:
        spec = NetSpec.model_validate(net)
        about = {"classes": ["a", "b"], "metrics": {"accuracy": 0.5}, "lineage": {"job": "j"}}
        made.append(dump(Model(spec, Network(spec).init(seed=0), about)))
    return made


def training() -> state.State:
    """Return where the training of `checkpoint` stands."""
    progress = state.Progress(epoch=1, history=({"loss": 0.5},))
    return state.State({"w": np.ones(2)}, {"m": np.ones(2)}, progress=progress)


def checkpoint() -> list[bytes]:
    """Return a checkpoint of a training."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "checkpoint")
        state.save(training(), path, {})
        return [path.read_bytes()]


def neighbours() -> list[bytes]:
    """Return an index of images, as the job kind embed makes it."""
    vectors, norms = indices.normalised(_RNG.normal(size=(3, 3 * 8 * 8)))
    names = np.array(["a", "b", "c"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "index.npz")
        small = np.zeros((3, 2, 2, 3), np.uint8)
        made = indices.Index(
            vectors, norms, names, names, np.arange(3), small, model()[1], {"layer": "a"}
        )
        indices.save(made, path)
        return [path.read_bytes()]


def array() -> list[bytes]:
    """Return Zarr arrays of both versions, plain, compressed and in shards, each as a ZIP."""
    sorts: tuple[dict[str, Any], ...] = (
        {"compressors": None},
        {"compressors": ZstdCodec()},
        {"compressors": BloscCodec()},
        {"shards": (4, 4)},
        {"zarr_format": 2},
        {"zarr_format": 2, "compressors": numcodecs.Blosc()},
    )
    return [_array(**sort) for sort in sorts]


def listing() -> list[bytes]:
    """Return the listing of an array."""
    names = ("zarr.json", "c/0/0", "c/0/1", "c/1/0")
    return [listings.write({name: f"sha256:{at:064x}" for at, name in enumerate(names)})]


def net() -> list[bytes]:
    """Return descriptions of nets."""
    return [json.dumps(document).encode() for document in NETS]


def onnx() -> list[bytes]:
    """Return nets as ONNX: what convq writes, and a graph of other operators."""
    from onnx import TensorProto, helper, numpy_helper

    from core.nets.onnx import export

    def value(name: str, shape: list[Any]) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    weights = numpy_helper.from_array(np.ones((2, 1, 3, 3), np.float32), "w")
    shape = numpy_helper.from_array(np.array([0, -1]), "s")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("MaxPool", ["c"], ["p"], kernel_shape=[2, 2]),
        helper.make_node("Reshape", ["p", "s"], ["r"]),
        helper.make_node("Softmax", ["r"], ["y"], axis=1),
    ]
    graph = helper.make_graph(
        nodes, "net", [value("x", ["N", 1, 8, 8])], [value("y", ["N", 8])], [weights, shape]
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    spec = NetSpec.model_validate(NETS[1])
    return [built.SerializeToString(), export(Model(spec, Network(spec).init(seed=0)))]


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _npz(deflated: bool, **arrays: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    if deflated:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    else:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def _idx(array: NDArray[Any], *, gzipped: bool = False) -> bytes:
    kind = _IDX_TYPES[array.dtype.str[1:]]
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape)
    content = header + array.astype(array.dtype.newbyteorder(">")).tobytes()
    return gzip.compress(content) if gzipped else content


def _array(**sort: Any) -> bytes:
    files: dict[str, Any] = {}
    made = zarr.create_array(MemoryStore(files), shape=(6, 5), chunks=(2, 2), dtype="i2", **sort)
    made[...] = np.arange(30).reshape(6, 5)
    return packed({name: data.to_bytes() for name, data in files.items()})


def packed(members: Mapping[str, bytes]) -> bytes:
    """Return a ZIP archive of these files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
