"""Data sets: from a file of one of several formats to batches of images and answers."""

from core.nets.data.dataset import Dataset, Images
from core.nets.data.format import Format
from core.nets.data.formats import FORMATS
from core.nets.data.info import DataInfo
from core.nets.data.limits import LIMITS, ROOM, Limits, Room
from core.nets.data.loading import inspect, load
from core.nets.data.options import DataOptions

__all__ = [
    "FORMATS",
    "LIMITS",
    "ROOM",
    "DataInfo",
    "DataOptions",
    "Dataset",
    "Format",
    "Images",
    "Limits",
    "Room",
    "inspect",
    "load",
]
