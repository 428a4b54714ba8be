"""Options that several commands have in common, each declared once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import typer

from convq.cli import completion
from convq.cli.kernel import parse_kernel
from core.needs import Wish
from core.store.states import Priority

Mode: TypeAlias = Literal["full", "same", "valid"]
Boundary: TypeAlias = Literal["zero", "constant", "reflect", "mirror", "nearest", "wrap"]
Normalize: TypeAlias = Literal["none", "sum", "size", "l2", "softmax"]
Operation: TypeAlias = Literal["convolution", "correlation"]
Output: TypeAlias = Literal["same", "npy", "png"]
Range: TypeAlias = Literal["clip", "rescale", "signed"]
Precision: TypeAlias = Literal["float32", "tf32", "bfloat16"]

_KERNEL = "The kernel"
_CONVOLUTION = "The convolution"
_RESULT = "The result"

Url = Annotated[
    str | None,
    typer.Option(
        envvar="CONVQ_URL", metavar="URL", help="Address of the service.", show_default=False
    ),
]
PlanOnly = Annotated[
    bool,
    typer.Option("--plan", help="Show how it would be done and what it would take; queue nothing."),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout, and nothing else there.")]
JobId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        autocompletion=completion.job_ids,
        help="The job's id, or its first letters if they suffice.",
    ),
]
Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...",
        show_default=False,
        help="Pictures, .npy, .npz or WAV files; a folder stands for the files in it.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="FOLDER", help="Download the results to here.", show_default=False
    ),
]
Label = Annotated[str | None, typer.Option(help="A name to find the job by.", show_default=False)]
Detach = Annotated[bool, typer.Option("--detach", "-d", help="Print the job's id and do not wait.")]
KernelOption = Annotated[
    str,
    typer.Option(
        "--kernel",
        "-k",
        metavar="KERNEL",
        show_default=False,
        autocompletion=completion.presets,
        rich_help_panel=_KERNEL,
        help="A preset with parameters (gaussian:sigma=2), nested lists ('[[0,1],[1,0]]'), a "
        "file (k.npy) or a digest. See convq kernels.",
    ),
]
NormalizeOption = Annotated[
    Normalize | None,
    typer.Option(
        "--normalize",
        metavar="BY",
        rich_help_panel=_KERNEL,
        help="Divide it by its sum, size or l2 norm, or take its softmax. \\[default: none]",
    ),
]
ModeOption = Annotated[
    Mode | None,
    typer.Option(
        "--mode",
        metavar="MODE",
        rich_help_panel=_CONVOLUTION,
        help="Size of the result: full, same or valid. \\[default: same]",
    ),
]
BoundaryOption = Annotated[
    Boundary | None,
    typer.Option(
        "--boundary",
        metavar="NAME",
        rich_help_panel=_CONVOLUTION,
        help="What lies outside the input: zero, constant, reflect, mirror, nearest or wrap. "
        "\\[default: reflect]",
    ),
]
CvalOption = Annotated[
    float | None,
    typer.Option(
        "--cval",
        metavar="NUMBER",
        rich_help_panel=_CONVOLUTION,
        help="The value outside, for boundary constant. \\[default: 0]",
    ),
]
PrecisionOption = Annotated[
    Precision | None,
    typer.Option(
        "--precision",
        metavar="NAME",
        rich_help_panel=_CONVOLUTION,
        help="What float32 numbers may be rounded to before a GPU multiplies them: float32, tf32 "
        "or bfloat16. \\[default: float32]",
    ),
]
TileOption = Annotated[
    list[int] | None,
    typer.Option(
        "--tile",
        metavar="SIDE",
        rich_help_panel=_CONVOLUTION,
        help="Side of the tiles of a chunked array; once for each of its axes. "
        "\\[default: by predicted time]",
    ),
]
AxisOption = Annotated[
    list[int] | None,
    typer.Option(
        "--axis",
        metavar="AXIS",
        rich_help_panel=_CONVOLUTION,
        help="Convolve along this axis; may be repeated. \\[default: the first ones]",
    ),
]
OperationOption = Annotated[
    Operation | None,
    typer.Option(
        "--operation",
        metavar="NAME",
        rich_help_panel=_CONVOLUTION,
        help="convolution, or correlation, which does not flip the kernel. "
        "\\[default: convolution]",
    ),
]
MethodOption = Annotated[
    str | None,
    typer.Option(
        "--method",
        metavar="NAME",
        rich_help_panel=_CONVOLUTION,
        help="The algorithm; convq plan lists them. \\[default: auto, the fastest by prediction]",
    ),
]
OutputOption = Annotated[
    Output | None,
    typer.Option(
        "--output",
        metavar="FORMAT",
        rich_help_panel=_RESULT,
        help="same as the input, npy for full precision, or png. \\[default: same]",
    ),
]
ArrayOutput = Annotated[
    Literal["same", "npy"] | None,
    typer.Option(metavar="FORMAT", help="same as the input, or npy. \\[default: same]"),
]
RangeOption = Annotated[
    Range | None,
    typer.Option(
        "--range",
        metavar="POLICY",
        rich_help_panel=_RESULT,
        help="How values get into a picture: clip, rescale, or signed with zero at mid-grey. "
        "\\[default: clip]",
    ),
]
PriorityOption = Annotated[
    Priority | None,
    typer.Option(
        "--priority",
        metavar="NAME",
        help="interactive goes first, batch last. \\[default: normal]",
    ),
]
DeviceOption = Annotated[
    Wish | None,
    typer.Option(
        "--device",
        metavar="KIND",
        help="Only workers with a GPU run it (gpu), or only those without (cpu). \\[default: auto]",
    ),
]


def convolve_spec(
    kernel: str,
    *,
    normalize: Normalize | None,
    mode: Mode | None,
    boundary: Boundary | None,
    cval: float | None,
    axes: Sequence[int] | None,
    operation: Operation | None,
    method: str | None,
    precision: Precision | None,
    output: Output | None,
    range_policy: Range | None,
    tile_shape: Sequence[int] | None,
) -> dict[str, Any]:
    """Return what the options say of a job; the service knows the defaults of the others."""
    options = {
        "kernel": parse_kernel(kernel),
        "normalize": normalize,
        "mode": mode,
        "boundary": boundary,
        "cval": cval,
        "axes": axes or None,
        "operation": operation,
        "method": method,
        "precision": precision,
        "output": output,
        "range": range_policy,
        "tile_shape": tile_shape or None,
    }
    return {name: value for name, value in options.items() if value is not None}
