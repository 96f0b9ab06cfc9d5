"""The ciphers of encryption at rest, each with one key, in upstream's forms of a stored value.

A sealed value is `k8s:enc:<cipher>:v1:<key's name>:` and then: for AES-CBC an IV and the padded
ciphertext, for AES-GCM a nonce and the ciphertext with its tag (the value's key in the store is
authenticated with it, so that values can't be exchanged), for secretbox a nonce and the box.

Source: k8s.io/apiserver/pkg/storage/value/encrypt.
"""

from __future__ import annotations

import os
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher as Blocks
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7

SEALED = b"k8s:enc:"  # every sealed value begins so
BLOCK_BYTES = 16
GCM_NONCE_BYTES = 12
BOX_NONCE_BYTES = 24


class Unopened(ValueError):
    """A value that can't be opened; the text tells neither key nor value."""


class Cipher(Protocol):
    """One cipher with one key. `prefix` is what its values begin with; `key` the value's store key."""

    @property
    def prefix(self) -> bytes: ...

    def seal(self, value: bytes, key: bytes) -> bytes:
        """The stored form, prefix included."""

    def open(self, stored: bytes, key: bytes) -> bytes:
        """The value. Unopened."""


class Identity:
    """Values as they are."""

    prefix = b""

    def seal(self, value: bytes, key: bytes) -> bytes:
        return value

    def open(self, stored: bytes, key: bytes) -> bytes:
        if stored.startswith(SEALED):
            raise Unopened("identity transformer tried to read encrypted data")
        return stored


class AesGcm:
    """AES in Galois/counter mode. Its random nonces wear out: rotate keys after 200,000 writes."""

    def __init__(self, name: str, secret: bytes) -> None:
        self.prefix = b"k8s:enc:aesgcm:v1:%b:" % name.encode()
        self._cipher = AESGCM(secret)

    def seal(self, value: bytes, key: bytes) -> bytes:
        nonce = os.urandom(GCM_NONCE_BYTES)
        return self.prefix + nonce + self._cipher.encrypt(nonce, value, key)

    def open(self, stored: bytes, key: bytes) -> bytes:
        start = len(self.prefix)
        nonce = stored[start : start + GCM_NONCE_BYTES]
        try:
            return self._cipher.decrypt(nonce, stored[start + GCM_NONCE_BYTES :], key)
        except (InvalidTag, ValueError):
            raise Unopened("cipher: message authentication failed") from None


class AesCbc:
    """AES in cipher block chaining mode; nothing authenticates its values."""

    def __init__(self, name: str, secret: bytes) -> None:
        self.prefix = b"k8s:enc:aescbc:v1:%b:" % name.encode()
        self._algorithm = algorithms.AES(secret)

    def seal(self, value: bytes, key: bytes) -> bytes:
        padder = PKCS7(8 * BLOCK_BYTES).padder()
        vector = os.urandom(BLOCK_BYTES)
        sealer = Blocks(self._algorithm, modes.CBC(vector)).encryptor()
        padded = padder.update(value) + padder.finalize()
        return self.prefix + vector + sealer.update(padded) + sealer.finalize()

    def open(self, stored: bytes, key: bytes) -> bytes:
        start = len(self.prefix)
        vector, sealed = stored[start : start + BLOCK_BYTES], stored[start + BLOCK_BYTES :]
        if len(vector) < BLOCK_BYTES or not sealed or len(sealed) % BLOCK_BYTES:
            raise Unopened("the stored data is not a whole number of blocks")
        opener = Blocks(self._algorithm, modes.CBC(vector)).decryptor()
        unpadder = PKCS7(8 * BLOCK_BYTES).unpadder()
        try:
            padded = opener.update(sealed) + opener.finalize()
            return unpadder.update(padded) + unpadder.finalize()
        except ValueError:
            raise Unopened("invalid padding on input") from None


class Secretbox:
    """NaCl's XSalsa20 and Poly1305."""

    def __init__(self, name: str, secret: bytes) -> None:
        # libsodium is a megabyte that only those pay who use it.
        from nacl import bindings

        self.prefix = b"k8s:enc:secretbox:v1:%b:" % name.encode()
        self._seal, self._open = bindings.crypto_secretbox, bindings.crypto_secretbox_open
        self._secret = secret

    def seal(self, value: bytes, key: bytes) -> bytes:
        nonce = os.urandom(BOX_NONCE_BYTES)
        return self.prefix + nonce + self._seal(value, nonce, self._secret)

    def open(self, stored: bytes, key: bytes) -> bytes:
        from nacl.exceptions import CryptoError

        start = len(self.prefix)
        nonce = stored[start : start + BOX_NONCE_BYTES]
        try:
            return self._open(stored[start + BOX_NONCE_BYTES :], nonce, self._secret)
        except (CryptoError, ValueError, TypeError):
            raise Unopened("the box does not open") from None


class Ciphers:
    """The ciphers of some resources: the first seals, all open."""

    def __init__(self, ciphers: list[Cipher]) -> None:
        assert ciphers, "the configuration has been checked"
        self._ciphers = tuple(ciphers)
        self.seal = ciphers[0].seal

    def open(self, stored: bytes, key: bytes) -> tuple[bytes, bool]:
        """The value, and whether it should be sealed anew by the first cipher. Unopened."""
        problem: Unopened | None = None
        for index, cipher in enumerate(self._ciphers):
            prefix = cipher.prefix
            if not stored.startswith(prefix):
                continue
            try:
                return cipher.open(stored, key), index > 0
            except Unopened as error:
                # Two providers may have keys of one name; and identity comes first when somebody
                # wants to get rid of encryption.
                problem = error if prefix or problem is None else problem
        raise problem or Unopened("no matching prefix found")
