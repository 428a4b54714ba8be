"""The nets of `core.nets.architectures` in PyTorch, with the same weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.peers import Skip
from core.nets.network import Network

Weights = dict[str, NDArray[Any]]


def torch_net(network: Network, weights: Weights) -> Any:
    """Return a `torch.nn.Module` that computes what ``network`` does with ``weights``.

    Raises
    ------
    Skip
        If PyTorch is not installed, or a layer has no counterpart here.
    """
    try:
        import torch
    except ImportError as error:
        raise Skip("torch is not installed") from error

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            # Names of layers may hold hyphens, which a module's must not begin with a digit.
            self.steps = torch.nn.ModuleList(_module(torch, node) for node in network.nodes)

        def forward(self, x: Any) -> Any:
            found = {-1: x}
            for node, step in zip(network.nodes, self.steps, strict=True):
                found[node.index] = step(*(found[source] for source in node.sources))
            return found[len(network.nodes) - 1]

    net = Net()
    with torch.no_grad():
        for node, step in zip(network.nodes, net.steps, strict=True):
            for name, target in _TARGETS.items():
                key = f"{node.name}.{name}"
                if key in weights:
                    getattr(step, target).copy_(torch.from_numpy(np.array(weights[key])))
    return net


_TARGETS = {
    "weight": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "variance": "running_var",
}


def _module(torch: Any, node: Any) -> Any:
    nn, spec, (incoming, *_) = torch.nn, node.spec, node.incoming

    class Add(nn.Module):
        def forward(self, first: Any, second: Any) -> Any:
            return first + second

    class Mean(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.mean(dim=(2, 3))

    class Whiten(nn.Module):
        def forward(self, x: Any) -> Any:
            variance, mean = torch.var_mean(x, dim=(1, 2, 3), correction=0, keepdim=True)
            return (x - mean) * torch.rsqrt(variance + spec.epsilon)

    match spec.layer:
        case "conv":
            return nn.Conv2d(
                incoming[0],
                spec.filters,
                spec.kernel,
                spec.stride,
                spec.padding,
                spec.dilation,
                spec.groups,
                spec.bias,
            )
        case "dense":
            return nn.Linear(incoming[0], spec.features, spec.bias)
        case "relu":
            return nn.ReLU(inplace=True)
        case "max_pool":
            return nn.MaxPool2d(spec.kernel, spec.stride, spec.padding)
        case "batch_norm":
            return nn.BatchNorm2d(incoming[0], spec.epsilon, spec.momentum)
        case "dropout":
            return nn.Dropout(spec.rate)
        case "flatten":
            return nn.Flatten()
        case "add":
            return Add()
        case "global_average_pool":
            return Mean()
        case "whiten" if spec.cut_off is None:
            return Whiten()
    raise Skip(f"the layer {spec.layer} is not written for torch here")
