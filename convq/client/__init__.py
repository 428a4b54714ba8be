"""Talking to a convq service from Python.

``models`` types what the service answers; ``operations``, ``uploads``, ``downloads`` and
``watching`` hold the logic, free of IO; ``blocking`` and ``asynchronous`` perform it.
"""

from __future__ import annotations

from convq.client.asynchronous import AsyncClient
from convq.client.blocking import Client
from convq.client.models import (
    TERMINAL,
    Artifact,
    Attempt,
    Candidate,
    Event,
    Failure,
    Job,
    JobPlan,
    Kind,
    Kinds,
    PlanGroup,
    Preset,
    Problem,
    Progress,
    Queue,
    Result,
    Results,
    Timings,
    Worker,
)

__all__ = [
    "TERMINAL",
    "Artifact",
    "AsyncClient",
    "Attempt",
    "Candidate",
    "Client",
    "Event",
    "Failure",
    "Job",
    "JobPlan",
    "Kind",
    "Kinds",
    "PlanGroup",
    "Preset",
    "Problem",
    "Progress",
    "Queue",
    "Result",
    "Results",
    "Timings",
    "Worker",
]
