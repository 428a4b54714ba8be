"""Kernels on planes of outputs, given their arrays."""

from __future__ import annotations

from core.arrays import Array, array_module
from core.conv.cuda.geometry import Tile, arguments, grid, macros
from core.conv.cuda.modules import C_NAMES, Macros, function
from core.conv.normal import NormalForm


def launch(
    name: str,
    form: NormalForm,
    tile: Tile,
    x: Array,
    weights: tuple[Array, ...],
    out: Array,
    more: Macros = (),
) -> None:
    """Fill ``out`` with the kernel ``name``.

    Parameters
    ----------
    name : str
        Of the source and its function.
    form : NormalForm
        The problem.
    tile : Tile
        The outputs of a block of threads.
    x : array of shape ``(batch, channels, *spatial)``
        Of any dtype that casts to the form's, and any strides.
    weights : tuple of array
        Contiguous, of the form's dtype; what the kernel takes between input and output.
    out : array of shape ``form.out_shape``
        Of the form's dtype.
    more : tuple of (str, str or int)
        Macros of this kernel alone.
    """
    if x.dtype.name not in C_NAMES:
        x = x.astype(form.dtype)
    found = out if out.flags.c_contiguous else array_module(out).empty(out.shape, out.dtype)
    compiled = function(x, name, (*macros(form, tile, x.dtype.name), *more))
    numbers = arguments(form, x.strides, x.itemsize)
    compiled(grid(form, tile), (*tile.block, 1), (x, *weights, found, *numbers))
    if found is not out:
        out[...] = found
