"""Standalone bundles under emulated ARM: ``make test-edge-arm``.

A Debian with python3-numpy, extracted without running anything of it, and QEMU's user-mode
emulation of the processors that profiles name, within the memory of the board. Every net is
predicted with machine code and with NumPy, and compared with what it computes here. Says why it
skips where a tool is missing.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.edge.bundle import build
from core.edge.profiles import profile
from core.edge.signing import SigningKey
from core.edge.standalone import standalone
from core.nets.architectures import ARCHITECTURES
from core.nets.model import Model
from core.nets.network import Network
from core.settings import Settings

_RELEASE = "deb http://deb.debian.org/debian bookworm main"
_NETS = ("lenet5", "small-cnn", "pilotnet", "autoencoder", "resnet-small")
_TOLERANCE = 1e-4


class Box(NamedTuple):
    """An emulated board."""

    profile: str
    debian: str
    libraries: str
    emulator: str
    cpu: str


BOXES = (
    Box("jetson-tk1", "armhf", "arm-linux-gnueabihf", "qemu-arm-static", "cortex-a15"),
    Box("jetson-tx1", "arm64", "aarch64-linux-gnu", "qemu-aarch64-static", "cortex-a57"),
    # QEMU 7 knows no Cortex-A78; what it calls max has all of its instructions.
    Box("jetson-orin-nano", "arm64", "aarch64-linux-gnu", "qemu-aarch64-static", "max"),
)


def main() -> int:
    """Predict every net on every box; return an exit code."""
    tools = ("mmdebstrap", *sorted({box.emulator for box in BOXES}))
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        print(f"skipped: there is no {', '.join(missing)} here")
        print("  Debian has them: apt-get install mmdebstrap qemu-user-static")
        return 0
    for box in BOXES:
        system = _system(box)
        if system is None:
            return 1
        for name in _NETS:
            print(_line(box, system, name), flush=True)
    return 0


def _system(box: Box) -> Path | None:
    """Return the folder of a Debian for the box, fetched once; None if that fails."""
    folder = Settings().cache_dir / "edge-arm" / box.debian
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        made = Path(scratch) / "system"
        command = ["mmdebstrap", "--variant=extract", f"--arch={box.debian}"]
        command += ["--include=python3-numpy", "bookworm", str(made), _RELEASE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"failed: no Debian for {box.debian}\n{done.stderr[-2000:]}")
            return None
        made.rename(folder)
    return folder


def _line(box: Box, system: Path, name: str) -> str:
    model = _model(name)
    x = np.random.default_rng(1).normal(size=model.network.input_shape).astype(np.float32)
    wanted = np.asarray(model.run(x[np.newaxis]))[0]
    key = SigningKey.new()
    bundle = build(model, profile(box.profile), key, name=name, precision="fp32")
    with tempfile.TemporaryDirectory() as folder:
        app, image = Path(folder) / f"{name}.pyz", Path(folder) / "image.npy"
        app.write_bytes(standalone(bundle, key.public))
        np.save(image, x)
        worst = [
            float(np.abs(_predicted(box, system, app, image, options) - wanted).max())
            for options in ([], ["--numpy"])
        ]
    scale = float(np.abs(wanted).max())
    if max(worst) > _TOLERANCE * scale:
        raise SystemExit(f"failed: {name} on {box.profile} differs by {max(worst) / scale:.2g}")
    return (
        f"{box.profile:18} {box.cpu:11} {name:13} differs by {worst[0] / scale:.1e} in machine "
        f"code, {worst[1] / scale:.1e} in NumPy, of the largest output"
    )


def _predicted(box: Box, system: Path, app: Path, image: Path, options: list[str]) -> Any:
    libraries = system / "usr" / "lib" / box.libraries
    emulator = [box.emulator, "-L", str(system)]
    command = [*emulator, str(system / "usr/bin/python3.11"), str(app)]
    command += ["--input", str(image), "--any-board", *options]
    environment = os.environ | {
        "QEMU_CPU": box.cpu,
        # Debian chooses among its BLAS libraries when packages are configured, which they are not.
        "QEMU_SET_ENV": f"LD_LIBRARY_PATH={libraries}/blas:{libraries}/lapack",
    }
    memory = profile(box.profile).memory
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        # The emulator's own memory counts, too.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (memory, memory)),
    )
    # Machine code that is not used would be noted, and that is what this is about.
    if done.returncode or (not options and "note" in done.stderr):
        raise SystemExit(f"failed: {app.name} on {box.profile}\n{done.stderr}")
    return np.asarray(json.loads(done.stdout)["output"])


def _model(name: str) -> Model:
    architecture = next(a for a in ARCHITECTURES if a.name == name)
    spec = architecture.spec.model_validate({"architecture": name})
    net = architecture.build(spec, architecture.input, architecture.outputs)
    return Model(net, Network(net).init(seed=0))


if __name__ == "__main__":
    sys.exit(main())
