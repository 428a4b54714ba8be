"""Keys that sign bundles: Ed25519, in PEM files."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import Conflict, InvalidInput, Unavailable


@dataclass(frozen=True)
class SigningKey:
    """A private key.

    Attributes
    ----------
    public : bytes
        The public key that goes with it, 32 bytes.

    Examples
    --------
    >>> from core.edge.runtime.ed25519 import verify
    >>> key = SigningKey.new()
    >>> verify(key.public, b"text", key.sign(b"text"))
    True
    """

    _private: Any

    @classmethod
    def new(cls) -> SigningKey:
        """Return a key that nobody has had before."""
        return cls(_library("hazmat.primitives.asymmetric.ed25519").Ed25519PrivateKey.generate())

    @classmethod
    def read(cls, path: Path) -> SigningKey:
        """Return the key in a PEM file (PKCS 8, not encrypted).

        Raises
        ------
        InvalidInput
            It holds no such key.
        """
        private_kind = _library("hazmat.primitives.asymmetric.ed25519").Ed25519PrivateKey
        serialization = _library("hazmat.primitives.serialization")
        try:
            found = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError) as error:
            raise _no_key(path, str(error)) from None
        if not isinstance(found, private_kind):
            raise _no_key(path, "a key of another kind")
        return cls(found)

    def write(self, path: Path) -> None:
        """Write the key into a new file that only its owner may read.

        Raises
        ------
        Conflict
            There is a file already.
        """
        serialization = _library("hazmat.primitives.serialization")
        text = self._private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise Conflict(
                "there is a file already, and a key that is overwritten is lost",
                field="key",
                given=str(path),
                accepted="a new name",
            ) from None
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return bytes(self._private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 bytes; the same for the same message."""
        return bytes(self._private.sign(message))


def _no_key(path: Path, why: str) -> InvalidInput:
    return InvalidInput(
        f"this file holds no key that signs bundles ({why})",
        field="key",
        given=str(path),
        accepted="what `convq edge key` wrote: an Ed25519 key in PEM",
    )


def _library(part: str) -> Any:
    try:
        return importlib.import_module(f"cryptography.{part}")
    except ImportError:
        raise Unavailable(
            "signing needs the package cryptography; install it with: pip install 'convq[edge]'"
        ) from None
