"""Every answer says what a browser may do with it: nothing, but for the pages of the service."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable

import httpx
import pytest

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/jobs", 200),
        ("GET", "/v1/jobs/nonsense", 404),
        ("GET", "/v1/jobs?no=such", 422),
        ("PUT", "/v1/jobs", 405),
        ("POST", "/v1/jobs", 415),
        ("GET", "/nowhere", 404),
        ("GET", "/metrics", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/", 200),
        ("GET", "/ui/js/main.js", 200),
        ("GET", "/ui/%2e%2e/__init__.py", 404),
        ("GET", "/docs", 200),
        ("GET", "/docs/assets/swagger-ui.css", 200),
    ],
)
def test_all_answers_have_them(http: httpx.Client, method: str, path: str, status: int) -> None:
    response = http.request(method, path)
    assert response.status_code == status
    for name, value in ALWAYS.items():
        assert response.headers[name] == value, name
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert ("sandbox" in policy) == (path not in ("/", "/docs"))


def test_refusals_have_them(keyed: httpx.Client) -> None:
    response = keyed.get("/v1/jobs")
    assert response.status_code == 401
    assert response.headers.items() >= {(k.lower(), v) for k, v in ALWAYS.items()}


def test_an_uploaded_page_cannot_run(http: httpx.Client, upload: Callable[[bytes], str]) -> None:
    digest = upload(b"<html><script>alert(1)</script></html>")
    response = http.get(f"/v1/artifacts/{digest}")
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert response.headers["Content-Disposition"].startswith("attachment")


def test_the_documentation_runs_its_own_scripts_and_no_others(http: httpx.Client) -> None:
    page = http.get("/docs")
    (scripts,) = re.findall(r"script-src ([^;]*);", page.headers["Content-Security-Policy"])
    (inline,) = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
    assert scripts.split() == ["'self'", f"'sha256-{digest}'"]


def test_what_belongs_to_a_tenant_is_kept_by_no_shared_cache(
    http: httpx.Client, upload: Callable[[bytes], str]
) -> None:
    for path in ("/v1/jobs", "/v1/jobs/nonsense", f"/v1/artifacts/{upload(b'x')}", "/v1/workers"):
        response = http.get(path)
        assert "Authorization" in response.headers["Vary"]
        policy = response.headers["Cache-Control"]
        assert "no-store" in policy or policy.startswith("private"), path
