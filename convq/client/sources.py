"""What can be uploaded: files, bytes, arrays and open files, all as a stream of pieces."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from core.errors import InvalidInput

CHUNK = 1 << 18
ACCEPTED = "a path, bytes, an array, an open binary file, or the digest of an artifact"

Uploadable: TypeAlias = str | PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Any
"""A path, bytes, an open binary file, or anything that NumPy takes for an array."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Source:
    """Bytes to upload.

    Attributes
    ----------
    name : str or None
        The file's name, where there is one.
    size : int
        Bytes in all.
    chunks : callable
        Starts an iteration over the bytes from the first one, as often as it is called.
    """

    name: str | None
    size: int
    chunks: Callable[[], Iterator[bytes]]

    def digest(self) -> str:
        """Read all bytes and return ``"sha256:..."``."""
        sha256 = hashlib.sha256()
        for chunk in self.chunks():
            sha256.update(chunk)
        return f"sha256:{sha256.hexdigest()}"


def is_digest(value: object) -> bool:
    """Tell whether ``value`` names an artifact.

    Examples
    --------
    >>> is_digest("sha256:" + "0" * 64), is_digest("cat.jpg")
    (True, False)
    """
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def source(value: Uploadable, field: str = "inputs") -> Source:
    """Return ``value`` as a stream of bytes.

    Arrays become ``.npy``, as `numpy.save` writes them. An open file is read from where it stands.

    Parameters
    ----------
    value : path, bytes-like, open binary file or array
        What to upload.
    field : str
        Named in the error.

    Raises
    ------
    InvalidInput
        If there is no such file, or ``value`` is nothing that can be uploaded.

    Examples
    --------
    >>> import numpy as np
    >>> source(b"abc").digest()[:15]
    'sha256:ba7816bf'
    >>> source(np.zeros(3)).size
    152
    """
    if isinstance(value, str | PathLike):
        return _from_path(Path(value), field)
    if isinstance(value, bytes | bytearray | memoryview):
        return _from_memory(memoryview(value).cast("B"))
    if hasattr(value, "__array_interface__"):
        return _from_array(value, field)
    if hasattr(value, "__cuda_array_interface__") and hasattr(value, "get"):
        return _from_array(value.get(), field)
    if hasattr(value, "read") and not isinstance(value, io.TextIOBase):
        return _from_file(value, field)
    raise InvalidInput(
        "this cannot be uploaded", field=field, given=type(value).__name__, accepted=ACCEPTED
    )


def _from_path(path: Path, field: str) -> Source:
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "there is no such file"
        raise InvalidInput(what, field=field, given=str(path), accepted=ACCEPTED)
    return Source(path.name, path.stat().st_size, lambda: _read(path.open("rb")))


def _from_memory(*parts: memoryview) -> Source:
    def chunks() -> Iterator[bytes]:
        for part in parts:
            for start in range(0, len(part), CHUNK):
                yield bytes(part[start : start + CHUNK])

    return Source(None, sum(map(len, parts)), chunks)


def _from_array(value: Any, field: str) -> Source:
    import numpy as np
    from numpy.lib import format as npy

    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise InvalidInput(
            "an array of this dtype cannot be uploaded",
            field=field,
            given=array.dtype,
            accepted="booleans, integers, real and complex numbers",
        )
    # The data goes out from where it lies; only an array with gaps is copied first.
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        array = np.ascontiguousarray(array)
    header = io.BytesIO()
    npy.write_array_header_1_0(header, npy.header_data_from_array_1_0(array))
    flat = array.ravel(order="C" if array.flags.c_contiguous else "F")
    return _from_memory(header.getbuffer(), flat.view(np.uint8).data)


def _from_file(file: BinaryIO, field: str) -> Source:
    name = getattr(file, "name", None)
    label = Path(name).name if isinstance(name, str) else None
    if not file.seekable():
        # Its digest is needed before its bytes are sent, and a lost request is sent again.
        raise InvalidInput(
            "a pipe cannot be read twice; save it to a file first, or pass what it reads",
            field=field,
            given=name,
            accepted=ACCEPTED,
        )
    start = file.tell()
    size = file.seek(0, io.SEEK_END) - start

    def chunks() -> Iterator[bytes]:
        file.seek(start)
        while chunk := file.read(CHUNK):
            yield chunk

    return Source(label, size, chunks)


def _read(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk
