"""``convq train`` and ``convq sweep``: a data set in, a model or a table out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from convq.cli.options import (
    AsJson,
    Detach,
    DeviceOption,
    Label,
    Out,
    PlanOnly,
    PriorityOption,
    Url,
)
from convq.cli.reading import Reading
from convq.cli.submitting import check_ends, upload_one
from convq.cli.training import (
    Augment,
    Batch,
    Data,
    Epochs,
    Loss,
    Model,
    Optimiser,
    Patience,
    Schedule,
    Seed,
    Set,
    Validation,
    training_fields,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from convq.client import Client
    from convq.client.models import JobPlan

    Line = Callable[[JobPlan | None], str]


def train(
    model: Model,
    data: Data,
    epochs: Epochs = 5,
    batch: Batch = None,
    seed: Seed = None,
    optimiser: Optimiser = None,
    schedule: Schedule = None,
    loss: Loss = None,
    augment: Augment = None,
    validation: Validation = None,
    patience: Patience = None,
    further: Set = None,
    reading: Reading = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Draw the losses while it trains.")
    ] = False,
    out: Out = None,
    label: Label = None,
    plan: PlanOnly = False,
    priority: PriorityOption = None,
    device: DeviceOption = None,
    detach: Detach = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Train a net on a data set.

    [bold]convq train --model lenet5 --data mnist.npz --epochs 5 --watch[/bold]
    """
    from convq.cli.console import answered, err, print_json, text
    from convq.cli.delivery import deliver
    from convq.cli.following import follow, follow_training
    from convq.cli.tables import facts
    from convq.client import Client

    check_ends(detach=detach, plan=plan, out=out, watch=watch)
    fields = training_fields(
        model,
        epochs=epochs,
        batch=batch,
        seed=seed,
        optimiser=optimiser,
        schedule=schedule,
        loss=loss,
        augment=augment,
        validation=validation,
        patience=patience,
        further=further,
        reading=reading,
    )
    with Client(url) as client:
        body = _uploaded(client, data, fields) | _given(priority=priority, device=device)
        if plan:
            _show_plan(client, "train", body, _net_line, as_json=as_json)
            return
        job = client.submit("train", label=label, **body)
        if detach:
            print_json(answered(job)) if as_json else typer.echo(job.id)
            return
        if not as_json:
            err.print(facts([("job", text(job.id)), ("net", text(_net_line(job.plan)))]))
        done = follow_training(client, job) if watch else follow(client, job)
        deliver(client, done, out, as_json)


def sweep(
    model: Model,
    data: Data,
    vary: Annotated[
        list[str],
        typer.Option(
            "--vary",
            metavar="FIELD=VALUES",
            show_default=False,
            help="What the candidates differ in; repeat it: options.batch=32,128 or, to draw at "
            "random, options.schedule.rate=0.001..0.1 (with :log, ratios are equally likely).",
        ),
    ],
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="Draw so many at random. \\[default: every combination]"),
    ] = None,
    objective: Annotated[
        Literal["validation_accuracy", "validation_loss", "accuracy", "loss"] | None,
        typer.Option(metavar="NAME", help="What counts. \\[default: validation_loss]"),
    ] = None,
    halving: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="EPOCHS",
            help="Go on with the best third after so many epochs, and so forth.",
        ),
    ] = None,
    factor: Annotated[
        int | None,
        typer.Option(min=2, help="With --halving: one of so many goes on. \\[default: 3]"),
    ] = None,
    epochs: Epochs = 5,
    batch: Batch = None,
    seed: Seed = None,
    optimiser: Optimiser = None,
    schedule: Schedule = None,
    loss: Loss = None,
    augment: Augment = None,
    validation: Validation = None,
    patience: Patience = None,
    further: Set = None,
    reading: Reading = None,
    out: Out = None,
    label: Label = None,
    plan: PlanOnly = False,
    priority: PriorityOption = None,
    device: DeviceOption = None,
    detach: Detach = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Train many variants of a net and compare them.

    [bold]convq sweep -m lenet5 --data mnist.npz --vary options.batch=32,128 --halving 1[/bold]
    """
    from convq.cli.console import answered, err, print_json, text
    from convq.cli.delivery import deliver
    from convq.cli.following import follow
    from convq.cli.tables import facts, sweep_table
    from convq.cli.training import varied
    from convq.client import Client

    check_ends(detach=detach, plan=plan, out=out)
    if factor is not None and halving is None:
        raise typer.BadParameter("there is nothing to divide", param_hint="--factor")
    fields = training_fields(
        model,
        epochs=epochs,
        batch=batch,
        seed=seed,
        optimiser=optimiser,
        schedule=schedule,
        loss=loss,
        augment=augment,
        validation=validation,
        patience=patience,
        further=further,
        reading=reading,
    )
    further_fields = _given(
        trials=trials,
        objective=objective,
        seed=seed,
        halving=None if halving is None else {"first": halving} | _given(factor=factor),
        priority=priority,
    )
    with Client(url) as client:
        common = {"kind": "train"} | _uploaded(client, data, fields) | _given(device=device)
        body = {"train": common, "vary": varied(vary)} | further_fields
        if plan:
            _show_plan(client, "sweep", body, _sweep_line, as_json=as_json)
            return
        job = client.submit("sweep", label=label, **body)
        if detach:
            print_json(answered(job)) if as_json else typer.echo(job.id)
            return
        if not as_json:
            err.print(facts([("job", text(job.id)), ("sweep", text(_sweep_line(job.plan)))]))
        done = follow(client, job)
        if done.state == "succeeded" and not as_json:
            from convq.cli import console

            table = json.loads(client.result(done, "sweep.json", as_="bytes"))
            console.out.print(sweep_table(table))
        deliver(client, done, out, as_json)


def _given(**fields: Any) -> dict[str, Any]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def _show_plan(
    client: Client, kind: str, body: dict[str, Any], line: Line, *, as_json: bool
) -> None:
    from convq.cli.console import answered, print_json, text
    from convq.cli.console import out as console
    from convq.cli.tables import facts

    plan = client.plan(kind, **body)
    if as_json:
        print_json({"plan": answered(plan)})
        return
    known = {"device": plan.device.get("name"), "why": (plan.model_extra or {}).get("why")}
    told = [(name, text(value)) for name, value in known.items() if value]
    console.print(facts([("plan", text(line(plan))), *told]))


def _uploaded(client: Client, data: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with the digests of the data sets, uploaded if they are files."""

    def digest(name: str, text: str) -> str:
        return text if text.startswith("sha256:") else upload_one(client, Path(text), name)

    found = {"data": digest("data", data)} | fields
    if "validation" in found:
        found["validation"] = digest("validation", found["validation"])
    return found


def _net_line(plan: JobPlan | None) -> str:
    from convq.units import counted, duration, size

    known = plan.model_extra or {} if plan else {}
    parts = [
        counted(known.get("parameters", 0), "parameter"),
        counted(known.get("multiply_adds", 0), "multiply-add") + " for an image",
        f"{counted(known.get('images', 0), 'image')} to learn from",
    ]
    if plan:
        parts.append(f"{duration(plan.seconds)} and {size(plan.bytes)} predicted")
    return ", ".join(parts)


def _sweep_line(plan: JobPlan | None) -> str:
    from convq.units import counted, duration

    known = plan.model_extra or {} if plan else {}
    parts = [
        counted(known.get("candidates", 0), "candidate"),
        counted(len(known.get("rungs", [])), "rung"),
    ]
    if plan:
        parts.append(f"at most {duration(plan.seconds)} predicted on one worker")
    return ", ".join(parts)
