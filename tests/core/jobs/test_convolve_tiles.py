"""A chunked array in tiles: the bits of the array in one piece, whoever computes which tile."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from core.conv.boundary import BOUNDARIES
from core.conv.device import cpu
from core.conv.residency import Devices
from core.errors import InvalidInput, TooLarge
from core.jobs import convolve_tiles, kernels
from core.jobs.convolve import KIND, ConvolveSpec, _making
from core.jobs.convolve_tiles import Sheet
from core.jobs.kind import Planning
from core.jobs.run import Run
from core.jobs.subjects import Subject
from core.media import NPY, OCTET_STREAM, ZARR
from core.settings import Settings
from core.store import documents
from core.store.artifacts import ArtifactStore
from core.store.jobs import Job, JobStore
from core.tiles import cost, listing
from core.tiles.arrays import reader
from core.tiles.grid import Grid
from core.tiles.header import Header, read_header
from core.tiles.listed import Listed
from tests.core.jobs.service import Service


class Arrays(Service):
    """Stores chunked arrays, and convolves them."""

    def upload(self, x: Any, chunks: tuple[int, ...], **options: Any) -> str:
        stored: dict[str, Any] = {}
        array = zarr.create_array(
            MemoryStore(stored), shape=x.shape, chunks=chunks, dtype=x.dtype, **options
        )
        array[...] = x
        files = {
            path: self.artifacts.put(data.to_bytes(), OCTET_STREAM).digest
            for path, data in stored.items()
        }
        listed = listing.write(files)
        artifact = self.artifacts.put(listed, ZARR, x.shape, str(x.dtype))
        self.artifacts.bind(artifact.digest, files.values())
        return artifact.digest

    def spec(self, digest: str, **fields: Any) -> ConvolveSpec:
        return ConvolveSpec.model_validate({"kind": "convolve", "inputs": [digest]} | fields)

    def plan(self, digest: str, memory_cap: int = 1 << 32, **fields: Any) -> dict[str, Any]:
        spec = self.spec(digest, **fields)
        inputs = {digest: self.artifacts.get(digest)}
        return KIND.plan(spec, Planning(self.artifacts, inputs, cpu(), memory_cap))

    def convolve(self, digest: str, **fields: Any) -> Job:
        return self.submit(self.spec(digest, **fields))

    def result(self, job: Job) -> Any:
        (entry,) = self.results(job)
        files = listing.parse(self.artifacts.read(entry["digest"]))
        stored = {
            path: default_buffer_prototype().buffer.from_bytes(self.artifacts.read(digest))
            for path, digest in files.items()
        }
        y: Any = zarr.open_array(MemoryStore(stored), mode="r")[...]
        assert (entry["shape"], entry["dtype"]) == (list(y.shape), str(y.dtype))
        return y


@pytest.fixture
def service(settings: Settings, jobs: JobStore, artifacts: ArtifactStore) -> Arrays:
    return Arrays(settings, jobs, artifacts)


def whole(x: Any, spec: ConvolveSpec, run: Run) -> Any:
    """Return what the kind makes of the same array as one .npy."""
    return maker(spec)(spec, Subject(NPY, x.shape, str(x.dtype))).compute(x, run)


def maker(spec: ConvolveSpec) -> convolve_tiles.Make:
    loaded = kernels.load(spec.kernel, None)  # type: ignore[arg-type]
    return _making(loaded, Devices(cpu()), 1 << 32)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What a convolution asks whether it should stop, and nothing else."""
    scratch = tmp_path_factory.mktemp("scratch")
    nothing: Any = None
    return Run(artifacts=nothing, device=cpu(), memory_cap=1 << 32, scratch=scratch, total=1)


