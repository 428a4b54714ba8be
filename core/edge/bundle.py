"""A model as one signed file for one kind of board.

The file is a zip archive. ``manifest.json`` says everything: the net, the board, the plan, and the
digests of the other members: weights, machine code, and samples with what they must come out as.
``signature.json`` signs the manifest. The same model, board and key give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Array
from core.edge.archive import Member, archive
from core.edge.codegen.variant import variant
from core.edge.estimate import estimate
from core.edge.plan import Plan, plan
from core.edge.precision import Precision, stored
from core.edge.profiles import Profile
from core.edge.runtime.container import (
    CODE,
    CONTEXT,
    FORMAT,
    MANIFEST,
    SAMPLES,
    SIGNATURE,
    TABLES,
    WEIGHTS,
)
from core.edge.runtime.model import EdgeModel
from core.edge.signing import SigningKey
from core.errors import InvalidInput
from core.nets.model import Model

# How many, and how much of a box's memory they may take.
_SAMPLES = 4
_SAMPLE_BYTES = 1 << 20
_SEED = 0
# What two orders of summation in float32 may differ by, as a share of the largest output.
_TOLERANCE = 1e-4
_FLOAT, _INTEGER = 4, 8
_CODE_ALIGNMENT = 64


def build(
    model: Model,
    profile: Profile,
    key: SigningKey,
    *,
    name: str,
    precision: Precision = "fp32",
    sequence: int = 1,
    samples: Array | None = None,
    digest: str | None = None,
) -> bytes:
    """Return a bundle.

    Parameters
    ----------
    model : Model
        What will run.
    profile : Profile
        Where it will run.
    key : SigningKey
        Signs it.
    name : str
        What the model is called.
    precision : {"fp32", "fp16", "int8"}
        How weights are stored; the box computes with float32.
    sequence : int
        Which version it is: a box that has had a later one refuses it.
    samples : ndarray, shape (N, *input_shape), optional
        Images for the self-test, of which the first few are taken; by default random ones.
    digest : str, optional
        Of the model's file: by it jobs find the boxes that run the model.

    Returns
    -------
    bytes
        The same for the same arguments.

    Raises
    ------
    InvalidInput
        The net has a layer that a box does not know, or a weight does not suit the precision.
    TooLarge
        It does not fit into the board's memory.
    """
    if "predict" not in profile.may:
        raise InvalidInput("this board does not predict", field="profile", given=profile.name)
    found = plan(model, max(one.target.lanes(_FLOAT) for one in profile.processors))
    taken = estimate(found, profile)
    weights, entries = stored(found.arrays, precision)
    code, tables, variants = _variants(found, profile)
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "model": {
            "name": name,
            "sequence": sequence,
            "digest": digest,
            "classes": None if model.classes is None else list(model.classes),
            "spec": model.spec.model_dump(mode="json", exclude_none=True),
            "metrics": model.about.get("metrics", {}),
        },
        "precision": precision,
        "profile": profile.model_dump(mode="json"),
        "estimate": asdict(taken),
        "plan": _plan(model, found, entries),
        "code": {"architecture": profile.architecture, "variants": variants},
    }
    contents = {WEIGHTS: weights, TABLES: tables, CODE: code}
    images = _images(model, samples)
    expected = _expected(manifest, contents, images, key)
    manifest["samples"] = {
        "count": len(images),
        "tolerance": _TOLERANCE * max(float(np.abs(expected).max()), 1e-30),
    }
    flat = [array.reshape(len(images), -1) for array in (images, expected)]
    contents[SAMPLES] = np.hstack(flat).astype("<f4").tobytes()
    return _signed(manifest, contents, key)


def _plan(model: Model, found: Plan, entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "input": list(model.network.input_shape),
        "output": list(model.network.output_shape),
        "steps": found.steps,
        "weights": entries,
        "result": found.result,
        "arena": found.arena,
        "multiply_adds": sum(found.multiply_adds),
    }


def _variants(found: Plan, profile: Profile) -> tuple[bytes, bytes, list[dict[str, Any]]]:
    """Return machine code, tables, and what is where in them for each processor."""
    code, tables, variants = bytearray(), bytearray(), []
    for processor in profile.processors:
        made = variant(found, processor.target)
        code.extend(bytes(-len(code) % _CODE_ALIGNMENT))
        variants.append(
            {
                "cpu": processor.cpu,
                "needs": processor.needs,
                "parts": [part._replace(at=len(code) + part.at) for part in made.parts],
                "tables": [len(tables) // _INTEGER, len(made.tables)],
                "places": made.packing.places,
                "packed": made.packing.length,
            }
        )
        code.extend(made.code)
        tables.extend(made.tables.astype("<i8").tobytes())
    return bytes(code), bytes(tables), variants


def _images(model: Model, samples: Array | None) -> Array:
    shape = model.network.input_shape
    count = max(1, min(_SAMPLES, _SAMPLE_BYTES // (_FLOAT * math.prod(shape))))
    if samples is None:
        random = np.random.default_rng(_SEED)
        # Small integers, which take little room in the file.
        return random.integers(-2, 3, (count, *shape)).astype(np.float32)
    images = np.asarray(samples[:count], np.float32)
    if images.shape[1:] != shape or not len(images) or not np.isfinite(images).all():
        raise InvalidInput(
            "these are no images for the model",
            field="samples",
            given=samples.shape,
            accepted=f"one or more of shape {shape}, finite",
        )
    return images


def _expected(
    manifest: dict[str, Any], contents: dict[str, bytes], images: Array, key: SigningKey
) -> Array:
    """Return what the runtime makes of the images with NumPy, on this machine."""
    nothing = dict(manifest, samples={"count": 0, "tolerance": 1.0})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle"
        path.write_bytes(_signed(nothing, contents | {SAMPLES: b""}, key))
        model = EdgeModel(str(path), machine_code=False)
        return np.stack([model.predict(image).copy() for image in images])


def _signed(manifest: dict[str, Any], contents: dict[str, bytes], key: SigningKey) -> bytes:
    files = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in contents.items()
    }
    text = _json(manifest | {"files": files})
    signature = {"key": key.public.hex(), "signature": key.sign(CONTEXT + text).hex()}
    members = [Member(MANIFEST, text), Member(SIGNATURE, _json(signature))]
    members += [Member(name, data) for name, data in contents.items() if name != CODE]
    # Machine code is mapped from the file, so it lies in it as it is.
    return archive([*members, Member(CODE, contents[CODE], mapped=True)])


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, allow_nan=False, separators=(",", ":")).encode()
