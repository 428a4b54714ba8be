"""SHA-256 and SHA-512 of CPython itself.

`hashlib` would load OpenSSL for them, 4 MB that a box needs for nothing else.
"""

try:
    from _sha2 import sha256, sha512  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    try:
        # Before Python 3.12.
        from _sha256 import sha256  # type: ignore[import-not-found, no-redef, unused-ignore]
        from _sha512 import sha512  # type: ignore[import-not-found, no-redef, unused-ignore]
    except ImportError:
        from hashlib import sha256, sha512

__all__ = ["sha256", "sha512"]