def values(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    if np.dtype(dtype).kind in "iu":
        return random.integers(0, 100, shape).astype(dtype)
    return (random.standard_normal(shape) * 9).astype(dtype)


DIGEST = "sha256:" + "0" * 64
KERNELS: list[dict[str, Any]] = [
    {"values": [[1, 2, 0], [0, -3, 1]]},
    {"values": [[0.25, 0.5, 0.25]]},
    {"preset": "sobel-magnitude"},
    {"values": [[[1, 2], [3, 4]], [[0, 1], [-1, 0]]]},
]


def check_tiles(x: Any, spec: ConvolveSpec, tile: tuple[int, ...], alone: Run) -> None:
    """Compare the tiles, each with the halo that it would read, with the array in one piece."""
    expected = whole(x, spec, alone)
    header = Header(x.shape, str(x.dtype), x.shape)
    sheet = Sheet(spec, Listed({}, header), maker(spec))
    grid = sheet.grid(tile)
    y: Any = np.zeros(sheet.lead + grid.out, sheet.dtype)
    for place in grid.places():
        _, computed = sheet.compute(sheet.part(x.__getitem__, grid, place), alone)
        y[(..., *(slice(*ends) for ends in grid.outputs(place)))] = computed
    assert (y.shape, y.dtype) == (expected.shape, expected.dtype)
    assert y.tobytes() == expected.tobytes()


@settings(max_examples=50)
@given(st.data())
def test_tiles_are_the_bits_of_the_whole(alone: Run, data: Any) -> None:
    shape = data.draw(st.tuples(st.integers(3, 9), st.integers(3, 9)))
    if data.draw(st.booleans(), label="colours"):
        shape = (*shape, 3)
    dtypes = ["uint8", "int16", "float16", "float32", "float64", "complex64"]
    x = values(shape, data.draw(st.sampled_from(dtypes)))
    spec = ConvolveSpec.model_validate(
        {
            "kind": "convolve",
            "inputs": [DIGEST],
            "kernel": data.draw(st.sampled_from(KERNELS)),
            "mode": data.draw(st.sampled_from(["full", "same", "valid"])),
            "boundary": data.draw(st.sampled_from(BOUNDARIES)),
            "cval": data.draw(st.sampled_from([0, 3])),
            "operation": data.draw(st.sampled_from(["convolution", "correlation"])),
            "axes": data.draw(st.sampled_from([[0, 1], [1, 0]])),
            # The definition, which is compiled for no shape: halos are what is tested.
            "method": "reference",
        }
    )
    check_tiles(x, spec, tuple(data.draw(st.integers(2, 9)) for _ in shape), alone)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("method", ["direct", "separable"])
def test_fast_algorithms_do_not_care_where_a_tile_begins(
    alone: Run, dtype: str, method: str
) -> None:
    spec = ConvolveSpec.model_validate(
        {
            "kind": "convolve",
            "inputs": [DIGEST],
            "kernel": {"preset": "gaussian", "sigma": 1},
            "method": method,
        }
    )
    check_tiles(values((90, 70), dtype), spec, (33, 29), alone)


@pytest.mark.parametrize("method", ["direct", "separable", "fft-tiled"])
def test_every_tile_has_the_algorithm_of_the_whole(
    service: Arrays, alone: Run, method: str
) -> None:
    x = values((90, 70), "float32")
    fields = {"kernel": {"preset": "gaussian", "sigma": 2}, "method": method}
    job = service.convolve(service.upload(x, (32, 32)), **fields, tile_shape=[32, 64])
    service.work()
    y = service.result(job)
    expected = whole(x, service.spec(DIGEST, **fields), alone)
    if method != "fft-tiled":
        assert y.tobytes() == expected.tobytes()
    else:  # what rounding leaves depends on what else is in a transform
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5)
    for child in service.children(job):
        assert child.plan is not None
        (group,) = documents.read(service.artifacts, child.plan)["groups"]
        assert group["chosen"] == method


