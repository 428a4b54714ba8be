"""What jobs are asked for: options of every kind that computes on arrays, ordinary and extreme."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

Options = dict[str, Any]

_BOUNDARIES: Final = ("zero", "constant", "reflect", "mirror", "nearest", "wrap")
_NORMALIZATIONS: Final = ("none", "sum", "size", "l2", "softmax")
_KERNELS: Final[tuple[Options, ...]] = (
    *({"preset": "gaussian", "sigma": sigma} for sigma in (0.3, 1, 3)),
    *({"preset": name} for name in ("sobel-x", "box", "sobel-magnitude", "laplacian")),
    *({"values": values} for values in ([1], [1, 2, 1], [[1, 0], [0, -1]], [[0, 0], [0, 0]])),
    {"values": [[1e300, 1], [1, 1e-300]]},
    {"values": [[0, 0], [1, 1], [2, 0]]},
    {"values": [[[1] * 3] * 3] * 3},
    *({"artifact": "file 0"},) * 5,
)


def convolve(random: Random) -> Options:
    """Return the options of a convolution."""
    return _some(
        random,
        mode=("same", "full", "valid"),
        boundary=_BOUNDARIES,
        cval=(0, 7, -2.5),
        normalize=_NORMALIZATIONS,
        operation=("convolution", "correlation"),
        output=("same", "npy", "png"),
        range=("clip", "rescale", "signed"),
        axes=([0], [1], [0, 1], [-1]),
    ) | {"kernel": random.choice(_KERNELS)}


def spectrum(random: Random) -> Options:
    """Return the options of a spectrum."""
    return _some(
        random,
        window=("periodic", "hann", "none"),
        rings=(1, 5, 64),
        directions=(1, 7),
        deskew=(True, False),
        coefficients=(True,),
    )


def frequency_filter(random: Random) -> Options:
    """Return what goes through a filter."""
    notches = random.choice(([[0.1]], [[0.1, 0.2]], [[0.0, 0.0]], [[0.1, 0.2, 0.3]]))
    through = random.choice(
        (
            {"keep": random.choice((0.001, 0.1, 1))},
            {"band": "low-pass", "cutoff": random.choice((0.01, 0.2, 0.7))},
            {"band": "high-pass", "cutoff": 0.1},
            {"band": "band-pass", "cutoff": 0.1, "upper": 0.3},
            {"band": "notch", "cutoff": 0.05, "notches": notches},
        )
    )
    return through | _some(
        random,
        shape=("ideal", "butterworth", "gaussian"),
        order=(1, 64),
        boundary=("reflect", "wrap"),
        output=("npy",),
        range=("clip", "rescale", "signed"),
    )


def diffuse(random: Random) -> Options:
    """Return a method of diffusion with what it takes."""
    edge = random.choice((1e-9, 5, 1e9))
    how = random.choice(
        (
            {"time": random.choice((1e-6, 0.5, 30, 1e4))},
            {"method": "perona-malik", "time": random.choice((0.1, 3)), "edge": edge},
            {"method": "kernel", "kernel": random.choice(_KERNELS), "steps": 4},
        )
    )
    if how.get("method") == "perona-malik":
        how |= _some(random, smooth=(0.5, 50), conductivity=("exponential", "rational"))
    else:
        how |= _some(random, boundary=_BOUNDARIES)
    return how | _some(random, frames=(0, 1, 4), cval=(3,), output=("npy",))


def match(random: Random) -> Options:
    """Return how the first file is looked for."""
    how = random.choice(
        (
            {"method": "phase"},
            _some(random, method=("normalised", "raw"), scores=(True,)),
            _some(
                random,
                scales=([0.05], [0.5, 1], [2.0]),
                rotations=([30.0, 90.0], [-360.0], [0.0, 10.0]),
            ),
        )
    )
    if how.get("method") != "phase":
        how |= _some(random, threshold=(-1, 0.9), mask=("file 0",))
    return {"template": "file 0"} | how | _some(random, count=(1, 5), overlap=(0, 1))


def stochastic_convolve(random: Random) -> Options:
    """Return the options of a stochastic convolution."""
    return _some(
        random,
        samples=(1, 2, 50, 1000),
        normalize=_NORMALIZATIONS,
        words=(True, False),
        boundary=_BOUNDARIES,
        output=("npy",),
        cval=(2,),
    ) | {"kernel": random.choice(_KERNELS)}


def series(random: Random) -> Options:
    """Return a method for series with some of what the methods take."""
    method = random.choice(("moving-average", "autoregression", "arima", "whiten"))
    return {"method": method} | _some(
        random,
        weights=([1.0], [1.0, -0.5], [1e300, 1e300]),
        ar=(0, 1, 3, 100),
        difference=(0, 1, 3),
        ma=(0, 1),
        estimator=("yule-walker", "least-squares"),
        horizon=(0, 1, 9),
        whitening=("standardise", "pca", "zca"),
    )


def deconvolve(random: Random) -> Options:
    """Return the options of a deconvolution."""
    return _some(
        random,
        kernel=_KERNELS,
        method=("wiener", "inverse", "richardson-lucy"),
        noise=(1e-9, 0.01, 1e6),
        iterations=(1, 5),
        boundary=("reflect", "wrap"),
        output=("npy",),
    )


def irregular_convolve(random: Random) -> Options:
    """Return a kernel of places and values, and where its sums are wanted."""
    kernels = ([[0, 0], [0.5, 1], [2, 0]], [[1, 1], [1, 1]], [[0, 1e300], [1e300, 1]])
    kernel = random.choice((*({"values": values} for values in kernels), {"artifact": "file 0"}))
    return {"kernel": kernel} | _some(
        random,
        at=("sums", "even", [0.0, 1.5]),
        points=(2, 10),
        method=("auto", "exact", "nonuniform"),
        tolerance=(1e-6,),
    )


def video(random: Random) -> Options:
    """Return the options of a convolution of frames."""
    return _some(
        random,
        over=("frames", "time", "volume"),
        boundary=_BOUNDARIES,
        frames=(0, 1, 2),
        output=("npy",),
        sequence=(True, False),
        normalize=_NORMALIZATIONS,
    ) | {"kernel": random.choice(_KERNELS)}


def explain(random: Random) -> Options:
    """Return the views of a convolution that are explained."""
    return _some(
        random,
        views=(["patches"], ["frequency"], ["diffusion", "probability"]),
        normalize=_NORMALIZATIONS,
    ) | {"kernel": random.choice(_KERNELS)}


OPTIONS: Final[dict[str, Callable[[Random], Options]]] = {
    make.__name__.replace("_", "-"): make
    for make in (
        convolve,
        spectrum,
        frequency_filter,
        diffuse,
        match,
        stochastic_convolve,
        series,
        deconvolve,
        irregular_convolve,
        video,
        explain,
    )
}
"""By kind of job: what draws the options of one."""


def _some(random: Random, **choices: tuple[Any, ...]) -> Options:
    """Return one of the choices for each of about half of the names."""
    return {name: random.choice(of) for name, of in choices.items() if random.random() < 0.6}
