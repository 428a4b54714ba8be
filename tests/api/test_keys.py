"""API keys at the door: who is let in, to what, and how often."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import redis

from core.store.keys import KeyStore

HttpWith = Callable[..., httpx.Client]
MakeKey = Callable[..., dict[str, str]]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer convq_aaaaaaaaaa_x"},
        {"Authorization": "Basic dXNlcjpwYXNzd29yZA=="},
        {"Authorization": "Bearer " + "x" * 10_000},
    ],
)
def test_without_a_key_the_answer_is_401(keyed: httpx.Client, headers: dict[str, str]) -> None:
    response = keyed.get("/v1/jobs", headers=headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="convq"'
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["code"] == "unauthenticated"
    # What was given may be a password.
    assert "given" not in problem
    assert "dXNlcjpwYXNzd29yZA==" not in response.text


def test_two_keys_in_one_request_are_none(keyed: httpx.Client, key: MakeKey) -> None:
    twice = [*key().items(), *key().items()]
    assert keyed.get("/v1/jobs", headers=twice).status_code == 401


def test_a_key_that_is_too_long_for_a_record_touches_no_record(
    keyed: httpx.Client, client: redis.Redis
) -> None:
    keyed.get("/v1/jobs", headers={"Authorization": "Bearer convq_*_x"})
    assert client.keys("*") == []


def test_nothing_of_a_body_is_read_before_the_key_is_known(keyed: httpx.Client) -> None:
    for path in ("/v1/artifacts", "/v1/jobs", "/v1/plans", "/v1/models/m"):
        response = keyed.post(path, content=b"not even JSON", headers={"Content-Type": "a/b"})
        assert response.status_code == 401, path
    assert keyed.get("/v1/jobs?no=such").status_code == 401


def test_a_key_without_the_scope_is_told_which(
    keyed: httpx.Client, key: MakeKey, npy: Callable[[Any], bytes]
) -> None:
    response = keyed.post("/v1/artifacts", content=npy([1.0]), headers=key("read"))
    assert response.status_code == 403
    assert response.json()["code"] == "forbidden"
    assert response.json()["accepted"] == ["submit", "admin"]
    assert "submit" in response.json()["detail"]
    held = keyed.post("/v1/queue/pause", headers=key("read"))
    assert (held.status_code, held.json()["accepted"]) == (403, ["admin"])
    for scope in ("submit", "admin"):
        answer = keyed.post("/v1/artifacts", content=npy([1.0]), headers=key(scope))
        assert answer.status_code in (200, 201)
    assert keyed.get("/metrics", headers=key("read", "submit", "edge")).status_code == 403
    assert keyed.get("/metrics", headers=key("admin")).status_code == 200
    assert keyed.get("/v1/models", headers=key("edge")).status_code == 200
    assert keyed.get("/v1/jobs", headers=key("edge")).status_code == 403


def test_a_revoked_key_is_refused_at_once(
    keyed: httpx.Client, key: MakeKey, client: redis.Redis
) -> None:
    headers = key()
    assert keyed.get("/v1/jobs", headers=headers).status_code == 200
    keys = KeyStore(client)
    keys.revoke(keys.all()[0].id)
    assert keyed.get("/v1/jobs", headers=headers).status_code == 401


def test_an_expired_key_is_told_so(keyed: httpx.Client, key: MakeKey, client: redis.Redis) -> None:
    headers = key(lasts=3600)
    (name,) = client.keys("convq:key:*")
    client.hset(name, "expires", 1)
    response = keyed.get("/v1/jobs", headers=headers)
    assert response.status_code == 401
    assert "expired" in response.json()["detail"]


def test_too_many_requests_are_refused_until_later(keyed: httpx.Client, key: MakeKey) -> None:
    headers = key("read", rate=0.5, burst=3)
    others = key("read", rate=0.5, burst=3)
    answers = [keyed.get("/v1/jobs", headers=headers) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["RateLimit"] for answer in answers[:3]] == [
        '"key";r=2;t=2',
        '"key";r=1;t=4',
        '"key";r=0;t=6',
    ]
    assert answers[0].headers["RateLimit-Policy"] == '"key";q=3;w=6'
    assert answers[3].json()["code"] == "rate_limited"
    assert answers[3].headers["Retry-After"] in ("1", "2")
    assert keyed.get("/v1/jobs", headers=others).status_code == 200


def test_limits_of_the_service_hold_for_keys_that_have_none(
    http_with: HttpWith, key: MakeKey
) -> None:
    http = http_with(keys=True, key_rate=0.1, key_burst=2)
    headers = key("read")
    found = [http.get("/v1/jobs", headers=headers).status_code for _ in range(3)]
    assert found == [200, 200, 429]
    unlimited = http_with(keys=True, key_rate=0)
    answer = unlimited.get("/v1/jobs", headers=headers)
    assert (answer.status_code, "RateLimit" in answer.headers) == (200, False)


def test_no_secret_is_in_an_answer_a_log_or_a_metric(
    keyed: httpx.Client, key: MakeKey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    headers = key("read", "admin")
    secret = headers["Authorization"].rpartition("_")[2]
    told = [
        keyed.get(path, headers=headers)
        for path in ("/v1/jobs", "/v1/jobs/nonsense", "/v1/jobs?no=such", "/metrics", "/v1/workers")
    ]
    told.append(keyed.get("/v1/jobs", headers={"Authorization": f"Token {secret}"}))
    told.append(keyed.get("/v1/jobs", headers={"Authorization": f"Bearer {secret}"}))
    for answer in told:
        assert secret not in answer.text
        assert secret not in str(answer.headers)
    assert secret not in caplog.text


class TestWithoutKeys:
    """Only who sits at this machine is served, and no web page in their browser."""

    @pytest.mark.parametrize(
        "headers",
        [
            {"Host": "convq.example.org"},
            {"Host": "rebound.example.org:8000"},
            {"Host": "localhost.example.org"},
            {"Host": "10.0.0.7:8000"},
            {"Origin": "https://example.org"},
            {"Origin": "null"},
            {"Origin": "http://[::1"},
            # As a proxy on this machine says for whom it asks.
            {"X-Forwarded-For": "203.0.113.5"},
        ],
    )
    def test_others_are_refused(self, http: httpx.Client, headers: dict[str, str]) -> None:
        response = http.get("/v1/jobs", headers=headers)
        assert response.status_code == 403
        assert response.json()["code"] == "forbidden"
        assert "CONVQ_KEYS" in response.json()["detail"]

    @pytest.mark.parametrize(
        "headers",
        [
            {"Host": "localhost:8000"},
            {"Host": "[::1]:8000"},
            {"Host": "127.0.0.2"},
            {"Origin": "http://localhost:3000"},
        ],
    )
    def test_this_machine_is_served(self, http: httpx.Client, headers: dict[str, str]) -> None:
        assert http.get("/v1/jobs", headers=headers).status_code == 200

    def test_a_key_is_not_asked_for_and_changes_nothing(
        self, http: httpx.Client, key: MakeKey
    ) -> None:
        response = http.get("/v1/jobs", headers=key(tenant="other"))
        assert response.status_code == 200
        assert "RateLimit" not in response.headers


def test_with_keys_the_name_of_the_host_does_not_matter(keyed: httpx.Client, key: MakeKey) -> None:
    headers = key() | {"Host": "convq.example.org", "Origin": "https://example.org"}
    assert keyed.get("/v1/jobs", headers=headers).status_code == 200
