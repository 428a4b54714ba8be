"""Predictions on boxes at the edge: which jobs suit them, and what they say of inputs."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput, NotFound, TooLarge
from core.jobs.inference import Row
from core.jobs.inputs import Digest, Input, digests, names
from core.jobs.kind import Planning
from core.jobs.run import Run
from core.media import NPY, PICTURES
from core.store.artifacts import Artifact
from core.store.edge import Release

# A box has a job for a while and tells all of it at once.
_MOST_INPUTS = 1000
_MOST_BYTES = 2 << 20
_FLOAT = 4
_SUITABLE = "pictures and .npy of one image each, of the size that the net takes"


def plan(
    on: str,
    model: str,
    inputs: Sequence[Digest | Input],
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    planning: Planning,
) -> dict[str, Any]:
    """Return what a job will take on the boxes of a group, from records.

    Parameters
    ----------
    on : str
        The group.
    model : str
        Digest of the model's file.
    inputs : sequence of Digest or Input
        Of the job.
    shapes : pair of tuple of int
        Of an image, channels first, and of what the net says of it.
    planning : Planning
        Of the job.

    Raises
    ------
    InvalidInput
        There is no such group, its boxes run no bundle of this model, or no input suits them.
    TooLarge
        There are more inputs, or more outputs, than a box can tell at once.
    """
    release, boxes = _released(on, model, planning)
    images, kept = len(inputs), len(inputs) * _FLOAT * prod(shapes[1])
    if images > _MOST_INPUTS:
        raise TooLarge(
            "a box does not take so many inputs at once",
            field="inputs",
            given=images,
            accepted=f"at most {_MOST_INPUTS}; several jobs go to several boxes",
        )
    if kept > _MOST_BYTES:
        raise TooLarge(
            "a box does not tell so much at once",
            field="inputs",
            given=f"{kept} bytes of outputs",
            accepted=f"at most {_MOST_BYTES}; several jobs go to several boxes",
        )
    records = [planning.inputs[digest] for digest in digests(list(inputs))]
    unsuitable = [record for record in records if not _suits(record, shapes[0])]
    if len(unsuitable) == images:
        raise InvalidInput(
            "boxes take images as they are, and these are of another size or format",
            field="inputs",
            given=f"{unsuitable[0].media_type} of shape {unsuitable[0].shape}",
            accepted=f"{_SUITABLE}: shape {shapes[0]}, channels first",
        )
    assert release.latency is not None  # where the model is known, this is
    return {
        "seconds": images * release.latency,
        "bytes": kept,
        "groups": [],
        "images": images - len(unsuitable),
        "shape": list(shapes[1]),
        "failing": len(unsuitable),
        "model": model,
        "device": {"kind": "edge", "name": release.profile, "worker": None},
        "on": {
            "group": on,
            "boxes": boxes,
            "release": release.digest,
            "name": release.name,
            "sequence": release.sequence,
        },
    }


def outputs(
    inputs: Sequence[Digest | Input],
    said: Sequence[bytes | str],
    shape: tuple[int, ...],
    run: Run,
) -> tuple[list[Row], NDArray[np.float32]]:
    """Return what a box says of the inputs that it could read; the others fail, each alone.

    Parameters
    ----------
    inputs : sequence of Digest or Input
        Of the job.
    said : sequence of bytes or str
        Of each input the outputs, little-endian float32 in C order, or what was wrong with it.
    shape : tuple of int
        Of the outputs for an image.
    run : Run
        Told of each input.

    Returns
    -------
    rows : list of Row
        Which images these are.
    y : ndarray of float32, shape (len(rows), *shape)

    Raises
    ------
    InvalidInput
        There are more or fewer of them than inputs, or they are of another shape.
    """
    entries = list(inputs)
    length = _FLOAT * prod(shape)
    lengths = [length if isinstance(part, str) else len(part) for part in said]
    if lengths != [length] * len(entries):
        raise InvalidInput(
            "this is not what the net says of these inputs",
            field="results",
            given=f"{len(lengths)} outputs of {sorted(set(lengths))} bytes",
            accepted=f"{len(entries)} of {length} bytes",
        )
    rows, found = [], []
    for name, digest, part in zip(names(entries), digests(entries), said, strict=True):
        if isinstance(part, str):
            run.fail_item(name, source=digest, error=InvalidInput(part, field="inputs"))
        else:
            rows.append(Row(name, digest, 0))
            found.append(part)
        run.advance(failed=isinstance(part, str))
    return rows, np.frombuffer(b"".join(found), "<f4").reshape(-1, *shape).astype(np.float32)


def _released(on: str, model: str, planning: Planning) -> tuple[Release, int]:
    """Return the bundle of the model that boxes of a group run, and how many boxes there are."""
    if planning.group_of is None:
        raise InvalidInput(
            "only jobs of their own can be addressed to boxes", field="on", given=on, accepted=None
        )
    try:
        group = planning.group_of(on)
    except NotFound as error:
        raise InvalidInput(
            error.message, field="on", given=on, accepted="what convq edge groups lists"
        ) from error
    for release in group.releases:
        if release.model == model:
            return release, group.boxes
    runs = ", ".join(f"{r.name} {r.sequence}" for r in group.releases)
    models = [r.model or "unknown: make the bundle anew to say which" for r in group.releases]
    raise InvalidInput(
        f"the boxes of {on} run {runs}, which was not made of this model"
        if group.releases
        else f"the boxes of {on} have no model yet",
        field="on",
        given=model,
        accepted=", ".join(models) or "a group to which a bundle of this model was rolled out",
    )


def _suits(record: Artifact, shape: tuple[int, ...]) -> bool:
    if record.shape is None or record.media_type not in (*PICTURES, NPY):
        return False
    found = record.shape
    if record.media_type != NPY and len(found) == 3:
        found = (found[2], found[0], found[1])
    # One channel may go without saying.
    return shape in (found, (1, *found))
