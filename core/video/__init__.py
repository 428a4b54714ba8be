"""Pictures one after another, filtered a few at a time."""

from core.video.filter import filtered, frames_at_once
from core.video.frames import Frames, index_in_time

__all__ = ["Frames", "filtered", "frames_at_once", "index_in_time"]
