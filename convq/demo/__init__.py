"""A tour of the service: real jobs, and a page that shows them."""

from __future__ import annotations

from convq.demo.show import run

__all__ = ["run"]
