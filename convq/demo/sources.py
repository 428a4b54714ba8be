"""The demo's material: photographs that ship with scikit-image, and a computed recording."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import wavfile

from core.errors import NotFound

PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
    "text.png",
)

SAMPLE_RATE = 22_050


def photograph(name: str, folder: Path) -> Path:
    """Copy a photograph that is part of the installed scikit-image into `folder`.

    Parameters
    ----------
    name : str
        One of :data:`PHOTOGRAPHS`.
    folder : Path
        Where to put it.

    Returns
    -------
    Path
        Of the copy.

    Raises
    ------
    NotFound
        When scikit-image is not installed, or has no such file.
    """
    copy = folder / name
    try:
        with as_file(files("skimage.data") / name) as original:
            copy.write_bytes(original.read_bytes())
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise NotFound(
            "the demo's photographs come with scikit-image",
            given=name,
            accepted="pip install 'convq[demo]'",
        ) from error
    return copy


def large_photograph(folder: Path) -> Path:
    """Make a colour photograph of 24 megapixels: the Hubble deep field, enlarged, with grain.

    Returns
    -------
    Path
        A JPEG file of 5250 x 4578 pixels.
    """
    large = folder / "hubble-24-megapixels.jpg"
    with Image.open(photograph("hubble_deep_field.jpg", folder)) as original:
        enlarged = np.asarray(original.resize((5250, 4578), Image.Resampling.BICUBIC))
    grain = np.random.default_rng(seed=1995).integers(-24, 25, enlarged.shape[:2], np.int16)
    grainy = np.clip(enlarged + grain[..., np.newaxis], 0, 255).astype(np.uint8)
    Image.fromarray(grainy).save(large, quality=90)
    return large


def damaged_photograph(folder: Path) -> Path:
    """Make a photograph whose second half never arrived."""
    whole = photograph("coffee.png", folder).read_bytes()
    damaged = folder / "damaged.png"
    damaged.write_bytes(whole[: len(whole) // 2])
    return damaged


def recording(folder: Path) -> Path:
    """Make a recording: four plucked strings, and the hiss of a poor microphone.

    The strings are computed, not recorded [1]_.

    Returns
    -------
    Path
        A 16-bit mono WAV file of 3.5 s at 22.05 kHz.

    References
    ----------
    .. [1] K. Karplus and A. Strong, "Digital Synthesis of Plucked-String and Drum Timbres",
       Computer Music Journal 7 (2), 1983.
    """
    random = np.random.default_rng(seed=1983)
    sound = np.zeros(int(3.5 * SAMPLE_RATE))
    for start, frequency in ((0.0, 220.0), (0.5, 277.2), (1.0, 329.6), (1.5, 440.0)):
        first = int(start * SAMPLE_RATE)
        sound[first:] += pluck(frequency, sound.size - first, random)
    sound *= 0.5 / np.abs(sound).max()
    # Hiss lives mostly in the high octaves: the difference of white noise.
    sound += 0.06 * np.diff(random.standard_normal(sound.size + 1))
    path = folder / "strings.wav"
    wavfile.write(path, SAMPLE_RATE, (sound.clip(-1, 1) * 32767).astype(np.int16))
    return path


def pluck(frequency: float, length: int, random: np.random.Generator) -> np.ndarray:
    """Compute a plucked string: a burst of noise that circles through a two-tap average.

    Parameters
    ----------
    frequency : float
        Of the tone, in Hz.
    length : int
        Number of samples.
    random : numpy.random.Generator
        Source of the burst.

    Returns
    -------
    ndarray of float64, shape (length,)
        About within -1 to 1.
    """
    period = round(SAMPLE_RATE / frequency)
    loop = random.uniform(-1, 1, period)
    turns = []
    for _ in range(-(-length // period)):
        turns.append(loop)
        loop = 0.5 * (loop + np.roll(loop, 1))
    return np.concatenate(turns)[:length]
