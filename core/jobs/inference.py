"""A net over the inputs of a job: what it will take, and its outputs, batch by batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.arrays import Array, gpu_module
from core.conv.cuda.transfers import transfers, with_enough_memory
from core.conv.device import Device
from core.conv.fixed import FixedKernel
from core.conv.precision import Precision
from core.conv.residency import Devices, Place, choose
from core.errors import Cancelled, ConvqError, InvalidInput, LeaseLost, TooLarge
from core.jobs.images import Reader, each_kind
from core.jobs.inputs import Digest, Input, digests, names
from core.jobs.kind import Planning
from core.jobs.places import placed_plan
from core.jobs.run import Drained, Run
from core.kernels import PresetKernel
from core.needs import Wish
from core.nets.data import DataOptions, Room
from core.nets.model import Model
from core.nets.network import Network
from core.nets.spec import NetSpec

_BATCH = 256
_FLOAT = 4
# Times that an activation goes through memory: written by a layer, read by the next.
_TRIPS = 2
# Operations on arrays that a layer takes, where each is one on a GPU. Counted, not measured.
_OPERATIONS = 4

_Compute: TypeAlias = Callable[[NDArray[Any], Run], NDArray[Any]]


class Row(NamedTuple):
    """Which image it is: the name and the digest of its input, and its number in it."""

    input: str
    digest: str
    image: int


class Part(NamedTuple):
    """Some images, and what the net says of them."""

    rows: list[Row]
    x: NDArray[Any]
    y: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Inference:
    """One of a net's layers over images.

    Attributes
    ----------
    model : Model
        The net with its weights.
    layer : str or None
        Whose output is wanted; None is the last one.
    filter : PresetKernel, optional
        What images go through before the net.
    compared : bool
        Whether the outputs of different jobs are compared with each other. Few images are then
        computed as many are, and not by the way that is faster for them but rounds differently.
    precision : {"float32", "tf32", "bfloat16"}
        What a GPU may multiply in place of float32 numbers (`core.nets.network.Network.run`).
    """

    model: Model
    layer: str | None = None
    filter: PresetKernel | None = None
    compared: bool = False
    precision: Precision = "float32"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of what comes out for an image.

        Raises
        ------
        InvalidInput
            The net has no such layer.
        """
        network = self.model.network
        if self.layer is None:
            return network.output_shape
        if self.layer not in network.shapes:
            raise InvalidInput(
                "the net has no such layer",
                field="layer",
                given=self.layer,
                accepted=list(network.shapes),
            )
        return network.shapes[self.layer]

    @property
    def before(self) -> Network | None:
        """The filter as a net.

        Raises
        ------
        InvalidInput
            The filter suits no images of this shape.
        """
        if self.filter is None:
            return None
        layer = {"layer": "filter", "kernel": self.filter.model_dump(mode="json")}
        shape = list(self.model.network.input_shape)
        return Network(NetSpec.model_validate({"input": shape, "layers": [layer]}))

    def plan(
        self,
        inputs: Sequence[Digest | Input],
        reading: DataOptions | None,
        planning: Planning,
        *,
        kept: int,
        wish: Wish = "auto",
    ) -> dict[str, Any]:
        """Return what the job will take; an input that cannot be read will fail alone.

        Parameters
        ----------
        inputs, reading
            As in the job.
        planning : Planning
            Of the job.
        kept : int
            Bytes that are kept for each image until the end.
        wish : {"auto", "cpu", "gpu"}
            The device that the job asks for.

        Raises
        ------
        InvalidInput
            No input at all can be read.
        TooLarge
            The job needs more memory than a worker may use.
        """
        network = self.model.network
        _ = self.shape, self.before
        reader = Reader(self.model, reading)
        errors: list[ConvqError] = []

        def look(digest: str) -> tuple[int, int]:
            try:
                with planning.artifacts.open(digest) as file:
                    return reader.describe(file)
            except ConvqError as error:
                errors.append(error)
                return 0, 0

        wanted = Counter(digests(list(inputs)))
        found = each_kind(planning.inputs, list(wanted), look)
        images = sum(count * wanted[d] for (count, _), d in zip(found, wanted, strict=True))
        if images == 0:
            raise errors[0]
        read = min(max(nbytes for _, nbytes in found), planning.memory_cap // 4)
        batch = self.batch(planning.memory_cap)
        needed = network.memory(batch, training=False) + read + images * kept
        check_room(needed, planning.memory_cap)
        place = self.place(images, batch, planning.devices(wish))
        return placed_plan(place) | {
            "seconds": place.plan + place.transfers,
            "bytes": needed,
            "groups": [],
            "images": images,
            "shape": list(self.shape),
            "products": place.device.products(self.precision),
            "failing": len(errors),
        }

    def place(self, images: int, batch: int, devices: Devices) -> Place[float]:
        """Return where so many images are done first, with the seconds that they take there.

        What is compared with the outputs of other jobs stays on the processor, where they are
        computed too, unless a GPU is asked for.

        Raises
        ------
        Unavailable
            A GPU is asked for, and none is there.
        """
        network = self.model.network
        moved = sum(prod(shape) for shape in network.shapes.values()) * _FLOAT * _TRIPS

        def seconds(device: Device) -> float:
            each = network.multiply_adds * device.direct["float32"] + moved * device.copy
            launched = len(network.nodes) * _OPERATIONS * -(-images // batch)
            return images * each + (launched * device.call if device.kind == "gpu" else 0)

        if self.compared and devices.wish == "auto":
            devices = replace(devices, gpu=None)
        there, back = (_FLOAT * prod(shape) for shape in (network.input_shape, self.shape))
        return choose(
            seconds, lambda found: found, devices, lambda _: (images * there, images * back)
        )

    def batch(self, memory_cap: int) -> int:
        """Return how many images at a time fit into half of the memory.

        Raises
        ------
        TooLarge
            Not even one does.
        """
        batch = _BATCH
        while batch > 1 and self.model.network.memory(batch, training=False) > memory_cap // 2:
            batch //= 2
        check_room(self.model.network.memory(batch, training=False), memory_cap)
        return batch

    def parts(
        self,
        inputs: Sequence[Digest | Input],
        reading: DataOptions | None,
        run: Run,
        wish: Wish = "auto",
    ) -> Iterator[Part]:
        """Run the net over all inputs, images of several inputs together.

        ``wish`` is the device that the job asks for.

        An input that cannot be read fails alone; of a data set that turns out to be damaged, the
        images before that stay.
        """
        batch = self.batch(run.memory_cap)
        before = self.before
        place = self.place(batch, batch, run.devices(wish))
        compute = self._there if place.device.kind == "gpu" else self._here
        rows: list[Row] = []
        waiting: list[NDArray[Any]] = []
        for row, x in self._images(inputs, reading, run, batch):
            if len(rows) + len(row) > batch:
                yield self._part(rows, waiting, before, compute, run)
                rows, waiting = [], []
            rows += row
            waiting.append(x)
        if rows:
            yield self._part(rows, waiting, before, compute, run)

    def _part(
        self,
        rows: list[Row],
        waiting: list[NDArray[Any]],
        before: Network | None,
        compute: _Compute,
        run: Run,
    ) -> Part:
        with run.stage("run"):
            x = np.concatenate(waiting)
            seen = x if before is None else before.run({}, x, check=run.check)
            y = compute(seen, run)
        return Part(rows, x, np.asarray(y))

    def _there(self, x: NDArray[Any], run: Run) -> NDArray[Any]:
        cupy, network = gpu_module(), self.model.network

        def work(images: Array) -> Array:
            weights = self._weights_there
            return network.run(
                weights,
                images,
                output=self.layer,
                batch=len(x),
                precision=self.precision,
                check=run.check,
            )

        needed = network.memory(len(x), training=False) + x.nbytes
        pending = with_enough_memory(lambda: transfers(cupy).begin(work, x), cupy, needed)
        # In memory of its own: pinned memory is for what is on its way.
        y: NDArray[Any] = pending.result().copy()
        return y

    @cached_property
    def _weights_there(self) -> dict[str, Array | FixedKernel]:
        # Filters stay the same for all batches; other layers want arrays.
        cupy, model = gpu_module(), self.model
        convs = [node.name for node in model.network.nodes if node.layer.name == "conv"]
        filters = {f"{name}.weight" for name in convs}
        return {
            name: FixedKernel(array) if name in filters else cupy.asarray(array)
            for name, array in model.weights.items()
        }

    def _here(self, x: NDArray[Any], run: Run) -> NDArray[Any]:
        model = self.model
        compute = partial(model.network.run, model.weights) if self.compared else model.run
        y: NDArray[Any] = compute(x, output=self.layer, batch=len(x), check=run.check)
        return y

    def _images(
        self,
        inputs: Sequence[Digest | Input],
        reading: DataOptions | None,
        run: Run,
        batch: int,
    ) -> Iterator[tuple[list[Row], NDArray[Any]]]:
        reader = Reader(self.model, reading)
        room = Room(memory=run.memory_cap // 4, scratch=run.scratch)
        entries = list(inputs)
        for name, digest in zip(names(entries), digests(entries), strict=True):
            try:
                with run.stage("load"):
                    data = reader.load(run.fetch(digest), room)
                for first in range(0, len(data), batch):
                    with run.stage("load"):
                        indices = range(first, min(first + batch, len(data)))
                        x, _ = data.batch(np.array(indices))
                    yield [Row(name, digest, index) for index in indices], x
            except (Cancelled, Drained, LeaseLost):
                raise
            except ConvqError as error:
                run.fail_item(name, source=digest, error=error)
                run.advance(failed=True)
            else:
                run.advance()


def check_room(needed: int, memory_cap: int) -> None:
    """Refuse what needs more memory than a worker may use.

    Raises
    ------
    TooLarge
        With both numbers.
    """
    if needed > memory_cap:
        raise TooLarge(
            "the job would need more memory than a worker may use",
            field="inputs",
            given=f"{needed} bytes",
            accepted=f"at most {memory_cap}; fewer images, or outputs of a smaller layer",
        )
