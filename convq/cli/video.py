"""``convq video``: filters over space and time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from convq.cli.options import (
    ArrayOutput,
    BoundaryOption,
    CvalOption,
    KernelOption,
    NormalizeOption,
)
from convq.cli.submitting import Work, columns, submits


@submits("video")
def video(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            show_default=False,
            help=".npy (T, H, W) or (T, H, W, C), or, with --sequence, pictures; a folder "
            "stands for the files in it, by name.",
        ),
    ],
    kernel: KernelOption,
    normalize: NormalizeOption = None,
    over: Annotated[
        Literal["frames", "time", "volume"] | None,
        typer.Option(
            metavar="WHAT",
            help="frames (each alone), time (each pixel) or volume (both). \\[default: volume]",
        ),
    ] = None,
    sequence: Annotated[
        bool, typer.Option("--sequence", help="The files are the frames of one video, in order.")
    ] = False,
    boundary: BoundaryOption = None,
    cval: CvalOption = None,
    frames: Annotated[
        int | None, typer.Option(min=0, help="Frames in a film of it. \\[default: 0, no film]")
    ] = None,
    output: ArrayOutput = None,
) -> Work:
    """Filter videos: arrays of frames, or sequences of pictures.

    [bold]convq video clip.npy -k box:size=5 --over time --out calm/[/bold]

    [bold]convq video frames/ --sequence -k gaussian:sigma=2 --over frames --out soft/[/bold]
    """
    from convq.cli.kernel import parse_kernel

    fields = {
        "kernel": parse_kernel(kernel),
        "normalize": normalize,
        "over": over,
        "sequence": sequence or None,
        "boundary": boundary,
        "cval": cval,
        "frames": frames,
        "output": output,
    }
    return Work(files, fields, show=columns("-video.json", frames="frames", over="over"))
