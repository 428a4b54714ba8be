"""Lets Python sleep under libfaketime 0.9.10, which garbles what clock_nanosleep is given."""

import threading
import time
from typing import SupportsIndex


def _sleep(seconds: float | SupportsIndex) -> None:
    threading.Event().wait(float(seconds))


time.sleep = _sleep
