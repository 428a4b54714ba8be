"""What a sweep tries: values for fields of a training, all combinations or some at random."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import InvalidInput
from core.jobs.train import TrainSpec

MOST = 200
# What a sweep itself decides, or what says nothing about the training.
_FIXED = frozenset({"kind", "label", "until", "start"})
# Draws per candidate before a search gives up on finding more that differ.
_PATIENCE = 50

Values: TypeAlias = Annotated[list[Any], Field(min_length=1, max_length=MOST)]


class Range(BaseModel):
    """Numbers to draw from."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    low: float = Field(description="The least.")
    high: float = Field(description="The greatest.")
    scale: Literal["linear", "log"] = Field(
        default="linear", description="Whether differences or ratios are equally likely."
    )
    whole: bool = Field(default=False, description="Only whole numbers.")


def candidates(
    train: TrainSpec, vary: Mapping[str, Values | Range], trials: int | None, seed: int
) -> list[tuple[dict[str, Any], TrainSpec]]:
    """Return what each candidate has of its own, and its training.

    Parameters
    ----------
    train : TrainSpec
        What they have in common.
    vary : mapping
        By the path of a field, such as ``options.batch``: values, or a range.
    trials : int, optional
        So many at random; by default all combinations of the values.
    seed : int
        Of the random choice.

    Raises
    ------
    InvalidInput
        If a path leads nowhere, a value is not acceptable there, or there are too many.

    Examples
    --------
    >>> train = TrainSpec.model_validate(
    ...     {
    ...         "kind": "train",
    ...         "data": "sha256:" + "0" * 64,
    ...         "model": {"architecture": "lenet5"},
    ...         "options": {"epochs": 1},
    ...     }
    ... )
    >>> found = candidates(train, {"options.batch": [32, 64], "options.seed": [0, 1]}, None, 0)
    >>> [values["options.batch"] for values, _ in found]
    [32, 32, 64, 64]
    """
    chosen = _grid(vary) if trials is None else _random(vary, trials, seed)
    return [(values, _changed(train, values)) for values in chosen]


def _grid(vary: Mapping[str, Values | Range]) -> list[dict[str, Any]]:
    columns: list[Sequence[Any]] = []
    for path, values in vary.items():
        if isinstance(values, Range):
            raise InvalidInput(
                "a range has no end of values",
                field=f"vary.{path}",
                given=values.model_dump(),
                accepted="a list of values, or trials, which draws so many at random",
            )
        columns.append(values)
    count = math.prod(map(len, columns))
    if count > MOST:
        raise InvalidInput(
            "these are too many combinations",
            field="vary",
            given=count,
            accepted=f"at most {MOST}; or trials, which takes so many at random",
        )
    return [dict(zip(vary, row, strict=True)) for row in product(*columns)]


def _random(vary: Mapping[str, Values | Range], trials: int, seed: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    found: dict[str, dict[str, Any]] = {}
    for _ in range(_PATIENCE * trials):
        values = {path: _drawn(path, choice, random) for path, choice in vary.items()}
        found.setdefault(json.dumps(values, sort_keys=True), values)
        if len(found) == trials:
            break
    return list(found.values())


def _drawn(path: str, choice: Values | Range, random: np.random.Generator) -> Any:
    if not isinstance(choice, Range):
        return choice[int(random.integers(len(choice)))]
    if choice.low > choice.high or (choice.scale == "log" and choice.low <= 0):
        raise InvalidInput(
            "there is nothing between these numbers",
            field=f"vary.{path}",
            given=choice.model_dump(),
            accepted="low not above high, and above 0 for log",
        )
    if choice.scale == "log":
        value = math.exp(random.uniform(math.log(choice.low), math.log(choice.high)))
    else:
        value = random.uniform(choice.low, choice.high)
    return round(value) if choice.whole else float(value)


def _changed(train: TrainSpec, values: Mapping[str, Any]) -> TrainSpec:
    document = train.model_dump(mode="json")
    for path, value in values.items():
        _set(document, path, value)
    try:
        return TrainSpec.model_validate(document)
    except ValidationError as error:
        raise InvalidInput(
            f"not acceptable in a training: {error.errors()[0]['msg']}",
            field="vary",
            given=dict(values),
        ) from error


def _set(document: Any, path: str, value: Any) -> None:
    *way, last = path.split(".")
    at = document
    for name in way:
        at = at[_key(at, name, path)]
    if path in _FIXED:
        raise InvalidInput("a sweep cannot vary this", field=f"vary.{path}")
    at[_key(at, last, path)] = value


def _key(at: Any, name: str, path: str) -> Any:
    places = {str(place): place for place in range(len(at))} if isinstance(at, list) else {}
    known = {key: key for key in at} if isinstance(at, dict) else places
    if name not in known:
        raise InvalidInput(
            "there is no such field in the training",
            field=f"vary.{path}",
            given=name,
            accepted=list(known) or "a shorter path",
        )
    return known[name]
