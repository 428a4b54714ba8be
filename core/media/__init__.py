"""Bytes to arrays and back: pictures, .npy and .npz, sound."""

from core.media.codecs import Source, decode, encode, inspect, write
from core.media.film import film, film_frame, film_size
from core.media.guard import MAX_PIXELS
from core.media.info import Decoded, Extra, MediaInfo
from core.media.jsonable import MAX_JSON_VALUES, to_json
from core.media.preview import preview
from core.media.ranges import RANGE_POLICIES, RangePolicy, merge_alpha, split_alpha, to_range
from core.media.types import (
    BY_EXTENSION,
    CSV,
    DECODABLE,
    EXTENSIONS,
    JPEG,
    JSON,
    NPY,
    NPZ,
    OCTET_STREAM,
    ONNX,
    PICTURES,
    PNG,
    SAFETENSORS,
    SNIFF_BYTES,
    TIFF,
    WAV,
    WEBP,
    ZARR,
    ZIP,
    sniff,
)

__all__ = [
    "BY_EXTENSION",
    "CSV",
    "DECODABLE",
    "EXTENSIONS",
    "JPEG",
    "JSON",
    "MAX_JSON_VALUES",
    "MAX_PIXELS",
    "NPY",
    "NPZ",
    "OCTET_STREAM",
    "ONNX",
    "PICTURES",
    "PNG",
    "RANGE_POLICIES",
    "SAFETENSORS",
    "SNIFF_BYTES",
    "TIFF",
    "WAV",
    "WEBP",
    "ZARR",
    "ZIP",
    "Decoded",
    "Extra",
    "MediaInfo",
    "RangePolicy",
    "Source",
    "decode",
    "encode",
    "film",
    "film_frame",
    "film_size",
    "inspect",
    "merge_alpha",
    "preview",
    "sniff",
    "split_alpha",
    "to_json",
    "to_range",
    "write",
]
