"""Training and predicting by convq and by PyTorch on this machine's processor.

``python -m bench.train`` measures every cell and writes ``bench/results/train.json`` and ``.md``;
``--only TEXT`` measures the nets whose name contains the text and prints them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.measure import Call, in_turn, machine
from bench.peers import Skip
from bench.torch_net import torch_net
from core.nets.architectures import ARCHITECTURES
from core.nets.losses import AnyLoss
from core.nets.losses.cross_entropy import CrossEntropySpec
from core.nets.losses.mse import MseSpec
from core.nets.network import Network
from core.nets.optimisers import sgd

RESULTS = Path(__file__).parent / "results"

_NETS = ("lenet5", "small-cnn", "pilotnet", "resnet-small")
_BATCHES = (32, 128, 512)
_RATE, _MOMENTUM = 1e-3, 0.9
_MEMORY_STEPS = 3


@dataclass(frozen=True)
class Cell:
    """A net with weights, and a batch of random images."""

    name: str
    network: Network
    weights: dict[str, NDArray[Any]]
    x: NDArray[np.float32]
    y: NDArray[Any]
    loss: AnyLoss


Contender = Callable[[Cell], Call]


def cell_of(name: str, batch: int) -> Cell:
    """Return a net of `core.nets.architectures` as its paper has it, and ``batch`` images."""
    architecture = next(found for found in ARCHITECTURES if found.name == name)
    spec = architecture.spec.model_validate({"architecture": name})
    network = Network(architecture.build(spec, architecture.input, architecture.outputs))
    random = np.random.default_rng(0)
    x = random.normal(size=(batch, *architecture.input)).astype(np.float32)
    if architecture.outputs == 1:
        y = random.normal(size=(batch, 1)).astype(np.float32)
        return Cell(name, network, network.init(0), x, y, MseSpec(loss="mse"))
    labels = random.integers(0, architecture.outputs, batch)
    loss = CrossEntropySpec(loss="cross_entropy")
    return Cell(name, network, network.init(0), x, labels, loss)


def convq_step(cell: Cell) -> Call:
    """Return a step of training: forward, back, update."""
    optimiser = sgd.SgdSpec(optimiser="sgd", momentum=_MOMENTUM)
    weights = {name: array.copy() for name, array in cell.weights.items()}
    kept = sgd.OPTIMISER.init(optimiser, {name: weights[name] for name in cell.network.parameters})
    numbers = iter(range(1 << 30))

    def step() -> float:
        done = cell.network.step(weights, cell.x, cell.y, cell.loss, seed=(0, next(numbers)))
        sgd.OPTIMISER.update(optimiser, weights, done.gradients, kept, _RATE, ())
        weights.update(done.updates)
        return done.loss

    return step


def convq_predict(cell: Cell) -> Call:
    """Return the prediction for a single image."""
    prepared = cell.network.prepared(cell.weights)
    return lambda: prepared.run(cell.x[:1])


def torch_step(cell: Cell, form: str = "contiguous_format", *, compiled: bool = False) -> Call:
    """Return the same step in PyTorch."""
    net, torch = _torch(cell)
    form = getattr(torch, form)
    net = net.to(memory_format=form).train()
    x = torch.from_numpy(cell.x).contiguous(memory_format=form)
    y = torch.from_numpy(cell.y)
    measure = torch.nn.functional.mse_loss if y.ndim > 1 else torch.nn.functional.cross_entropy
    optimiser = torch.optim.SGD(net.parameters(), _RATE, _MOMENTUM)
    forward = torch.compile(net, dynamic=False) if compiled else net

    def step() -> float:
        optimiser.zero_grad(set_to_none=True)
        loss = measure(forward(x), y)
        loss.backward()
        optimiser.step()
        return float(loss)

    return step


def torch_step_channels_last(cell: Cell) -> Call:
    """Return `torch_step` in the channels_last memory format."""
    return torch_step(cell, "channels_last")


def torch_step_compiled(cell: Cell) -> Call:
    """Return `torch_step` through torch.compile, which needs a C++ compiler."""
    call = torch_step(cell, "channels_last", compiled=True)
    try:
        call()
    except Exception as error:
        raise Skip(f"torch.compile: {str(error).strip().splitlines()[0][:120]}") from error
    return call


def torch_predict(cell: Cell, form: str = "contiguous_format") -> Call:
    """Return the prediction for a single image in PyTorch."""
    net, torch = _torch(cell)
    form = getattr(torch, form)
    net = net.to(memory_format=form).eval()
    x = torch.from_numpy(cell.x[:1]).contiguous(memory_format=form)

    def predict() -> Any:
        with torch.inference_mode():
            return net(x).numpy()

    return predict


def torch_predict_channels_last(cell: Cell) -> Call:
    """Return `torch_predict` in the channels_last memory format."""
    return torch_predict(cell, "channels_last")


STEPS: dict[str, Contender] = {
    "convq": convq_step,
    "torch": torch_step,
    "torch channels_last": torch_step_channels_last,
    "torch.compile": torch_step_compiled,
}
PREDICTIONS: dict[str, Contender] = {
    "convq": convq_predict,
    "torch": torch_predict,
    "torch channels_last": torch_predict_channels_last,
}


def measure(cell: Cell, contenders: dict[str, Contender]) -> dict[str, Any]:
    """Time all contenders that can do a cell."""
    calls, skipped = {}, {}
    for name, contender in contenders.items():
        try:
            calls[name] = contender(cell)
        except Skip as reason:
            skipped[name] = str(reason)
    seconds = in_turn(calls)
    peers = [name for name in seconds if name != "convq"]
    best = min(peers, key=seconds.__getitem__, default=None)
    return {
        "net": cell.name,
        "batch": len(cell.x),
        "seconds": seconds,
        "skipped": skipped,
        "best_peer": best,
        "ratio": seconds[best] / seconds["convq"] if best else None,
    }


def check(cell: Cell) -> None:
    """Raise unless PyTorch's net says the same of the images."""
    net, torch = _torch(cell)
    few = cell.x[:8]
    with torch.inference_mode():
        theirs = net.eval()(torch.from_numpy(few)).numpy()
    ours = cell.network.run(cell.weights, few)
    if not np.allclose(ours, theirs, rtol=1e-3, atol=1e-3 * float(np.abs(theirs).max())):
        raise AssertionError(f"{cell.name}: torch says something else than convq")


