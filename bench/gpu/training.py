"""Steps of training by convq and by PyTorch on a CUDA device: ``python -m bench.gpu.training``.

Writes ``bench/results/gpu-training-DEVICE.json`` and ``.md``; ``--only TEXT`` measures the nets
whose name contains the text and prints them.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.gpu.timing import in_short, machine
from bench.peers import Skip
from bench.torch_net import torch_net
from bench.train import Cell, cell_of
from core.arrays import gpu_module
from core.errors import Unavailable
from core.nets.losses.mse import MseSpec
from core.nets.training.gpu.arena import Arena
from core.nets.training.gpu.graph import Recorded
from core.nets.training.gpu.step import Step
from core.nets.training.gpu.training import scale_of
from core.nets.training.options import TrainOptions
from core.nets.training.state import State

RESULTS = Path(__file__).parents[1] / "results"

Call = Callable[[], Any]

_NETS = ("lenet5", "small-cnn", "resnet-small", "pilotnet")
_BATCHES = (32, 128, 512)
_OPTIMISER = {"optimiser": "sgd", "momentum": 0.9}
_RATE = 1e-3
_TURNS, _TURN_SECONDS, _MOST_CALLS = 5, 0.2, 500
# An epoch with room for all of these.
_STEPS = 4096


def convq(cupy: Any, cell: Cell, precision: str = "float32", *, graphs: bool = True) -> Call:
    """Return a step of convq, whose batch lies on the device."""
    options = TrainOptions.model_validate(
        {"epochs": 1, "batch": len(cell.x), "optimiser": _OPTIMISER, "precision": precision}
    )
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        scale = {name: cupy.asarray(array) for name, array in scale_of(options).items()}
        arena = Arena(cupy, cell.network, options.optimiser, averaged=False, beside=scale)
        learned = {name: cell.weights[name] * 0 for name in cell.network.parameters}
        momenta = {f"{name}.momentum": array for name, array in learned.items()}
        arena.load(State(dict(cell.weights), momenta | scale_of(options)))
        classes = not isinstance(cell.loss, MseSpec)
        step = Step(
            cupy, cell.network, cell.loss, options, arena, scale,
            steps=_STEPS, seed=(0,), classified=classes,
        )  # fmt: skip
        step.begin([_RATE] * _STEPS, 0, 0)
        x, y = cupy.asarray(cell.x), cupy.asarray(cell.y)
    take = Recorded(cupy, stream, step) if graphs else step

    def call() -> None:
        with stream:
            take(x, y)

    call()
    call()
    if isinstance(take, Recorded) and take.refused is not None:
        raise Skip(take.refused)
    return call


def torch(
    _: Any, cell: Cell, *, compiled: bool = False, graphs: bool = False, tf32: bool = False
) -> Call:
    """Return the same step of PyTorch, in the better of its layouts for pictures.

    ``tf32`` is for graphs.
    """
    net = torch_net(cell.network, cell.weights)
    import torch as library

    if not library.cuda.is_available():
        raise Skip("torch was built without CUDA")
    library.backends.cudnn.benchmark = True
    # Float32 is float32 for all but the one that says otherwise.
    library.backends.cudnn.allow_tf32 = library.backends.cuda.matmul.allow_tf32 = tf32
    form = library.channels_last if cell.x.ndim == 4 else library.contiguous_format
    net = net.to("cuda", memory_format=form).train()
    x = library.from_numpy(cell.x).to("cuda").contiguous(memory_format=form)
    y = library.from_numpy(cell.y).to("cuda")
    functional = library.nn.functional
    measure = functional.mse_loss if y.ndim > 1 else functional.cross_entropy
    optimiser = library.optim.SGD(net.parameters(), _RATE, _OPTIMISER["momentum"])
    forward = library.compile(net, dynamic=False) if compiled else net

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        measure(forward(x), y).backward()
        optimiser.step()

    if not graphs:
        return step
    side = library.cuda.Stream()
    side.wait_stream(library.cuda.current_stream())
    with library.cuda.stream(side):
        for _turn in range(3):
            step()
    library.cuda.current_stream().wait_stream(side)
    graph = library.cuda.CUDAGraph()
    optimiser.zero_grad(set_to_none=True)
    with library.cuda.graph(graph):
        step()
    # A graph goes on as it was captured; who takes steps one by one would have it, too.
    library.backends.cudnn.allow_tf32 = library.backends.cuda.matmul.allow_tf32 = False
    return graph.replay  # type: ignore[no-any-return]


CONTENDERS: dict[str, Callable[[Any, Cell], Call]] = {
    "convq": convq,
    "convq without graphs": lambda cupy, cell: convq(cupy, cell, graphs=False),
    "convq tf32": lambda cupy, cell: convq(cupy, cell, "tf32"),
    "convq mixed": lambda cupy, cell: convq(cupy, cell, "mixed"),
    "torch": torch,
    "torch.compile": lambda cupy, cell: torch(cupy, cell, compiled=True),
    "torch CUDA graph": lambda cupy, cell: torch(cupy, cell, graphs=True),
    "torch tf32 CUDA graph": lambda cupy, cell: torch(cupy, cell, graphs=True, tf32=True),
}

# Of float32, as convq's own that they are compared with.
_PEERS = ("torch", "torch.compile", "torch CUDA graph")


def main(arguments: list[str] | None = None) -> int:
    """Measure, print as it goes, and write the results after each row.

    Returns
    -------
    int
        1 where a contender failed, 2 where there is no device.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.gpu.training", description=__doc__)
    parser.add_argument("--only", default="", help="part of a net's name")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    given = parser.parse_args(arguments)
    try:
        cupy = gpu_module()
    except Unavailable as missing:
        print(f"nothing was measured: {missing}", file=sys.stderr)
        return 2
    report: dict[str, Any] = {"machine": machine(cupy), "rows": []}
    for name in (name for name in _NETS if given.only in name):
        for batch in _BATCHES:
            report["rows"].append(found := _row(cupy, cell_of(name, batch)))
            times = ", ".join(f"{who} {1e3 * s:.3f}" for who, s in found["seconds"].items())
            print(f"{name} x {batch:<4} ms: {times}", flush=True)
            if not given.only:
                _write(report, given.out)
    failed = [f"{r['net']} x {r['batch']}: {who}" for r in report["rows"] for who in r["failed"]]
    for each in failed:
        print(f"failed: {each}", file=sys.stderr)
    if not given.only:
        print(f"written: {given.out}")
    return 1 if failed else 0


