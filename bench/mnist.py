"""Handwritten digits: how well a small net tells them apart after a few minutes on this machine.

``python -m bench.mnist --data mnist-train.npz`` trains the two-convolution net on all but 10,000 of
the images, looks at those once, at the end, and writes ``bench/results/mnist.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.measure import machine
from core.nets.architectures import small_cnn
from core.nets.data import load
from core.nets.network import Network
from core.nets.training.options import TrainOptions
from core.nets.training.trainer import Trainer

RESULTS = Path(__file__).parent / "results"

_UNSEEN = 10_000

OPTIONS: dict[str, Any] = {
    "epochs": 20,
    "batch": 128,
    "optimiser": {"optimiser": "adamw", "weight_decay": 0.01},
    "schedule": {"schedule": "one_cycle", "rate": 0.004},
    "augment": [{"augment": "shift", "most": 0.08, "outside": "zero"}],
    "ema": 0.999,
}


def main() -> int:
    """Train, print each epoch, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="an .npz with x and y")
    parser.add_argument("--epochs", type=int, default=OPTIONS["epochs"])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    data = load(arguments.data)
    options = TrainOptions.model_validate(
        OPTIONS
        | {
            "epochs": arguments.epochs,
            "seed": arguments.seed,
            "validation": _UNSEEN / len(data),
        }
    )
    begin = time.perf_counter()
    spec = small_cnn.SmallCnnSpec(architecture="small-cnn")
    net = small_cnn.build(spec, data.shape, len(data.classes or ()))
    trainer = Trainer(Network(net), data, options)
    trained = trainer.run(report=_print)
    seconds = time.perf_counter() - begin
    assert trained.evaluation is not None
    result = {
        "machine": machine(),
        "parameters": trainer.network.parameter_count,
        "seconds": seconds,
        "options": options.model_dump(mode="json"),
        "history": trained.history,
        "evaluation": trained.evaluation.to_dict(),
    }
    print(_summary(result))
    if (arguments.epochs, arguments.seed) == (OPTIONS["epochs"], 0):
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "mnist.json").write_text(json.dumps(result, indent=1) + "\n")
        (RESULTS / "mnist.md").write_text(_page(result))
    return 0


def _print(metrics: Mapping[str, Any], *, lasts: bool = False) -> None:
    if lasts:
        print(
            f"epoch {metrics['epoch']:>3}  loss {metrics['loss']:.4f}  "
            f"unseen {metrics['validation_accuracy']:.2%}  "
            f"{metrics['images_per_second']:.0f} images/s  {metrics['seconds_left']:.0f} s left",
            flush=True,
        )


def _summary(result: dict[str, Any]) -> str:
    found = result["evaluation"]
    return (
        f"{found['accuracy']:.2%} of {found['images']:,} images that were not trained on, with "
        f"{result['parameters']:,} parameters, after {result['seconds']:.0f} seconds"
    )


def _page(result: dict[str, Any]) -> str:
    about = result["machine"]
    options = {name: value for name, value in result["options"].items() if name in OPTIONS}
    lines = [
        "# Handwritten digits",
        "",
        f"{about['date']}, commit {about['commit']}, {about['cpu']}, {about['cores']} cores, "
        f"Python {about['python']}.",
        "",
        f"The net `small-cnn` reached {_summary(result)}. Data: the training images of MNIST, "
        f"of which {_UNSEEN:,}, the same share of each digit, were kept aside. Nothing was chosen "
        "by them: the number of epochs is fixed, and the weights are those of the end.",
        "",
        f"Options: `{json.dumps(options)}`, chosen with another seed and hence other images aside.",
        "",
        "| epoch | loss | accuracy | unseen: loss | unseen: accuracy | images/s |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['epoch']} | {row['loss']:.4f} | {row['accuracy']:.2%} "
        f"| {row['validation_loss']:.4f} | {row['validation_accuracy']:.2%} "
        f"| {row['images_per_second']:,.0f} |"
        for row in result["history"]
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
