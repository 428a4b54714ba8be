"""Which board this is, and how it is: from files that Linux shows, below a root folder.

Sources: the Devicetree Specification 0.4, section 2.3 (``model`` and ``compatible``); the power
monitor INA3221 as the kernel's hwmon driver shows it (JetPack 5 and newer) and as NVIDIA's iio
driver does (JetPack 4); the kernel's thermal zones and cooling devices.
"""

import glob
import os
from typing import Any, Dict, List, Optional


def identity(root: str = "/") -> "Dict[str, Any]":
    """Return what a board says that it is.

    Returns
    -------
    dict
        ``model``, ``compatible`` (a list), ``l4t`` (the first line of ``/etc/nv_tegra_release``)
        and ``memory`` in bytes; what is not there is None or empty.
    """
    compatible = _tree(root, "compatible") or ""
    release = _read(root, "etc/nv_tegra_release")
    return {
        "model": _tree(root, "model"),
        "compatible": [name for name in compatible.split("\0") if name],
        "l4t": release.splitlines()[0] if release else None,
        "memory": _memory(root),
    }


def mismatch(profile: "Dict[str, Any]", board: "Dict[str, Any]") -> "Optional[str]":
    """Return why a board is not the one of a profile, or None.

    Parameters
    ----------
    profile : dict
        With ``title``, ``compatible`` and ``model`` of ``profiles.toml``; a profile that names
        neither of the latter fits every board.
    board : dict
        As `identity` returns it.

    Examples
    --------
    >>> board = {"model": "NVIDIA Jetson Nano", "compatible": ["nvidia,tegra210"]}
    >>> nano = {"title": "Nano", "compatible": "nvidia,tegra210", "model": "Nano"}
    >>> mismatch(nano, board) is None
    True
    >>> mismatch({"title": "TK1", "compatible": "nvidia,tegra124"}, board)
    'it is for TK1, this is NVIDIA Jetson Nano'
    """
    here = board["model"] or "no board that says what it is"
    wanted = profile.get("compatible")
    chip = wanted is None or wanted in board["compatible"]
    name = profile.get("model")
    if chip and (name is None or name.lower() in here.lower()):
        return None
    return "it is for {}, this is {}".format(profile["title"], here)


def health(root: str = "/") -> "Dict[str, Any]":
    """Return how a board is now.

    Returns
    -------
    dict
        ``watts`` by rail, ``celsius`` by thermal zone, and ``throttled``: the cooling devices that
        are at work.
    """
    return {"watts": watts(root), "celsius": _celsius(root), "throttled": _throttled(root)}


def watts(root: str = "/") -> "Dict[str, float]":
    """Return the power of each rail that an INA3221 measures, in watts.

    Volts times amperes of the same channel; rails are called as the device tree calls them.
    """
    found = {}
    # hwmon: millivolts and milliamperes.
    for label in _all(root, "sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*/in*_label"):
        folder, number = os.path.dirname(label), os.path.basename(label)[2:-6]
        volts = _number(os.path.join(folder, "in{}_input".format(number)))
        amperes = _number(os.path.join(folder, "curr{}_input".format(number)))
        name = _text(label)
        if name and volts is not None and amperes is not None:
            found[name] = volts * amperes / 1e6
    # iio: milliwatts.
    for label in _all(root, "sys/bus/i2c/drivers/ina3221x/*/iio*device*/rail_name_*"):
        number = label.rsplit("_", 1)[1]
        power = _number(os.path.join(os.path.dirname(label), "in_power{}_input".format(number)))
        name = _text(label)
        if name and power is not None:
            found[name] = power / 1e3
    return found


def _celsius(root: str) -> "Dict[str, float]":
    found = {}
    for zone in _all(root, "sys/class/thermal/thermal_zone*"):
        name, value = _text(os.path.join(zone, "type")), _number(os.path.join(zone, "temp"))
        if name and value is not None:
            found[name] = value / 1e3
    return found


def _throttled(root: str) -> "List[str]":
    found = []
    for device in _all(root, "sys/class/thermal/cooling_device*"):
        name = _text(os.path.join(device, "type")) or ""
        # A fan that turns slows nothing down.
        if _number(os.path.join(device, "cur_state")) and "fan" not in name.lower():
            found.append(name)
    return sorted(set(found))


def _memory(root: str) -> "Optional[int]":
    for line in (_read(root, "proc/meminfo") or "").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return None


def _all(root: str, pattern: str) -> "List[str]":
    return sorted(glob.glob(os.path.join(root, pattern)))


def _tree(root: str, name: str) -> "Optional[str]":
    # Engines hide it from containers, so there it is mounted beside (deploy/jetson/Dockerfile).
    return _read(root, "proc/device-tree/" + name) or _read(root, "device-tree/" + name)


def _read(root: str, name: str) -> "Optional[str]":
    return _text(os.path.join(root, name), strip="\0\n")


def _text(path: str, strip: str = "\n") -> "Optional[str]":
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip(strip)
    except OSError:
        return None


def _number(path: str) -> "Optional[float]":
    text = _text(path)
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
