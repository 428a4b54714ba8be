"""Images from a camera, through OpenCV where it is installed; JetPack brings it."""

from typing import Any

import numpy as np

from core.edge.runtime.errors import EdgeError

# What a colour counts in grey (ITU-R BT.601), in OpenCV's order: blue, green, red.
_GREY = np.array([0.114, 0.587, 0.299])


class Camera:
    """A camera that is open.

    Parameters
    ----------
    source : str
        ``camera:/dev/video0``, ``camera:0``, or whatever else OpenCV opens, behind ``camera:``.

    Raises
    ------
    EdgeError
        There is no such camera, or no OpenCV.
    """

    def __init__(self, source: str) -> None:
        try:
            import cv2
        except ImportError:
            raise EdgeError(
                "a camera needs OpenCV, which is not installed",
                "--input",
                given=source,
                accepted="apt-get install python3-opencv, or images in a folder",
            ) from None
        name = source.partition(":")[2]
        self._source = source
        self._capture = cv2.VideoCapture(int(name) if name.isdigit() else name)  # type: Any
        # Pictures that wait are older than they need to be; some cameras cannot do without.
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        if not self._capture.isOpened():
            raise EdgeError("this camera cannot be opened", "--input", given=source)

    def read(self, shape: "tuple[int, ...]") -> "np.ndarray[Any, Any]":
        """Return the next image as a net takes it; see `fitted`.

        Raises
        ------
        EdgeError
            The camera has gone.
        """
        there, frame = self._capture.read()
        if not there:
            raise EdgeError("the camera gives no images any more", "--input", given=self._source)
        return fitted(frame, shape)

    def close(self) -> None:
        """Give the camera back."""
        self._capture.release()


def fitted(frame: "np.ndarray[Any, Any]", shape: "tuple[int, ...]") -> "np.ndarray[Any, Any]":
    """Return a frame as a net takes it.

    Parameters
    ----------
    frame : ndarray of uint8, shape (rows, columns, 3)
        Blue, green, red.
    shape : tuple of int
        ``(1, rows, columns)`` for grey, or ``(3, rows, columns)`` for red, green, blue.

    Returns
    -------
    ndarray of float32, shape (*shape)
        From 0 to 255. Each pixel is the mean of those of the frame that lie in its place; the frame
        is stretched where its sides have another ratio.

    Raises
    ------
    EdgeError
        The net takes no pictures.

    Examples
    --------
    >>> frame = np.uint8([[[10, 20, 30], [30, 40, 50]]])
    >>> fitted(frame, (3, 1, 1)).tolist()
    [[[40.0]], [[30.0]], [[20.0]]]
    """
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise EdgeError(
            "a camera gives pictures", "--input", given=shape, accepted="1 or 3 x H x W"
        )
    channels, rows, columns = shape
    values = np.asarray(frame, np.float64)
    for axis, (have, want) in enumerate(zip(values.shape[:2], (rows, columns))):
        first = np.arange(want) * have // want
        # Where the frame is smaller, a pixel is taken several times.
        counts = np.maximum(np.diff(np.append(first, have)), 1)
        sides = [1, 1, 1]
        sides[axis] = want
        values = np.add.reduceat(values, first, axis=axis) / counts.reshape(sides)
    values = values @ _GREY[:, None] if channels == 1 else values[..., ::-1]
    return np.ascontiguousarray(np.moveaxis(values, -1, 0), np.float32)