def test_progress_is_by_tile_and_what_a_tile_inherits(service: Arrays) -> None:
    digest = service.upload(values((40, 30), "float32"), (16, 16))
    job = service.convolve(
        digest, kernel={"preset": "box"}, tile_shape=[16, 16], priority="batch", label="mine"
    )
    service.step()
    waiting = service.jobs.get(job.id)
    assert (waiting.state, waiting.progress.done, waiting.progress.total) == ("waiting", 0, 6)
    children = service.children(job)
    assert {child.priority for child in children} == {"batch"}
    assert {child.label for child in children} == {job.id}
    service.step()
    service.step()
    assert service.jobs.get(job.id).progress.done == 2
    service.work()
    done = service.jobs.get(job.id)
    assert (done.state, done.progress.done, done.progress.total) == ("succeeded", 6, 6)
    assert {child.worker for child in service.children(job)} == {"w1", "w2"}


def test_a_cancel_stops_all_tiles(service: Arrays) -> None:
    digest = service.upload(values((40, 30), "float32"), (16, 16))
    job = service.convolve(digest, kernel={"preset": "box"}, tile_shape=[16, 16])
    service.step()
    service.step()
    service.jobs.cancel(job.id)
    assert service.jobs.get(job.id).state == "cancelled"
    states = sorted(child.state for child in service.children(job))
    assert states == ["cancelled"] * 5 + ["succeeded"]
    assert not service.step()


def test_a_result_for_which_there_is_no_room_begins_no_tile(
    settings: Settings, jobs: JobStore, artifacts: ArtifactStore
) -> None:
    # A file may be listed any number of times, so that a small upload is a large array.
    few = Arrays(settings.model_copy(update={"max_stored": 50_000}), jobs, artifacts)
    digest = few.upload(np.zeros((1000, 1000), np.float32), (500, 500))
    job = few.convolve(digest, kernel={"preset": "box"}, tile_shape=[500, 500])
    few.work()
    done = jobs.get(job.id)
    assert (done.state, (done.error or {})["code"]) == ("failed", "storage_full")
    assert few.children(job) == []


def test_a_tile_that_fails_is_computed_again_alone(service: Arrays) -> None:
    x = values((40, 30), "float32")
    digest = service.upload(x, (16, 16))
    job = service.convolve(digest, kernel={"preset": "box"}, tile_shape=[16, 16], method="direct")
    files = listing.parse(service.artifacts.read(digest))
    chunk = service.artifacts.get(files["c/2/1"])
    root = service.artifacts.files.root
    assert root is not None
    path = root / chunk.key
    intact = path.read_bytes()
    path.write_bytes(b"damaged")
    service.work()
    failed = service.jobs.get(job.id)
    assert failed.state == "failed"
    assert failed.error is not None
    assert failed.error["code"] == "tile_failed"
    first = {child.id: child.attempt for child in service.children(job)}
    broken = {child.id for child in service.children(job) if child.state == "failed"}
    assert 1 <= len(broken) < 6
    # As whoever is told does: upload the bytes again.
    service.artifacts.put(intact, OCTET_STREAM)
    service.jobs.retry(job.id)
    service.work()
    again = {child.id: child.attempt for child in service.children(job)}
    assert {job_id for job_id in again if again[job_id] > first[job_id]} == broken
    assert service.result(job).shape == x.shape


