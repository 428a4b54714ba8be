"""How the routes describe themselves in OpenAPI: problems, headers and links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.problems import MEDIA_TYPE

JOB_ID = "06bkmd5s8ymjr0q4v1f2"
JOB_ID_PATTERN = "^[0-9abcdefghjkmnpqrstvwxyz]{20}$"
DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
DIGEST_PATTERN = "^sha256:[0-9a-f]{64}$"

_PROBLEMS = {
    401: "The service wants an API key, and this is none that it knows.",
    403: "The API key does not allow this; or keys are off and the request is not of this machine.",
    404: "There is no such thing.",
    406: "Nothing that can be made of the thing matches Accept.",
    408: "Nothing of the body came for too long; send it again.",
    409: "The present state does not allow this.",
    413: "A stated limit would be exceeded.",
    415: "The body is not of an accepted media type, or not of the one that it claims.",
    416: "The range lies outside the bytes.",
    422: "The request is not acceptable; the problem names the field.",
    429: "Too many requests with this key, or queued jobs; try again after Retry-After seconds.",
    500: "A defect, or damaged data.",
    503: "Redis or the artifact store does not answer; try again after Retry-After seconds.",
    507: "The disk takes no more, or as much is stored as may be.",
}

_ALWAYS = (401, 403, 422, 429, 500, 503)

_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
}

Responses = dict[int | str, dict[str, Any]]


def answers(own: Mapping[Any, Mapping[str, object]], *problems: int) -> Responses:
    """Return the OpenAPI responses of a route.

    Parameters
    ----------
    own : mapping
        What the route itself answers, by status.
    *problems : int
        Statuses of the problems that it can answer with. 401, 403 and 429 (where keys are on),
        422 (every route refuses unknown parameters), 500 and 503 can always happen and are added,
        as is 408 where a body is read, which 415 says.

    Examples
    --------
    >>> sorted(answers({200: {"description": "The job."}}, 404))
    [200, 401, 403, 404, 422, 429, 500, 503]
    """
    described: Responses = {status: dict(parts) for status, parts in own.items()}
    stalls = (408,) if 415 in problems else ()
    for status in (*problems, *stalls, *_ALWAYS):
        described[status] = {
            "description": _PROBLEMS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    for status in (429, 503):
        described[status]["headers"] = _RETRY_AFTER
    described[401]["headers"] = headers(WWW_Authenticate="Bearer (RFC 6750).")
    return described


def headers(**descriptions: str) -> dict[str, Any]:
    """Return OpenAPI's description of response headers; ``_`` stands for ``-``."""
    return {
        name.replace("_", "-"): {"description": text, "schema": {"type": "string"}}
        for name, text in descriptions.items()
    }


JOB_LINKS = {
    name: {
        "operationId": operation,
        "parameters": {"job_id": "$response.body#/id"},
        "description": text,
    }
    for name, operation, text in (
        ("read", "get_job", "Read the job."),
        ("events", "get_job_events", "Follow the job."),
        ("results", "get_job_results", "Fetch what came of the job."),
        ("cancel", "cancel_job", "Stop the job."),
        ("retry", "retry_job", "Run the job again after it failed or was cancelled."),
        ("delete", "delete_job", "Delete the job after it ended."),
    )
}

ARTIFACT_LINKS = {
    "read": {
        "operationId": "get_artifact",
        "parameters": {"digest": "$response.body#/digest"},
        "description": "Fetch the bytes.",
    }
}
