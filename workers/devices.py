"""Which devices of this machine its workers compute on: one worker each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from core.errors import InvalidInput, Unavailable
from core.settings import Settings
from workers import gpus
from workers.gpus import Gpu

_FIELD = "CONVQ_GPUS"
_HERE = "CUDA_VISIBLE_DEVICES"
_NO_GPU = "none"
# Of UUIDs: whole GPUs, and slices of one.
_KINDS = ("GPU-", "MIG-")


class Slot(NamedTuple):
    """A worker that is to be started: its name, and its GPU if it has one."""

    name: str
    gpu: Gpu | None


def slots(settings: Settings, name: str) -> list[Slot]:
    """Return the workers that this machine has by its settings.

    Parameters
    ----------
    settings : Settings
        ``gpus`` says which GPUs, ``concurrency`` how many workers compute on the processor.
    name : str
        Of the only worker; several have it as the first part of theirs.

    Raises
    ------
    InvalidInput
        There is no such GPU, or nothing to compute on.
    Unavailable
        GPUs are asked for, and there is none.
    """
    chosen = choose(settings.gpus, gpus.found(), os.environ)
    count = settings.concurrency
    if count is None:
        count = 0 if chosen else 1
    if count + len(chosen) == 0:
        raise InvalidInput(
            "there is nothing to compute on",
            field="CONVQ_CONCURRENCY",
            given=count,
            accepted=f"1 or more where there is no GPU ({_FIELD}={settings.gpus})",
        )
    if count + len(chosen) == 1:
        return [Slot(name, chosen[0] if chosen else None)]
    beside = [Slot(f"{name}-cpu{number}", None) for number in range(1, count + 1)]
    return [*_on(chosen, name), *beside]


def stack_slots(settings: Settings, name: str, count: int) -> list[Slot]:
    """Return the workers of a whole service on this machine.

    Parameters
    ----------
    settings : Settings
        ``gpus`` says which GPUs.
    name : str
        First part of all names.
    count : int
        How many workers compute on the processor.

    Raises
    ------
    InvalidInput, Unavailable
        As `slots`.
    """
    chosen = choose(settings.gpus, gpus.found(), os.environ)
    on_processor = [Slot(f"{name}-{number}", None) for number in range(1, count + 1)]
    return [*on_processor, *_on(chosen, name)]


def is_one_of(worker: str, name: str) -> bool:
    """Tell whether a worker is one of those that `slots` names.

    Examples
    --------
    >>> is_one_of("lab", "lab"), is_one_of("lab-gpu0", "lab"), is_one_of("lab-2", "lab")
    (True, True, False)
    """
    return worker == name or worker.startswith((f"{name}-gpu", f"{name}-cpu"))


def _on(chosen: Sequence[Gpu], name: str) -> list[Slot]:
    return [Slot(f"{name}-gpu{gpu.index.replace(':', '-')}", gpu) for gpu in chosen]


def choose(wanted: str, found: Sequence[Gpu], environment: Mapping[str, str]) -> list[Gpu]:
    """Return the GPUs that a setting stands for.

    Parameters
    ----------
    wanted : str
        ``auto`` (all, or none where none is), ``all``, ``none``, or numbers and UUIDs between
        commas. A UUID may be cut short after any letter.
    found : sequence of Gpu
        Those that answer.
    environment : mapping
        Its ``CUDA_VISIBLE_DEVICES`` bounds what ``auto`` and ``all`` mean, as it bounds CUDA.

    Raises
    ------
    InvalidInput
        There is no such GPU.
    Unavailable
        ``all`` are wanted, and none answers.

    Examples
    --------
    >>> pair = [Gpu("0", "GPU-aa", "H", 1 << 30), Gpu("1", "GPU-bb", "H", 1 << 30)]
    >>> [gpu.uuid for gpu in choose("1", pair, {})]
    ['GPU-bb']
    >>> [gpu.uuid for gpu in choose("auto", pair, {"CUDA_VISIBLE_DEVICES": "GPU-a"})]
    ['GPU-aa']
    """
    if wanted == _NO_GPU:
        return []
    if wanted not in ("auto", "all"):
        return _named(wanted, found, _FIELD)
    visible = environment.get(_HERE)
    here = list(found) if visible is None else _visible(visible, found)
    if wanted == "all" and not here:
        raise Unavailable(
            "no GPU answers; is there a driver, and pip install 'convq[gpu-cuda12]'?",
            field=_FIELD,
            given=wanted,
            accepted=["auto", _NO_GPU],
        )
    return here


def environment(gpu: Gpu | None) -> dict[str, str]:
    """Return the variables by which a worker's processes know what they compute on.

    They are set before anything loads CUDA, which then sees this GPU alone, as its first. UUIDs
    mean the same to CUDA and to the driver, which count GPUs differently.
    """
    name = _NO_GPU if gpu is None else gpu.uuid
    return {_FIELD: name, _HERE: "" if gpu is None else gpu.uuid}


def for_cupy(settings: Settings) -> dict[str, str]:
    """Return CuPy's own variables, for those that the operator has not set.

    Compiled kernels stay on the disk where convq keeps what it measures. CuPy's pool leaves a
    twentieth of the memory to what lies outside of it: the context, modules, and libraries.
    """
    return {
        "CUPY_CACHE_DIR": str(settings.cache_dir / "kernels"),
        "CUPY_GPU_MEMORY_LIMIT": "95%",
    }


def bound_to(settings: Settings) -> str | None:
    """Return the UUID of the GPU of a process that was started with `environment`."""
    return settings.gpus if settings.gpus.startswith(_KINDS) else None


def by_uuid(uuid: str) -> Gpu:
    """Return the GPU with this UUID.

    Raises
    ------
    InvalidInput
        There is none.
    """
    return _named(uuid, gpus.found(), "--device")[0]


def _visible(listed: str, found: Sequence[Gpu]) -> list[Gpu]:
    if listed.strip() in ("", "-1"):
        return []
    return _named(listed, found, _HERE)


def _named(listed: str, found: Sequence[Gpu], field: str) -> list[Gpu]:
    chosen = []
    for name in (part.strip() for part in listed.split(",")):
        exact = [gpu for gpu in found if name in (gpu.index, gpu.uuid)]
        begun = [gpu for gpu in found if name.startswith(_KINDS) and gpu.uuid.startswith(name)]
        if len(exact or begun) != 1:
            raise InvalidInput(
                "there is no such GPU" if not begun else "several GPUs begin so",
                field=field,
                given=name,
                accepted=[f"{gpu.index} ({gpu.uuid})" for gpu in found] or "none: no GPU answers",
            )
        gpu = (exact or begun)[0]
        if gpu not in chosen:
            chosen.append(gpu)
    return chosen
