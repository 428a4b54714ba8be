"""The other kinds of jobs against the tools that people use for them, in one run.

``python -m bench.article`` writes ``bench/results/article.json`` and ``.md``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft
import scipy.integrate
import scipy.ndimage
import scipy.signal

from bench.measure import Call, in_turn, machine
from core.deconvolution import inverse, richardson_lucy
from core.diffusion import perona_malik, propagate
from core.frequency import Filter, grid, multiply, transfer
from core.irregular import Sampled, exact, nonuniform
from core.match import Template, normalised, raw, register
from core.series import autocovariance, fit_arima, yule_walker
from core.spectrum import transform
from core.video import filtered

RESULTS = Path(__file__).parent / "results"

_SIDE = 1024


@dataclass(frozen=True)
class Row:
    """One task.

    Attributes
    ----------
    name : str
        What is done.
    ours : callable
        convq's way.
    peers : dict
        By name, a function that returns the peer's way; it imports what it needs.
    same : callable
        ``(ours, theirs) -> bool``: whether the results agree, as far as they should.
    """

    name: str
    ours: Call
    peers: dict[str, Callable[[], Call]]
    same: Callable[[Any, Any], bool]


def rows() -> list[Row]:
    """Return all tasks, with their inputs made."""
    random = np.random.default_rng(0)
    smooth = scipy.ndimage.gaussian_filter(random.normal(size=(_SIDE, _SIDE)), 3)
    picture = np.clip(128 + 400 * smooth, 0, 255).astype(np.float32)
    return [
        *_pictures(picture),
        *_matches(picture, random),
        *_series(random),
        *_deconvolutions(picture),
        *_uneven(random),
        *_videos(random),
    ]


def _pictures(x: np.ndarray) -> list[Row]:
    mask = transfer(Filter("low-pass", "butterworth", 0.05), grid(x.shape, "wrap"), "wrap").astype(
        np.float32
    )

    def butterworth() -> Call:
        from skimage.filters import butterworth

        return lambda: butterworth(x, 0.05, high_pass=False, order=2)

    def dft() -> Call:
        import cv2

        return lambda: cv2.dft(x, flags=cv2.DFT_COMPLEX_OUTPUT)

    def gaussian() -> Call:
        import cv2

        return lambda: cv2.GaussianBlur(x, (0, 0), 10, borderType=cv2.BORDER_REFLECT)

    return [
        Row(
            "spectrum: transform, centred, window none",
            lambda: transform(x, "none"),
            {
                "NumPy": lambda: lambda: np.fft.fftshift(np.fft.fft2(x)),
                "SciPy": lambda: lambda: scipy.fft.fftshift(scipy.fft.fft2(x)),
                "OpenCV": dft,
            },
            lambda a, b: b.ndim == 3 or _close(a, b, 1e-4),
        ),
        Row(
            "frequency-filter: Butterworth low-pass, wrapping",
            lambda: multiply(x, mask, (0, 1), "wrap")[0],
            {
                "scikit-image": butterworth,
                "SciPy": lambda: lambda: scipy.fft.irfft2(scipy.fft.rfft2(x) * mask, x.shape),
            },
            lambda a, b: _close(a, b, 1e-3),
        ),
        Row(
            "diffuse: heat for time 50, which is sigma 10",
            lambda: propagate(x, 50.0, (0, 1)),
            {
                "SciPy": lambda: lambda: scipy.ndimage.gaussian_filter(x, 10),
                "OpenCV": gaussian,
            },
            lambda a, b: _close(a, b, 0.01),
        ),
        Row(
            "diffuse: Perona-Malik, 20 steps",
            lambda: perona_malik(x, 5.0, 10.0, (0, 1)),
            {"NumPy, as usually written": lambda: lambda: _plain_perona_malik(x, 20, 10.0)},
            lambda a, b: _close(a, b, 1e-3),
        ),
    ]


def _matches(x: np.ndarray, random: np.random.Generator) -> list[Row]:
    small = np.ascontiguousarray(x[300:348, 500:548])
    image, template = x[..., None], Template(small[..., None].astype(float))
    weights = (random.random(small.shape) > 0.3).astype(np.float32)
    masked = Template(template.values, weights.astype(float))
    moved = np.roll(x, (13, -7), (0, 1))

    def opencv() -> Call:
        import cv2

        return lambda: cv2.matchTemplate(x, small, cv2.TM_CCOEFF_NORMED)

    def opencv_masked() -> Call:
        import cv2

        return lambda: cv2.matchTemplate(x, small, cv2.TM_CCOEFF_NORMED, mask=weights)

    def scikit_image() -> Call:
        from skimage.feature import match_template

        return lambda: match_template(x, small)

    def shift_of_scikit_image() -> Call:
        from skimage.registration import phase_cross_correlation

        return lambda: phase_cross_correlation(moved, x, upsample_factor=100)[0]

    return [
        Row(
            "match: 48 × 48, normalised",
            lambda: normalised(image, template),
            {"OpenCV (float32)": opencv, "scikit-image": scikit_image},
            lambda a, b: _close(a, b, 1e-2),
        ),
        Row(
            "match: 48 × 48, masked",
            lambda: normalised(image, masked),
            {"OpenCV (float32)": opencv_masked},
            lambda a, b: _close(a, b, 1e-2),
        ),
        Row(
            "match: shift to a hundredth of a pixel",
            lambda: register(moved, x).shift,
            {"scikit-image": shift_of_scikit_image},
            lambda a, b: bool(np.allclose(np.abs(a), np.abs(b), atol=0.1)),
        ),
    ]


def _series(random: np.random.Generator) -> list[Row]:
    x = scipy.signal.lfilter([1, 0.5], [1, -0.6, 0.2], random.normal(size=20_000))
    excerpt = x[9_000:11_000]

    def acovf() -> Call:
        from statsmodels.tsa.stattools import acovf

        return lambda: acovf(x, nlag=1000, fft=True)

    def their_yule_walker() -> Call:
        from statsmodels.tsa.stattools import acovf, levinson_durbin

        return lambda: levinson_durbin(acovf(x, nlag=20, fft=True), nlags=20, isacov=True)[1]

    def arima() -> Call:
        from statsmodels.tsa.statespace.sarimax import SARIMAX

        return lambda: SARIMAX(x[:2000], order=(2, 0, 1), trend="c").fit(disp=False).params[1:4]

    def fitted() -> Any:
        model = fit_arima(x[:2000], 2, 0, 1)
        return np.concatenate([model.ar, model.ma])

    return [
        Row(
            "match: an excerpt of 2,000 samples in 20,000, raw",
            lambda: raw(x[:, None], Template(excerpt[:, None])),
            {
                "NumPy": lambda: lambda: np.correlate(x, excerpt, "valid"),
                "SciPy": lambda: lambda: scipy.signal.correlate(x, excerpt, "valid"),
            },
            lambda a, b: int(np.argmax(a)) == int(np.argmax(b)),
        ),
        Row(
            "series: 1,000 autocovariances of 20,000 values",
            lambda: autocovariance(x, 1000),
            {"statsmodels": acovf},
            lambda a, b: _close(a, b, 1e-6),
        ),
        Row(
            "series: Yule-Walker of order 20",
            lambda: yule_walker(x, 20)[0],
            {"statsmodels": their_yule_walker},
            lambda a, b: _close(a, b, 1e-2),
        ),
        Row(
            "series: ARIMA (2, 0, 1) of 2,000 values",
            fitted,
            {"statsmodels (maximum likelihood)": arima},
            lambda a, b: _close(a, b, 0.02),
        ),
    ]


def _deconvolutions(x: np.ndarray) -> list[Row]:
    line = np.exp(-(np.arange(-7, 8) ** 2) / 8)
    kernel = (np.outer(line, line) / line.sum() ** 2).astype(np.float32)
    counts = x / 255
    inside = slice(32, -32), slice(32, -32)

    def hunt() -> Call:
        from skimage.restoration import wiener

        return lambda: wiener(x, kernel, 0.01, clip=False)

    def lucy() -> Call:
        from skimage.restoration import richardson_lucy as theirs

        return lambda: theirs(counts, kernel, num_iter=10, clip=False)

    return [
        Row(
            "deconvolve: least squares with a price on roughness, wrapping",
            lambda: inverse(x, kernel, (0, 1), 0.01, "wrap"),
            {"scikit-image": hunt},
            lambda a, b: _close(a, b, 1e-2),
        ),
        Row(
            "deconvolve: Richardson-Lucy, 15 × 15, 10 steps",
            lambda: richardson_lucy(counts, kernel, (0, 1), 10),
            {"scikit-image": lucy},
            # scikit-image takes what lies outside for black.
            lambda a, b: _close(a[inside], b[inside], 0.05),
        ),
    ]


def _uneven(random: np.random.Generator) -> list[Row]:
    def table(points: int, length: float) -> Sampled:
        t = np.sort(random.uniform(0, length, points))
        return Sampled(t, (np.sin(t) * np.sin(np.pi * t / length) ** 2)[:, None])

    small, kernel = table(300, 20), table(60, 3)
    large, response = table(20_000, 2000), table(2000, 30)
    places = np.linspace(0, 2030, 20_000)

    def even(f: Sampled, g: Sampled, at: np.ndarray, step: float) -> Call:
        def convolved() -> np.ndarray:
            lines = []
            for one in (f, g):
                t = np.arange(0, one.t[-1] + step, step)
                lines.append(np.interp(t, one.t, one.y[:, 0], left=0, right=0))
            y = scipy.signal.fftconvolve(*lines) * step
            return np.interp(at, np.arange(len(y)) * step, y)

        return convolved

    def one_by_one() -> np.ndarray:
        found = []
        for t in places[:400] / 88:
            knots = np.unique(np.concatenate([small.t, t - kernel.t]))
            s = np.sort(np.concatenate([knots, (knots[1:] + knots[:-1]) / 2]))
            a = np.interp(s, small.t, small.y[:, 0], left=0, right=0)
            b = np.interp(t - s, kernel.t, kernel.y[:, 0], left=0, right=0)
            found.append(scipy.integrate.simpson(a * b, x=s))
        return np.array(found)

    return [
        Row(
            "irregular-convolve: 300 by 60 points at 400 places, exact",
            lambda: exact(small, kernel, places[:400] / 88)[:, 0],
            {"SciPy, Simpson's rule for each place": lambda: one_by_one},
            # Simpson's rule does not see where a function ends between its points.
            lambda a, b: _close(a, b, 1e-3),
        ),
        Row(
            "irregular-convolve: 20,000 by 2,000 points at 20,000 places, within 1e-6",
            lambda: nonuniform(large, response, places, 1e-6)[0][:, 0],
            {"SciPy, steps of 0.001": lambda: even(large, response, places, 1e-3)},
            lambda a, b: _close(a, b, 1e-3),
        ),
    ]


class _Clip:
    """A video in memory."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.shape = values.shape

    def read(self, index: int) -> np.ndarray:
        """Return a frame."""
        return self.values[index]


