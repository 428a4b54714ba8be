"""Kernels on planes of outputs, given their arrays."""

from __future__ import annotations

from core.arrays import Array, array_module
from core.conv.cuda.modules import C_NAMES, Macros, function
from core.conv.normal import NormalForm


def types(number: str, stored: str, result: str) -> Macros:
    """Return the types that all sources are specialised for.

    Parameters
    ----------
    number : str
        The dtype of arithmetic.
    stored, result : str
        Those of inputs and outputs.

    Examples
    --------
    >>> types("float32", "uint8", "float32")
    (('STORED', 'unsigned char'), ('NUMBER', 'float'), ('RESULT', 'float'))
    """
    named = {"STORED": stored, "NUMBER": number, "RESULT": result}
    return tuple((macro, C_NAMES[dtype]) for macro, dtype in named.items())


def readable(x: Array, number: str) -> Array:
    """Return ``x``, as ``number`` where kernels do not read its dtype."""
    return x if x.dtype.name in C_NAMES else x.astype(number)


def contiguous(out: Array) -> Array:
    """Return ``out`` where kernels can write to it, else a new array: see `put_back`."""
    return out if out.flags.c_contiguous else array_module(out).empty(out.shape, out.dtype)


def put_back(found: Array, out: Array) -> None:
    """Copy what was written into `contiguous` ``found`` to ``out``, where that is another."""
    if found is not out:
        out[...] = found


def launch(
    name: str,
    form: NormalForm,
    x: Array,
    weights: tuple[Array, ...],
    out: Array,
    numbers: tuple[object, ...],
    *,
    grid: tuple[int, ...],
    block: tuple[int, ...],
    macros: Macros,
) -> None:
    """Fill ``out`` with the kernel ``name`` of ``name.cu``.

    Parameters
    ----------
    name : str
        Of the source and its function.
    form : NormalForm
        The problem.
    x : array of shape ``(batch, channels, *spatial)``
        What `readable` returns, of any strides.
    weights : tuple of array
        Contiguous, of the form's dtype; what the kernel takes between input and output.
    out : array of shape ``form.out_shape``
        Of the form's dtype, or what it is rounded to: see `core.conv.algorithm.Algorithm.rounds`.
    numbers : tuple of numpy.int64
        What it takes after its arrays.
    grid, block : tuple of int
        Blocks and threads along columns, rows and planes.
    macros : tuple of (str, str or int)
        Beside `types`.
    """
    found = contiguous(out)
    compiled = function(x, name, name, (*types(form.dtype, x.dtype.name, out.dtype.name), *macros))
    compiled(grid, block, (x, *weights, found, *numbers))
    put_back(found, out)
