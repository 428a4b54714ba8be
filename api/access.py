"""What each operation of the API asks of a key, in one table."""

from __future__ import annotations

from typing import Any

from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from api.auth import authorize

PUBLIC = ()
"""Needs no key: tells nothing of anybody's data."""

# Any one of these scopes suffices. An operation that is not here cannot be made a route.
_SCOPES: dict[str, tuple[str, ...]] = {
    "upload_artifact": ("submit",),
    "get_artifact": ("read",),
    "head_artifact": ("read",),
    "submit_job": ("submit",),
    "submit_jobs": ("submit",),
    "plan_job": ("submit",),
    "list_jobs": ("read",),
    "head_jobs": ("read",),
    "get_job": ("read",),
    "get_job_body": ("read",),
    "get_job_events": ("read",),
    "get_job_logs": ("read",),
    "get_job_results": ("read",),
    "get_job_result": ("read",),
    "head_job_result": ("read",),
    "cancel_job": ("submit",),
    "retry_job": ("submit",),
    "delete_job": ("submit",),
    "list_models": ("read", "edge"),
    "get_model": ("read", "edge"),
    "get_model_version": ("read", "edge"),
    "get_model_file": ("read", "edge"),
    "head_model_file": ("read", "edge"),
    "get_model_onnx": ("read", "edge"),
    "register_model": ("submit",),
    "delete_model_version": ("submit",),
    "set_model_alias": ("submit",),
    "delete_model_alias": ("submit",),
    "list_edge_groups": ("read",),
    "get_edge_group": ("read",),
    "list_edge_boxes": ("read",),
    "list_edge_results": ("read",),
    "create_edge_token": ("admin",),
    "begin_edge_rollout": ("admin",),
    "stop_edge_rollout": ("admin",),
    "resume_edge_rollout": ("admin",),
    "remove_edge_box": ("admin",),
    # The token is what allows it.
    "enrol_edge_box": PUBLIC,
    "get_edge_release": ("edge",),
    "get_edge_bundle": ("edge",),
    "report_edge_health": ("edge",),
    "deliver_edge_results": ("edge",),
    "claim_edge_job": ("edge",),
    "get_edge_input": ("edge",),
    "renew_edge_job": ("edge",),
    "finish_edge_job": ("edge",),
    "release_edge_job": ("edge",),
    "list_kinds": PUBLIC,
    "get_queue": ("read",),
    "list_workers": ("read",),
    "get_stats": ("read",),
    "get_history": ("read",),
    "get_health": PUBLIC,
    "get_readiness": PUBLIC,
    "get_plan_figures": ("admin",),
    "get_metrics": ("admin",),
    "get_storage": ("admin",),
    "get_garbage": ("admin",),
    "pause_queue": ("admin",),
    "resume_queue": ("admin",),
    "drain_worker": ("admin",),
    "resume_worker": ("admin",),
}


class Guarded(APIRoute):
    """A route that is asked for only with a key that allows it, before anything of it is read."""

    def __init__(self, path: str, endpoint: Any, **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self._scopes = scopes_of(self.operation_id)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or raise what stands against it."""
        request = Request(scope)
        caller = await authorize(request, self._scopes)
        request.state.caller = caller

        async def private_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(caller.headers)
                # What one may see is not for a cache that others use, too.
                headers.add_vary_header("Authorization")
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await super().handle(scope, receive, private_send)


def describe_keys(document: dict[str, Any]) -> None:
    """Say in an OpenAPI document which operations want a key, and with which scopes."""
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for operations in document["paths"].values():
        for operation in operations.values():
            scopes = scopes_of(operation["operationId"])
            operation["security"] = [{"key": [scope]} for scope in scopes]


def scopes_of(operation: str | None) -> tuple[str, ...]:
    """Return the scopes of which an operation needs one.

    Examples
    --------
    >>> scopes_of("get_job"), scopes_of("get_health")
    (('read',), ())
    """
    if operation not in _SCOPES:
        raise LookupError(f"{operation}: say in api/access.py which scope this operation needs")
    return _SCOPES[operation]
