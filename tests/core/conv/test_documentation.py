"""The example of docs/adding-an-algorithm.md is an algorithm that passes the contract."""

import re
from pathlib import Path

import numpy as np

from core.conv import ALGORITHMS, Algorithm, plan
from core.conv.blocks import never
from core.conv.device import cpu

DOCUMENT = Path(__file__).parents[3] / "docs" / "adding-an-algorithm.md"


def test_the_example_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    module: dict[str, Algorithm] = {}
    exec(code, module)  # type: ignore[arg-type]
    algorithm = module["ALGORITHM"]
    x, w = np.arange(24.0).reshape(2, 1, 12), np.array([[[2.0]], [[3.0]]])
    form = plan(x, w, "conv", stride=2, padding=1).problem.normal
    assert algorithm.refuses(form) is None
    assert algorithm.cost(form, cpu(), None).seconds > 0
    out = np.empty(form.out_shape)
    algorithm.run(form, x, w, out, check=never, memory_cap=None)
    expected = np.pad(x, ((0, 0), (0, 0), (1, 1)))[..., ::2] * w[:, 0]
    np.testing.assert_array_equal(out, expected)
    assert algorithm.refuses(plan((9,), (2,)).problem.normal)


def test_the_documented_parts_are_in_every_file() -> None:
    for algorithm in ALGORITHMS:
        path = Path("core/conv/algorithms") / f"{algorithm.name.replace('-', '_')}.py"
        source = (DOCUMENT.parents[1] / path).read_text()
        parts = ["def refuses(", "def cost(", "def error_bound(", "def run(", "ALGORITHM ="]
        at = [source.index(part) for part in parts]
        assert at == sorted(at), path
