"""The contract that every convolution algorithm keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from core.arrays import Array
from core.conv.blocks import Check
from core.conv.device import Device
from core.conv.normal import NormalForm


@dataclass(frozen=True)
class Cost:
    """What a run is predicted to take.

    Parameters
    ----------
    seconds : float
        Wall-clock time on the device.
    bytes : int
        The most memory that is held at once beyond the input and the result.
    once : float
        Seconds of these that the kernel takes alone, and only once where it is fixed and what is
        made of it stays on the device (`core.conv.fixed`).
    """

    seconds: float
    bytes: int
    once: float = 0.0


class Run(Protocol):
    """How an algorithm computes."""

    def __call__(
        self,
        form: NormalForm,
        x: Array,
        w: Array,
        out: Array,
        *,
        check: Check,
        memory_cap: int | None,
    ) -> None:
        """Fill ``out`` with the window that ``form`` describes.

        Parameters
        ----------
        form : NormalForm
            What to compute.
        x : array of shape ``(batch, in_channels, *spatial)``
            Of any dtype that casts to ``form.dtype``. It may be memory-mapped: read it block by
            block (`core.conv.normal.read`).
        w : array of shape ``(out_channels, in_channels / groups, *kernel)``
            Of dtype ``form.dtype``, oriented for convolution.
        out : array of shape ``form.out_shape``
            Of dtype ``form.dtype``, to be overwritten.
        check : callable
            To be called on the calling thread at least every 0.3 s; it raises to cancel.
        memory_cap : int or None
            Bytes that may be taken beyond ``x``, ``w`` and ``out``.
        """


@dataclass(frozen=True)
class Algorithm:
    """One way to compute a `NormalForm`.

    Parameters
    ----------
    name : str
        What users write as ``method``.
    summary : str
        One line for listings.
    refuses : callable
        ``refuses(form)``: why it cannot solve the problem, or ``None``.
    refuses_on : callable
        ``refuses_on(form, device)``: why it cannot on this device, or ``None``; asked after
        ``refuses``.
    cost : callable
        ``cost(form, device, memory_cap)``: predicted `Cost`; smaller tiles for a smaller cap.
    error_bound : callable
        ``error_bound(form)``: largest error of an output, relative to the sum of the magnitudes
        of the kernel's values times the largest magnitude of ``x``.
    run : Run
        Compute it.
    carries_nonfinite : callable
        ``carries_nonfinite(form, device)``: the operands, of ``"x"`` and ``"w"``, whose NaN and
        infinities reach in ``run`` exactly the outputs that the definition lets them reach.
        `core.conv.nonfinite` sees to the others.
    products : callable
        ``products(form, device)``: what is multiplied, of what ``form.precision`` allows.
    rounds : callable
        ``rounds(form, device)``: whether ``run`` takes an ``out`` of float16 where the accumulator
        is float32, and rounds each sum once to it.
    reads_parts : callable
        ``reads_parts(form)``: whether ``run`` reads ``x`` by slices only, so that it takes an
        `core.conv.boundary.Extended` in place of an array.
    capturable : bool
        Whether a CUDA graph can hold what ``run`` does on a device.
    needs_gpu : bool
        Whether ``refuses_on`` refuses every processor.
    """

    name: str
    summary: str
    refuses: Callable[[NormalForm], str | None]
    cost: Callable[[NormalForm, Device, int | None], Cost]
    error_bound: Callable[[NormalForm], float]
    run: Run
    carries_nonfinite: Callable[[NormalForm, Device], tuple[Literal["x", "w"], ...]]
    products: Callable[[NormalForm, Device], str] = lambda form, device: form.dtype
    rounds: Callable[[NormalForm, Device], bool] = lambda form, device: False
    reads_parts: Callable[[NormalForm], bool] = lambda form: False
    refuses_on: Callable[[NormalForm, Device], str | None] = lambda form, device: None
    capturable: bool = False
    needs_gpu: bool = False
