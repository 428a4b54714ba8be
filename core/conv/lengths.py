"""Lengths that are fast to transform: products of small primes."""

from __future__ import annotations

from functools import lru_cache

# The radices that SciPy's transforms (pocketfft) have code of their own for.
_REAL, _COMPLEX = (2, 3, 5), (2, 3, 5, 7, 11)


@lru_cache(maxsize=4096)
def fast_length(n: int, *, real: bool) -> int:
    """Return the least length of a fast transform that is at least ``n``.

    The same as `scipy.fft.next_fast_len`, which a plan needs before anything is transformed: to
    load ``scipy.fft`` for it made processes that never do that start a quarter of a second later.

    Parameters
    ----------
    n : int
        At least 1.
    real : bool
        Whether real numbers are transformed.

    Returns
    -------
    int

    Examples
    --------
    >>> fast_length(1021, real=True), fast_length(1021, real=False)
    (1024, 1024)
    >>> fast_length(77, real=True), fast_length(77, real=False)
    (80, 77)
    """
    return _least(n, _REAL if real else _COMPLEX)


def _least(n: int, primes: tuple[int, ...]) -> int:
    """Return the least product of powers of these primes, 2 among them, that is at least ``n``."""
    *others, last = primes
    if not others:
        return 1 << (n - 1).bit_length()
    least, power = _least(n, tuple(others)), last
    while power < least:
        least = min(least, power * _least(-(-n // power), tuple(others)))
        power *= last
    return least
