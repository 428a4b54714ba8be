"""A convolutional net on the log-mel spectrogram of a sound."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.nets.architectures.architecture import Architecture, ArchitectureSpec, net
from core.nets.layer import Shape
from core.nets.spec import NetSpec


class AudioSpec(ArchitectureSpec):
    """Log-mel, then convolutions that halve it."""

    architecture: Literal["audio"]
    sample_rate: int = Field(default=16000, ge=1000, le=384000, description="In Hz.")
    bands: int = Field(default=40, ge=8, le=256, description="Of the mel scale.")
    filters: list[int] = Field(
        default=[16, 32, 64], min_length=1, max_length=6, description="Of each convolution."
    )


def build(spec: AudioSpec, shape: Shape, outputs: int) -> NetSpec:
    """Return the net for sounds of ``(channels, samples)``; frames of 25 ms every 10 ms.

    After T. N. Sainath and C. Parada, "Convolutional neural networks for small-footprint keyword
    spotting", 2015 (40 bands, frames of 25 ms); the stack of small kernels with batch norm and the
    average over time and bands are of today, so that sounds of any length fit.

    Examples
    --------
    >>> from core.nets.network import Network
    >>> network = Network(build(AudioSpec(architecture="audio"), (1, 16000), 10))
    >>> network.shapes["log_mel1"], network.parameter_count
    ((1, 40, 98), 24060)
    """
    layers: list[dict[str, object]] = [
        {
            "layer": "log_mel",
            "sample_rate": spec.sample_rate,
            "frame": spec.sample_rate // 40,
            "hop": spec.sample_rate // 100,
            "bands": spec.bands,
        },
        {"layer": "batch_norm"},
    ]
    for filters in spec.filters:
        layers += [
            {"layer": "conv", "filters": filters, "kernel": 3, "padding": "same", "bias": False},
            {"layer": "batch_norm"},
            {"layer": "relu"},
            {"layer": "max_pool", "kernel": 2},
        ]
    layers += [{"layer": "global_average_pool"}, {"layer": "dense", "features": outputs}]
    return net(shape, layers)


ARCHITECTURE = Architecture(
    name="audio",
    spec=AudioSpec,
    build=build,
    input=(1, 16000),
    outputs=10,
    summary="sounds by their log-mel spectrogram",
)