def _videos(random: np.random.Generator) -> list[Row]:
    x = random.random((48, 256, 256), np.float32)
    volume = random.random((3, 5, 5), np.float32)
    frame = random.random((1, 9, 9), np.float32)

    def every_frame() -> Call:
        import cv2

        turned = np.ascontiguousarray(frame[0, ::-1, ::-1])

        def convolved() -> np.ndarray:
            return np.stack(
                [cv2.filter2D(one, -1, turned, borderType=cv2.BORDER_REFLECT) for one in x]
            )

        return convolved

    return [
        Row(
            "video: 3 × 5 × 5 over 48 frames of 256 × 256",
            lambda: np.stack(list(filtered(_Clip(x), volume, at_once=32))),
            {"SciPy": lambda: lambda: scipy.ndimage.convolve(x, volume)},
            lambda a, b: _close(a, b, 1e-4),
        ),
        Row(
            "video: 9 × 9 on each of 48 frames of 256 × 256",
            lambda: np.stack(list(filtered(_Clip(x), frame, at_once=32))),
            {
                "SciPy": lambda: lambda: scipy.ndimage.convolve(x, frame),
                "OpenCV": every_frame,
            },
            lambda a, b: _close(a, b, 1e-4),
        ),
    ]


def _plain_perona_malik(x: np.ndarray, steps: int, edge: float) -> np.ndarray:
    u = x.copy()
    for _ in range(steps):
        flux = np.zeros_like(u)
        for axis in (0, 1):
            for step in (1, -1):
                padded = np.pad(u, 1, mode="edge")
                neighbour = np.roll(padded, step, axis)[1:-1, 1:-1]
                difference = neighbour - u
                flux += np.exp(-((difference / edge) ** 2)) * difference
        u += 0.25 * flux
    return u


