"""Seals: what the database keeps for us that nobody may read there, such as the secrets of webhooks."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from server.errors import LibrettoError

KEY_BYTES, NONCE_BYTES = 32, 12


class SealBroken(LibrettoError):
    """What was sealed cannot be read: it was changed, or SECRET_KEY is not the one that it was sealed with."""

    code = "SEAL_BROKEN"


class Seal:
    """Seals text with a key of its own, derived from the secret that also signs tokens."""

    def __init__(self, secret: bytes) -> None:
        key = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"libretto seals").derive(secret)
        self._cipher = AESGCM(key)

    def close(self, text: str, place: str) -> bytes:
        """The text as only we can read it, and only in this place: it is worth nothing in another row or column."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), place.encode())

    def open(self, sealed: bytes, place: str) -> str:
        """The text again; SealBroken when it is not one that we sealed for this place."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.encode()).decode()
        except (InvalidTag, ValueError) as error:  # ValueError: too short to be sealed
            raise SealBroken from error
