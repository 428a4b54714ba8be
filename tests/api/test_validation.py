"""Every fault that pydantic can find in a request, in words for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import httpx
import pytest
from fastapi import Body, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter

from api import validation
from api.routes import events, jobs, plans
from api.submission import JobSpec
from api.validation import faults
from core.jobs.convolve import ConvolveSpec
from core.jobs.registry import KINDS
from core.jobs.sweep import SweepSpec
from core.jobs.train import TrainSpec
from core.kernels import PRESETS
from core.nets.architectures import ARCHITECTURES
from core.nets.layers import LAYERS

DIGEST = "sha256:" + "0" * 64
KIND_NAMES = [kind.name for kind in KINDS]
TRAIN = {
    "kind": "train",
    "data": DIGEST,
    "model": {"architecture": "lenet5"},
    "options": {"epochs": 1},
}
SWEEP = {"kind": "sweep", "train": TRAIN, "vary": {"options.batch": [32, 64]}}
GOOD = {"kind": "convolve", "inputs": [DIGEST], "kernel": {"preset": "box", "size": 3}}

JARGON = re.compile(
    r"Input|Value error|Field required|Extra|\\d|\[0-9|None|True|False|should (be|have|match)"
    r"|\b(pattern|regex|discriminator|dictionary|instance|attributes|literal|constrained|union|tag"
    r"|string|integer|float|boolean|bool|str|int|dict|parse|parsing)\b"
)
# The models of convolve quote a bad value as Python writes it.
QUOTED = re.compile(r"^.* is not a (finite )?number")


def route(module: Any, operation: str) -> APIRoute:
    return next(route for route in module.router.routes if route.operation_id == operation)


PLAN, LIST = route(plans, "plan_job"), route(jobs, "list_jobs")
SUBMIT, EVENTS = route(jobs, "submit_job"), route(events, "get_job_events")


def found(body: Any, of: APIRoute = PLAN) -> list[dict[str, Any]]:
    """Return what pydantic says of ``body``, as FastAPI passes it on."""
    assert of.body_field is not None
    _, errors = of.body_field.validate(body, {}, loc=("body",))
    return list(errors or [])


def found_in(of: APIRoute, where: str, name: str, value: str) -> list[dict[str, Any]]:
    parameters = of.dependant.query_params + of.dependant.header_params
    field = next(parameter for parameter in parameters if parameter.alias == name)
    _, errors = field.validate(value, {}, loc=(where, name))
    return list(errors or [])


def told(errors: list[dict[str, Any]], of: APIRoute = PLAN) -> list[dict[str, Any]]:
    return faults(RequestValidationError(errors), of)


def kernel(**parameters: Any) -> dict[str, Any]:
    return GOOD | {"kernel": parameters}


A_DIGEST = f'text like "{DIGEST}"'

# The fault as pydantic calls it, the body with it, and what is told of it.
IN_BODIES: list[tuple[str, Any, str, Any, Any]] = [
    (
        "extra_forbidden",
        kernel(preset="gaussian", sgima=2),
        "kernel.sgima",
        2,
        ["preset", "sigma", "truncate"],
    ),
    (
        "extra_forbidden",
        GOOD | {"inputs": [{"artifact": DIGEST, "nmae": "a"}]},
        "inputs.0.nmae",
        "a",
        ["artifact", "name"],
    ),
    ("extra_forbidden", kernel(values=[1], scale=2), "kernel.scale", 2, ["values"]),
    ("finite_number", GOOD | {"cval": float("inf")}, "cval", float("inf"), "a finite number"),
    ("float_type", GOOD | {"cval": None}, "cval", None, "a number"),
    (
        "greater_than",
        kernel(preset="gaussian", truncate=0),
        "kernel.truncate",
        0,
        "more than 0",
    ),
    (
        "greater_than_equal",
        kernel(preset="gaussian", sigma=0),
        "kernel.sigma",
        0,
        "0.01 or more",
    ),
    ("int_type", GOOD | {"axes": [0, True]}, "axes.1", True, "a whole number"),
    ("int_type", kernel(preset="box", size=1.5), "kernel.size", 1.5, "a whole number"),
    ("less_than_equal", kernel(preset="gaussian", sigma=501), "kernel.sigma", 501, "500 or less"),
    ("list_type", GOOD | {"inputs": None}, "inputs", None, f'a list like ["{DIGEST}"]'),
    ("literal_error", GOOD | {"mode": "sam"}, "mode", "sam", ["full", "same", "valid"]),
    ("union_tag_invalid", GOOD | {"kind": 7}, "kind", 7, KIND_NAMES),
    (
        "model_attributes_type",
        GOOD | {"inputs": [7]},
        "inputs.0",
        7,
        f"{A_DIGEST} or an object with the fields artifact, name",
    ),
    (
        "string_pattern_mismatch",
        GOOD | {"inputs": [{"artifact": "sha256:0"}]},
        "inputs.0.artifact",
        "sha256:0",
        f'{A_DIGEST} (Digest of an artifact: "sha256:" and 64 lower-case hexadecimal digits)',
    ),
    ("string_too_long", GOOD | {"label": "x" * 201}, "label", "x" * 201, "200 or fewer"),
    (
        "string_too_short",
        GOOD | {"inputs": [{"artifact": DIGEST, "name": ""}]},
        "inputs.0.name",
        "",
        "1 or more characters",
    ),
    ("string_type", GOOD | {"label": 7}, "label", 7, "text"),
    ("too_long", GOOD | {"axes": [0] * 4}, "axes", [0] * 4, "a list of 3 or fewer"),
    ("too_short", GOOD | {"inputs": []}, "inputs", [], "a list of 1 or more"),
    (
        "union_tag_invalid",
        kernel(preset="gauss"),
        "kernel.preset",
        "gauss",
        [preset.name for preset in PRESETS],
    ),
    (
        "value_error",
        kernel(values=[[1, 2], [3]]),
        "kernel.values",
        [[1, 2], [3]],
        "a list like [[0, 1, 0], [1, -4, 1], [0, 1, 0]] (Nested lists of numbers",
    ),
    ("value_error", kernel(values=[]), "kernel.values", [], "a list like"),
    ("value_error", kernel(values=["a"]), "kernel.values", ["a"], "Nested lists of numbers"),
    (
        "value_error",
        kernel(preset="identity", size=2),
        "kernel.size",
        2,
        "a whole number (Taps a side; odd)",
    ),
    ("kernel_form", kernel(sigma=2), "kernel", {"sigma": 2}, 'an object like {"preset": '),
    ("model_attributes_type", [], "body", [], "an object with the field kind"),
    ("model_attributes_type", None, "body", None, "an object with the field kind"),
    (
        "union_tag_invalid",
        TRAIN | {"model": {"architecture": "lenet6"}},
        "model.architecture",
        "lenet6",
        [architecture.name for architecture in ARCHITECTURES],
    ),
    (
        "literal_error",
        TRAIN | {"model": {"architecture": "lenet5", "pooling": "max"}},
        "model.pooling",
        "max",
        ["max_pool", "average_pool"],
    ),
    (
        "union_tag_invalid",
        TRAIN | {"model": {"input": [8], "layers": [{"layer": "conw"}]}},
        "model.layers.0.layer",
        "conw",
        [layer.name for layer in LAYERS],
    ),
    (
        "greater_than_equal",
        TRAIN | {"model": {"input": [8], "layers": [{"layer": "dense", "features": 0}]}},
        "model.layers.0.features",
        0,
        "1 or more",
    ),
    (
        "model_attributes_type",
        TRAIN | {"model": "lenet5"},
        "model",
        "lenet5",
        "an object with the field architecture",
    ),
    ("dict_type", SWEEP | {"vary": 7}, "vary", 7, "an object"),
    (
        "greater_than_equal",
        SWEEP | {"vary": {"options.batch": {"low": 1, "high": 2}}, "seed": -1},
        "seed",
        -1,
        "0 or more",
    ),
    (
        "greater_than",
        TRAIN | {"options": {"epochs": 1, "clip": 0}},
        "options.clip",
        0,
        "more than 0",
    ),
]
IN_PARAMETERS = [
    ("int_parsing", LIST, "query", "limit", "many", "a whole number"),
    ("int_parsing_size", LIST, "query", "limit", "9" * 5000, "a whole number"),
    ("greater_than_equal", LIST, "query", "limit", "0", "1 or more"),
    ("less_than_equal", LIST, "query", "limit", "201", "200 or less"),
    ("literal_error", LIST, "query", "kind", "paint", KIND_NAMES),
    ("string_too_short", LIST, "query", "label", "", "text of 1 or more characters"),
    ("string_pattern_mismatch", LIST, "query", "cursor", "x", 'text like "06bkmd5s8ymjr0q4v1f2"'),
    ("string_too_long", SUBMIT, "header", "Idempotency-Key", "k" * 256, "255 or fewer"),
    ("string_pattern_mismatch", SUBMIT, "header", "Idempotency-Key", "a b", "without spaces"),
    ("string_pattern_mismatch", EVENTS, "header", "Last-Event-ID", "x", 'like "1795348800000-0"'),
    ("string_pattern_mismatch", EVENTS, "query", "after", "x", 'like "1795348800000-0"'),
]


def fits(accepted: Any, expected: Any) -> bool:
    """Compare lists exactly; of a sentence, a part is enough."""
    return accepted == expected if isinstance(expected, list) else expected in accepted


@pytest.mark.parametrize(("kind", "body", "field", "value", "accepted"), IN_BODIES)
def test_faults_of_bodies(kind: str, body: Any, field: str, value: Any, accepted: Any) -> None:
    errors = found(body)
    assert kind in {error["type"] for error in errors}
    (fault,) = told(errors)
    assert (fault["field"], fault["given"]) == (field, value)
    assert fits(fault["accepted"], accepted), fault["accepted"]
    assert not JARGON.search(fault["message"])


@pytest.mark.parametrize(("kind", "of", "where", "name", "value", "accepted"), IN_PARAMETERS)
def test_faults_of_parameters(
    kind: str, of: APIRoute, where: str, name: str, value: str, accepted: Any
) -> None:
    errors = found_in(of, where, name, value)
    assert [error["type"] for error in errors] == [kind]
    (fault,) = told(errors, of)
    assert (fault["field"], fault["given"]) == (name, value)
    assert fits(fault["accepted"], accepted), fault["accepted"]
    assert not JARGON.search(fault["message"])


@pytest.mark.parametrize("missing", GOOD)
def test_what_is_missing_was_not_given(missing: str) -> None:
    body = {name: value for name, value in GOOD.items() if name != missing}
    (fault,) = told(found(body))
    assert (fault["field"], fault["message"]) == (missing, "this is required")
    assert "given" not in fault
    assert fault["accepted"]


class Paint(BaseModel):
    kind: Literal["paint"]
    colour: str


class Knit(BaseModel):
    kind: Literal["knit"]
    rows: int = Field(lt=100)
    purl: bool = Field(default=False, strict=True)


def test_several_kinds_of_jobs() -> None:
    app = FastAPI()

    @app.post("/")
    def submit(
        job: Annotated[Paint | Knit, Field(discriminator="kind"), Body()],
    ) -> None: ...

    of = next(route for route in app.routes if isinstance(route, APIRoute))
    for body, field, value, accepted in (
        ({"kind": "sew"}, "kind", "sew", ["paint", "knit"]),
        ({"kind": "paint", "colour": 7}, "colour", 7, "text"),
        ({"kind": "knit", "rows": 100}, "rows", 100, "less than 100"),
        ({"kind": "knit", "rows": 1, "purl": 1}, "purl", 1, "true or false"),
    ):
        (fault,) = told(found(body, of), of)
        assert (fault["field"], fault["given"], fault["accepted"]) == (field, value, accepted)
    (fault,) = told(found({}, of), of)
    assert fault == {
        "field": "kind",
        "message": "this is required",
        "accepted": ["paint", "knit"],
    }


# What each sort of node in pydantic's own description of the models can complain of.
OF_NODES = {
    "bool": ("bool_type",),
    "int": ("int_type",),
    "float": ("float_type",),
    "str": ("string_type",),
    "list": ("list_type",),
    "dict": ("dict_type",),
    "literal": ("literal_error",),
    "model-fields": ("model_attributes_type", "missing", "extra_forbidden"),
    "tagged-union": ("union_tag_invalid", "union_tag_not_found"),
    "function-after": ("value_error",),
    # They have no words of their own.
    **dict.fromkeys(("any", "default", "model", "model-field", "nullable", "union"), ()),
    **dict.fromkeys(("definitions", "definition-ref"), ()),
}
OF_LIMITS = {
    "gt": "greater_than",
    "ge": "greater_than_equal",
    "lt": "less_than",
    "le": "less_than_equal",
    "pattern": "string_pattern_mismatch",
}
OF_LENGTHS = {
    ("str", "min_length"): "string_too_short",
    ("str", "max_length"): "string_too_long",
    ("list", "min_length"): "too_short",
    ("list", "max_length"): "too_long",
}


def possible(node: Any) -> Iterator[str]:
    if isinstance(node, list | tuple):
        for part in node:
            yield from possible(part)
    if not isinstance(node, dict):
        return
    kind = node.get("type")
    if isinstance(kind, str):
        yield from () if "custom_error_type" in node else OF_NODES[kind]
        yield from (fault for limit, fault in OF_LIMITS.items() if limit in node)
        yield from (
            fault for (of, limit), fault in OF_LENGTHS.items() if kind == of and limit in node
        )
        if node.get("allow_inf_nan") is False:
            yield "finite_number"
    for name, part in node.items():
        if name not in ("metadata", "serialization", "expected", "config", "function"):
            yield from possible(part)


def test_the_table_has_what_the_models_can_complain_of_and_no_more() -> None:
    of_bodies = set(possible(TypeAdapter(JobSpec).core_schema))
    of_parameters = {"int_parsing", "int_parsing_size"}
    # Of no model today, but common enough for the next kind of job; see test_several_kinds_of_jobs.
    of_other_kinds = {"bool_type", "less_than"}
    assert of_bodies | of_parameters | of_other_kinds == set(validation._TABLE)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 70_000)
    | st.floats(allow_nan=False)
    | st.text("abé ", max_size=4)
    | st.just(DIGEST)
)
NAMES = ["preset", "values", "artifact", "name", "sigma", "size", "direction", "colour"]
NAMES += ["architecture", "input", "layers", "layer", "epochs", "loss", "optimiser"]
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=6,
)


@st.composite
def kernels(draw: st.DrawFn) -> dict[str, Any]:
    preset = draw(st.sampled_from(PRESETS))
    names = st.sampled_from([*list(preset.parameters.model_fields)[1:], "colour"])
    return {"preset": preset.name} | draw(st.dictionaries(names, LEAVES, max_size=3))


@st.composite
def nets(draw: st.DrawFn) -> dict[str, Any]:
    sort, registry, specs = draw(
        st.sampled_from(
            [
                ("architecture", ARCHITECTURES, None),
                ("layer", LAYERS, "layers"),
            ]
        )
    )
    chosen = draw(st.sampled_from(registry))
    names = st.sampled_from([*list(chosen.spec.model_fields)[1:], "colour"])
    found = {sort: chosen.name} | draw(st.dictionaries(names, LEAVES, max_size=3))
    return {"input": [1, 8, 8], specs: [found]} if specs else found


@st.composite
def bodies(draw: st.DrawFn) -> Any:
    good, model = draw(
        st.sampled_from([(GOOD, ConvolveSpec), (TRAIN, TrainSpec), (SWEEP, SweepSpec)])
    )
    names = st.sampled_from([*model.model_fields, "colour"])
    body = dict(good)
    for name in draw(st.lists(names, max_size=2)):
        body.pop(name, None)
    body |= draw(st.dictionaries(names, DOCUMENTS, max_size=3))
    if draw(st.booleans()):
        body["kernel" if model is ConvolveSpec else "model"] = draw(
            kernels() if model is ConvolveSpec else nets()
        )
    return body


def at(document: Any, field: str) -> Any:
    if field == "body":
        return document
    for name in field.split("."):
        document = document[int(name) if isinstance(document, list) else name]
    return document


@settings(max_examples=400)
@given(body=bodies() | DOCUMENTS)
def test_every_fault_of_any_body(body: Any) -> None:
    errors = found(body)
    for fault in told(errors) if errors else ():
        assert fault["message"]
        assert fault["accepted"]
        if fault["message"] == "this is required":
            *above, _ = fault["field"].split(".")
            assert isinstance(at(body, ".".join(above) or "body"), dict)
        else:
            assert at(body, fault["field"]) is fault["given"]
        # What was given may be quoted; it is no word of pydantic's.
        for text in (fault["message"], fault["accepted"]):
            assert isinstance(text, list) or not JARGON.search(QUOTED.sub("", text)), text


def test_null_is_shown_as_given(http: httpx.Client, body: dict[str, Any]) -> None:
    problem = http.post("/v1/plans", json=body | {"mode": None}).json()
    assert (problem["field"], problem["given"]) == ("mode", None)
    assert problem["errors"][0]["given"] is None
    del body["kernel"]
    assert "given" not in http.post("/v1/plans", json=body).json()


def test_all_faults_at_once(http: httpx.Client, body: dict[str, Any]) -> None:
    problem = http.post("/v1/plans", json=body | {"mode": "sam", "label": 7}).json()
    assert problem["detail"] == "label: this is no text (and 1 more)"
    assert [(error["field"], error["given"]) for error in problem["errors"]] == [
        ("label", 7),
        ("mode", "sam"),
    ]
    assert all(error["message"] and error["accepted"] for error in problem["errors"])


@pytest.mark.parametrize("inputs", [10_001, 100_000])
def test_too_many_inputs_whatever_they_are(
    http: httpx.Client, body: dict[str, Any], inputs: int
) -> None:
    for path in ("/v1/jobs", "/v1/plans"):
        response = http.post(path, json=body | {"inputs": [7] * inputs})
        problem = response.json()
        assert (response.status_code, problem["code"]) == (413, "too_large")
        assert (problem["field"], problem["given"]) == ("inputs", f"{inputs} inputs")
        assert problem["accepted"] == "at most 10000 inputs"


def test_the_operator_may_allow_more_inputs(
    http_with: Callable[..., httpx.Client], body: dict[str, Any], picture: str
) -> None:
    http = http_with(max_inputs=20_000)
    response = http.post("/v1/plans", json=body | {"inputs": [picture] * 10_001})
    assert response.status_code == 200
    assert response.json()["plan"]["groups"][0]["inputs"] == 10_001
