"""The ONNX standard's own test cases, all of those that need only operators that convq has."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from onnx.backend.test.case.node import collect_testcases

from core.errors import InvalidInput
from core.nets.onnx import load
from core.nets.onnx.operators import OPERATORS


def _cases() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of arithmetic on purpose, in cases of other operators
        found = collect_testcases(None)
    return {
        case.name: case
        for case in found
        if {node.op_type for node in case.model.graph.node} <= set(OPERATORS)
    }


CASES = _cases()
REFUSED = (
    "training",  # of batch normalization and dropout
    "argmax",
    "identity_sequence",
    "identity_opt",
)


def test_there_are_cases_for_every_operator() -> None:
    covered = {node.op_type for case in CASES.values() for node in case.model.graph.node}
    assert covered == set(OPERATORS)


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    case = CASES[name]
    names = [info.name for info in case.model.graph.input]

    def run(inputs: Any) -> list[Any]:
        return load(case.model.SerializeToString()).run(dict(zip(names, inputs, strict=True)))

    for inputs, outputs in case.data_sets:
        if any(part in name for part in REFUSED):
            with pytest.raises(InvalidInput):
                run(inputs)
            continue
        for found, expected in zip(run(inputs), outputs, strict=True):
            assert found.dtype == expected.dtype
            np.testing.assert_allclose(found, expected, rtol=case.rtol, atol=1e-6)
