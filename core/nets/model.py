"""A trained net, and the one file that it is kept in.

The file is in the safetensors format: arrays, and text that holds the description of the net and
what is known of its training. Reading it executes nothing.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from core import strict_json
from core.arrays import Array, is_on_gpu, to_numpy
from core.conv import codegen
from core.conv.blocks import Check, never
from core.errors import InvalidInput, TooLarge, UnsupportedMedia
from core.nets.inference import Prepared
from core.nets.network import Network
from core.nets.segments import LANES
from core.nets.spec import NetSpec

MAX_BYTES = 4 << 30
MAX_HEADER = 16 << 20

_FORMAT = 1
_KEY = "convq"
_SAFETENSORS_FLOAT32 = "F32"


@dataclass(frozen=True, eq=False)
class Model:
    """A net with its weights.

    Attributes
    ----------
    spec : NetSpec
        What it is made of.
    weights : dict of str to ndarray
        Parameters and state by name, such as ``conv1.weight``: float32.
    about : dict
        JSON-ready: ``classes``, the names of the outputs, if they are classes; ``metrics``, how
        good it is, by name; ``lineage``, where it comes from (the digest of the data, the job, the
        version of convq and so on).
    """

    spec: NetSpec
    weights: dict[str, Array]
    about: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def network(self) -> Network:
        """The graph of the net."""
        return Network(self.spec)

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the outputs, if they are classes."""
        names = self.about.get("classes")
        return None if names is None else tuple(names)

    @property
    def nonfinite(self) -> tuple[str, ...]:
        """The names of weights that hold NaN or an infinity, which reach every output."""
        return tuple(n for n, array in self.weights.items() if not np.isfinite(array).all())

    def run(
        self, x: Array, *, output: str | None = None, batch: int = 256, check: Check = never
    ) -> Array:
        """Return the outputs of the net for ``x (N, *input_shape)``; see `Network.run`.

        Fewer than 16 images go through the net one by one, by `Network.prepared`, which is made
        when it is first asked for; weights must not be changed from then on. More go in batches.
        """
        if x.ndim and len(x) < LANES and codegen.available() and not is_on_gpu(x):
            if output not in self._prepared:
                self._prepared[output] = self.network.prepared(self.weights, output=output)
            return self._prepared[output].run(x, check=check)
        return self.network.run(self.weights, x, output=output, batch=batch, check=check)

    @cached_property
    def _prepared(self) -> dict[str | None, Prepared]:
        return {}


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a model into one file; the same model gives the same bytes.

    Parameters
    ----------
    model : Model
        What `load` will return.
    path : path
        Where to.

    Raises
    ------
    InvalidInput
        Weights are missing, are none of the net's, or are of another shape or dtype than it wants;
        or ``about`` is not JSON-ready.
    """
    Path(path).write_bytes(dump(model))


def dump(model: Model) -> bytes:
    """Return what `save` writes.

    Examples
    --------
    >>> layers = [{"layer": "dense", "features": 2}]
    >>> spec = NetSpec.model_validate({"input": [3], "layers": layers})
    >>> model = Model(spec, Network(spec).init(seed=0))
    >>> dump(model) == dump(model)
    True
    """
    weights = {name: to_numpy(array) for name, array in model.weights.items()}
    _check_weights(model.network, {n: (array.shape, array.dtype) for n, array in weights.items()})
    _check_about(model.about, model.network)
    document = {
        "format": _FORMAT,
        # A later version of convq may have other defaults; what the net is stays written out.
        "spec": model.spec.model_dump(mode="json"),
        "about": model.about,
    }
    try:
        text = json.dumps(document, sort_keys=True, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"cannot be written as JSON: {error}", field="about", given=model.about
        ) from None
    # One entry only: safetensors writes several in any order.
    return to_bytes(
        {name: np.asarray(weights[name], order="C") for name in sorted(weights)}, {_KEY: text}
    )


def load(path: str | os.PathLike[str]) -> Model:
    """Read a model's file, all of it checked.

    Weights may be NaN or infinite: `Model.nonfinite` tells.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    Model

    Raises
    ------
    UnsupportedMedia
        It is no model's file, or is damaged.
    InvalidInput
        The net in it is none that convq knows, or its weights are not those of the net.
    TooLarge
        It is larger than 4 GiB, or its header larger than 16 MiB.

    Examples
    --------
    >>> import tempfile
    >>> layers = [{"layer": "dense", "features": 2}]
    >>> spec = NetSpec.model_validate({"input": [3], "layers": layers})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Model(spec, Network(spec).init(seed=0), {"classes": ["a", "b"]}), folder + "/m")
    ...     model = load(folder + "/m")
    >>> model.classes, model.run(np.zeros((1, 3), np.float32)).shape
    (('a', 'b'), (1, 2))
    """
    _check_sizes(path)
    try:
        with safe_open(path, framework="numpy") as file:
            document = _document(file.metadata())
            spec = _spec(document["spec"])
            network = Network(spec)
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            _check_weights(
                network,
                {n: (tuple(s.get_shape()), _dtype(s.get_dtype())) for n, s in slices.items()},
            )
            weights = {name: file.get_tensor(name) for name in network.parameters | network.state}
    except SafetensorError as error:
        raise _damaged(str(error)) from None
    _check_about(document["about"], network)
    return Model(spec, weights, document["about"])


def _check_sizes(path: str | os.PathLike[str]) -> None:
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if header > size:
        raise _damaged("the file ends within its header")
    if size > MAX_BYTES or header > MAX_HEADER:
        raise TooLarge(
            "the model's file is too large",
            field="model",
            given=f"{size} bytes, of which {header} header",
            accepted=f"at most {MAX_BYTES} bytes, of which {MAX_HEADER} header",
        )


def _document(metadata: Mapping[str, str] | None) -> dict[str, Any]:
    text = (metadata or {}).get(_KEY)
    if text is None:
        raise UnsupportedMedia(
            "these are arrays without a net",
            field="model",
            accepted=f"a file that convq wrote, with the entry {_KEY} in its metadata",
        )
    try:
        document = strict_json.parse(text)
    except InvalidInput as error:
        raise _damaged(error.message) from None
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise UnsupportedMedia(
            "a model's file of another version of convq",
            field="model.format",
            given=document.get("format") if isinstance(document, dict) else document,
            accepted=str(_FORMAT),
        )
    if not isinstance(document.get("about"), dict) or "spec" not in document:
        raise _damaged("there is no description of the net")
    return document


def _spec(document: Any) -> NetSpec:
    try:
        return NetSpec.model_validate(document)
    except (ValidationError, RecursionError) as error:
        faults = error.errors() if isinstance(error, ValidationError) else []
        place = ".".join(map(str, faults[0]["loc"])) if faults else ""
        raise InvalidInput(
            faults[0]["msg"] if faults else "nested too deeply",
            field=f"spec.{place}".removesuffix("."),
            given=faults[0]["input"] if faults else None,
        ) from None


def _dtype(name: str) -> str | np.dtype[Any]:
    return np.dtype(np.float32) if name == _SAFETENSORS_FLOAT32 else name


def _check_weights(network: Network, found: Mapping[str, tuple[Any, Any]]) -> None:
    wanted = network.parameters | network.state
    for name in sorted(wanted.keys() ^ found.keys()):
        raise InvalidInput(
            "a weight is missing" if name in wanted else "the net has no such weight",
            field=f"weights.{name}",
            given=None if name in wanted else found[name][0],
            accepted=list(wanted),
        )
    for name, (shape, dtype) in found.items():
        if tuple(shape) != wanted[name].shape or dtype != np.float32:
            raise InvalidInput(
                "not the weight that the net has there",
                field=f"weights.{name}",
                given=f"{dtype} of shape {tuple(shape)}",
                accepted=f"float32 of shape {wanted[name].shape}",
            )


def _check_about(about: Mapping[str, Any], network: Network) -> None:
    classes, outputs = about.get("classes"), network.output_shape[0]
    if classes is not None and not (
        isinstance(classes, list | tuple)
        and len(classes) == outputs
        and all(isinstance(name, str) for name in classes)
    ):
        raise InvalidInput(
            "not one name for each output", field="about.classes", given=classes, accepted=outputs
        )
    metrics = about.get("metrics", {})
    if not isinstance(metrics, dict) or not all(_is_figure(value) for value in metrics.values()):
        raise InvalidInput(
            "not finite numbers by name",
            field="about.metrics",
            given=metrics,
            accepted='such as {"accuracy": 0.99}',
        )
    lineage = about.get("lineage", {})
    if not isinstance(lineage, dict):
        raise InvalidInput(
            "not an object", field="about.lineage", given=lineage, accepted='{"job": id, …}'
        )


def _is_figure(value: Any) -> bool:
    # A whole number may have any number of digits, and NaN is in no order.
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max


def _damaged(why: str) -> UnsupportedMedia:
    return UnsupportedMedia(
        f"no model's file, or a damaged one ({why})",
        field="model",
        accepted="a safetensors file that convq wrote",
    )
