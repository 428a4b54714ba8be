from __future__ import annotations

import subprocess
import sys

import httpx
import pytest

from convq.client.problems import error_of, raise_for_problem
from core import errors


@pytest.mark.parametrize(
    "kind",
    [
        errors.InvalidInput,
        errors.UnsupportedMedia,
        errors.IntegerOverflow,
        errors.AlgorithmRefused,
        errors.NotFound,
        errors.Conflict,
        errors.TooLarge,
        errors.Unavailable,
        errors.Diverged,
        errors.IntegrityError,
        errors.Cancelled,
        errors.LeaseLost,
    ],
)
def test_each_error_comes_back_as_itself(kind: type[errors.ConvqError]) -> None:
    sent = kind("no such mode", field="mode", given="sam", accepted=["full", "same"])
    problem = {"status": 422, "title": "Bad", "detail": sent.message, **sent.to_dict()}
    with pytest.raises(errors.ConvqError) as caught:
        raise_for_problem(httpx.Response(422, json=problem))
    assert type(caught.value) is kind
    assert str(caught.value) == str(sent)
    assert (caught.value.field, caught.value.message) == ("mode", "no such mode")


def test_an_unknown_code_states_the_status() -> None:
    with pytest.raises(errors.ConvqError, match="HTTP 418: I am a teapot") as caught:
        raise_for_problem(httpx.Response(418, json={"code": "teapot", "detail": "I am a teapot"}))
    assert type(caught.value) is errors.ConvqError


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, errors.NotFound),
        (413, errors.TooLarge),
        (500, errors.ConvqError),
        (502, errors.Unavailable),
        (504, errors.Unavailable),
    ],
)
def test_an_answer_that_is_no_problem_document(status: int, kind: type[errors.ConvqError]) -> None:
    with pytest.raises(errors.ConvqError, match=f"HTTP {status}: <html> some proxy") as caught:
        raise_for_problem(httpx.Response(status, text="<html>\n some  proxy"))
    assert type(caught.value) is kind


def test_json_that_is_no_object() -> None:
    with pytest.raises(errors.ConvqError, match=r'HTTP 500: \["oops"\]'):
        raise_for_problem(httpx.Response(500, json=["oops"]))


def test_success_passes() -> None:
    raise_for_problem(httpx.Response(204))


def test_errors_of_the_api_alone_are_those_of_their_status() -> None:
    """Also in a process that has imported the API, and with it subclasses that it made."""
    code = (
        "import httpx, api.errors\n"
        "from convq.client.problems import error_of, raise_for_problem\n"
        "problem = {'status': 409, 'code': 'not_ready', 'detail': 'not yet'}\n"
        "try:\n    raise_for_problem(httpx.Response(409, json=problem))\n"
        "except Exception as error:\n    print(type(error).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "Conflict"


def test_a_code_that_several_errors_share_is_the_first_ones() -> None:
    assert type(error_of(503, {"code": "unavailable", "detail": "away"})) is errors.Unavailable
