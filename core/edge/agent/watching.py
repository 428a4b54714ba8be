"""A camera as what an agent predicts: it may go, and come back."""

import io
import time
from typing import Any, Callable

import numpy as np

from core.edge.agent.errors import Away
from core.edge.agent.models import Models
from core.edge.agent.spool import Spool
from core.edge.runtime.errors import EdgeError


class Watching:
    """Predicts what a camera sees, every now and then.

    Parameters
    ----------
    connect : callable
        Opens the camera: gives something like `core.edge.runtime.camera.Camera`, or raises
        EdgeError.
    source : str
        What results have as their input.
    models : Models
        What predicts.
    spool : Spool
        Where results go.
    interval : float
        Seconds between two images.
    """

    def __init__(
        self,
        connect: "Callable[[], Any]",
        source: str,
        models: Models,
        spool: Spool,
        interval: float,
    ) -> None:
        self._connect, self._source, self._models = connect, source, models
        self._spool, self._interval = spool, interval
        self._camera = None  # type: Any
        self._next = 0.0
        spool.let_go()

    def step(self) -> int:
        """Predict an image if it is time to; return how many.

        Raises
        ------
        EdgeError
            The camera is gone, and is looked for again next time; or there is no model yet, or no
            room for a result.
        """
        if time.monotonic() < self._next:
            return 0
        shape = self._models.input_shape
        if shape is None:
            raise Away("there is no model yet", "model")
        if self._camera is None:
            self._camera = self._connect()
        try:
            image = self._camera.read(shape)
        except EdgeError:
            self._camera.close()
            self._camera = None
            raise
        self._next = time.monotonic() + self._interval
        file = io.BytesIO()
        np.save(file, image)
        self._spool.add(dict(self._models.predict(file.getvalue()), input=self._source))
        self._spool.let_go()
        return 1
