"""The machine code in an object file, if it can run wherever it lies.

Sources: "System V Application Binary Interface", chapter 4, "Object files", and its supplement for
AMD64, 4.4.1, for constants that are named relative to an instruction; "ELF for the Arm
architecture" (AAELF32), 5.6.1, for the calls of 32-bit ARM, which are left to a linker even where
they stay within a section.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_ADDENDS, _RELOCATIONS = 4, (4, 9)  # SHT_RELA; either SHT_RELA or SHT_REL
_ALLOCATED = 2  # SHF_ALLOC
_CODE, _SYMBOLS = ".text", ".symtab"
_CONSTANTS = ".rodata"
_ALIGNMENT = 64
# Tables for unwinding and notes are not code's own data.
_BESIDE = (".eh_frame", ".ARM.exidx", ".note", ".ARM.attributes")
_ARM = 40  # EM_ARM
_ARM_CALLS = (28, 29)  # R_ARM_CALL, R_ARM_JUMP24
_BRANCH_BITS = 24
_X86_64 = 62  # EM_X86_64
_RELATIVE = (2, 4)  # R_X86_64_PC32, R_X86_64_PLT32


class _Section(NamedTuple):
    name: str
    kind: int
    flags: int
    offset: int
    size: int
    applies_to: int


def machine_code(image: bytes) -> bytes:
    """Return the code of an object file, whose first function is to be called, and its constants.

    Raises
    ------
    ValueError
        It needs a linker: it refers to something outside of itself.
    """
    sections = _sections(image)
    number = next(i for i, section in enumerate(sections) if section.name == _CODE)
    code, places = bytearray(_content(image, sections[number])), {number: 0}
    for index, section in enumerate(sections):
        if not section.flags & _ALLOCATED or not section.size or index == number:
            continue
        if section.name.startswith(_CONSTANTS):
            # Behind the code, as far from it as ever.
            code.extend(bytes(-len(code) % _ALIGNMENT))
            places[index] = len(code)
            code.extend(_content(image, section))
        elif not section.name.startswith(_BESIDE):
            raise ValueError(f"the code has data beside it, in {section.name}")
    for section in sections:
        if section.kind in _RELOCATIONS and section.applies_to == number and section.size:
            resolve = _resolve_relative if section.kind == _ADDENDS else _resolve_calls
            resolve(image, sections, section, code, places)
    return bytes(code)


def _resolve_relative(
    image: bytes,
    sections: list[_Section],
    relocations: _Section,
    code: bytearray,
    places: dict[int, int],
) -> None:
    """Put the distances into x86-64's instructions that name something relative to themselves."""
    symbols = _symbols(image, sections)
    for at, info, addend in struct.iter_unpack("<QQq", _content(image, relocations)):
        _, _, _, section, value, _ = struct.unpack_from("<IBBHQQ", symbols, 24 * (info >> 32))
        if _machine(image) != _X86_64 or info & 0xFFFFFFFF not in _RELATIVE:
            raise ValueError("the code refers to something outside of itself")
        struct.pack_into("<i", code, at, _place(places, section) + value + addend - at)


def _resolve_calls(
    image: bytes,
    sections: list[_Section],
    relocations: _Section,
    code: bytearray,
    places: dict[int, int],
) -> None:
    """Put the distances into 32-bit ARM's calls from the code to the code."""
    symbols = _symbols(image, sections)
    for at, info in struct.iter_unpack("<II", _content(image, relocations)):
        _, value, _, _, _, section = struct.unpack_from("<IIIBBH", symbols, 16 * (info >> 8))
        if _machine(image) != _ARM or info & 0xFF not in _ARM_CALLS:
            raise ValueError("the code refers to something outside of itself")
        (instruction,) = struct.unpack_from("<I", code, at)
        # Words from the call; what stands there already is added.
        mask = (1 << _BRANCH_BITS) - 1
        words = (_place(places, section) + value - at) // 4
        distance = ((instruction & mask) + words) & mask
        struct.pack_into("<I", code, at, instruction & ~mask | distance)


def _place(places: dict[int, int], section: int) -> int:
    if section not in places:
        raise ValueError("the code refers to something outside of itself")
    return places[section]


def _machine(image: bytes) -> int:
    return int.from_bytes(image[18:20], "little")


def _symbols(image: bytes, sections: list[_Section]) -> bytes:
    return next(_content(image, section) for section in sections if section.name == _SYMBOLS)


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
