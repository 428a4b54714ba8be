"""Constants of a GPU, measured; here on the stand-in, with small problems."""

import importlib
from dataclasses import replace

import numpy as np
import pytest

from core.conv import device

# The package has a function of that name.
calibration = importlib.import_module("core.conv.calibrate")


def test_the_constants_of_a_device_are_measured_there(cupy, cudnn, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("CONVQ_CACHE_DIR", str(tmp_path))
    form_of = calibration._form

    def small(spatial, kernel, dtype, channels=1):
        form = form_of((40, 40), tuple(min(k, 5) for k in kernel), dtype, min(channels, 2))
        return replace(form, bits=8 if form.bits else None)

    monkeypatch.setattr(calibration, "_form", small)
    monkeypatch.setattr(calibration, "_LARGER", 1)
    monkeypatch.setattr(calibration, "_SECONDS", 0)
    monkeypatch.setattr(calibration, "_BROUGHT", 1 << 12)
    like = cupy.empty(0)
    before = device.device_of(like)
    found = calibration.calibrate(like, kernels=(3,), shape=(40, 40))
    assert found.device.kind == "gpu"
    assert found.device.shared == before.shared
    for table in ("multiply_add", "gemm", "fft", "direct", "fft_tile", "tensor", "cudnn"):
        measured, assumed = getattr(found.device, table), getattr(before, table)
        for dtype in assumed:
            assert np.isinf(assumed[dtype]) or 0 < measured[dtype] != assumed[dtype]
    for constant in ("to_device", "to_host"):
        assert 0 < getattr(found.device, constant) != getattr(before, constant)
    # Plans for arrays of this device use them from now on, those of the processor do not.
    assert device.device_of(like) == found.device
    assert found.rows[0].seconds["direct"] is not None
    assert str(found).startswith("a stand-in: 40 x 40")
    with pytest.raises(ZeroDivisionError):
        calibration.calibrate(like, save=False, check=lambda: 1 / 0)
