"""The measurements of ``convq calibrate``: what they say, and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from convq.units import dimensions
from core.errors import Unavailable

if TYPE_CHECKING:
    from core.conv import Calibration
    from core.conv.calibrate import Row

# Two runs of the same thing differ by as much on a machine with nothing else to do.
_NOISE = 1.05
# From which side on others take the FFT for a square kernel, whatever the machine: SciPy's
# `choose_conv_method` by fitted constants, OpenCV's `filter2D` by area (130 taps with AVX; its
# crossCorr otherwise). PyTorch's CPU convolution has no FFT.
_FIXED_RULES = {"SciPy: from 3 on": 3.0, "OpenCV: from 130 taps on": 130**0.5}


def remarks(calibration: Calibration) -> str:
    """Say what the column ``chosen`` means, and where a measurement disagrees with it.

    Returns
    -------
    str
        One or two lines.
    """
    meaning = "chosen: what the planner takes, by the constants that were just measured"
    sides = [f"{row.kernel}x{row.kernel}" for row in calibration.rows if _disagrees(row)]
    if not sides:
        return meaning
    return (
        f"{meaning}\nanother was measured faster for {', '.join(sides)}: "
        "predictions are not exact,\nand on a busy machine neither are measurements"
    )


def plot(calibration: Calibration, path: Path) -> None:
    """Draw the measured times over the side of the kernel, as a PNG file.

    Parameters
    ----------
    calibration : Calibration
        What was measured.
    path : Path
        The file to write.

    Raises
    ------
    Unavailable
        If Matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise Unavailable(
            "the plot needs Matplotlib", accepted="pip install 'convq[plot]'"
        ) from None
    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.add_subplot()
    for name in calibration.rows[0].seconds:
        points = [
            (row.kernel, seconds * 1e3)
            for row in calibration.rows
            if (seconds := row.seconds[name]) is not None
        ]
        if points:
            axes.loglog(*zip(*points, strict=True), marker="o", label=name)
    chosen = [
        (row.kernel, seconds * 1e3)
        for row in calibration.rows
        if (seconds := row.seconds.get(row.chosen)) is not None
    ]
    axes.loglog(*zip(*chosen, strict=True), color="black", linewidth=5, alpha=0.25, label="chosen")
    for (rule, side), style in zip(_FIXED_RULES.items(), ("--", "-."), strict=True):
        axes.axvline(side, color="silver", linestyle=style, label=rule)
    axes.plot([], [], " ", label="PyTorch: never")
    if calibration.crossover is not None:
        axes.axvline(
            calibration.crossover, color="grey", linestyle=":", label="FFT faster than direct"
        )
    ticks = [row.kernel for row in calibration.rows]
    axes.set_xticks(ticks, [str(k) for k in ticks], minor=False)
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("side of the square kernel, in values")
    axes.set_ylabel("time of one convolution, in milliseconds")
    axes.set_title(
        f"Convolving {dimensions(calibration.shape)} float32 values, mode same\n"
        f"(separable: a kernel of rank 1), {calibration.device.name}"
    )
    # Beside the axes, where no point can lie.
    figure.legend(loc="outside right upper")
    figure.savefig(path, format="png", dpi=120)


def _disagrees(row: Row) -> bool:
    # Separable was timed with a kernel of rank 1, which is not the one that was planned for.
    seconds = {name: s for name, s in row.seconds.items() if s is not None and name != "separable"}
    chosen = seconds.get(row.chosen)
    return chosen is not None and chosen > _NOISE * min(seconds.values())
