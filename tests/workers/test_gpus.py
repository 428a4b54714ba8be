"""What the driver tells of GPUs, and which of them workers compute on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import InvalidInput, Unavailable
from core.settings import Settings
from workers import devices, gpus
from workers.devices import Slot, choose, slots, stack_slots
from workers.gpus import Alarm, Driver, Gpu
from workers.vitals import Vitals

WHOLE = {"uuid": "GPU-aa", "name": "H", "memory": 9}
SLICES = [{"uuid": f"MIG-{n}", "name": "H MIG 1g", "memory": 1} for n in (1, 2)]
DIVIDED = {"uuid": "GPU-bb", "name": "H", "memory": 9, "slices": SLICES}
PAIR = [Gpu("0", "GPU-aa", "H", 9), Gpu("1", "GPU-ab", "H", 9)]


def test_slices_stand_in_place_of_a_gpu_that_is_divided(machine_with: Callable[..., Path]) -> None:
    machine_with(WHOLE, DIVIDED)
    assert gpus.found() == [
        Gpu("0", "GPU-aa", "H", 9),
        Gpu("1:0", "MIG-1", "H MIG 1g", 1),
        Gpu("1:1", "MIG-2", "H MIG 1g", 1),
    ]


def test_a_gpu_tells_what_it_can(machine_with: Callable[..., Path]) -> None:
    folder = machine_with(WHOLE, DIVIDED)
    told = {
        "name": "H",
        "utilisation": 0.25,
        "memory": 7,
        "memory_total": 9,
        "temperature": 61,
        "watts": 70.5,
    }
    assert Vitals("GPU-aa").read()["gpus"] == [told]
    part = gpus.read("MIG-1")
    assert (part.pop("name"), part.pop("memory"), part.pop("memory_total")) == ("H MIG 1g", 7, 1)
    assert set(part.values()) == {None}
    (folder / "lost-GPU-aa").touch()
    lost = gpus.read("GPU-aa")
    assert lost.keys() == told.keys()
    assert lost.pop("name") == "a GPU that does not answer"
    assert set(lost.values()) == {None}
    assert [gpu.uuid for gpu in gpus.found()] == ["MIG-1", "MIG-2"]


def test_without_a_library_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    gpus._library.cache_clear()
    assert gpus.found() == []
    assert Alarm("GPU-aa").read() is None
    assert gpus.capability("GPU-aa") is None
    with pytest.raises(Unavailable, match=r"nvidia-ml-py is not installed.*pip install"):
        gpus.driver()
    gpus._library.cache_clear()


def test_the_driver_says_what_it_can_run(
    machine_with: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = machine_with(WHOLE | {"capability": [7, 0]}, DIVIDED)
    assert gpus.driver() == Driver("580.95.05", (13, 0))
    assert [gpus.capability(uuid) for uuid in ("GPU-aa", "MIG-1")] == [(7, 0), (9, 0)]
    (folder / "lost-GPU-aa").touch()
    assert gpus.capability("GPU-aa") is None
    monkeypatch.delenv("STAND_IN_GPUS")
    with pytest.raises(Unavailable, match="no NVIDIA driver answers: Driver Not Loaded"):
        gpus.driver()


def test_what_the_driver_complains_about_is_told_once(machine_with: Callable[..., Path]) -> None:
    folder = machine_with(WHOLE, DIVIDED)
    alarms = {uuid: Alarm(uuid) for uuid in ("GPU-aa", "MIG-1")}
    assert [alarm.read() for alarm in alarms.values()] == [None, None]
    # Of slices it tells by the GPU that has them.
    for uuid, alarm in (("GPU-aa", alarms["GPU-aa"]), ("GPU-bb", alarms["MIG-1"])):
        (folder / f"xid-{uuid}").write_text("79")
        assert alarm.read() == "the driver tells of an error, XID 79"
        assert alarm.read() is None
    (folder / "lost-GPU-aa").touch()
    assert alarms["GPU-aa"].read() == "the driver does not find it: GPU is lost"
    assert alarms["MIG-1"].read() is None


def test_a_driver_that_tells_no_more_is_asked_no_more(
    machine_with: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine_with(WHOLE)
    alarm, library = Alarm("GPU-aa"), gpus._library()

    def fail(*_: Any) -> Any:
        raise library.NVMLError("Unknown Error")

    monkeypatch.setattr(library, "nvmlEventSetWait_v2", fail)
    assert alarm.read() == "the driver tells of its errors no more: Unknown Error"
    assert alarm.read() is None
    # A GPU that is too old to tell is used without.
    monkeypatch.setattr(library, "nvmlDeviceRegisterEvents", fail)
    assert Alarm("GPU-aa").read() is None


@pytest.mark.parametrize(
    ("wanted", "visible", "chosen"),
    [
        ("auto", None, ["GPU-aa", "GPU-ab"]),
        ("all", None, ["GPU-aa", "GPU-ab"]),
        ("none", None, []),
        ("1", None, ["GPU-ab"]),
        ("1, 0", None, ["GPU-ab", "GPU-aa"]),
        ("GPU-ab,1", None, ["GPU-ab"]),
        ("auto", "1", ["GPU-ab"]),
        ("all", "GPU-ab", ["GPU-ab"]),
        ("auto", "", []),
        ("auto", "-1", []),
        # Who names them has the last word.
        ("0", "1", ["GPU-aa"]),
    ],
)
def test_gpus_are_chosen(wanted: str, visible: str | None, chosen: list[str]) -> None:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert [gpu.uuid for gpu in choose(wanted, PAIR, environment)] == chosen


@pytest.mark.parametrize("wanted", ["2", "GPU-ac", "GPU-a", "gpu", "0,", "MIG-1"])
def test_what_is_no_gpu_is_refused(wanted: str) -> None:
    with pytest.raises(InvalidInput, match=r"CONVQ_GPUS: .*accepted: 0 \(GPU-aa\), 1 \(GPU-ab\)"):
        choose(wanted, PAIR, {})


def test_all_are_not_none() -> None:
    with pytest.raises(Unavailable, match="CONVQ_GPUS: no GPU answers"):
        choose("all", [], {})
    assert choose("auto", [], {}) == []


def names(found: list[Slot]) -> dict[str, str | None]:
    return {slot.name: slot.gpu and slot.gpu.uuid for slot in found}


def test_each_gpu_has_a_worker_and_the_processor_where_asked(
    machine_with: Callable[..., Path],
) -> None:
    machine_with(WHOLE)
    assert names(slots(Settings(), "w")) == {"w": "GPU-aa"}
    assert names(slots(Settings(gpus="none"), "w")) == {"w": None}
    machine_with(WHOLE, DIVIDED)
    assert names(slots(Settings(concurrency=2), "w")) == {
        "w-gpu0": "GPU-aa",
        "w-gpu1-0": "MIG-1",
        "w-gpu1-1": "MIG-2",
        "w-cpu1": None,
        "w-cpu2": None,
    }
    # The local stack has as many on the processor as it is asked for, whatever there is.
    assert names(stack_slots(Settings(gpus="0"), "w", 2)) == {
        "w-1": None,
        "w-2": None,
        "w-gpu0": "GPU-aa",
    }
    with pytest.raises(InvalidInput, match="CONVQ_CONCURRENCY: there is nothing to compute on"):
        slots(Settings(gpus="none", concurrency=0), "w")


def test_a_process_knows_its_gpu_by_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.bound_to(Settings()) is None
    for gpu in (None, *PAIR):
        for name, value in devices.environment(gpu).items():
            monkeypatch.setenv(name, value)
        assert devices.bound_to(Settings()) == (gpu and gpu.uuid)
