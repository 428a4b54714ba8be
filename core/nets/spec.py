"""The description of a net: what comes in, and its layers in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias, Union

from pydantic import BaseModel, ConfigDict, Field

from core.nets.layer import LayerSpec
from core.nets.layers import LAYERS

if TYPE_CHECKING:
    AnyLayerSpec: TypeAlias = LayerSpec
else:
    # Pydantic takes the union from the registry; a type checker cannot, and needs the base only.
    AnyLayerSpec = Annotated[
        Union[tuple(layer.spec for layer in LAYERS)],  # noqa: UP007
        Field(discriminator="layer"),
    ]

Length = Annotated[int, Field(ge=1, le=1 << 24)]


class NetSpec(BaseModel):
    """A net: a small graph of layers, of which each reads earlier ones, and the last is the output.

    Examples
    --------
    >>> spec = NetSpec.model_validate(
    ...     {
    ...         "input": [1, 28, 28],
    ...         "layers": [{"layer": "flatten"}, {"layer": "dense", "features": 10}],
    ...     }
    ... )
    >>> spec.layers[1].layer
    'dense'
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    input: list[Length] = Field(
        min_length=1,
        max_length=4,
        description="The shape of one image, channels first: [1, 28, 28]; [T] for T words.",
    )
    layers: list[AnyLayerSpec] = Field(
        min_length=1, max_length=1000, description="In order; each reads the one before or `inputs`"
    )
