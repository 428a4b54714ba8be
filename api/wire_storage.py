"""What the service answers where stored bytes are concerned."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_STORAGE: dict[str, Any] = {
    "stored": 734_003_200,
    "tenants": {"default": 734_003_200},
    "most": 1 << 50,
    "most_of_tenant": 1 << 50,
    "retention": 604_800,
}
_GARBAGE: dict[str, Any] = {
    "records": 1200,
    "referred": 1150,
    "artifacts": 48,
    "strays": 2,
    "freed": 52_428_800,
    "missing": 0,
    "missing_digests": [],
    "miscounted": 0,
}


class Storage(BaseModel):
    """How much is stored."""

    model_config = ConfigDict(json_schema_extra={"examples": [_STORAGE]})

    stored: int = Field(description="Bytes of artifacts, each counted once.")
    tenants: dict[str, int] = Field(
        description="Bytes that each tenant holds; some may be held by several."
    )
    most: int = Field(description="Bytes that may be stored.")
    most_of_tenant: int = Field(description="Bytes that one tenant may hold.")
    retention: float = Field(description="Seconds for which what nothing needs is kept.")


class WouldDelete(BaseModel):
    """What a collection would find now."""

    model_config = ConfigDict(json_schema_extra={"examples": [_GARBAGE]})

    records: int = Field(description="Artifacts in the records.")
    referred: int = Field(description="Those that a job or a model needs.")
    artifacts: int = Field(description="Those that would be deleted.")
    strays: int = Field(description="Files that no record names, which would be deleted, too.")
    freed: int = Field(description="Bytes of both.")
    missing: int = Field(description="Artifacts whose file is not there.")
    missing_digests: list[str] = Field(description="The first of these.")
    miscounted: int = Field(description="Artifacts whose count of references is wrong; kept.")
