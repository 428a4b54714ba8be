"""What the user may say about a data set beside its file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.errors import InvalidInput

Side = Annotated[int, Field(ge=1, le=4096)]


class DataOptions(BaseModel):
    """How to read a data set; each is left out where the file says all there is to say.

    Examples
    --------
    >>> DataOptions(resize=[28, 28], colour="grey").given()
    ('colour', 'resize')
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    reconstruct: bool = Field(
        default=False,
        description="Ignore labels: what a net should give for an image is the image.",
    )
    channels: Literal["first", "last", "none"] | None = Field(
        default=None,
        description="Where the channels of an array x lie. By default: nowhere in (N, H, W); last "
        "if that axis has 1, 3 or 4 of them and the first after N has not; else first.",
    )
    colour: Literal["grey", "rgb"] | None = Field(
        default=None, description="Make every picture so; transparency is dropped."
    )
    resize: list[Side] | None = Field(
        default=None,
        min_length=2,
        max_length=2,
        description="Height and width to which every picture is stretched.",
    )
    samples: int | None = Field(
        default=None,
        ge=1,
        le=1 << 24,
        description="Length of every recording: what is longer is cut, what is shorter gets "
        "silence at its end.",
    )
    words: int | None = Field(
        default=None,
        ge=1,
        le=1 << 14,
        description="Length of every text: what is longer is cut; by default that of the longest.",
    )
    vocabulary: int = Field(
        default=20_000,
        ge=1,
        le=1 << 20,
        description="How many words are known at most, those that occur most often.",
    )

    def given(self) -> tuple[str, ...]:
        """Return the names of the options that differ from their defaults, sorted."""
        fields = type(self).model_fields
        return tuple(sorted(n for n, f in fields.items() if getattr(self, n) != f.default))


def check_options(options: DataOptions, accepted: tuple[str, ...], format_name: str) -> None:
    """Refuse options that say nothing about a format.

    Raises
    ------
    InvalidInput
        Names the option.
    """
    for name in options.given():
        if name not in (*accepted, "reconstruct"):
            value: Any = getattr(options, name)
            raise InvalidInput(
                f"this option says nothing about a data set of the format {format_name}",
                field=f"data.{name}",
                given=value,
                accepted=["reconstruct", *accepted],
            )
