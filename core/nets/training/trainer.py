"""The training of a net: step by step, from any point where it was left."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Array
from core.conv.blocks import Check, never
from core.nets.averaging import average
from core.nets.clipping import clip
from core.nets.data.dataset import Dataset
from core.nets.network import Network
from core.nets.optimisers import optimiser_of
from core.nets.schedules import schedule_of
from core.nets.training import state as states
from core.nets.training.batches import batches, steps
from core.nets.training.checks import (
    check_early_stopping,
    check_fit,
    check_precision,
    check_validation,
    loss_for,
)
from core.nets.training.divergence import check_loss, check_weights
from core.nets.training.evaluation import Evaluation, evaluate
from core.nets.training.gpu.training import Figures, GpuTraining, scale_of
from core.nets.training.hooks import Checkpoint, Report, nobody, nowhere
from core.nets.training.options import TrainOptions
from core.nets.training.pace import Pace
from core.nets.training.preparation import standardized
from core.nets.training.split import split
from core.nets.training.state import Progress, State
from core.nets.training.stopping import after_epoch

# The net's own stream of random numbers; the others are in `split` and `batches`.
_NET = 4


@dataclass(frozen=True)
class Trained:
    """What a training comes to.

    Attributes
    ----------
    weights : dict of str to ndarray
        The best ones where early stopping was asked for, else the moving average if there is
        one, else the last.
    history : tuple of dict
        One entry for each epoch.
    epoch : int
        From which the weights are, from 1.
    evaluation : Evaluation, optional
        Of these weights on the validation images; None without any.
    """

    weights: dict[str, Array]
    history: tuple[dict[str, Any], ...]
    epoch: int
    evaluation: Evaluation | None


class Trainer:
    """One training.

    What comes out depends on net, data and options only: not on the number of cores, and not on
    how often the training was stopped and taken up again.

    Parameters
    ----------
    network : Network
    data : Dataset
        Images to learn from.
    options : TrainOptions
    validation : Dataset, optional
        Images to validate with; by default a part of ``data`` is kept aside.
    gpu : module, optional
        CuPy, to train on its current device; see `core.arrays.gpu_module`.
    room : int, optional
        Bytes of the device that images may take, by default a quarter of what is free; where they
        take more they are brought over batch by batch.

    Attributes
    ----------
    network : Network
        The net that is trained: with a layer in front where ``standardize`` asks for it.
    state : State
        Where it is.
    validation, validation_images : Dataset or None, ndarray of int64
        What is validated with; ``validation`` is ``data`` where a part of it is kept aside.

    Raises
    ------
    InvalidInput
        If net, data and options do not fit, or mixed precision is to be computed on a processor.
    """

    def __init__(
        self,
        network: Network,
        data: Dataset,
        options: TrainOptions,
        validation: Dataset | None = None,
        *,
        gpu: Any = None,
        room: int | None = None,
    ) -> None:
        check_precision(options, on_gpu=gpu is not None)
        self.data = data
        self.options = options
        self.loss = loss_for(data, options.loss)
        check_fit(network, data)
        self._images = np.arange(len(data))
        self.validation: Dataset | None = None
        self.validation_images = np.arange(0)
        if validation is not None:
            check_fit(network, validation, field="validation")
            check_validation(data, validation)
            self.validation = validation
            self.validation_images = np.arange(len(validation))
        elif options.validation:
            self.validation = data
            labels = None if data.classes is None else data.y
            self._images, self.validation_images = split(
                len(data), options.validation, options.seed, labels, data.classes or ()
            )
        check_early_stopping(options, data, self.validation)
        self.network = standardized(network, data, self._images) if options.standardize else network
        self._steps = steps(len(self._images), options.batch)
        self._decays = {name for name, kind in network.parameters.items() if kind.decays}
        self.state = self._fresh()
        self._gpu = gpu
        self._there = None if gpu is None else self._on_gpu(gpu, room)
        self._hand_over()

    def run(
        self, *, check: Check = never, report: Report = nobody, checkpoint: Checkpoint = nowhere
    ) -> Trained:
        """Train to the end, from where the state is.

        Parameters
        ----------
        check : callable
            Called before every batch. If it raises, the state is that after the last batch, and
            can be saved.
        report : callable
            Called twice a second at most, and after each epoch.
        checkpoint : callable
            Called every ``checkpoint_seconds`` with `save`.

        Returns
        -------
        Trained

        Raises
        ------
        Diverged
            If a loss or a weight is not finite.
        """
        pace = Pace(self.options.checkpoint_seconds)
        while not self.finished:
            self._epoch(pace, check, report, checkpoint)
        return self._trained(check)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to learn."""
        progress = self.state.progress
        return progress.stopped or progress.epoch == self.options.epochs

    @property
    def on_gpu(self) -> dict[str, Any] | None:
        """How steps are taken on a GPU, JSON-ready; None on a processor.

        ``resident`` is whether all images lie there, ``without_graphs`` why steps are not CUDA
        graphs, or None.
        """
        if self._there is None:
            return None
        return {"resident": self._there.resident, "without_graphs": self._there.refused}

    def save(self, path: Path) -> None:
        """Write the state into a file (`core.nets.training.state.save`)."""
        self._bring_back()
        states.save(self.state, path, self._about())

    def restore(self, path: Path) -> None:
        """Go on from what `save` wrote.

        Raises
        ------
        UnsupportedMedia, InvalidInput
            As `core.nets.training.state.restore`.
        """
        self.state = states.restore(path, self._fresh(), self._about())
        self._hand_over()

    def _fresh(self) -> State:
        weights = self.network.init(self.options.seed)
        learned = {name: weights[name] for name in self.network.parameters}
        kept = optimiser_of(self.options.optimiser).init(self.options.optimiser, learned)
        kept |= scale_of(self.options)
        copies = {name: array.copy() for name, array in weights.items()}
        return State(weights, kept, average=copies if self.options.ema is not None else {})

    def _on_gpu(self, gpu: Any, room: int | None) -> GpuTraining:
        if room is None:
            free, _ = gpu.cuda.runtime.memGetInfo()
            room = free // 4
        return GpuTraining(
            gpu,
            self.network,
            self.data,
            self._images,
            self.options,
            self.loss,
            seed=(self.options.seed, _NET),
            room=room,
        )

    def _about(self) -> dict[str, Any]:
        options = self.options.model_dump(mode="json")
        if self.options.precision == "float32":
            # As it was before there was a choice, so that checkpoints of then are taken.
            del options["precision"]
        return {
            "options": options,
            "classes": None if self.data.classes is None else list(self.data.classes),
            "images": len(self._images),
            "validation images": len(self.validation_images),
            "net": self.network.spec.model_dump(mode="json"),
        }

    def _epoch(self, pace: Pace, check: Check, report: Report, checkpoint: Checkpoint) -> None:
        if self._there is None:
            self._epoch_here(pace, check, report, checkpoint)
        else:
            self._epoch_there(self._there, pace, check, report, checkpoint)
        self._end_epoch(pace, check, report)

    def _epoch_here(self, pace: Pace, check: Check, report: Report, checkpoint: Checkpoint) -> None:
        progress = self.state.progress
        made = batches(self.data, self._images, self.options, progress.epoch, progress.step)
        with closing(made):
            for x, y in made:
                check()
                begin = time.perf_counter()
                self._step(x, y)
                spent = time.perf_counter() - begin
                self._advance(seconds=self.state.progress.seconds + spent)
                pace.count(len(x), training=spent)
                if pace.report_due():
                    report(self._event(pace))
                if pace.checkpoint_due():
                    checkpoint(self.save)

    def _epoch_there(
        self,
        there: GpuTraining,
        pace: Pace,
        check: Check,
        report: Report,
        checkpoint: Checkpoint,
    ) -> None:
        progress = self.state.progress
        found = there.epoch(progress.epoch, progress.step, self._rate, check)
        begin = time.perf_counter()
        with closing(found):
            try:
                for figures in found:
                    spent = time.perf_counter() - begin
                    self._learned(figures)
                    self._advance(seconds=self.state.progress.seconds + spent)
                    pace.count(sum(step.images for step in figures), training=spent)
                    if figures and pace.report_due():
                        report(self._event(pace))
                    if pace.checkpoint_due():
                        checkpoint(self.save)
                    begin = time.perf_counter()
            except BaseException:
                # The state is that after the last step that was launched.
                self._learned(there.figures())
                raise
        self._bring_back()

    def _learned(self, figures: list[Figures]) -> None:
        """Take note of steps that were taken on a device."""
        for step in figures:
            progress = self.state.progress
            check_loss("the loss", step.loss, self._rate(self._number()), progress)
            self._count(step.loss, step.correct, step.images)

    def _hand_over(self) -> None:
        """Let a device have what the state has."""
        if self._there is not None:
            self._there.load(self.state)

    def _bring_back(self) -> None:
        """Let the state have what a device has."""
        if self._there is not None:
            self._there.store(self.state)

    def _step(self, x: Array, y: Array) -> None:
        state, options, progress = self.state, self.options, self.state.progress
        rate = self._rate(self._number())
        done = self.network.step(
            state.weights, x, y, self.loss, seed=(options.seed, _NET, progress.epoch, progress.step)
        )
        check_loss("the loss", float(done.loss), rate, progress)
        if options.clip is not None:
            clip(done.gradients, options.clip)
        optimiser_of(options.optimiser).update(
            options.optimiser, state.weights, done.gradients, state.optimiser, rate, self._decays
        )
        state.weights.update(done.updates)
        if options.ema is not None:
            average(state.average, state.weights, options.ema, self._number() + 1)
        self._count(float(done.loss), self._correct(done.outputs, y), len(x))

    def _count(self, loss: float, correct: int, images: int) -> None:
        """Add what a step found to the figures of the epoch."""
        progress = self.state.progress
        self._advance(
            step=progress.step + 1,
            images=progress.images + images,
            correct=progress.correct + correct,
            loss=progress.loss + loss * images,
            last_loss=loss,
        )

    def _end_epoch(self, pace: Pace, check: Check, report: Report) -> None:
        """Validate, and turn to the next epoch."""
        begin = time.perf_counter()
        rate = self._rate(self._number() - 1)
        check_weights(self.state.weights, rate, self.state.progress)
        found = self._evaluate(self._current(), check)
        if found is not None:
            check_loss("the validation loss", found.loss, rate, self.state.progress)
        progress = self.state.progress
        seconds = progress.seconds + time.perf_counter() - begin
        event = self._event(pace) | {
            "validation_loss": None if found is None else found.loss,
            "validation_accuracy": None if found is None else found.accuracy,
        }
        self.state.progress = Progress(
            epoch=progress.epoch + 1,
            last_loss=progress.last_loss,
            seconds=seconds,
            best=progress.best,
            best_epoch=progress.best_epoch,
            history=(*progress.history, event | {"seconds": seconds}),
        )
        stopping = self.options.early_stopping
        if stopping is not None:
            progress, best = after_epoch(stopping, self.state.progress, event[stopping.metric])
            if best:
                self.state.best = {name: array.copy() for name, array in self._current().items()}
            self.state.progress = progress
        report(event, lasts=True)

    def _trained(self, check: Check) -> Trained:
        weights = self.state.best or self._current()
        progress = self.state.progress
        epoch = progress.epoch if progress.best_epoch is None else progress.best_epoch + 1
        return Trained(weights, progress.history, epoch, self._evaluate(weights, check))

    def _current(self) -> dict[str, Array]:
        return self.state.average or self.state.weights

    def _evaluate(self, weights: dict[str, Array], check: Check) -> Evaluation | None:
        if self.validation is None:
            return None
        if self._gpu is not None:
            weights = {name: self._gpu.asarray(array) for name, array in weights.items()}
        return evaluate(
            self.network, weights, self.validation, self.loss, self.validation_images, check=check
        )

    def _correct(self, outputs: Array, y: Array) -> int:
        if self.data.classes is None:
            return 0
        # Mixup makes distributions of labels; the likeliest counts.
        labels = y if y.dtype.kind in "iu" else y.argmax(axis=1)
        return int((outputs.argmax(axis=1) == labels).sum())

    def _event(self, pace: Pace) -> dict[str, Any]:
        progress, options = self.state.progress, self.options
        done = self._number()
        left = self._steps * options.epochs - done
        return {
            "epoch": progress.epoch + 1,
            "epochs": options.epochs,
            "step": progress.step,
            "steps": self._steps,
            "loss": progress.loss / progress.images,
            "accuracy": None if self.data.classes is None else progress.correct / progress.images,
            "learning_rate": self._rate(done - 1),
            "images_per_second": pace.images_per_second,
            "seconds_left": progress.seconds / done * left,
        }

    def _number(self) -> int:
        """Return how many steps have been taken in all."""
        return self.state.progress.epoch * self._steps + self.state.progress.step

    def _rate(self, number: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        schedule = self.options.schedule
        return schedule_of(schedule).rate(schedule, number, self._steps * self.options.epochs)

    def _advance(self, **changes: Any) -> None:
        self.state.progress = replace(self.state.progress, **changes)