def page(report: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    about = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    lines = [
        f"# Training on {about['device']}",
        "",
        f"{about['date']}, commit {about['commit']}, driver {about['driver']}, Python "
        f"{about['python']}, {versions}. Milliseconds of a step of SGD with momentum, forward, "
        "back and update, the batch on the device; medians over turns. No TF32 but where it is "
        "said. The ratio is the best time of PyTorch over convq's, both float32: above 1, convq is "
        "faster.",
        "",
        "| net | batch | " + " | ".join(CONTENDERS) + " | ratio |",
        "|---" * (len(CONTENDERS) + 3) + "|",
    ]
    for row in report["rows"]:
        seconds = row["seconds"]
        times = [f"{1e3 * seconds[who]:.3f}" if who in seconds else "" for who in CONTENDERS]
        peers = [seconds[who] for who in _PEERS if who in seconds]
        ratio = f"{min(peers) / seconds['convq']:.2f}" if peers and "convq" in seconds else ""
        lines.append(f"| {row['net']} | {row['batch']} | {' | '.join(times)} | {ratio} |")
    skips = {f"{who}: {why}" for row in report["rows"] for who, why in row["skipped"].items()}
    if skips:
        lines += ["", "An empty place is one that did not take part:", ""]
        lines += [f"- {reason}" for reason in sorted(skips)]
    return "\n".join(lines) + "\n"


def _row(cupy: Any, cell: Cell) -> dict[str, Any]:
    calls, skipped, failed = {}, {}, []
    for name, contender in CONTENDERS.items():
        try:
            call = contender(cupy, cell)
            # What is compiled is compiled now.
            call()
        except Skip as reason:
            skipped[name] = str(reason)
        except Exception as error:  # noqa: BLE001 - the figures of the others are worth having
            failed.append(name)
            skipped[name] = f"{cell.name} x {len(cell.x)}: {in_short(error)}"
        else:
            calls[name] = call
    counts = {name: _count(cupy, call) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(_TURNS):
        for name, call in calls.items():
            times[name].append(_elapsed(cupy, call, counts[name]) / counts[name])
    seconds = {name: statistics.median(found) for name, found in times.items()}
    return {
        "net": cell.name, "batch": len(cell.x), "seconds": seconds,
        "skipped": skipped, "failed": failed,
    }  # fmt: skip


def _count(cupy: Any, call: Call) -> int:
    call()
    once = _elapsed(cupy, call, 1)
    return max(1, min(_MOST_CALLS, int(_TURN_SECONDS / max(once, 1e-6))))


def _elapsed(cupy: Any, call: Call, count: int) -> float:
    # By the clock on the wall: launching is part of a step, and contenders have their own streams.
    device = cupy.cuda.Device()
    device.synchronize()
    begin = time.perf_counter()
    for _ in range(count):
        call()
    device.synchronize()
    return time.perf_counter() - begin


def _write(report: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", report["machine"]["device"].lower()).strip("-")
    target = folder / f"gpu-training-{name}"
    target.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    target.with_suffix(".md").write_text(page(report))


if __name__ == "__main__":
    sys.exit(main())
