"""The job kind ``search``: which images of an index are nearest to a query."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter

from core.errors import ConvqError, UnsupportedMedia
from core.jobs.contact_sheet import sheet, thumbnails
from core.jobs.index import Distance, Index, Neighbours, load, nearest, normalised
from core.jobs.inference import Inference, Part, Row
from core.jobs.inputs import Digest, Input, digests
from core.jobs.kind import Kind, Planning, Spec
from core.jobs.run import Run
from core.kernels import PresetKernel
from core.media import JSON, PNG
from core.nets.data import DataOptions
from core.nets.model import load as load_model
from core.store.artifacts import ArtifactStore

SHEET = "neighbours.png"
NEIGHBOURS = "neighbours.json"

# Rows of the sheet; the JSON has all queries.
_ROWS = 16
_COLUMNS = 12
_NEIGHBOUR = 300


class SearchSpec(Spec):
    """Find the images of an index that are nearest to others."""

    kind: Literal["search"]
    index: Digest = Field(
        description="The index.npz of a job of the kind embed, which holds the model, too.",
        examples=["sha256:" + "1" * 64],
    )
    inputs: list[Digest | Input] = Field(
        min_length=1,
        description="The queries: whatever the index could be made of. Each is one item.",
        examples=[["sha256:" + "0" * 64]],
    )
    neighbours: int = Field(default=10, ge=1, le=1000, description="How many for each image.")
    distance: Distance = Field(
        default="cosine",
        description="1 - cos of the angle between the vectors, or the length of their difference.",
    )


def references(spec: SearchSpec) -> tuple[str, ...]:
    """Return the digests of the index and of the queries."""
    return tuple(dict.fromkeys((spec.index, *digests(spec.inputs))))


def items(spec: SearchSpec) -> int:
    """Return the number of inputs."""
    return len(spec.inputs)


def plan(spec: SearchSpec, planning: Planning) -> dict[str, Any]:
    """Check the index and the queries; as `core.jobs.predict.plan`, with ``indexed``, how many."""
    with tempfile.TemporaryDirectory(prefix="convq-") as scratch:
        index, inference, reading = _opened(spec, planning.artifacts, Path(scratch))
    kept = _NEIGHBOUR * spec.neighbours + 4 * index.vectors.shape[1]
    found = inference.plan(spec.inputs, reading, planning, kept=kept, wish=spec.device)
    compared = found["images"] * index.vectors.size * planning.device.direct["float32"]
    return found | {
        "seconds": found["seconds"] + compared,
        "bytes": found["bytes"] + index.vectors.nbytes + index.thumbnails.nbytes,
        "indexed": len(index),
    }


def run(spec: SearchSpec, run: Run) -> None:
    """Run the model of the index over the queries, and compare with all vectors."""
    with run.stage("load"):
        index, inference, reading = _opened(spec, run.artifacts, run.scratch)
    rows: list[Row] = []
    found: list[Neighbours] = []
    drawn: list[NDArray[np.uint8]] = []
    for part in inference.parts(spec.inputs, reading, run, spec.device):
        with run.stage("search"):
            found.append(_search(spec, index, part, run))
        drawn.append(thumbnails(part.x[: max(0, _ROWS - len(rows))]))
        rows += part.rows
    if not rows:
        return
    near = Neighbours(*(np.concatenate(arrays) for arrays in zip(*found, strict=True)))
    with run.stage("store"):
        text = json.dumps(_document(spec, index, rows, near), allow_nan=False)
        run.deliver(
            NEIGHBOURS, source=None, media_type=JSON, write=lambda path: _write(path, text.encode())
        )
        queries = np.concatenate(drawn)
        if index.thumbnails.size and queries.size:
            png = _sheet(index, queries, near)
            run.deliver(SHEET, source=None, media_type=PNG, write=lambda path: _write(path, png))


def _opened(
    spec: SearchSpec, artifacts: ArtifactStore, scratch: Path
) -> tuple[Index, Inference, DataOptions | None]:
    index = load(artifacts.fetch(spec.index, scratch))
    file = scratch / "model.safetensors"
    file.write_bytes(index.model)
    about = index.about
    try:
        model = load_model(file)
        kernel = about.get("filter")
        inference = Inference(
            model,
            about.get("layer"),
            None if kernel is None else TypeAdapter(PresetKernel).validate_python(kernel),
            compared=True,
        )
        fits = int(np.prod(inference.shape)) == index.vectors.shape[1]
        reading = about.get("reading")
        options = None if reading is None else DataOptions.model_validate(reading)
    except (ConvqError, ValueError) as error:
        raise _damaged(str(error)) from error
    if not fits:
        raise _damaged("its vectors are not those of its model")
    return index, inference, options


def _search(spec: SearchSpec, index: Index, part: Part, run: Run) -> Neighbours:
    vectors, norms = normalised(part.y)
    return nearest(index, vectors, norms, spec.neighbours, spec.distance, run.check)


def _document(spec: SearchSpec, index: Index, rows: list[Row], near: Neighbours) -> dict[str, Any]:
    return {
        "distance": spec.distance,
        "model": index.about.get("model"),
        "layer": index.about.get("layer"),
        "queries": [
            {
                "input": row.input,
                "artifact": row.digest,
                "image": row.image,
                "neighbours": [
                    {
                        "input": str(index.names[place]),
                        "artifact": str(index.digests[place]),
                        "image": int(index.images[place]),
                        "distance": float(distance),
                    }
                    for place, distance in zip(places, distances, strict=True)
                ],
            }
            for row, places, distances in zip(rows, *near, strict=True)
        ],
    }


def _sheet(index: Index, queries: NDArray[np.uint8], near: Neighbours) -> bytes:
    places = near.rows[: len(queries), :_COLUMNS]
    return sheet(
        queries,
        [index.thumbnails[row] for row in places],
        [[str(name) for name in index.names[row]] for row in places],
        near.distances[: len(queries), :_COLUMNS],
    )


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _damaged(why: str) -> UnsupportedMedia:
    return UnsupportedMedia(
        f"this index cannot be searched: {why}",
        field="index",
        accepted="the index.npz of a job of the kind embed",
    )


KIND = Kind(
    name="search",
    summary="Find the images of an index that are nearest to others.",
    spec=SearchSpec,
    references=references,
    items=items,
    plan=plan,
    run=run,
    on_gpu=True,
)
