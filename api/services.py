"""What the routes work with, made once per application."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import anyio
import redis
from fastapi import Depends, Request
from redis.backoff import NoBackoff
from redis.retry import Retry

from api.auth import Calling
from api.producer import Producer
from api.watching import Watching
from core.settings import Settings
from core.store.artifacts import ArtifactStore
from core.store.connection import connect
from core.store.edge import EdgeStore
from core.store.edge_results import EdgeResults
from core.store.jobs import JobStore
from core.store.keys import KeyStore
from core.store.models import ModelStore
from core.store.statistics import Statistics
from core.store.tenants import DEFAULT
from core.store.workers import WorkerStore

# A lost connection is tried again once, at once, so that a restarted Redis goes unnoticed. One that
# does not answer in time is not: the client would wait twice as long for the same 503.
_LOST = (redis.exceptions.ConnectionError,)

# A picture of 100 megapixels takes about a gigabyte on its way to a preview.
_CONVERSIONS = 2
# Bodies that are read by a thread each: more at a time would not be faster.
_READERS = 4
# Planning a huge kernel takes long; it must not take the threads of everything else.
_PLANS = 8


@dataclass(frozen=True)
class Services:
    """The stores and connections of one application.

    Attributes
    ----------
    settings : Settings
        Of this service.
    tenant : str
        Whose jobs, artifacts and models the stores find.
    redis : redis.Redis
        The client that the stores share; safe to use from many threads.
    jobs, artifacts, models, workers, keys, edge, edge_results
        The stores.
    statistics : Statistics
        What there is to do and what was done, of any tenant.
    producer : Producer
        Wakes workers up.
    watching : Watching
        Waits for the events of jobs.
    conversions : anyio.CapacityLimiter
        Bounds how many artifacts are decoded at a time, and so the memory for it.
    plans : anyio.CapacityLimiter
        Bounds how many jobs are planned at a time.
    readers : anyio.CapacityLimiter
        Bounds how many large bodies are read at a time, and so the memory for it.
    """

    settings: Settings
    tenant: str
    redis: redis.Redis
    jobs: JobStore
    artifacts: ArtifactStore
    models: ModelStore
    workers: WorkerStore
    keys: KeyStore
    edge: EdgeStore
    edge_results: EdgeResults
    statistics: Statistics
    producer: Producer
    watching: Watching
    conversions: anyio.CapacityLimiter
    plans: anyio.CapacityLimiter
    readers: anyio.CapacityLimiter

    @classmethod
    def open(cls, settings: Settings) -> Services:
        """Make all services; nothing is connected before it is used."""
        client = connect(settings, retry=Retry(NoBackoff(), 1, _LOST))
        jobs = JobStore(client, settings.redis_prefix)
        return cls(
            settings=settings,
            tenant=DEFAULT,
            redis=client,
            jobs=jobs,
            artifacts=ArtifactStore(settings.store_url, client, settings.redis_prefix),
            models=ModelStore(client, settings.redis_prefix),
            workers=WorkerStore(client, settings),
            keys=KeyStore(client, settings.redis_prefix),
            edge=EdgeStore(client, settings.redis_prefix),
            edge_results=EdgeResults(client, settings.redis_prefix),
            statistics=Statistics(client, settings.redis_prefix),
            producer=Producer(settings),
            watching=Watching(settings, jobs),
            conversions=anyio.CapacityLimiter(_CONVERSIONS),
            plans=anyio.CapacityLimiter(_PLANS),
            readers=anyio.CapacityLimiter(_READERS),
        )

    def of(self, tenant: str) -> Services:
        """Return the same services, to which other tenants' things do not exist."""
        return replace(
            self,
            tenant=tenant,
            jobs=self.jobs.of(tenant),
            artifacts=self.artifacts.of(tenant),
            models=self.models.of(tenant),
            edge=self.edge.of(tenant),
        )

    async def close(self) -> None:
        """Close all connections."""
        self.producer.close()
        self.redis.close()
        await self.watching.close()


async def _services(request: Request, caller: Calling) -> Services:
    services: Services = request.app.state.services
    return services.of(caller.tenant)


Using = Annotated[Services, Depends(_services)]
"""The type of a route's parameter that receives the `Services` of the caller's tenant."""
