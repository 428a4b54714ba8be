from __future__ import annotations

from pathlib import Path

import pytest

from core.edge.profiles import profile, profiles
from core.edge.runtime.board import health, identity, mismatch
from core.errors import InvalidInput

BOARDS = {
    "jetson-tk1": ("NVIDIA Tegra124 Jetson TK1", "nvidia,jetson-tk1", "nvidia,tegra124"),
    "jetson-tx1": ("NVIDIA Jetson TX1 Developer Kit", "nvidia,p2371-2180", "nvidia,tegra210"),
    "jetson-nano": ("NVIDIA Jetson Nano Developer Kit", "nvidia,p3450-0000", "nvidia,tegra210"),
    "jetson-tx2": ("quill", "nvidia,quill", "nvidia,tegra186"),
    "jetson-xavier-nx": (
        "NVIDIA Jetson Xavier NX Developer Kit",
        "nvidia,p3668",
        "nvidia,tegra194",
    ),
    "jetson-agx-xavier": ("Jetson-AGX Xavier", "nvidia,p2972-0000", "nvidia,tegra194"),
    "jetson-orin-nano": (
        "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super",
        "nvidia,p3768-0000+p3767-0005-super",
        "nvidia,tegra234",
    ),
    "jetson-orin-nx": ("NVIDIA Jetson Orin NX Developer Kit", "nvidia,p3767", "nvidia,tegra234"),
    "jetson-agx-orin": ("NVIDIA Jetson AGX Orin Developer Kit", "nvidia,p3701", "nvidia,tegra234"),
    "jetson-thor": ("NVIDIA Jetson AGX Thor Developer Kit", "nvidia,p3834", "nvidia,tegra264"),
}


def _write(root: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


# The second is what a container has mounted.
@pytest.mark.parametrize("tree", ["proc/device-tree", "device-tree"])
@pytest.mark.parametrize("name", BOARDS)
def test_each_board_is_told_from_the_others(name: str, tree: str, tmp_path: Path) -> None:
    model, *compatible = BOARDS[name]
    root = _write(
        tmp_path,
        {
            f"{tree}/model": model + "\0",
            f"{tree}/compatible": "\0".join(compatible) + "\0",
            "etc/nv_tegra_release": "# R32 (release), REVISION: 7.1\nmore\n",
            "proc/meminfo": "MemTotal:        2048000 kB\nMemFree: 1 kB\n",
        },
    )
    board = identity(root)
    assert board["compatible"] == compatible
    assert board["memory"] == 2048000 * 1024
    assert board["l4t"] == "# R32 (release), REVISION: 7.1"
    fits = [p.name for p in profiles().values() if mismatch(p.model_dump(), board) is None]
    generic = [p.name for p in profiles().values() if p.compatible is None]
    assert fits == [name, *generic]


def test_a_machine_that_does_not_say_what_it_is(tmp_path: Path) -> None:
    board = identity(str(tmp_path))
    assert board == {"model": None, "compatible": [], "l4t": None, "memory": None}
    assert mismatch(profile("x86").model_dump(), board) is None
    why = mismatch(profile("jetson-thor").model_dump(), board)
    assert why is not None
    assert why.endswith("this is no board that says what it is")


def test_watts_of_jetpack_5(tmp_path: Path) -> None:
    folder = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3"
    root = _write(
        tmp_path,
        {
            f"{folder}/in1_label": "VDD_IN\n",
            f"{folder}/in1_input": "5000\n",
            f"{folder}/curr1_input": "900\n",
            f"{folder}/in2_label": "VDD_CPU_GPU_CV\n",
            f"{folder}/in2_input": "none\n",
            f"{folder}/curr2_input": "100\n",
        },
    )
    assert health(root)["watts"] == {"VDD_IN": pytest.approx(4.5)}


def test_watts_of_jetpack_4(tmp_path: Path) -> None:
    folder = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    root = _write(
        tmp_path,
        {f"{folder}/rail_name_0": "POM_5V_IN\n", f"{folder}/in_power0_input": "2357\n"},
    )
    assert health(root)["watts"] == {"POM_5V_IN": pytest.approx(2.357)}


def test_temperature_and_throttling(tmp_path: Path) -> None:
    thermal = "sys/class/thermal"
    root = _write(
        tmp_path,
        {
            f"{thermal}/thermal_zone0/type": "CPU-therm\n",
            f"{thermal}/thermal_zone0/temp": "48500\n",
            f"{thermal}/thermal_zone1/type": "PMIC\n",
            f"{thermal}/cooling_device0/type": "thermal-cpufreq-0\n",
            f"{thermal}/cooling_device0/cur_state": "2\n",
            f"{thermal}/cooling_device1/type": "pwm-fan\n",
            f"{thermal}/cooling_device1/cur_state": "3\n",
            f"{thermal}/cooling_device2/type": "gpu-throttle\n",
            f"{thermal}/cooling_device2/cur_state": "0\n",
        },
    )
    found = health(root)
    assert found["celsius"] == {"CPU-therm": 48.5}
    assert found["throttled"] == ["thermal-cpufreq-0"]


def test_profiles() -> None:
    assert set(profiles()) == {*BOARDS, "arm64", "armhf", "x86"}
    for board in profiles().values():
        assert board.source
        assert board.power == sorted(board.power)
        assert all(processor.target.lanes(4) >= 4 for processor in board.processors)
    # A board with 2 GB and no CUDA that anybody still supports.
    assert profile("jetson-tk1").may == ["predict"]
    with pytest.raises(InvalidInput, match="profile"):
        profile("jetson-tk2")
