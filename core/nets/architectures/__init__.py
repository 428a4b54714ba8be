"""The architectures that convq knows; a new one is one file and two lines here."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import Field

from core.nets.architectures import (
    audio,
    autoencoder,
    go8,
    kim,
    lenet5,
    pilotnet,
    resnet_small,
    small_cnn,
)
from core.nets.architectures.architecture import Architecture, ArchitectureSpec

ARCHITECTURES: tuple[Architecture[Any], ...] = (
    lenet5.ARCHITECTURE,
    small_cnn.ARCHITECTURE,
    pilotnet.ARCHITECTURE,
    kim.ARCHITECTURE,
    go8.ARCHITECTURE,
    autoencoder.ARCHITECTURE,
    resnet_small.ARCHITECTURE,
    audio.ARCHITECTURE,
)

# Written out because a type checker reads a union, not a loop; a test holds it to ARCHITECTURES.
AnyArchitecture: TypeAlias = Annotated[
    lenet5.LeNet5Spec
    | small_cnn.SmallCnnSpec
    | pilotnet.PilotNetSpec
    | kim.KimSpec
    | go8.Go8Spec
    | autoencoder.AutoencoderSpec
    | resnet_small.ResNetSmallSpec
    | audio.AudioSpec,
    Field(discriminator="architecture"),
]

_BY_NAME = {architecture.name: architecture for architecture in ARCHITECTURES}


def architecture_of(spec: ArchitectureSpec) -> Architecture[Any]:
    """Return the architecture that ``spec`` describes.

    Examples
    --------
    >>> architecture_of(pilotnet.PilotNetSpec(architecture="pilotnet")).input
    (3, 66, 200)
    """
    return _BY_NAME[spec.architecture]
