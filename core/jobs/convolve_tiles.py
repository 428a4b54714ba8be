"""A chunked array, convolved in tiles: each is a job, and the whole is the parent of them all.

The parent fixes the tiles and the algorithm, and waits without a worker. A tile reads its part of
the input with the halo that the kernel reaches into, and stores its part of the result. So with an
algorithm whose sums do not depend on where a block begins (direct, separable, all of integers) the
result is that of the array in one piece, to the bit.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from math import prod
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import ConvqError, InvalidInput, Unavailable
from core.jobs.inputs import describe, digests, names, renamed
from core.jobs.run import Run, Waiting
from core.jobs.subjects import Subject, document
from core.media import JSON, NPY, OCTET_STREAM, ZARR
from core.store import documents
from core.store.states import TERMINAL
from core.tiles import cost, listing
from core.tiles.grid import Grid, Shape
from core.tiles.header import Header
from core.tiles.listed import Listed, listed
from core.tiles.listing import METADATA
from core.tiles.reading import Read, read_extended

if TYPE_CHECKING:
    from core import conv
    from core.jobs.convolve import ConvolveSpec
    from core.jobs.kernels import Bank
    from core.jobs.kind import Planning
    from core.jobs.places import Placed
    from core.store.artifacts import Artifact
    from core.store.jobs import Job

# Tiles that are begun at once: the parent asks in between whether it should stop.
_AT_ONCE = 100


class TileFailed(ConvqError):
    """A tile of the result could not be computed; the job can be retried, and does only these."""

    code = "tile_failed"


class Convolution(Protocol):
    """One convolution as the kind makes it: what `core.jobs.convolve` computes inputs with."""

    bank: Bank
    placed: Placed[conv.Plan]

    @property
    def plan(self) -> conv.Plan:
        """The plan for the device where it is computed."""

    def group(self) -> dict[str, Any]:
        """Return what is told of the plan."""

    def compute(self, x: NDArray[Any], run: Run) -> NDArray[Any]:
        """Return the result."""


Make = Callable[["ConvolveSpec", Subject], Convolution]


def is_chunked(spec: ConvolveSpec, inputs: Mapping[str, Artifact]) -> bool:
    """Tell whether a job is about a chunked array.

    Raises
    ------
    InvalidInput
        There are other inputs besides, tiles are asked for of something else, or another format.
    """
    chunked = [d for d in digests(spec.inputs) if inputs[d].media_type == ZARR]
    if not chunked:
        for field in ("tile_shape", "tile"):
            if getattr(spec, field) is not None:
                raise InvalidInput(
                    "only chunked arrays have tiles",
                    field=field,
                    given=getattr(spec, field),
                    accepted="null, or a Zarr array as input",
                )
        return False
    if len(spec.inputs) > 1:
        raise InvalidInput(
            "a chunked array is a job by itself",
            field="inputs",
            given=f"{len(spec.inputs)} inputs",
            accepted="one chunked array, or inputs that are none",
        )
    if spec.output != "same":
        raise InvalidInput(
            "the result of a chunked array is one, too",
            field="output",
            given=spec.output,
            accepted="same",
        )
    return True


def plan(spec: ConvolveSpec, planning: Planning, make: Make) -> dict[str, Any]:
    """Plan the tiles, or one of them.

    Returns
    -------
    dict
        As other plans; the one group is the plan of the largest tile, with the ``seconds`` of all
        on one worker, and says under ``tiles`` how many there are of which shape.
    """
    found = listed(planning.artifacts, digests(spec.inputs)[0])
    sheet = Sheet(spec, found, make)
    chosen = sheet.chosen(planning.workers, planning.memory_cap)
    if spec.tile is not None:
        part = _patch(chosen.grid, _place(spec, chosen.grid))
        group = make(sheet.of_tile(spec.method), sheet.subject(part)).plan.to_dict()
        held = {"seconds": chosen.each, "bytes": chosen.bytes}
        told = {"inputs": 1, "input": describe(part, found.header.dtype)} | group | held
        return document(planning.device, [told])
    group = sheet.largest(chosen.grid, spec.method).plan.to_dict() | {
        "seconds": chosen.each * chosen.grid.count,
        "bytes": chosen.bytes,
        "tiles": {
            "shape": list(chosen.grid.tile),
            "count": chosen.grid.count,
            "seconds": chosen.each,
            "halo": prod(chosen.grid.largest) / prod(map(min, chosen.grid.tile, chosen.grid.out))
            - 1,
            "workers": planning.workers,
            "predicted_seconds": chosen.seconds,
        },
    }
    told = {"inputs": 1, "input": describe(found.header.shape, found.header.dtype)} | group
    return document(planning.device, [told])


def run(spec: ConvolveSpec, run: Run, make: Make) -> None:
    """Compute one tile; or begin all, wait for them, and make one array of them."""
    found = listed(run.artifacts, digests(spec.inputs)[0])
    sheet = Sheet(spec, found, make)
    if spec.tile is not None:
        _compute(sheet, run)
    else:
        _gather(sheet, run)


class Sheet:
    """What is convolved: a listed array, kernels, and how the result lies over the input."""

    def __init__(self, spec: ConvolveSpec, found: Listed, make: Make) -> None:
        self.spec, self.found, self._make = spec, found, make
        shape = found.header.shape
        # Of one value and with any algorithm: what it says of the kernels holds for all.
        single = spec.model_copy(update={"mode": "full", "boundary": "zero", "method": "auto"})
        probe = make(single, self.subject((1,) * len(shape)))
        self.problem = replace(
            probe.plan.problem,
            x_shape=shape,
            mode=spec.mode,
            boundary=spec.boundary,
            cval=spec.cval,
        )
        problem = self.problem
        if spec.mode == "valid" and any(map(int.__gt__, problem.kernel, problem.spatial)):
            raise InvalidInput(
                "with mode valid the kernel must fit into the input",
                field="kernel",
                given=f"{problem.kernel} on {problem.spatial}",
                accepted="a smaller kernel, or mode same or full",
            )
        start, kernel = [0] * len(shape), [1] * len(shape)
        for place, axis in enumerate(problem.axes):
            start[axis] = problem.normal.start[place] - problem.widths[place][0]
            kernel[axis] = problem.kernel[place]
        self._start, self._kernel = tuple(start), tuple(kernel)
        sample = np.zeros((problem.out_shape[0],), problem.dtype)
        if probe.bank.combine == "magnitude":
            self.lead: Shape = ()
            sample = np.sqrt(np.square(sample).sum(axis=0, keepdims=True))
        else:
            self.lead = () if probe.bank.single else (problem.out_shape[0],)
        self.dtype = sample.dtype

    @property
    def itemsizes(self) -> tuple[int, int]:
        """Bytes of a value of the array, and of all results at one place."""
        return np.dtype(self.found.header.dtype).itemsize, prod(self.lead) * self.dtype.itemsize

    def subject(self, shape: Shape) -> Subject:
        """Return what a part of the array is, in memory."""
        return Subject(NPY, shape, self.found.header.dtype)

    def of_tile(self, method: str) -> ConvolveSpec:
        """Return the convolution of a part that has its halo."""
        return self.spec.model_copy(
            update={"mode": "valid", "boundary": "zero", "cval": 0, "method": method}
        )

    def largest(self, grid: Grid, method: str) -> Convolution:
        """Return the convolution of the tile that takes the most."""
        return self._make(self.of_tile(method), self.subject(grid.largest))

    def part(self, read: Read, grid: Grid, place: Shape) -> NDArray[Any]:
        """Return the part of the input that a tile needs."""
        header = self.found.header
        return read_extended(
            read,
            header.shape,
            np.dtype(header.dtype),
            grid.inputs(place),
            self.spec.boundary,
            self.spec.cval,
        )

    def compute(self, part: NDArray[Any], run: Run) -> tuple[Convolution, NDArray[Any]]:
        """Return the convolution of the part that a tile needs, and its result."""
        work = self._make(self.of_tile(self.spec.method), self.subject(part.shape))
        return work, work.compute(part, run)

    def grid(self, tile: Shape) -> Grid:
        """Return the result in tiles of a shape."""
        return Grid(self.problem.out_shape[1:], self._start, self._kernel, tile)

    def chosen(self, workers: int, memory_cap: int) -> cost.Choice:
        """Return the tiles that the Spec says, or those that are predicted to be done first."""

        def work(grid: Grid) -> cost.Work:
            candidate = self.largest(grid, self.spec.method).plan.candidate
            assert candidate.seconds is not None
            assert candidate.bytes is not None
            return cost.Work(candidate.seconds, candidate.bytes)

        chunks = tuple(map(min, self.found.header.chunks, self.problem.out_shape[1:]))
        if self.spec.tile_shape is None:
            return cost.choose(
                self.grid(chunks),
                chunks,
                self.itemsizes,
                work,
                workers=workers,
                memory_cap=memory_cap,
            )
        grid = self.grid(self._tile_shape(self.spec.tile_shape))
        return cost.price(grid, self.itemsizes, work, workers)

    def _tile_shape(self, given: list[int]) -> Shape:
        axes = len(self.found.header.shape)
        if len(given) != axes or self.grid(tuple(given)).count > cost.MOST_TILES:
            raise InvalidInput(
                "no shape of tiles for this array",
                field="tile_shape",
                given=given,
                accepted=f"{axes} lengths, at most {cost.MOST_TILES} tiles of a result of shape "
                f"{self.problem.out_shape[1:]}",
            )
        return tuple(given)

    def result(self, grid: Grid) -> Any:
        """Return the array that is made: a `core.tiles.arrays.Result`."""
        inner = tuple(
            c if t % c == 0 else t for c, t in zip(self.found.header.chunks, grid.tile, strict=True)
        )
        ones = (1,) * len(self.lead)
        header = Header(self.lead + grid.out, str(self.dtype), ones + inner)
        return _arrays().Result(header, self.lead + grid.tile)


def _arrays() -> ModuleType:
    try:
        from core.tiles import arrays
    except ModuleNotFoundError as error:
        if error.name != "zarr":
            raise
        raise Unavailable(
            "chunked arrays need the package zarr",
            field="inputs",
            accepted="arrays in one piece; or pip install 'convq[zarr]' where the workers are",
        ) from None
    return arrays


def _compute(sheet: Sheet, run: Run) -> None:
    """Compute the tile of the Spec."""
    spec = sheet.spec
    assert spec.tile_shape is not None
    grid = sheet.grid(tuple(spec.tile_shape))
    place = _place(spec, grid)
    with run.stage("load"):
        read = _arrays().reader(
            sheet.found.files,
            sheet.found.header,
            lambda digest: run.artifacts.fetch_part(digest, run.scratch),
        )
        part = sheet.part(read, grid, place)
    with run.stage("convolve"):
        start = time.perf_counter()
        work, values = sheet.compute(part, run)
        seconds = time.perf_counter() - start
    with run.stage("store"):
        at = (0,) * len(sheet.lead) + place
        path, data = sheet.result(grid).encode(at, values)
        run.deliver(
            path.replace("/", "."),
            source=digests(spec.inputs)[0],
            media_type=OCTET_STREAM,
            write=partial(_write, data),
        )
    about = {"inputs": 1, "input": describe(part.shape, str(part.dtype))}
    measured = {"measured_seconds": seconds}
    run.plan = document(work.placed.place.device, [about | work.group() | measured])
    run.advance()


def _gather(sheet: Sheet, run: Run) -> None:
    """Begin all tiles; once all have ended, make one array of them."""
    assert run.children is not None
    spec = _settled(sheet, run)
    assert spec.tile_shape is not None
    grid = sheet.grid(tuple(spec.tile_shape))
    run.check_room(prod(grid.out) * sheet.itemsizes[1])
    run.expect(grid.count)
    jobs: dict[str, Job] = {}
    wanted = _tiles(spec, grid)
    while some := dict(islice(wanted, _AT_ONCE)):
        run.check()
        jobs |= run.children.begin_many(some)
        run.at(sum(job.state in TERMINAL for job in jobs.values()), "tiles")
    waiting = [job.id for job in jobs.values() if job.state not in TERMINAL]
    if waiting:
        raise Waiting(waiting)
    _check_all(jobs)
    with run.stage("store"):
        result = sheet.result(grid)
        files = {METADATA: run.artifacts.put(result.metadata, JSON).digest}
        for job in jobs.values():
            path, digest = _stored(job, run)
            files[path] = digest
        header = Header(sheet.lead + grid.out, str(sheet.dtype), ())
        artifact = run.deliver(
            renamed(names(spec.inputs)[0], ZARR),
            source=digests(spec.inputs)[0],
            media_type=ZARR,
            write=partial(_write, listing.write(files)),
            shape=header.shape,
            dtype=header.dtype,
        )
        run.artifacts.bind(artifact.digest, files.values())
    run.at(grid.count, "store")


def _settled(sheet: Sheet, run: Run) -> ConvolveSpec:
    """Return the Spec with the tiles and the algorithm of the first attempt.

    Workers come and go; tiles that have been begun stay.
    """
    checkpoint = run.resume()
    if checkpoint is None:
        assert run.children is not None
        chosen = sheet.chosen(run.children.workers(), run.memory_cap)
        method = sheet.largest(chosen.grid, sheet.spec.method).plan.chosen
        settled = {"tile_shape": list(chosen.grid.tile), "method": method}
        run.checkpoint(partial(_write, json.dumps(settled).encode()))
    else:
        settled = json.loads(checkpoint.read_bytes())
    return sheet.spec.model_copy(update=settled)


def _tiles(spec: ConvolveSpec, grid: Grid) -> Iterator[tuple[str, ConvolveSpec]]:
    for place in grid.places():
        name = "/".join(map(str, place))
        # Label, priority and device are those of every job that another one begins.
        inherited = {"tile": list(place), "label": None}
        child = spec.model_copy(update=inherited)
        child.model_fields_set.difference_update({"priority", "device"})
        yield name, child


def _check_all(jobs: Mapping[str, Job]) -> None:
    failed = {place: job for place, job in jobs.items() if job.state != "succeeded"}
    for place, job in failed.items():
        reason = job.error["message"] if job.error else job.state
        raise TileFailed(
            f"{len(failed)} of {len(jobs)} tiles failed; the first, at {place}: {reason}",
            given=job.id,
            accepted="a retry, which computes only these",
        )


def _stored(job: Job, run: Run) -> tuple[str, str]:
    """Return the path and the digest of the file that a tile has stored."""
    assert job.results is not None
    (entry,) = documents.read(run.artifacts, job.results)["results"]
    return entry["name"].replace(".", "/"), entry["digest"]


def _place(spec: ConvolveSpec, grid: Grid) -> Shape:
    tile = tuple(spec.tile or ())
    if spec.tile_shape is None:
        raise InvalidInput(
            "a tile has no place without a shape of all tiles",
            field="tile_shape",
            accepted="the shape of a tile",
        )
    inside = len(tile) == len(grid.counts) and all(map(int.__lt__, tile, grid.counts))
    if not inside:
        raise InvalidInput(
            "there is no such tile",
            field="tile",
            given=list(tile),
            accepted=f"below {list(grid.counts)}",
        )
    return tile


def _patch(grid: Grid, place: Shape) -> Shape:
    return tuple(last - first for first, last in grid.inputs(place))


def _write(data: Any, path: Path) -> None:
    path.write_bytes(data)
