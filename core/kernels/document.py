"""docs/kernels.md, written from the registry: ``python -m core.kernels.document docs/kernels.md``.

A test compares the file with what this module writes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from core.kernels.kernel import FloatArray
from core.kernels.preset import Preset
from core.kernels.registry import PRESETS

_HEAD = """\
# Kernel presets

A job names a preset and its parameters in one flat object:
`"kernel": {"preset": "gaussian", "sigma": 2}`. A parameter that is left out has its default; one
that the preset does not have is an error.

The arrays below are 2-D, for the default parameters, rounded to four digits, and stated for the
operation `convolution` (which flips the kernel). With `correlation` the derivatives change sign
and `emboss` is lit from the lower right. Where a preset has several arrays the result is the
magnitude: the square root of the sum of the squared outputs. In 3-D it has one array per axis.

A kernel has at most 4096 taps a side and 16777216 in all.

`"normalize"` scales every kernel of a bank by itself: `none` leaves it as it is; `sum` divides by
the sum of the taps, which keeps the brightness, and refuses a sum of zero (as derivatives have);
`size` divides by the number of taps (by 9 for 3x3); `l2` divides by the Euclidean norm; `softmax`
replaces each tap by its share of the exponentials. `box`, `gaussian`, `disk` and `motion-blur`
have sum 1 already.

This page is written by `python -m core.kernels.document docs/kernels.md`.
"""


def render() -> str:
    """Return the text of docs/kernels.md.

    Returns
    -------
    str
        Markdown: for each preset its summary, dimensions, parameters and array.

    Examples
    --------
    >>> "## sobel-x" in render()
    True
    """
    return _HEAD + "".join(_section(preset) for preset in PRESETS)


def _section(preset: Preset[Any]) -> str:
    kernel = preset.default()
    dimensions = ", ".join(f"{ndim}-D" for ndim in preset.dimensions)
    arrays = "\n\n".join(_array(taps) for taps in kernel.stack)
    heading = "Array" if kernel.combine is None else f"Arrays, combined by {kernel.combine}"
    return (
        f"\n## {preset.name}\n\n{preset.summary} Inputs: {dimensions}.\n"
        f"{_parameters(preset)}\n{heading}:\n\n```\n{arrays}\n```\n"
    )


def _parameters(preset: Preset[Any]) -> str:
    properties: dict[str, dict[str, Any]] = preset.parameters.model_json_schema()["properties"]
    rows = [
        f"| `{name}` | {_default(facts)} | {_range(facts)} | {facts['description']} |\n"
        for name, facts in properties.items()
        if name != "preset"
    ]
    if not rows:
        return ""
    return f"\n| parameter | default | accepted | meaning |\n|---|---|---|---|\n{''.join(rows)}"


def _default(facts: dict[str, Any]) -> str:
    return "null" if facts["default"] is None else str(facts["default"])


def _range(facts: dict[str, Any]) -> str:
    if "enum" in facts:
        return ", ".join(facts["enum"])
    limits = next((part for part in facts.get("anyOf", ()) if part["type"] == "number"), facts)
    low = limits.get("minimum", limits.get("exclusiveMinimum"))
    above = "above " if "exclusiveMinimum" in limits else ""
    return f"{above}{low} to {limits['maximum']}"


def _array(taps: FloatArray) -> str:
    rows = [[f"{round(tap, 4) + 0.0:g}" for tap in row] for row in taps.tolist()]
    width = max(len(tap) for row in rows for tap in row)
    return "\n".join("  ".join(tap.rjust(width) for tap in row) for row in rows)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
