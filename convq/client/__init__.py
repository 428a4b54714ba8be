"""Talking to a convq service from Python.

``models`` types what the service answers; ``operations``, ``uploads``, ``downloads`` and
``watching`` hold the logic, free of IO; ``blocking`` and ``asynchronous`` perform it.
"""

from __future__ import annotations

from convq.client.asynchronous import AsyncClient
from convq.client.blocking import Client
from convq.client.edge_models import Delivery, EdgeBox, EdgeGroup, Release, RollOut
from convq.client.models import (
    TERMINAL,
    Artifact,
    Attempt,
    Candidate,
    Device,
    Event,
    Failure,
    Fault,
    Job,
    JobPlan,
    Kind,
    Kinds,
    LogLine,
    ModelVersion,
    PlanGroup,
    Preset,
    Progress,
    Queue,
    RegisteredModel,
    Result,
    Results,
    Timings,
    Worker,
)
from convq.client.statistics import (
    History,
    Line,
    Past,
    PastPoint,
    Percentiles,
    PlanFigures,
    Stats,
)

__all__ = [
    "TERMINAL",
    "Artifact",
    "AsyncClient",
    "Attempt",
    "Candidate",
    "Client",
    "Delivery",
    "Device",
    "EdgeBox",
    "EdgeGroup",
    "Event",
    "Failure",
    "Fault",
    "History",
    "Job",
    "JobPlan",
    "Kind",
    "Kinds",
    "Line",
    "LogLine",
    "ModelVersion",
    "Past",
    "PastPoint",
    "Percentiles",
    "PlanFigures",
    "PlanGroup",
    "Preset",
    "Progress",
    "Queue",
    "RegisteredModel",
    "Release",
    "Result",
    "Results",
    "RollOut",
    "Stats",
    "Timings",
    "Worker",
]
