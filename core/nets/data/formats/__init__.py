"""Every format of data sets, in the order in which they are recognised; one file each."""

from __future__ import annotations

from typing import Final

from core.nets.data.format import Format
from core.nets.data.formats.folders import FORMAT as FOLDERS
from core.nets.data.formats.idx import FORMAT as IDX
from core.nets.data.formats.index import FORMAT as INDEX
from core.nets.data.formats.npz import FORMAT as NPZ
from core.nets.data.formats.text import FORMAT as TEXT

FORMATS: Final[tuple[Format, ...]] = (NPZ, INDEX, IDX, FOLDERS, TEXT)
