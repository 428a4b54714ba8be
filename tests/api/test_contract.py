"""The OpenAPI document against the service: schemathesis with all its checks."""

from __future__ import annotations
