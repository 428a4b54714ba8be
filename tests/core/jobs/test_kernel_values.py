from __future__ import annotations

from typing import Any, cast

import pytest
from pydantic import ValidationError

from core.conv.device import cpu
from core.errors import InvalidInput
from core.jobs.convolve import KIND, ConvolveSpec
from core.jobs.kernels import ValuesKernel, load
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


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null is not a number"),
        (True, "true is not a number"),
        ("x" * 1_000_000, "…"),
        (10**400, "a very large number is not a finite number"),
    ],
)
def test_bad_values_are_quoted_briefly(value: object, shown: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ValuesKernel(values=[[value]])
    (error,) = caught.value.errors(include_input=False)
    assert shown in error["msg"]
    assert len(error["msg"]) < 200


def test_whole_numbers_beyond_64_bits_are_refused(artifacts: ArtifactStore) -> None:
    with pytest.raises(InvalidInput, match=r"2\*\*63"):
        load(ValuesKernel(values=[[2**64]]), artifacts)