def memory(contender: str, name: str, batch: int) -> float | None:
    """Return by how many MB a process that trains grows beyond what importing takes."""
    command = [sys.executable, "-m", "bench.train", "--memory", contender, name, str(batch)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=RESULTS.parent.parent
    )
    return float(done.stdout) if done.returncode == 0 else None


def main() -> int:
    """Measure, print as it goes, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of a net's name")
    parser.add_argument("--memory", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        contender, name, batch = arguments.memory
        print(_growth(contender, cell_of(name, int(batch))))
        return 0
    steps, predictions = [], []
    for name in _NETS:
        if arguments.only not in name:
            continue
        check_if_possible(cell_of(name, 8))
        predictions.append(measure(cell_of(name, 1), PREDICTIONS))
        print(_line(predictions[-1]), flush=True)
        for batch in _BATCHES:
            row = measure(cell_of(name, batch), STEPS)
            row["megabytes"] = {
                contender: memory(contender, name, batch) for contender in row["seconds"]
            }
            steps.append(row)
            print(_line(row), flush=True)
    if not steps:
        print(f"no net is called like {arguments.only!r}", file=sys.stderr)
        return 2
    if not arguments.only:
        report = {"machine": machine(), "steps": steps, "predictions": predictions}
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "train.json").write_text(json.dumps(report, indent=1) + "\n")
        (RESULTS / "train.md").write_text(_page(report))
    return 0


def check_if_possible(cell: Cell) -> None:
    """Compare with PyTorch where it is installed."""
    try:
        check(cell)
    except Skip as reason:
        print(reason, file=sys.stderr)


def _growth(contender: str, cell: Cell) -> float:
    if contender != "convq":
        _torch(cell_of(cell.name, 1))
    before = _peak()
    step = STEPS[contender](cell)
    for _ in range(_MEMORY_STEPS):
        step()
    return (_peak() - before) / 1024


def _peak() -> int:
    # Of this process: the system's `ru_maxrss` is also that of the one that started it.
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s*(\d+) kB", status)
    assert found is not None
    return int(found[1])


def _torch(cell: Cell) -> tuple[Any, Any]:
    net = torch_net(cell.network, cell.weights)
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    return net, torch


def _line(row: dict[str, Any]) -> str:
    speeds = [f"{name} {row['batch'] / seconds:,.0f}" for name, seconds in row["seconds"].items()]
    ratio = f"   ratio {row['ratio']:.2f}" if row["ratio"] else ""
    return f"{row['net']:<14} {row['batch']:>4}   images/s: {', '.join(speeds)}{ratio}"


def _page(report: dict[str, Any]) -> str:
    about = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    ratios = [row["ratio"] for row in report["steps"] if row["ratio"]]
    lines = [
        "# Training, against PyTorch on a CPU",
        "",
        f"{about['date']}, commit {about['commit']}, {about['cpu']}, {about['cores']} cores, "
        f"Python {about['python']}, {versions}.",
        "",
        "Images per second of forward pass, gradients and update (SGD with momentum), float32; "
        "medians of calls in turn. The ratio is the best peer's time over convq's: above 1, convq "
        "is faster.",
        "",
    ]
    if ratios:
        mean = math.exp(statistics.fmean(map(math.log, ratios)))
        lines += [f"Geometric mean of the ratios {mean:.2f}, the worst {min(ratios):.2f}.", ""]
    lines += _table(report["steps"], STEPS, "batch", _speed)
    lines += ["", "Growth of the process's memory by training, in MB:", ""]
    lines += _table(report["steps"], STEPS, "batch", _megabytes)
    lines += ["", "Prediction for a single image, in milliseconds:", ""]
    lines += _table(report["predictions"], PREDICTIONS, None, _milliseconds)
    skips = {f"{name}: {why}" for row in report["steps"] for name, why in row["skipped"].items()}
    if skips:
        lines += ["", "An empty place is a peer that did not take part:", ""]
        lines += [f"- {reason}" for reason in sorted(skips)]
    return "\n".join(lines) + "\n"


def _table(
    rows: list[dict[str, Any]],
    contenders: dict[str, Contender],
    batch: str | None,
    cell: Callable[[dict[str, Any], str], str],
) -> list[str]:
    heads = ["net", *([batch] if batch else []), *contenders]
    ratio = cell is not _megabytes
    heads += ["ratio"] if ratio else []
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in rows:
        cells = [row["net"], *([str(row["batch"])] if batch else [])]
        cells += [cell(row, name) for name in contenders]
        cells += ([f"{row['ratio']:.2f}"] if row["ratio"] else [""]) if ratio else []
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _speed(row: dict[str, Any], name: str) -> str:
    seconds = row["seconds"].get(name)
    return "" if seconds is None else f"{row['batch'] / seconds:,.0f}"


def _megabytes(row: dict[str, Any], name: str) -> str:
    found = row["megabytes"].get(name)
    return "" if found is None else f"{found:.0f}"


def _milliseconds(row: dict[str, Any], name: str) -> str:
    seconds = row["seconds"].get(name)
    return "" if seconds is None else f"{seconds * 1e3:.3g}"


if __name__ == "__main__":
    sys.exit(main())
