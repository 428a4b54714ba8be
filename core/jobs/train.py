"""The job kind ``train``: a net learns from a data set, in pieces and through crashes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from core.arrays import gpu_module
from core.errors import ConvqError
from core.jobs.inputs import Digest
from core.jobs.kind import Kind, Planning, Spec
from core.jobs.run import Continued, Drained, Run
from core.jobs.snapshot import filters
from core.jobs.train_plan import describe, net_spec, place_of
from core.jobs.trained import deliver, deliver_paused
from core.nets.architectures import AnyArchitecture
from core.nets.data import DataOptions, Dataset, Room, load
from core.nets.network import Network
from core.nets.spec import NetSpec
from core.nets.training.options import TrainOptions
from core.nets.training.trainer import Trained, Trainer


def _sort_of_model(model: Any) -> str:
    own = isinstance(model, NetSpec) or (isinstance(model, Mapping) and "layers" in model)
    return "layers" if own else "architecture"


class TrainSpec(Spec):
    """Train a net on a data set.

    The training survives whatever happens to its worker, and its result does not depend on it: the
    same job gives the same weights, bit for bit on the same sort of processor.
    """

    kind: Literal["train"]
    data: Digest = Field(
        description="The data set, an artifact: .npz with x and y, a ZIP of folders of pictures "
        "or sounds, IDX files, a table with pictures, or texts with labels.",
        examples=["sha256:" + "0" * 64],
    )
    reading: DataOptions = Field(
        default=DataOptions(), description="How to read the data sets, where that is not clear."
    )
    validation: Digest | None = Field(
        default=None,
        description="A data set to validate with; without it a share of the first one is kept "
        "aside (options.validation).",
        examples=["sha256:" + "1" * 64],
    )
    model: Annotated[
        Annotated[AnyArchitecture, Tag("architecture")] | Annotated[NetSpec, Tag("layers")],
        Discriminator(_sort_of_model),
    ] = Field(
        description="A named architecture, or the layers of a net of one's own.",
        examples=[{"architecture": "lenet5"}],
    )
    options: TrainOptions = Field(
        description="How to train.", examples=[{"epochs": 5, "batch": 128}]
    )
    until: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Pause after this epoch, with training.safetensors as a result instead of a "
        "model; by default the training goes to its end.",
    )
    start: Digest | None = Field(
        default=None,
        description="The training.safetensors of a job that was paused, to go on from; everything "
        "else must be as in that job.",
        examples=["sha256:" + "2" * 64],
    )


class _Paused(ConvqError):
    """The training has come to the epoch until which it should go."""

    code = "paused"


def references(spec: TrainSpec) -> tuple[str, ...]:
    """Return the digests of the data sets and of the training to go on from."""
    return tuple(dict.fromkeys(filter(None, (spec.data, spec.validation, spec.start))))


def items(spec: TrainSpec) -> int:
    """Return the number of epochs."""
    return min(spec.until or spec.options.epochs, spec.options.epochs)


def plan(spec: TrainSpec, planning: Planning) -> dict[str, Any]:
    """Check everything that can be known without the images, and predict time and memory.

    Returns
    -------
    dict
        Where there is a GPU the ``device`` on which the training is done first and ``why``;
        ``seconds`` and ``bytes`` of the whole, ``seconds_per_epoch``, ``data`` (what the data set
        holds), ``parameters``, ``multiply_adds`` of an image, what ``products`` are made of where
        tensor cores take them, and ``layers`` with their shapes.

    Raises
    ------
    InvalidInput
        If data, net and options do not fit.
    TooLarge
        If the training would need more memory than a worker may use.
    """
    return describe(
        spec.model,
        spec.data,
        spec.validation,
        spec.reading,
        spec.options,
        items(spec),
        planning,
        spec.device,
    )


def run(spec: TrainSpec, run: Run) -> None:
    """Train from the last checkpoint to the end, or until it is time to make room for others."""
    with run.stage("load"):
        data = _load(spec, spec.data, run)
        validation = None if spec.validation is None else _load(spec, spec.validation, run)
        network = Network(net_spec(spec.model, data.info))
        gpu = _gpu(spec, run, network, data)
        room = run.memory_cap // 4
        trainer = Trainer(network, data, spec.options, validation, gpu=gpu, room=room)
    saved = run.resume()
    if saved is None and spec.start is not None:
        saved = run.fetch(spec.start)
    if saved is not None:
        trainer.restore(saved)
    try:
        with run.stage("train"):
            trained = _train(trainer, spec, run)
        if gpu is not None:
            planning = Planning(run.artifacts, {}, run.device, run.memory_cap, gpu=run.gpu)
            run.plan = plan(spec, planning) | {"on_gpu": trainer.on_gpu}
        with run.stage("store"):
            if trained is None:
                deliver_paused(run, trainer, spec.data)
            else:
                deliver(run, trainer, trained, spec.model_dump(mode="json"))
    except (Continued, Drained):
        run.checkpoint(trainer.save)
        raise


def _gpu(spec: TrainSpec, run: Run, network: Network, data: Dataset) -> Any:
    """Return CuPy where the training is done first on the GPU, else None."""
    devices = run.devices(spec.device)
    place = place_of(network, data.info, len(data), spec.options, items(spec), devices)
    return gpu_module() if place.device.kind == "gpu" else None


def _load(spec: TrainSpec, digest: str, run: Run) -> Dataset:
    room = Room(memory=run.memory_cap // 4, scratch=run.scratch)
    return load(run.fetch(digest), spec.reading, room=room)


def _train(trainer: Trainer, spec: TrainSpec, run: Run) -> Trained | None:
    """Train to the end, or return None at the epoch where the training should pause."""
    epochs, until = spec.options.epochs, items(spec)

    def at(done: int) -> None:
        run.at(done, f"epoch {min(done + 1, until)} of {until}")

    def check() -> None:
        run.check()
        if until < epochs and trainer.state.progress.epoch >= until:
            raise _Paused("the training has come to its pause")

    def report(metrics: Mapping[str, Any], *, lasts: bool = False) -> None:
        if not lasts:
            run.report(metrics)
            return
        learned = filters(trainer.network, trainer.state.weights)
        run.report({**metrics, "filters": learned}, lasts=True)
        at(metrics["epoch"])

    at(trainer.state.progress.epoch)
    try:
        return trainer.run(check=check, report=report, checkpoint=run.checkpoint)
    except _Paused:
        return None


KIND = Kind(
    name="train",
    summary="Train a convolutional net on a data set, resumable and watchable.",
    spec=TrainSpec,
    references=references,
    items=items,
    plan=plan,
    run=run,
    on_gpu=True,
)
