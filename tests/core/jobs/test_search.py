"""The job kinds ``embed`` and ``search``, from Spec to stored results, without a queue."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.spatial.distance
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.conv.device import cpu
from core.errors import InvalidInput, TooLarge, UnsupportedMedia
from core.jobs import embed, search
from core.jobs.embed import EmbedSpec
from core.jobs.index import Index, load, nearest, normalised
from core.jobs.kind import Planning
from core.jobs.run import Run
from core.jobs.search import SearchSpec
from core.media import NPY, PNG, encode, inspect
from core.nets.data.limits import Limits
from core.nets.layers.filter import FilterSpec
from core.nets.model import Model, dump
from core.nets.network import Network
from core.nets.spec import NetSpec
from core.store.artifacts import ArtifactStore

RNG = np.random.default_rng(0)
LAYERS = [
    {"layer": "conv", "filters": 2, "kernel": 3},
    {"layer": "relu"},
    {"layer": "max_pool", "kernel": 2, "name": "code"},
    {"layer": "flatten"},
    {"layer": "dense", "features": 4, "name": "last"},
]
X = RNG.integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
SOBEL = {"preset": "sobel-magnitude"}


def make_model(layers: list[Any] = LAYERS) -> Model:
    spec = NetSpec.model_validate({"input": [1, 8, 8], "layers": layers})
    return Model(spec, Network(spec).init(seed=1))


MODEL = make_model()


class Bench:
    """Uploads models and inputs, plans and runs jobs in this process."""

    def __init__(self, artifacts: ArtifactStore, scratch: Path) -> None:
        self.artifacts = artifacts
        self.scratch = scratch

    def put(self, data: bytes) -> str:
        info = inspect(data)
        return self.artifacts.put(data, info.media_type, info.shape, info.dtype).digest

    def named(self, inputs: list[bytes]) -> list[dict[str, str]]:
        return [{"artifact": self.put(x), "name": f"{n}.x"} for n, x in enumerate(inputs)]

    def embed_spec(self, inputs: list[bytes], model: Model = MODEL, **fields: Any) -> EmbedSpec:
        body = {"kind": "embed", "model": self.put(dump(model)), "inputs": self.named(inputs)}
        return EmbedSpec.model_validate(body | fields)

    def search_spec(self, index: str, inputs: list[bytes], **fields: Any) -> SearchSpec:
        body = {"kind": "search", "index": index, "inputs": self.named(inputs)}
        return SearchSpec.model_validate(body | fields)

    def plan(self, kind: Any, spec: Any) -> dict[str, Any]:
        inputs = {digest: self.artifacts.get(digest) for digest in kind.references(spec)}
        planned: dict[str, Any] = kind.plan(spec, Planning(self.artifacts, inputs, cpu(), 1 << 32))
        return planned

    def run(self, kind: Any, spec: Any) -> Run:
        run = Run(
            artifacts=self.artifacts,
            device=cpu(),
            memory_cap=1 << 32,
            scratch=self.scratch,
            total=kind.items(spec),
        )
        kind.run(spec, run)
        return run

    def index(self, inputs: list[bytes], **fields: Any) -> str:
        run = self.run(embed, self.embed_spec(inputs, **fields))
        (result,) = run.results
        assert result["name"] == "index.npz"
        digest: str = result["digest"]
        return digest

    def opened(self, digest: str) -> Index:
        return load(self.artifacts.fetch(digest, self.scratch))

    def found(self, run: Run) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.artifacts.read(run.results[0]["digest"]))
        return document


@pytest.fixture
def bench(artifacts: ArtifactStore, tmp_path: Path) -> Bench:
    return Bench(artifacts, tmp_path)


def npy(array: NDArray[Any]) -> bytes:
    return encode(array, NPY)


def filtered(x: NDArray[Any]) -> NDArray[Any]:
    layer = FilterSpec.model_validate({"layer": "filter", "kernel": SOBEL})
    return Network(NetSpec(input=[1, 8, 8], layers=[layer])).run({}, x)


@pytest.mark.parametrize("layer", [None, "last"])
@pytest.mark.parametrize("kernel", [None, SOBEL])
def test_an_index_holds_what_a_layer_says_of_images(
    bench: Bench, layer: str | None, kernel: Any
) -> None:
    inputs = [npy(X[:30]), encode(X[30, 0], PNG), npy(X[31:])]
    index = bench.opened(bench.index(inputs, layer=layer, filter=kernel))
    seen = X if kernel is None else filtered(X)
    y = MODEL.run(seen, output=layer or "code").reshape(40, -1)
    np.testing.assert_allclose(index.norms, np.linalg.norm(y, axis=1), rtol=1e-4)
    np.testing.assert_allclose(
        index.vectors * index.norms[:, None], y, rtol=1e-3, atol=1e-4 * np.abs(y).max()
    )
    assert list(index.names) == ["0.x"] * 30 + ["1.x"] + ["2.x"] * 9
    assert list(index.images) == [*range(30), 0, *range(9)]
    np.testing.assert_array_equal(index.thumbnails[..., 0], X[:, 0])
    assert index.about["layer"] == (layer or "code")
    assert index.model == dump(MODEL)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_neighbours_are_those_that_a_comparison_with_all_finds(bench: Bench, distance: str) -> None:
    digest = bench.index([npy(X[:30])], filter=SOBEL)
    spec = bench.search_spec(
        digest, [npy(X[30:]), encode(X[7, 0], PNG)], neighbours=4, distance=distance
    )
    planned = bench.plan(search, spec)
    assert (planned["images"], planned["indexed"]) == (11, 30)
    run = bench.run(search, spec)
    document = bench.found(run)
    y = MODEL.run(filtered(X), output="code").reshape(40, -1).astype(float)
    far = scipy.spatial.distance.cdist(np.vstack([y[30:], y[7:8]]), y[:30], distance)
    assert len(document["queries"]) == 11
    for query, distances in zip(document["queries"], far, strict=True):
        order = np.argsort(distances)[:4]
        assert [entry["image"] for entry in query["neighbours"]] == order.tolist()
        np.testing.assert_allclose(
            [entry["distance"] for entry in query["neighbours"]], distances[order], rtol=1e-3,
            atol=1e-5 * far.max(),
        )  # fmt: skip
    assert document["queries"][10]["neighbours"][0]["distance"] == pytest.approx(0, abs=1e-5)
    sheet = inspect(bench.artifacts.read(run.results[1]["digest"]))
    assert (run.results[1]["name"], sheet.media_type) == ("neighbours.png", PNG)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 1000),
    count=st.integers(1, 30),
    k=st.integers(1, 40),
    distance=st.sampled_from(["cosine", "euclidean"]),
    block=st.integers(1, 9),
)
def test_blocks_do_not_change_what_is_found(
    seed: int, count: int, k: int, distance: Any, block: int
) -> None:
    random = np.random.default_rng(seed)
    y = random.normal(size=(count, 5)) * random.choice([1e-3, 1, 1e3])
    queries = np.vstack([random.normal(size=(3, 5)), y[:1]])
    vectors, norms = normalised(y)
    names = np.array(["x"] * count)
    index = Index(
        vectors, norms, names, names, np.arange(count), np.zeros((count, 0, 0, 3), "u1"), b"", {}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.jobs.index._BLOCK", block)
        found = nearest(index, *normalised(queries), k, distance)
    far = scipy.spatial.distance.cdist(queries, y, distance)
    assert found.rows.shape == (4, min(k, count))
    tolerance = 1e-5 * max(1, far.max())
    np.testing.assert_allclose(
        found.distances, np.sort(far, axis=1)[:, :k], rtol=1e-4, atol=tolerance
    )
    np.testing.assert_allclose(
        np.take_along_axis(far, found.rows, axis=1), found.distances, rtol=1e-4, atol=tolerance
    )


def test_equal_images_come_in_the_order_of_the_index(bench: Bench) -> None:
    digest = bench.index([npy(X[[3, 5, 3, 3]])])
    run = bench.run(search, bench.search_spec(digest, [npy(X[3:4])], distance="euclidean"))
    (query,) = bench.found(run)["queries"]
    assert [entry["image"] for entry in query["neighbours"]] == [0, 2, 3, 1]
    assert [entry["distance"] for entry in query["neighbours"]][:3] == [0, 0, 0]


def test_vectors_have_no_contact_sheet(bench: Bench) -> None:
    spec = NetSpec.model_validate(
        {"input": [6], "layers": [{"layer": "dense", "features": 3, "name": "code"}]}
    )
    model = Model(spec, Network(spec).init(seed=0))
    rows = RNG.normal(size=(9, 6)).astype(np.float32)
    digest = bench.index([npy(rows)], model=model)
    run = bench.run(search, bench.search_spec(digest, [npy(rows[:2])]))
    assert [result["name"] for result in run.results] == ["neighbours.json"]


def test_a_net_without_code_needs_the_name_of_a_layer(bench: Bench) -> None:
    model = make_model(LAYERS[:2])
    with pytest.raises(InvalidInput, match="no autoencoder") as caught:
        bench.plan(embed, bench.embed_spec([npy(X)], model))
    assert caught.value.field == "layer"
    planned = bench.plan(embed, bench.embed_spec([npy(X)], model, layer="relu1"))
    assert (planned["images"], planned["shape"]) == (40, [2, 6, 6])


def test_numbers_that_are_not_finite_are_no_place(bench: Bench) -> None:
    weights = {name: np.full_like(array, np.nan) for name, array in MODEL.weights.items()}
    with pytest.raises(InvalidInput, match="not finite"):
        bench.run(embed, bench.embed_spec([npy(X)], Model(MODEL.spec, weights)))


def _npz(bench: Bench, path: Path, **changes: Any) -> bytes:
    with np.load(bench.artifacts.fetch(bench.index([npy(X[:3])]), bench.scratch)) as file:
        arrays = {name: file[name] for name in file.files} | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path.read_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"vectors": None},
        {"vectors": np.zeros((3, 5), np.float32)},
        {"vectors": np.zeros((2, 18), np.float32)},
        {"vectors": np.zeros((3, 18))},
        {"about": np.array("what")},
        {"about": np.array("{}")},
        {"about": np.array('{"format": 1, "layer": "nowhere"}')},
        {"about": np.array('{"format": 1, "layer": "code", "filter": {"preset": "what"}}')},
        {"model": np.zeros(9, np.uint8)},
    ],
)
def test_damaged_indexes_are_refused(bench: Bench, tmp_path: Path, changes: Any) -> None:
    digest = bench.put(_npz(bench, tmp_path / "broken.npz", **changes))
    with pytest.raises(UnsupportedMedia) as caught:
        bench.plan(search, bench.search_spec(digest, [npy(X)]))
    assert caught.value.field == "index"


def test_what_is_no_archive_is_no_index(bench: Bench) -> None:
    with pytest.raises(UnsupportedMedia, match="no index"):
        bench.plan(search, bench.search_spec(bench.put(b"hello"), [npy(X)]))


def _packed(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _members(bench: Bench) -> dict[str, bytes]:
    index = bench.artifacts.fetch(bench.index([npy(X[:3])]), bench.scratch)
    with zipfile.ZipFile(index) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize(
    "change",
    [
        {"vectors.npy": b"no array"},
        {"names.npy": b""},
        {"about.npy": b"\x93NUMPY\x02\x00\xff\xff\xff\xff"},
        {"more.npy": b""},
        {"../names.npy": b""},
    ],
)
def test_members_that_are_no_arrays_are_refused(
    bench: Bench, tmp_path: Path, change: dict[str, bytes]
) -> None:
    path = tmp_path / "index.npz"
    path.write_bytes(_packed(_members(bench) | change))
    with pytest.raises(UnsupportedMedia):
        load(path)


def test_an_index_that_expands_to_too_much_is_refused_before_it_does(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.index.LIMITS", Limits(harmless=1 << 16, ratio=50))
    path = tmp_path / "index.npz"
    path.write_bytes(_packed(_members(bench) | {"vectors.npy": bytes(1 << 21)}))
    with pytest.raises(TooLarge, match="expands to too much"):
        load(path)
