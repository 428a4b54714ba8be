"""How much is stored, and what of it nothing needs."""

from __future__ import annotations

from fastapi import APIRouter

from api import wire_storage
from api.access import Guarded
from api.described import answers
from api.services import Using
from core.store.garbage import Garbage
from core.store.stored import stored

router = APIRouter(prefix="/v1/storage", tags=["system"], route_class=Guarded)

_MOST_NAMED = 20


@router.get(
    "",
    operation_id="get_storage",
    summary="See how much is stored",
    response_model=wire_storage.Storage,
    responses=answers({}),
)
def get_storage(services: Using) -> wire_storage.Storage:
    """Tell the bytes of artifacts, in all and by tenant, and how many may be stored."""
    settings = services.settings
    whole, tenants = stored(services.redis, settings.redis_prefix)
    return wire_storage.Storage(
        stored=whole,
        tenants=tenants,
        most=settings.max_stored,
        most_of_tenant=settings.max_stored_of_tenant,
        retention=settings.retention,
    )


@router.get(
    "/garbage",
    operation_id="get_garbage",
    summary="See what the next collection would delete",
    response_model=wire_storage.WouldDelete,
    responses=answers({}, 409),
)
def get_garbage(services: Using) -> wire_storage.WouldDelete:
    """Look at every record and every file, and delete nothing: the more there is, the longer."""
    settings = services.settings
    garbage = Garbage(services.artifacts, services.redis, settings.redis_prefix)
    found = garbage.collect(settings.retention, dry_run=True)
    return wire_storage.WouldDelete(
        records=found.records,
        referred=found.referred,
        artifacts=found.artifacts,
        strays=found.strays,
        freed=found.freed,
        missing=len(found.missing),
        missing_digests=list(found.missing[:_MOST_NAMED]),
        miscounted=len(found.miscounted),
    )
