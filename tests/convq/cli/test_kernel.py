from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convq.cli import options
from convq.cli.kernel import parse_kernel
from core.errors import InvalidInput
from core.jobs.convolve import ConvolveSpec

names = st.from_regex(r"[a-z][a-z0-9]*(-[a-z]+)?", fullmatch=True)
values = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans())


@settings(max_examples=60)
@given(names, st.dictionaries(names, values, max_size=3))
def test_presets_with_parameters(name: str, parameters: dict[str, Any]) -> None:
    written = ",".join(f"{key}={json.dumps(value)}" for key, value in parameters.items())
    text = f"{name}:{written}" if written else name
    assert parse_kernel(text) == {"preset": name} | parameters


def test_words_are_texts() -> None:
    assert parse_kernel("prewitt:direction=x") == {"preset": "prewitt", "direction": "x"}


@settings(max_examples=60)
@given(
    st.recursive(st.integers(), lambda inner: st.lists(inner, max_size=3)).filter(
        lambda v: v != [] and isinstance(v, list)
    )
)
def test_nested_lists(values: Any) -> None:
    assert parse_kernel(json.dumps(values)) == {"values": values}


@pytest.mark.parametrize("text", ["k.npy", "./k", "/tmp/k", "a/b:c", "~/k.npy"])
def test_files(text: str) -> None:
    assert parse_kernel(text) == Path(text)


def test_digests() -> None:
    digest = "sha256:" + "0" * 64
    assert parse_kernel(digest) == {"artifact": digest}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "kernel: no kernel"),
        ("gaussian:", "kernel: no kernel"),
        (":sigma=1", "kernel: no kernel"),
        ("gaussian:sigma", "kernel: no parameter .*given: 'sigma'; accepted: name=value"),
        ("gaussian:=2", "kernel: no parameter"),
        ("gaussian:sigma=", "kernel: no parameter"),
        ("gaussian:sigma=1,", "kernel: no parameter"),
        ("[[1,2]", "kernel: the nested lists are not complete"),
    ],
)
def test_what_is_no_kernel(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        parse_kernel(text)


@pytest.mark.parametrize(
    ("field", "choices"),
    [
        ("mode", options.Mode),
        ("boundary", options.Boundary),
        ("normalize", options.Normalize),
        ("operation", options.Operation),
        ("output", options.Output),
        ("range", options.Range),
        ("precision", options.Precision),
    ],
)
def test_the_choices_are_those_of_the_job(field: str, choices: Any) -> None:
    assert get_args(choices) == get_args(ConvolveSpec.model_fields[field].annotation)


def test_every_field_of_the_job_has_an_option() -> None:
    # The last two are options of their own, since a plan does not depend on them.
    # A tile by itself is what jobs of the service ask for.
    given = {"kind", "inputs", "label", "priority", "device", "tile"}
    empty = dict.fromkeys(
        [
            "normalize",
            "mode",
            "boundary",
            "cval",
            "axes",
            "operation",
            "method",
            "output",
            "range_policy",
            "tile_shape",
            "precision",
        ]
    )
    assert options.convolve_spec("box", **empty) == {"kernel": {"preset": "box"}}
    full = options.convolve_spec("box", **dict.fromkeys(empty, "given"))  # type: ignore[arg-type]
    assert set(full) | given == set(ConvolveSpec.model_fields)
