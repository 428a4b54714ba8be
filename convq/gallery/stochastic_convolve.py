"""The pictures of docs/stochastic-convolve.md."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convq.gallery.material import grey
from core.kernels import PRESETS
from core.media import to_range
from core.media.strip import strip
from core.stochastic import Sampler


def stochastic_convolve() -> NDArray[np.uint8]:
    """Return a photograph convolved with ever more draws, exactly, and the deviation of one."""
    x = grey("camera.png")[60:316, 120:376].astype(np.float64)
    gaussian = next(preset for preset in PRESETS if preset.name == "gaussian")
    parameters = gaussian.parameters.model_validate({"preset": "gaussian", "sigma": 4})
    sampler = Sampler(x[..., None], gaussian.build(parameters, 2).stack[0], "reflect", seed=0)
    ends = (1, 4, 16, 256)
    shown = [
        (f"{seen.draws} draws" if seen.draws > 1 else "1 draw", seen.mean[..., 0])
        for seen in sampler.run(256, ends)
    ]
    shown.append(("the convolution", sampler.expected[..., 0]))
    levels = [("the photograph", to_range(x, np.uint8, "clip"))]
    levels += [(caption, to_range(y, np.uint8, "clip")) for caption, y in shown]
    deviation = to_range(np.sqrt(sampler.variance[..., 0]), np.uint8, "rescale")
    return strip([*levels, ("standard deviation of one draw", deviation)])
