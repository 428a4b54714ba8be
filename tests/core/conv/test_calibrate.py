"""Calibration: constants solved from runs, the table and its picture."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from core.conv import plan
from core.conv.algorithms.direct import ALGORITHM as DIRECT
from core.conv.algorithms.fft_tiled import ALGORITHM as FFT_TILED
from core.conv.blocks import never
from core.conv.calibrate import Calibration, Row, calibrate
from core.conv.device import cpu
from core.errors import Cancelled

# `core.conv.calibrate` is the function.
calibration = importlib.import_module("core.conv.calibrate")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Calibration:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVQ_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        cpu.cache_clear()
        result = calibrate(kernels=(3, 21), shape=(256, 256))
        assert cpu() == result.device
    cpu.cache_clear()
    return result


def test_constants_are_times(measured: Calibration) -> None:
    device = measured.device
    for table in (device.multiply_add, device.gemm, device.fft):
        assert all(1e-14 < seconds < 1e-4 for seconds in table.values())
    assert 1e-8 < device.call < 1e-3
    # Python's integers are slower than the processor's.
    assert device.multiply_add["object"] > device.multiply_add["float32"]


def test_the_table(measured: Calibration) -> None:
    text = str(measured)
    assert measured.device.name in text
    assert "3x3" in text
    assert "21x21" in text
    for row in measured.rows:
        assert row.chosen in row.seconds
        assert row.seconds[row.chosen] is not None
    json.dumps(measured.to_dict())
    assert Path(measured.to_dict()["path"]).exists()


@pytest.mark.parametrize(
    ("direct", "fft", "crossover"),
    [
        ([1, 2, 3], [5, 5, 5], None),
        ([1, 6, 9], [5, 5, 5], 5),
        ([6, 1, 9], [5, 5, 5], 7),
        ([6, 6, None], [5, 5, 5], 3),
        ([1, 1, 6], [None, None, 5], 7),
    ],
)
def test_crossover_is_where_the_fft_stays_ahead(direct, fft, crossover) -> None:
    rows = tuple(
        Row(k, {"direct": d, "fft-tiled": f, "fft-whole": None}, "direct")
        for k, d, f in zip((3, 5, 7), direct, fft, strict=True)
    )
    result = Calibration(cpu(), (9, 9), rows, None)
    assert result.crossover == crossover
    assert ("direct is faster throughout" in str(result)) == (crossover is None)


def test_a_check_stops_it() -> None:
    def check() -> None:
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        calibrate(kernels=(3,), shape=(32, 32), save=False, check=check)


@pytest.mark.parametrize("factor", [0.7, 1, 4])
def test_the_constants_are_those_that_predict_the_measured_times(
    monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    """The best tile depends on the constant that is looked for: it was a third of what it is."""
    device, form = cpu(), calibration._form((1024, 1024), (33, 33), "float32")
    for constant, algorithm in (("direct", DIRECT), ("fft_tile", FFT_TILED)):
        true = factor * getattr(device, constant)["float32"]
        seconds = algorithm.cost(
            form, calibration._with(device, constant, "float32", true), None
        ).seconds
        monkeypatch.setattr(calibration, "_best", lambda *_, seconds=seconds: seconds)
        found = calibration._solve(
            algorithm.cost, None, form, device, constant, "float32", np.empty(0), never
        )
        assert found == pytest.approx(true, rel=1e-6)


def test_predictions_are_of_the_right_order(measured: Calibration) -> None:
    """A prediction made with measured constants is no more than tenfold off."""
    row = measured.rows[1]
    for name in ("direct", "fft-tiled", "fft-whole"):
        if row.seconds[name] is None:
            continue
        predicted = plan(
            (256, 256), (21, 21), dtype="float32", mode="same", method=name, device=measured.device
        ).candidate.seconds
        assert 0.05 < predicted / row.seconds[name] < 20
