"""What a user decides about a training."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from core.conv.precision import Precision
from core.nets.augment import AnyAugment
from core.nets.losses import AnyLoss
from core.nets.optimisers import AnyOptimiser
from core.nets.optimisers.adam import AdamSpec
from core.nets.schedules import AnySchedule
from core.nets.schedules.one_cycle import OneCycleSpec

Metric: TypeAlias = Literal["validation_loss", "validation_accuracy"]


class EarlyStopping(BaseModel):
    """Stop when validation has not become better for a while, and keep the best weights."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    patience: int = Field(ge=1, le=10_000, description="Epochs without a better one to bear.")
    metric: Metric = Field(
        default="validation_loss",
        description="What is watched; accuracy is known of classes only.",
    )


class TrainOptions(BaseModel):
    """Everything about a training but the net and the data.

    Examples
    --------
    >>> TrainOptions(epochs=3).optimiser.optimiser
    'adam'
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    epochs: int = Field(ge=1, le=100_000, description="Passes over the data.")
    batch: int = Field(default=128, ge=1, le=65_536, description="Images per step.")
    seed: int = Field(
        default=0,
        ge=0,
        lt=1 << 32,
        description="Of first weights, order, augmentation, dropout and validation images.",
    )
    loss: AnyLoss | None = Field(
        default=None, description="By default cross_entropy for classes and mse for numbers."
    )
    optimiser: AnyOptimiser = AdamSpec(optimiser="adam")
    schedule: AnySchedule = OneCycleSpec(schedule="one_cycle", rate=0.003)
    precision: Precision | Literal["mixed"] = Field(
        default="float32",
        description="What a GPU may round float32 numbers to before layers multiply them: to "
        "nothing less; to tf32, eleven significant bits; or to bfloat16, eight. Processors "
        "compute in float32. With mixed, on a GPU only, layers that can do with it read and "
        "return float16. Sums, weights and the steps from them stay float32.",
    )
    standardize: bool = Field(
        default=True,
        description="Put a layer in front that brings each channel to mean 0 and deviation 1, "
        "measured on the images to learn from; not of words.",
    )
    augment: list[AnyAugment] = Field(
        default=[], max_length=16, description="Changes to the images of each batch, in order."
    )
    clip: float | None = Field(
        default=None, gt=0, le=1e6, description="Longest gradient, all parameters as one vector."
    )
    ema: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Decay of a moving average of the weights, such as 0.999, which then is what "
        "is validated and delivered.",
    )
    validation: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="Share of each class to keep aside; 0 for none, and not used where a data set "
        "for validation is given.",
    )
    early_stopping: EarlyStopping | None = None
    checkpoint_seconds: float = Field(
        default=30.0, ge=0, le=86_400, description="Time between checkpoints."
    )

    @property
    def products(self) -> Precision:
        """What layers may multiply in place of float32 numbers; float16 is none of that."""
        return "float32" if self.precision == "mixed" else self.precision
