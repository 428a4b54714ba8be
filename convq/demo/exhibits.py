"""What the demo shows: each exhibit is one job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from convq.demo import sources
from core.kernels import PRESETS

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Exhibit:
    """One job, and how to show it.

    Attributes
    ----------
    slug : str
        Name for files and links.
    title : str
        For people.
    text : str
        One or two sentences: what the filter does here.
    inputs : tuple of Path
        Files to filter.
    spec : dict
        The rest of the job, as `convq.Client.submit` takes it: kernel and options.
    kernel : ndarray of float64, shape (M, *K)
        The taps, to draw them.
    view : {"picture", "detail", "maps", "sheet", "sound"}
        ``detail`` shows a part at full size, ``maps`` several outputs of one input, ``sheet`` many
        small pictures.
    """

    slug: str
    title: str
    text: str
    inputs: tuple[Path, ...]
    spec: dict[str, Any]
    kernel: FloatArray
    view: Literal["picture", "detail", "maps", "sheet", "sound"] = "picture"

    @property
    def command(self) -> str:
        """The same job on the command line."""
        names = [path.name for path in self.inputs]
        files = " ".join(names) if len(names) <= 2 else "photographs/*"
        options = [f"--{name} {value}" for name, value in self.spec.items() if name != "kernel"]
        return " ".join([f"convq submit convolve {files} --kernel {self.kernel_words}", *options])

    @property
    def kernel_words(self) -> str:
        """The kernel as one writes it on the command line."""
        kernel = self.spec["kernel"]
        if isinstance(kernel, Path):
            return kernel.name
        parameters = [f"{name}={value:g}" for name, value in kernel.items() if name != "preset"]
        return ":".join([kernel["preset"], *([",".join(parameters)] if parameters else [])])


def make_exhibits(folder: Path) -> list[Exhibit]:
    """Write the inputs into `folder` and return all exhibits, quick ones first.

    Raises
    ------
    NotFound
        When scikit-image is not installed.
    """

    def photograph(name: str) -> tuple[Path, ...]:
        return (sources.photograph(name, folder),)

    large = (sources.large_photograph(folder),)
    gabors = np.concatenate(
        [preset_stack("gabor", 2, wavelength=9.0, angle=22.5 * turn) for turn in range(8)]
    )
    lowpass = low_pass(cutoff=2_000.0, taps=255)
    return [
        _preset(
            "gaussian",
            "Soft focus",
            "A Gaussian blur with a standard deviation of two pixels.",
            photograph("coffee.png"),
            sigma=2.0,
        ),
        _preset(
            "sobel-magnitude",
            "Outlines",
            "Two gradients, across and down, and the length of the vector that they make.",
            photograph("camera.png"),
        ),
        _preset(
            "emboss",
            "Relief",
            "A slope of weights along the diagonal lights the coins from one side.",
            photograph("coins.png"),
        ),
        _preset(
            "unsharp",
            "Craters",
            "Unsharp masking: the picture, plus what a blur would take away from it.",
            photograph("moon.png"),
            sigma=3.0,
            amount=2.0,
        ),
        _preset(
            "motion-blur",
            "Speed",
            "The path of a camera that moved while the shutter was open, 41 pixels to the side.",
            photograph("motorcycle_left.png"),
            length=41.0,
            angle=0.0,
        ),
        _preset(
            "disk",
            "Out of focus",
            "What a lens with a round aperture does: every point becomes a disk 63 pixels wide.",
            photograph("astronaut.png"),
            radius=31.0,
        ),
        Exhibit(
            slug="gabor-bank",
            title="Eight directions at once",
            text="A bank of eight Gabor kernels, a half turn in steps of 22.5 degrees: eight "
            "feature maps from one job, as the first layer of a convnet would make them.",
            inputs=photograph("brick.png"),
            spec={
                "kernel": _saved(gabors, folder / "gabors.npy"),
                "output": "png",
                "range": "rescale",
            },
            kernel=gabors,
            view="maps",
        ),
        Exhibit(
            slug="low-pass",
            title="Less hiss",
            text="Signals are convolved too: 255 taps of a windowed sinc keep what is below 2 kHz. "
            "The strings are computed, the hiss on them is noise.",
            inputs=(sources.recording(folder),),
            spec={"kernel": _saved(lowpass, folder / "low-pass.npy"), "boundary": "zero"},
            kernel=lowpass[np.newaxis],
            view="sound",
        ),
        _preset(
            "sobel-magnitude",
            "A whole folder",
            "All photographs in one job. One of the files is damaged on purpose: it fails alone "
            "and is named, the others are delivered.",
            (
                *(sources.photograph(name, folder) for name in sources.PHOTOGRAPHS),
                sources.damaged_photograph(folder),
            ),
            slug="folder",
            view="sheet",
        ),
        _preset(
            "box",
            "24 megapixels, 3 × 3",
            "A large, grainy picture and a small kernel: each pixel becomes the mean of nine.",
            large,
            slug="large-3x3",
            view="detail",
        ),
        _preset(
            "disk",
            "24 megapixels, 63 × 63",
            "The same picture and 441 times as many taps: every star becomes a disk.",
            large,
            slug="large-63x63",
            view="detail",
            radius=31.0,
        ),
    ]


def preset_stack(name: str, ndim: int, **parameters: Any) -> FloatArray:
    """Return the taps of a preset, shape (M, *K).

    Examples
    --------
    >>> preset_stack("box", 2, size=3).shape
    (1, 3, 3)
    """
    preset = next(preset for preset in PRESETS if preset.name == name)
    model = preset.parameters.model_validate({"preset": name, **parameters})
    return preset.build(model, ndim).stack


def low_pass(cutoff: float, taps: int) -> FloatArray:
    """Design a low-pass filter: a sinc under a Hamming window, with sum 1.

    Parameters
    ----------
    cutoff : float
        In Hz, for :data:`convq.demo.sources.SAMPLE_RATE`.
    taps : int
        Odd number of taps.

    Returns
    -------
    ndarray of float64, shape (taps,)

    Examples
    --------
    >>> round(float(low_pass(2000.0, 255).sum()), 12)
    1.0
    """
    time = np.arange(taps) - taps // 2
    kernel: FloatArray = np.sinc(2 * cutoff / sources.SAMPLE_RATE * time) * np.hamming(taps)
    kernel /= kernel.sum()
    return kernel


def _saved(kernel: FloatArray, path: Path) -> Path:
    np.save(path, kernel)
    return path


def _preset(
    preset: str,
    title: str,
    text: str,
    inputs: tuple[Path, ...],
    *,
    slug: str | None = None,
    view: Literal["picture", "detail", "sheet"] = "picture",
    **parameters: float,
) -> Exhibit:
    return Exhibit(
        slug=slug or preset,
        title=title,
        text=text,
        inputs=inputs,
        spec={"kernel": {"preset": preset, **parameters}},
        kernel=preset_stack(preset, 2, **parameters),
        view=view,
    )
