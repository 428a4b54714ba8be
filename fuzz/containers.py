"""Breaking what is inside a container, so that its checksums do not hide the rest of the parser."""

from __future__ import annotations

import gzip
import io
import json
import struct
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from random import Random
from typing import Any, Final

from fuzz.mutate import mutated

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_ZIP: Final = b"PK\x03\x04"
_GZIP: Final = b"\x1f\x8b"
_NAMES: Final = (
    *("../x.png", "/etc/x.npy", "C:\\x.npy", "a/../../b", "", "a/", ".", "x\0y"),
    "ä" * 300,
)


def mutated_inside(sample: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Return a container whose content is broken, with right checksums; else as `mutated`."""
    if sample.startswith(_PNG):
        return _png(sample, random)
    if sample.startswith(_ZIP):
        return _zip(sample, random, others)
    if sample.startswith(_GZIP):
        return gzip.compress(mutated(gzip.decompress(sample), random, others), 1)
    if sample[4:10] == b'\0\0\0\0{"':
        return _safetensors(sample, random, others)
    if sample.startswith(b"{"):
        return json.dumps(changed(json.loads(sample), random)).encode()
    return mutated(sample, random, others)


def _png(sample: bytes, random: Random) -> bytes:
    chunks = []
    at = len(_PNG)
    while at < len(sample):
        (size,) = struct.unpack_from(">I", sample, at)
        chunks.append((sample[at + 4 : at + 8], sample[at + 8 : at + 8 + size]))
        at += 12 + size
    which = random.randrange(len(chunks))
    name, content = chunks[which]
    match random.randrange(4):
        case 0:
            chunks[which] = name, mutated(content, random, [content or b"x"])
        case 1:
            chunks.insert(which, random.choice(chunks))
        case 2:
            del chunks[which]
        case 3:
            kind = random.choice((b"zTXt", b"iTXt", b"tEXt", b"iCCP", b"acTL", b"fcTL", b"tRNS"))
            packed = zlib.compress(bytes(random.randrange(1 << 22)), 1)
            text = random.choice((content, b"x\0\0" + packed))
            chunks.insert(random.randint(1, len(chunks)), (kind, text))
    return _PNG + b"".join(
        struct.pack(">I", len(content)) + name + content + _checksum(name + content)
        for name, content in chunks
    )


def _checksum(data: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(data))


def _zip(sample: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(sample)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    which = random.randrange(len(members))
    name, content = members[which]
    match random.randrange(5):
        case 0 | 1:
            members[which] = name, mutated(content, random, [c for _, c in members if c] or others)
        case 2:
            members[which] = random.choice((*_NAMES, f"b/{name}", f"{name}/x")), content
        case 3:
            members[which:which] = [random.choice(members)] * random.choice((1, 1, 2, 300))
        case 4:
            members[which] = name, bytes(random.randrange(1 << 22))
    file = io.BytesIO()
    method = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED))
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", method) as archive:
        warnings.simplefilter("ignore")  # of two members with one name, which is the point
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            if random.randrange(20) == 0:
                info.external_attr = 0o120777 << 16  # a symbolic link
            archive.writestr(info, content)
    return file.getvalue()


def _safetensors(sample: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    size = int.from_bytes(sample[:8], "little")
    header, data = sample[8 : 8 + size], sample[8 + size :]
    if random.randrange(2):
        header = json.dumps(changed(json.loads(header), random)).encode()
    else:
        header = mutated(header, random, others)
    return len(header).to_bytes(8, "little") + header + data


_VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1, 2, 3, 1 << 16, 1 << 31, 1 << 53, 1 << 63, 10**30, 0.5, 1e300),
    *("", "x", "\0", "é" * 100, "sha256:" + "0" * 64, "../..", [], {}, [[]], [0] * 100, [None]),
)


def changed(document: Any, random: Random) -> Any:
    """Return a JSON document in which a value, name or branch is another; text in it may be JSON.

    Examples
    --------
    >>> changed({"a": [1]}, Random(3)) == {"a": [1]}
    False
    """
    if isinstance(document, str) and document.startswith("{") and random.randrange(8):
        return json.dumps(changed(json.loads(document), random))
    if isinstance(document, dict) and document and random.randrange(8):
        name = random.choice(list(document))
        match random.randrange(12):
            case 0:
                return {key: value for key, value in document.items() if key != name}
            case 1:
                return document | {random.choice(("x", f"{name}_", "", "layer")): document[name]}
            case _:
                return document | {name: changed(document[name], random)}
    if isinstance(document, list) and document and random.randrange(8):
        which = random.randrange(len(document))
        match random.randrange(12):
            case 0:
                return document[:which] + document[which + 1 :]
            case 1:
                return [*document, document[which]] * random.choice((1, 2, 50))
            case _:
                return [*document[:which], changed(document[which], random), *document[which + 1 :]]
    if isinstance(document, int | float) and not isinstance(document, bool) and random.randrange(2):
        near = (-document, document + 1, document - 1, document * 1000)
        return random.choice((*near, float(min(document, 1e300))))
    return random.choice(_VALUES)
