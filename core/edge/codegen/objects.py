"""The machine code in an object file, if it can run wherever it lies.

Sources: "System V Application Binary Interface", chapter 4, "Object files"; "ELF for the Arm
architecture" (AAELF32), 5.6.1, for the calls of 32-bit ARM, which are left to a linker even where
they stay within a section.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_RELOCATIONS = (4, 9)  # SHT_RELA, SHT_REL
_ALLOCATED = 2  # SHF_ALLOC
_CODE, _SYMBOLS = ".text", ".symtab"
# Tables for unwinding and notes are not code's own data.
_BESIDE = (".eh_frame", ".ARM.exidx", ".note", ".ARM.attributes")
_ARM = 40  # EM_ARM
_ARM_CALLS = (28, 29)  # R_ARM_CALL, R_ARM_JUMP24
_BRANCH_BITS = 24


class _Section(NamedTuple):
    name: str
    kind: int
    flags: int
    offset: int
    size: int
    applies_to: int


def machine_code(image: bytes) -> bytes:
    """Return the code of an object file, whose first function is to be called.

    Raises
    ------
    ValueError
        It needs a linker, or data of its own: it refers to something outside of itself.
    """
    sections = _sections(image)
    number = next(i for i, section in enumerate(sections) if section.name == _CODE)
    code = bytearray(_content(image, sections[number]))
    for section in sections:
        if section.kind in _RELOCATIONS and section.applies_to == number and section.size:
            _resolve_calls(image, sections, number, section, code)
        owned = section.flags & _ALLOCATED and section.size and section.name != _CODE
        if owned and not section.name.startswith(_BESIDE):
            raise ValueError(f"the code has data beside it, in {section.name}")
    return bytes(code)


def _resolve_calls(
    image: bytes, sections: list[_Section], text: int, relocations: _Section, code: bytearray
) -> None:
    """Put the distances into 32-bit ARM's calls from the code to the code."""
    (machine,) = struct.unpack_from("<H", image, 18)
    symbols = next(_content(image, section) for section in sections if section.name == _SYMBOLS)
    for at, info in struct.iter_unpack("<II", _content(image, relocations)):
        _, value, _, _, _, section = struct.unpack_from("<IIIBBH", symbols, 16 * (info >> 8))
        if machine != _ARM or info & 0xFF not in _ARM_CALLS or section != text:
            raise ValueError("the code refers to something outside of itself")
        (instruction,) = struct.unpack_from("<I", code, at)
        # Words from the call; what stands there already is added.
        mask = (1 << _BRANCH_BITS) - 1
        distance = ((instruction & mask) + (value - at) // 4) & mask
        struct.pack_into("<I", code, at, instruction & ~mask | distance)


def _content(image: bytes, section: _Section) -> bytes:
    return image[section.offset : section.offset + section.size]


def _sections(image: bytes) -> list[_Section]:
    if image[:4] != b"\x7fELF" or image[5] != 1:
        raise ValueError("no little-endian ELF file")
    wide = image[4] == 2
    start: int = struct.unpack_from("<Q" if wide else "<I", image, 40 if wide else 32)[0]
    size, count, names = struct.unpack_from("<HHH", image, 58 if wide else 46)
    layout = "<IIQQQQIIQQ" if wide else "<IIIIIIIIII"
    headers = [struct.unpack_from(layout, image, start + size * i) for i in range(count)]
    strings = headers[names][4]
    return [
        _Section(
            image[strings + h[0] : image.index(0, strings + h[0])].decode(),
            kind=h[1],
            flags=h[2],
            offset=h[4],
            size=h[5],
            applies_to=h[7],
        )
        for h in headers
    ]