def test_a_worker_without_zarr_says_so(service: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = service.upload(values((20, 20), "float32"), (10, 10))
    job = service.convolve(digest, kernel={"preset": "box"}, tile_shape=[10, 10], method="direct")
    monkeypatch.delattr("core.tiles.arrays")
    monkeypatch.delitem(sys.modules, "core.tiles.arrays")
    monkeypatch.setitem(sys.modules, "zarr", None)
    service.work()
    assert service.jobs.get(job.id).state == "failed"
    errors = [child.error for child in service.children(job)]
    assert len(errors) == 4
    assert all(error and "convq[zarr]" in error["accepted"] for error in errors)


def test_a_parent_that_dies_keeps_its_tiles(service: Arrays) -> None:
    digest = service.upload(values((40, 30), "float32"), (16, 16))
    job = service.convolve(digest, kernel={"preset": "box"})
    service.step()
    names = {child.id for child in service.children(job)}
    # As after a crash at the end: the second attempt, on a service with more workers.
    service.jobs.cancel(job.id)
    service.jobs.retry(job.id)
    service.work()
    assert {child.id for child in service.children(job)} == names
    service.result(job)


def test_tiles_are_chosen_by_predicted_time(service: Arrays) -> None:
    digest = service.upload(np.zeros((600, 500), "float32"), (64, 64))
    group = service.plan(digest, kernel={"preset": "box"})["groups"][0]
    assert group["tiles"]["count"] == 1  # for one worker, overhead is all that counts
    with pytest.raises(TooLarge, match="too large"):
        service.plan(digest, memory_cap=1000, kernel={"preset": "box"})
    small = service.plan(digest, memory_cap=1 << 20, kernel={"preset": "box"})
    assert small["bytes"] <= 1 << 20
    assert small["groups"][0]["tiles"]["count"] > 1


REFUSED: list[Any] = [
    ({"output": "npy"}, "output"),
    ({"tile_shape": [4]}, "tile_shape"),
    ({"tile_shape": [1, 1]}, "tile_shape"),
    ({"tile": [0, 0]}, "tile_shape"),
    ({"tile": [3, 0], "tile_shape": [64, 64]}, "tile"),
    ({"mode": "valid", "kernel": {"preset": "box", "size": 201}}, "kernel"),
]


@pytest.mark.parametrize(("fields", "field"), REFUSED)
def test_what_makes_no_sense_is_refused(
    service: Arrays, fields: dict[str, Any], field: str
) -> None:
    digest = service.upload(np.zeros((150, 150), "float32"), (64, 64))
    with pytest.raises(InvalidInput) as caught:
        service.plan(digest, **{"kernel": {"preset": "box"}} | fields)
    assert caught.value.field == field


def test_it_is_a_job_by_itself(service: Arrays) -> None:
    digests = [service.upload(np.zeros((9, n), "float32"), (4, 4)) for n in (9, 8)]
    spec = service.spec(digests[0], kernel={"preset": "box"})
    spec = spec.model_copy(update={"inputs": digests})
    inputs = {digest: service.artifacts.get(digest) for digest in digests}
    with pytest.raises(InvalidInput, match="by itself"):
        KIND.plan(spec, Planning(service.artifacts, inputs, cpu(), 1 << 32))


@given(
    st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
    st.tuples(st.integers(1, 600), st.integers(1, 600)),
    st.integers(1, 64),
)
def test_no_size_is_predicted_to_be_done_sooner(
    out: tuple[int, int], chunks: tuple[int, int], workers: int
) -> None:
    grid = Grid(out, (1, 1), (3, 3), chunks)

    def work(grid: Grid) -> cost.Work:
        taps = grid.largest[0] * grid.largest[1]
        return cost.Work(1e-8 * taps, 4 * taps)

    sized = [Grid(out, (1, 1), (3, 3), tile) for tile in cost.sizes(grid, chunks)]
    able = [one for one in sized if one.count <= cost.MOST_TILES]
    chosen = cost.choose(grid, chunks, (4, 4), work, workers=workers, memory_cap=1 << 40)
    assert chosen.seconds == min(cost.price(one, (4, 4), work, workers).seconds for one in able)


def test_the_metadata_of_a_result_is_that_of_a_zarr_array(service: Arrays) -> None:
    digest = service.upload(values((40, 30), "float32"), (16, 16))
    job = service.convolve(digest, kernel={"preset": "box"}, tile_shape=[32, 16])
    service.work()
    (entry,) = service.results(job)
    files = listing.parse(service.artifacts.read(entry["digest"]))
    header = read_header(files, service.artifacts.read)
    assert (header.shape, header.chunks) == ((40, 30), (16, 16))
    assert json.loads(service.artifacts.read(files["zarr.json"]))["zarr_format"] == 3
    # It is an input like any other.
    again = service.convolve(entry["digest"], kernel={"preset": "box"}, tile_shape=[16, 16])
    service.work()
    assert service.result(again).shape == (40, 30)
    read = reader(files, header, lambda d: service.artifacts.fetch(d, Path()))
    assert read((slice(0, 1), slice(0, 1))).shape
