"""A bundle as an agent uses it: from the bytes of images to results."""

from typing import Any, Dict

from core.edge.runtime.main import answer
from core.edge.runtime.model import EdgeModel
from core.edge.runtime.pictures import read_image


class Net:
    """A bundle that predicts.

    Parameters
    ----------
    path : str
        The file.
    key : bytes
        The public key that must have signed it.
    machine_code : bool
        Whether to use its machine code.

    Raises
    ------
    EdgeError
        It is damaged, signed by another key, or its samples come out otherwise here.
    """

    def __init__(self, path: str, key: bytes, machine_code: bool = True) -> None:
        self._model = EdgeModel(path, key, machine_code)
        self._classes = self._model.manifest["model"]["classes"]
        self.notes = self._model.notes
        self.input_shape = self._model.input_shape
        self.self_test()

    def predict(self, data: bytes) -> "Dict[str, Any]":
        """Return the result for the image in a file."""
        return answer(self._model.predict(read_image(data, self._model.input_shape)), self._classes)

    def outputs(self, data: bytes) -> bytes:
        """Return what the net says of the image in a file: little-endian float32 in C order."""
        y = self._model.predict(read_image(data, self._model.input_shape))
        return y.astype("<f4").tobytes()

    def self_test(self) -> None:
        """Raise Damaged if the samples come out otherwise."""
        self._model.self_test()
