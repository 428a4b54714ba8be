"""The nets that runtimes are compared on, written for each of them."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import numpy as np

from core.edge.bundle import build
from core.edge.precision import Precision
from core.edge.profiles import Profile, profile
from core.edge.signing import SigningKey
from core.edge.standalone import standalone
from core.nets.architectures import ARCHITECTURES
from core.nets.model import Model
from core.nets.network import Network
from core.nets.onnx import export

NETS = ("lenet5", "small-cnn", "autoencoder", "pilotnet")


def model_of(name: str) -> Model:
    """Return an architecture as its paper has it, with first weights."""
    architecture = next(a for a in ARCHITECTURES if a.name == name)
    spec = architecture.spec.model_validate({"architecture": name})
    net = architecture.build(spec, architecture.input, architecture.outputs)
    return Model(net, Network(net).init(seed=0))


def write(folder: Path, name: str) -> dict[str, str]:
    """Write a net for every runtime, an image, and what the net says of it.

    Returns
    -------
    dict
        By runtime, why there is no file for it.
    """
    model, path = model_of(name), folder / name
    x = np.random.default_rng(0).normal(size=model.network.input_shape).astype(np.float32)
    np.save(f"{path}.npy", x)
    np.save(f"{path}.expected.npy", np.asarray(model.run(x[np.newaxis]))[0])
    Path(f"{path}.onnx").write_bytes(export(model))
    Path(f"{path}.pyz").write_bytes(bundle(model, name, profile("x86"), "fp32"))
    missing = {}
    try:
        from bench.edge.litert import litert

        Path(f"{path}.tflite").write_bytes(litert(model))
    except ImportError as error:
        missing["LiteRT"] = str(error)
    why = _ncnn(path, model.network.input_shape)
    if why is not None:
        missing["ncnn"] = why
    return missing


def bundle(model: Model, name: str, board: Profile, precision: Precision) -> bytes:
    """Return a standalone bundle."""
    key = SigningKey.new()
    return standalone(build(model, board, key, name=name, precision=precision), key.public)


def _ncnn(path: Path, shape: tuple[int, ...]) -> str | None:
    """Convert the ONNX file with pnnx; return why not, or None."""
    found = importlib.util.find_spec("pnnx")
    if found is None or found.origin is None:
        return "pnnx is not installed"
    # The package would import PyTorch; its program does not.
    program = str(Path(found.origin).with_name("pnnx"))
    sides = ",".join(str(side) for side in (1, *shape))
    command = [program, f"{path}.onnx", f"inputshape=[{sides}]", "fp16=0"]
    command += [f"ncnn{part}={path}.ncnn.{part}" for part in ("param", "bin")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=path.parent, check=False)
    if done.returncode:
        return f"pnnx: {done.stderr.strip()[-200:]}"
    return None