def _close(ours: Any, theirs: Any, tolerance: float) -> bool:
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    return bool(np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max())


def measured(row: Row) -> dict[str, Any]:
    """Time a task and its peers in turn, after comparing what they give."""
    calls: dict[str, Call] = {"convq": row.ours}
    skipped, differing = {}, []
    expected = row.ours()
    for name, make in row.peers.items():
        try:
            call = make()
        except ImportError as error:
            skipped[name] = str(error)
            continue
        if not row.same(expected, call()):
            differing.append(name)
        calls[name] = call
    return {
        "task": row.name,
        "seconds": in_turn(calls),
        "skipped": skipped,
        "differing": differing,
    }


def report(found: list[dict[str, Any]], about: dict[str, Any]) -> str:
    """Return the figures as a page."""
    lines = [
        "# The other kinds of jobs against the usual tools",
        "",
        f"Measured on {about.get('cpu') or about.get('processor') or 'this machine'}, "
        f"{about.get('date', '')}. Milliseconds, medians of calls in turn; pictures of "
        f"{_SIDE} × {_SIDE} float32. The ratio is the fastest peer's time over convq's: above 1 "
        "convq is faster. convq matches in double precision, OpenCV in single.",
        "",
        "| task | convq | peers | ratio | |",
        "|---|---|---|---|---|",
    ]
    for entry in found:
        times = dict(entry["seconds"])
        ours = times.pop("convq")
        peers = ", ".join(f"{name} {seconds * 1e3:.3g}" for name, seconds in times.items())
        ratio = f"{min(times.values()) / ours:.2f}" if times else "-"
        notes = [f"skipped: {name} ({why})" for name, why in entry["skipped"].items()]
        notes += [f"another result: {name}" for name in entry["differing"]]
        lines.append(
            f"| {entry['task']} | {ours * 1e3:.3g} | {peers} | {ratio} | {'; '.join(notes)} |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure all tasks and write the results."""
    found = []
    for row in rows():
        found.append(measured(row))
        sys.stderr.write(f"{row.name}\n")
    about = machine()
    RESULTS.mkdir(exist_ok=True)
    document = {"machine": about, "tasks": found}
    (RESULTS / "article.json").write_text(json.dumps(document, indent=1) + "\n")
    page = report(found, about)
    (RESULTS / "article.md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()
