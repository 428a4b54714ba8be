from __future__ import annotations

from typing import Any, cast

import pytest

from core.conv.device import cpu
from core.errors import InvalidInput
from core.jobs.convolve import KIND, ConvolveSpec
from core.jobs.kind import Planning
from core.store.artifacts import Artifact, ArtifactStore

DIGEST = "sha256:" + "0" * 64


def plan(dtype: str, value: float) -> dict[str, Any]:
    spec = ConvolveSpec.model_validate(
        {"kind": "convolve", "inputs": [DIGEST], "kernel": {"values": [[value, 1.0]]}}
    )
    inputs = {DIGEST: Artifact(DIGEST, 10, "application/x-npy", (6, 5), dtype)}
    nothing = cast(ArtifactStore, None)
    return KIND.plan(spec, Planning(nothing, inputs, cpu(), 1 << 30))


def test_a_value_that_would_become_infinite_is_refused() -> None:
    with pytest.raises(InvalidInput, match="float32") as caught:
        plan("float32", 1e200)
    assert caught.value.field == "kernel"
    assert plan("float64", 1e200)["groups"][0]["chosen"]
    assert plan("float32", 1e38)["groups"][0]["chosen"]
