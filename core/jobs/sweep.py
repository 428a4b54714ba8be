"""The job kind ``sweep``: many trainings that differ, spread over the workers, and their table."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from core.errors import InvalidInput
from core.jobs import train
from core.jobs.candidates import MOST, Range, Values, candidates
from core.jobs.halving import Halving, Rung, best, rungs
from core.jobs.kind import Kind, Planning, Spec
from core.jobs.run import Run, Waiting
from core.jobs.train import TrainSpec
from core.jobs.trained import METRICS, MODEL, TRAINING
from core.media import CSV, JSON, SAFETENSORS
from core.media.jsonable import finite
from core.store import documents
from core.store.jobs import Job
from core.store.states import TERMINAL

Objective = Literal["validation_accuracy", "validation_loss", "accuracy", "loss"]
_OBJECTIVES: tuple[Objective, ...] = get_args(Objective)


class SweepSpec(Spec):
    """Train many variants of a net and compare them.

    Each candidate is a job of its own, labelled with the id of the sweep. With halving, one whose
    figures fall behind is trained no further.
    """

    kind: Literal["sweep"]
    train: TrainSpec = Field(description="The training, as far as all candidates agree.")
    vary: dict[str, Values | Range] = Field(
        description="By the path of a field of train: a list of values, or a range to draw from.",
        examples=[{"options.batch": [32, 128], "options.schedule.rate": [0.001, 0.01]}],
    )
    trials: Annotated[int, Field(ge=1, le=MOST)] | None = Field(
        default=None,
        description="Try so many combinations, drawn at random; by default all of them.",
    )
    seed: int = Field(default=0, ge=0, lt=1 << 32, description="Of the random choice.")
    objective: Objective = Field(
        default="validation_loss", description="By what they are compared."
    )
    halving: Halving | None = Field(
        default=None, description="Stop the worst early; by default all are trained to the end."
    )


@dataclass
class _Candidate:
    """One variant, and what has become of it."""

    values: dict[str, Any]
    spec: TrainSpec
    jobs: list[Job] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> str:
        return self.jobs[-1].state if self.jobs else "queued"


def references(spec: SweepSpec) -> tuple[str, ...]:
    """Return the digests that the candidates need, each once."""
    needed = [digest for c in _candidates(spec) for digest in train.references(c.spec)]
    return tuple(dict.fromkeys(needed))


def items(spec: SweepSpec) -> int:
    """Return the number of trainings, of which a candidate has one for each rung it reaches."""
    return sum(rung.candidates for rung in _rungs(spec, len(_candidates(spec))))


def plan(spec: SweepSpec, planning: Planning) -> dict[str, Any]:
    """Plan every candidate's training.

    Returns
    -------
    dict
        ``seconds`` of all on one worker (with halving, the most that it can be), ``bytes`` of the
        largest, the number of ``candidates``, and the ``rungs``.

    Raises
    ------
    InvalidInput
        If the sweep makes no sense, or a candidate would surely fail.
    """
    if spec.train.start is not None or spec.train.until is not None:
        raise InvalidInput(
            "candidates begin at their beginning and go to their end",
            field="train.start" if spec.train.start is not None else "train.until",
            given=spec.train.start or spec.train.until,
            accepted="null",
        )
    if spec.halving is not None and "options.epochs" in spec.vary:
        raise InvalidInput(
            "halving compares candidates at the same epoch",
            field="vary.options.epochs",
            accepted="one number of epochs for all, or no halving",
        )
    found = _candidates(spec)
    plans = [
        train.plan(candidate.spec, planning.waiting_for(candidate.spec.device))
        for candidate in found
    ]
    ladder = _rungs(spec, len(found))
    if spec.objective.startswith("validation") and not all(
        planned["images"] < planned["data"]["count"] or candidate.spec.validation
        for candidate, planned in zip(found, plans, strict=True)
    ):
        raise InvalidInput(
            "nothing is validated",
            field="objective",
            given=spec.objective,
            accepted="loss or accuracy, or images for validation in train",
        )
    if spec.objective.endswith("accuracy") and any(p["data"]["classes"] is None for p in plans):
        raise InvalidInput(
            "there is no accuracy without classes",
            field="objective",
            given=spec.objective,
            accepted="validation_loss or loss",
        )
    per_epoch = sorted((p["seconds_per_epoch"] for p in plans), reverse=True)
    seconds, before = 0.0, 0
    for rung in ladder:
        seconds += sum(per_epoch[: rung.candidates]) * (rung.until - before)
        before = rung.until
    if spec.halving is None:
        seconds = sum(p["seconds"] for p in plans)
    return {
        "seconds": seconds,
        "bytes": max(p["bytes"] for p in plans),
        "groups": [],
        "candidates": len(found),
        "rungs": [rung._asdict() for rung in ladder],
    }


def run(spec: SweepSpec, run: Run) -> None:
    """Bring every rung on its way or, if it is complete, choose who goes on; then compare.

    The job waits without a worker while candidates train, and begins here again when they have
    ended. Whatever it began before it finds again under its name.
    """
    found = _candidates(spec)
    ladder = _rungs(spec, len(found))
    alive, done = list(range(len(found))), 0
    for number, rung in enumerate(ladder):
        run.check()
        _begin(run, found, alive, number, rung)
        ended = [i for i in alive if found[i].state in TERMINAL]
        run.at(done + len(ended), f"rung {number + 1} of {len(ladder)}")
        if len(ended) < len(alive):
            raise Waiting([found[i].jobs[-1].id for i in alive if i not in ended])
        done += len(alive)
        alive = _survivors(spec, run, found, alive, ladder[number + 1 :])
    with run.stage("store"):
        _deliver(spec, run, found, len(ladder))


def _candidates(spec: SweepSpec) -> list[_Candidate]:
    found = candidates(spec.train, spec.vary, spec.trials, spec.seed)
    return [_Candidate(values, candidate) for values, candidate in found]


def _rungs(spec: SweepSpec, count: int) -> list[Rung]:
    return rungs(count, spec.train.options.epochs, spec.halving)


def _begin(run: Run, found: list[_Candidate], alive: list[int], number: int, rung: Rung) -> None:
    assert run.children is not None
    for i in alive:
        run.check()
        candidate = found[i]
        changes: dict[str, Any] = {}
        if rung.until < candidate.spec.options.epochs:
            changes["until"] = rung.until
        if candidate.jobs:
            changes["start"] = _result(run, candidate.jobs[-1], TRAINING)
        spec = candidate.spec.model_copy(update=changes)
        candidate.jobs.append(run.children.begin(f"{number}/{i}", spec))


def _survivors(
    spec: SweepSpec, run: Run, found: list[_Candidate], alive: list[int], above: list[Rung]
) -> list[int]:
    """Read the figures of a rung, and return who trains on the next one."""
    for i in alive:
        candidate = found[i]
        if candidate.state == "succeeded":
            digest = _result(run, candidate.jobs[-1], METRICS)
            document = json.loads(run.artifacts.read(digest))
            candidate.figures = document["history"][-1] | {
                name: document[name] for name in document.keys() & set(_OBJECTIVES)
            }
    ranked = {
        i: float(figure)
        for i in alive
        if found[i].state == "succeeded"
        and (figure := found[i].figures.get(spec.objective)) is not None
    }
    if not ranked:
        first = found[alive[0]].jobs[-1]
        raise InvalidInput(
            "no candidate could be trained; the first: "
            + (first.error["message"] if first.error else first.state),
            field="train",
        )
    highest = spec.objective.endswith("accuracy")
    return best(ranked, above[0].candidates if above else len(ranked), highest=highest)


def _result(run: Run, job: Job, name: str) -> str:
    """Return the digest of a result of a training."""
    assert job.results is not None
    entries = documents.read(run.artifacts, job.results)["results"]
    digest: str = next(entry["digest"] for entry in entries if entry["name"] == name)
    return digest


def _deliver(spec: SweepSpec, run: Run, found: list[_Candidate], rungs: int) -> None:
    """Store the table, best candidates first, and the best model."""
    highest = spec.objective.endswith("accuracy")

    def rank(i: int) -> tuple[Any, ...]:
        candidate = found[i]
        figure = candidate.figures.get(spec.objective)
        worth = math.inf if figure is None else -figure if highest else figure
        # Who came further was better when they were compared.
        return (candidate.state != "succeeded", -len(candidate.jobs), worth, i)

    order = sorted(range(len(found)), key=rank)
    rows = [_row(found[i], i, place, rungs) for place, i in enumerate(order, 1)]
    table = {"objective": spec.objective, "candidates": rows}
    text = json.dumps(finite(table), allow_nan=False)
    _put(run, "sweep.json", JSON, partial(_write, text.encode()))
    _put(run, "sweep.csv", CSV, partial(_write, _as_csv(rows).encode()))
    model = run.artifacts.read(_result(run, found[order[0]].jobs[-1], MODEL))
    _put(run, MODEL, SAFETENSORS, partial(_write, model))


def _row(candidate: _Candidate, number: int, rank: int, rungs: int) -> dict[str, Any]:
    last = candidate.jobs[-1]
    stopped = last.state == "succeeded" and len(candidate.jobs) < rungs
    return {
        "rank": rank,
        "candidate": number,
        "state": "stopped early" if stopped else last.state,
        "values": candidate.values,
        "epochs": candidate.figures.get("epoch", 0),
        **{name: candidate.figures.get(name) for name in _OBJECTIVES},
        "seconds": candidate.figures.get("seconds"),
        "error": last.error["message"] if last.error else None,
        "jobs": [job.id for job in candidate.jobs],
    }


def _as_csv(rows: list[dict[str, Any]]) -> str:
    flat = [
        {name: value for name, value in row.items() if name not in ("values", "jobs")}
        | {path: _cell(value) for path, value in row["values"].items()}
        | {"jobs": " ".join(row["jobs"])}
        for row in rows
    ]
    file = io.StringIO()
    writer = csv.DictWriter(file, list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return file.getvalue()


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def _put(run: Run, name: str, media_type: str, write: Callable[[Path], None]) -> None:
    run.deliver(name, source=None, media_type=media_type, write=write)


def _write(data: bytes, path: Path) -> None:
    path.write_bytes(data)


KIND = Kind(
    name="sweep",
    summary="Train many variants of a net, spread over the workers, and compare them.",
    spec=SweepSpec,
    references=references,
    items=items,
    plan=plan,
    run=run,
)
