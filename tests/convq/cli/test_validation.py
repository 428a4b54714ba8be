from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from convq.cli.validation import field_error, setting_error
from core.jobs.convolve import ConvolveSpec
from core.settings import Settings

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kernel": {"preset": "gaussian", "sigma": -1}}, r"^kernel\.sigma: .*given: -1; acc"),
        ({"kernel": {"preset": "gaussian", "sigma": "x"}}, r"^kernel\.sigma: .*accepted: a number"),
        ({"kernel": {"values": [[0, [1]]]}}, r"^kernel\.values: the lists of one level"),
        ({"mode": "sam"}, r"^mode: .*'sam'; accepted: 'full', 'same' or 'valid'\)"),
        ({"axes": [0, "x"]}, r"^axes\.1: .*accepted: a whole number"),
    ],
)
def test_faults_of_a_job_are_named_as_they_are_written(
    fields: dict[str, Any], message: str
) -> None:
    body = {"kind": "convolve", "inputs": [DIGEST], "kernel": {"preset": "box"}} | fields
    with pytest.raises(ValidationError) as caught:
        ConvolveSpec.model_validate(body)
    with pytest.raises(ValueError, match=message):
        raise field_error(caught.value, body)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("CONVQ_LEASE", "soon", r"^CONVQ_LEASE: .*given: 'soon'; accepted: a number\)"),
        ("CONVQ_LEASE", "0", r"^CONVQ_LEASE: .*given: '0'; accepted: greater than 0\)"),
        ("CONVQ_MAX_ATTEMPTS", "1.5", r"^CONVQ_MAX_ATTEMPTS: .*accepted: a whole number\)"),
    ],
)
def test_faults_of_settings_are_named_by_their_variables(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    with pytest.raises(ValueError, match=message):
        raise setting_error(caught.value)
