"""The application: routes, errors and documentation put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from anyio.to_thread import current_default_thread_limiter, run_sync
from fastapi import Depends, FastAPI

from api import dashboard, docs, problems, wire
from api.access import describe_keys
from api.gathering import Gathering
from api.metrics import Metrics
from api.middleware import Surroundings
from api.parameters import refuse_unknown
from api.routes import (
    artifacts,
    batches,
    bodies,
    edge,
    edge_box,
    edge_jobs,
    events,
    jobs,
    logs,
    models,
    operations,
    plans,
    results,
    statistics,
    storage,
    system,
)
from api.services import Services
from core import spans
from core.settings import Settings

# Each thread waits for Redis most of its time.
_THREADS = 64

_DESCRIPTION = """\
Convolution as a service: upload pictures, signals or arrays, submit a job, follow it, fetch the
results. The plan of a job says which algorithm runs and why.

Every error is a problem document (RFC 9457, `application/problem+json`) with a stable `code`.
"""

_TAGS = [
    {"name": "artifacts", "description": "Files that go in and come out, named by their SHA-256."},
    {"name": "jobs", "description": "Work to do, and how far it is."},
    {"name": "results", "description": "What jobs made."},
    {"name": "models", "description": "Trained nets: versions, and aliases that point to them."},
    {"name": "edge", "description": "Boxes that run models: groups, roll-outs, results."},
    {"name": "plans", "description": "How a job would be computed."},
    {"name": "system", "description": "What the service can do, and how it fares."},
]


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the HTTP service as an ASGI application.

    Parameters
    ----------
    settings : Settings, optional
        Read from the environment by default.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     app = create_app(Settings(store_url=folder))
    >>> app.title
    'convq'
    """
    services = Services.open(settings or Settings())
    metrics = Metrics(services)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = _THREADS
        if services.settings.otlp_url is not None:
            spans.setup("convq-api", services.settings.otlp_url)
        yield
        await run_sync(spans.close)
        await services.close()

    app = FastAPI(
        title="convq",
        version=_version(),
        summary="A self-hosted batch service for convolution.",
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(refuse_unknown)],
        lifespan=lifespan,
    )
    app.state.services = services
    app.state.gathering = Gathering()
    app.state.metrics = metrics
    app.add_route("/v1/jobs/batch", batches.refuse_others, batches.OTHERS, include_in_schema=False)
    for module in (
        artifacts,
        batches,
        jobs,
        bodies,
        events,
        logs,
        results,
        models,
        edge,
        edge_box,
        edge_jobs,
        plans,
        system,
        statistics,
        operations,
        storage,
    ):
        app.include_router(module.router)
    problems.register(app)
    docs.register(app)
    dashboard.register(app)
    app.add_middleware(Surroundings, metrics=metrics)
    _describe_more(app, keys=services.settings.keys)
    return app


def _describe_more(app: FastAPI, *, keys: bool) -> None:
    """Add to OpenAPI the model of problems, to which all routes refer, and how keys are given."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document["components"]["schemas"]
        schemas.setdefault("Problem", wire.Problem.model_json_schema())
        if keys:
            describe_keys(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _version() -> str:
    try:
        return version("convq")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"
