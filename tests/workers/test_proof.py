"""A GPU is proven by the right answer to a small convolution."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.conv import convolve
from workers import proof, trial
from workers.trial import DeviceFailed


@pytest.fixture
def numpy_for_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processor stand in for the GPU."""
    cuda = SimpleNamespace(runtime=SimpleNamespace(memGetInfo=lambda: (1, 2)))
    cupy = SimpleNamespace(asarray=np.asarray, ones=np.ones, float32=np.float32, cuda=cuda)
    monkeypatch.setattr(proof, "gpu_module", lambda: cupy)


@pytest.mark.usefixtures("numpy_for_cupy")
def test_the_right_answer_proves_it() -> None:
    assert proof.prove().memory == 2


@pytest.mark.usefixtures("numpy_for_cupy")
def test_a_wrong_answer_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*arguments: Any, **options: Any) -> Any:
        y = convolve(*arguments, **options)
        y[3, 4] = np.nextafter(y[3, 4], np.float32(np.inf))
        return y

    monkeypatch.setattr(proof, "convolve", wrong)
    with pytest.raises(DeviceFailed, match="1 of 3844 results"):
        proof.prove()


@pytest.mark.usefixtures("numpy_for_cupy")
def test_neither_does_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("cudaErrorLaunchFailure:\nunspecified launch failure")

    monkeypatch.setattr(proof, "convolve", fail)
    with pytest.raises(DeviceFailed, match="RuntimeError: cudaErrorLaunchFailure: unspecified"):
        proof.prove()


def test_a_test_in_another_process_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeviceFailed, match="took more than"):
        trial.prove_apart(0.01)
    monkeypatch.setattr(trial.sys, "executable", "/bin/false")
    with pytest.raises(DeviceFailed, match="exit status 1"):
        trial.prove_apart()
