"""Ed25519 signatures, verified with Python's integers.

Source: S. Josefsson and I. Liusvaara, "Edwards-Curve Digital Signature Algorithm (EdDSA)",
RFC 8032, 2017, sections 5.1 and 6. Only public values are handled here, so that the time taken may
depend on them.
"""

from typing import Optional

from core.edge.runtime.digests import sha512

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT_OF_MINUS_1 = pow(2, (_P - 1) // 4, _P)
_KEY_BYTES = 32
_SIGNATURE_BYTES = 64

# A point is (X, Y, Z, T) with x = X / Z, y = Y / Z and x y = T / Z.
_NEUTRAL = (0, 1, 1, 0)


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether ``signature`` of ``message`` was made with the key that belongs to the given.

    Parameters
    ----------
    public_key : bytes
        32 bytes.
    message : bytes
        What was signed.
    signature : bytes
        64 bytes.

    Examples
    --------
    The first test of RFC 8032, section 7.1, an empty message:

    >>> key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    >>> signature = bytes.fromhex(
    ...     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
    ...     "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    ... )
    >>> verify(key, b"", signature), verify(key, b"more", signature)
    (True, False)
    """
    if len(public_key) != _KEY_BYTES or len(signature) != _SIGNATURE_BYTES:
        return False
    encoded_r, s = signature[:_KEY_BYTES], int.from_bytes(signature[_KEY_BYTES:], "little")
    a, r = _decoded(public_key), _decoded(encoded_r)
    if a is None or r is None or s >= _ORDER:
        return False
    digest = sha512(encoded_r + public_key + message).digest()
    k = int.from_bytes(digest, "little") % _ORDER
    # s B = R + k A, as s B - k A = R.
    return _same(_sum_of_multiples(s, _BASE, k, _negative(a)), r)


def _decoded(data: bytes) -> "Optional[tuple[int, int, int, int]]":
    """Return the point that 32 bytes stand for, or None (section 5.1.3)."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= _P:
        return None
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if v * x * x % _P != u:
        x = x * _ROOT_OF_MINUS_1 % _P
        if v * x * x % _P != u:
            return None
    if x == 0 and sign:
        return None
    if x & 1 != sign:
        x = _P - x
    return (x, y, 1, x * y % _P)


def _added(
    p: "tuple[int, int, int, int]", q: "tuple[int, int, int, int]"
) -> "tuple[int, int, int, int]":
    a = (p[1] - p[0]) * (q[1] - q[0]) % _P
    b = (p[1] + p[0]) * (q[1] + q[0]) % _P
    c, d = 2 * p[3] * q[3] * _D % _P, 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _negative(p: "tuple[int, int, int, int]") -> "tuple[int, int, int, int]":
    return (_P - p[0], p[1], p[2], _P - p[3])


def _sum_of_multiples(
    m: int, p: "tuple[int, int, int, int]", n: int, q: "tuple[int, int, int, int]"
) -> "tuple[int, int, int, int]":
    """Return ``m p + n q``; both share their doublings."""
    choices = (None, p, q, _added(p, q))
    total = _NEUTRAL
    for bit in reversed(range(max(m.bit_length(), n.bit_length()))):
        total = _added(total, total)
        chosen = choices[(m >> bit & 1) + 2 * (n >> bit & 1)]
        if chosen is not None:
            total = _added(total, chosen)
    return total


def _same(p: "tuple[int, int, int, int]", q: "tuple[int, int, int, int]") -> bool:
    return (p[0] * q[2] - q[0] * p[2]) % _P == 0 and (p[1] * q[2] - q[1] * p[2]) % _P == 0


_BASE = _decoded((4 * pow(5, _P - 2, _P) % _P).to_bytes(_KEY_BYTES, "little")) or _NEUTRAL
