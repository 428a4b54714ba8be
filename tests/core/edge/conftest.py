from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.edge.bundle import build
from core.edge.profiles import Profile, profiles
from core.edge.runtime.machine import chosen
from core.edge.signing import SigningKey
from core.nets.model import Model
from core.nets.network import Network
from core.nets.spec import NetSpec


def _runs_here(board: Profile) -> bool:
    variants = [processor.model_dump() for processor in board.processors]
    found, _ = chosen({"architecture": board.architecture, "variants": variants})
    return found is not None


_HERE = [board for board in profiles().values() if board.compatible is None and _runs_here(board)]

SMALL: dict[str, Any] = {
    "input": [2, 9, 8],
    "layers": [
        {"layer": "whiten"},
        {"layer": "conv", "filters": 5, "kernel": 3, "padding": 1},
        {"layer": "batch_norm"},
        {"layer": "relu"},
        {"layer": "max_pool", "kernel": 2},
        {"layer": "flatten"},
        {"layer": "dense", "features": 3},
    ],
}


def _make_model(document: dict[str, Any], seed: int = 0, **about: Any) -> Model:
    """Return a net with weights of which none is what it starts with."""
    spec = NetSpec.model_validate(document)
    random = np.random.default_rng(seed)
    weights = {}
    for name, array in Network(spec).init(seed).items():
        noise = random.normal(size=array.shape)
        weights[name] = np.float32(
            np.abs(array + 0.2 * noise) + 0.1 if "variance" in name else array + 0.2 * noise
        )
    return Model(spec, weights, about)


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Model]:
    return _make_model


@pytest.fixture(scope="session")
def small_net() -> dict[str, Any]:
    return SMALL


@pytest.fixture(scope="session")
def signing() -> SigningKey:
    return SigningKey.new()


@pytest.fixture(scope="session")
def here() -> Profile:
    """Return a profile whose machine code this processor runs."""
    if not _HERE:
        pytest.skip("no profile's machine code runs on this processor")
    return _HERE[-1]


@pytest.fixture(scope="session")
def here_at_least(here: Profile) -> Profile:
    """Return a profile whose machine code is for the least of such processors."""
    return here.model_copy(update={"faster": []})


@pytest.fixture
def small_bundle(signing: SigningKey, tmp_path: Path) -> Callable[..., Path]:
    """Return what writes the bundle of a small net."""

    def write(board: Profile, **options: Any) -> Path:
        path = tmp_path / "small.convq"
        model = _make_model(SMALL, classes=["a", "b", "c"])
        path.write_bytes(build(model, board, signing, name="small", **options))
        return path

    return write
