"""docs/training.md: its examples run, and its table has every option."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.nets.model import load
from core.nets.training.options import TrainOptions

PAGE = (Path(__file__).parents[4] / "docs" / "training.md").read_text()


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = random.integers(0, 50, (60, 20, 20)) + 60 * y[:, None, None]
    np.savez("mnist-small.npz", x=x.astype(np.uint8), y=y)
    # The third needs a GPU, the last a service: tests/end_to_end/test_training.py.
    first, second, *_ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {"Path": Path}
    exec(first, names)
    model = load("digits.safetensors")
    # A few images run through other kernels than many do.
    np.testing.assert_allclose(
        model.run(x[:5, None].astype(np.uint8)),
        names["trainer"].network.run(names["trained"].weights, x[:5, None].astype(np.uint8)),
        rtol=1e-4,
        atol=1e-5,
    )
    weights = names["trained"].weights
    exec(second, names)
    for name, array in names["trained"].weights.items():
        np.testing.assert_array_equal(array, weights[name])


def test_every_option_is_listed_in_order() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert listed == list(TrainOptions.model_fields)


@pytest.mark.parametrize("name", TrainOptions.model_fields)
def test_descriptions_and_defaults_are_those_of_the_option(name: str) -> None:
    (default, meaning) = re.findall(rf"^\| `{name}` \| (.*?) ?\| (.*) \|$", PAGE, re.MULTILINE)[0]
    field = TrainOptions.model_fields[name]
    if field.description is not None:
        assert meaning == field.description
    if isinstance(field.default, int | float):
        assert default == f"{field.default:g}" or default == str(field.default).lower()
