"""NIP-44 encryption, version 2, with the longer length prefix for 65,536 bytes and more.

The invariant: a payload is authenticated before being decrypted: size bound, base64, MAC, then the
cipher.
"""

import base64
import binascii
import hmac
import struct
from functools import lru_cache

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from dca_bot.errors import MessageRefused
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.primitives import shared_x

_VERSION = 2
_LONG_FROM_BYTES = 65_536
_PLAINTEXT_BYTES_MAX = 131_072
_PAYLOAD_CHARS_MIN = 132
_PAYLOAD_CHARS_MAX = 262_144
_DATA_BYTES_MIN = 99
_CONVERSATIONS_KEPT = 4096


def conversation_key(key: SecretKey, public_key: str) -> bytes:
    """Derive the 32 bytes that both sides of a conversation share.

    Raise MessageRefused if `public_key` (x-only hex) doesn't lie on the curve.
    """
    try:
        shared = shared_x(key.raw, public_key)
    except ValueError:
        raise MessageRefused("The other side's public key does not exist.") from None
    # HKDF's extract step; the salt is the key of the HMAC (RFC 5869).
    return hmac.digest(b"nip44-v2", shared, "sha256")


@lru_cache(maxsize=_CONVERSATIONS_KEPT)
def kept_conversation_key(key: SecretKey, public_key: str) -> bytes:
    """Return `conversation_key` of two keys that meet again, unlike a gift wrap's one-time key."""
    return conversation_key(key, public_key)


def encrypt(text: str, shared_key: bytes, nonce: bytes) -> str:
    """Encrypt 1 to 131,072 bytes of text; `nonce` is 32 random bytes, never used twice.

    Raise MessageRefused for an empty or longer text.
    """
    cipher_key, cipher_nonce, mac_key = message_keys(shared_key, nonce)
    ciphertext = _chacha20(cipher_key, cipher_nonce, pad(text.encode()))
    mac = hmac.digest(mac_key, nonce + ciphertext, "sha256")
    return base64.b64encode(bytes([_VERSION]) + nonce + ciphertext + mac).decode()


def decrypt(payload: str, shared_key: bytes) -> str:
    """Authenticate and decrypt a payload; raise MessageRefused for a payload that is altered or malformed."""
    nonce, ciphertext, mac = _decode(payload)
    cipher_key, cipher_nonce, mac_key = message_keys(shared_key, nonce)
    if not hmac.compare_digest(hmac.digest(mac_key, nonce + ciphertext, "sha256"), mac):
        raise MessageRefused("The encrypted text was altered or is for somebody else.")
    try:
        return unpad(_chacha20(cipher_key, cipher_nonce, ciphertext)).decode()
    except UnicodeDecodeError:
        raise MessageRefused("The decrypted text is not UTF-8.") from None


def message_keys(shared_key: bytes, nonce: bytes) -> tuple[bytes, bytes, bytes]:
    """Derive a message's cipher key (32 bytes), cipher nonce (12) and MAC key (32).

    Raise ValueError unless `shared_key` and `nonce` have 32 bytes each.
    """
    if len(shared_key) != 32 or len(nonce) != 32:
        raise ValueError("conversation key and nonce must be 32 bytes each")
    keys = HKDFExpand(algorithm=SHA256(), length=76, info=nonce).derive(shared_key)
    return keys[:32], keys[32:44], keys[44:]


def padded_length(length: int) -> int:
    """Return how many bytes `length` bytes of text occupy: rounded up, to hide the length.

    >>> padded_length(33), padded_length(300)
    (64, 320)
    """
    if length <= 32:
        return 32
    next_power = 1 << (length - 1).bit_length()
    chunk = max(32, next_power // 8)
    return chunk * ((length - 1) // chunk + 1)


def pad(plaintext: bytes) -> bytes:
    """Prefix the length and fill up with zeros; raise MessageRefused out of bounds."""
    length = len(plaintext)
    if not 1 <= length <= _PLAINTEXT_BYTES_MAX:
        raise MessageRefused(f"A message has 1 to {_PLAINTEXT_BYTES_MAX} bytes; split it.")
    return _prefix(length) + plaintext + bytes(padded_length(length) - length)


def unpad(padded: bytes) -> bytes:
    """Undo `pad`; raise MessageRefused for a length that `pad` never makes."""
    (length,) = struct.unpack_from(">H", padded)
    # A short prefix of zero announces the longer prefix of NIP-44 for 65,536 bytes and more.
    if length == 0:
        (length,) = struct.unpack_from(">I", padded, 2)
        if length < _LONG_FROM_BYTES:
            raise MessageRefused("The decrypted text is padded wrongly.")
    start = len(_prefix(length))
    if len(padded) != start + padded_length(length):
        raise MessageRefused("The decrypted text is padded wrongly.")
    return padded[start : start + length]


def _prefix(length: int) -> bytes:
    if length < _LONG_FROM_BYTES:
        return struct.pack(">H", length)
    return struct.pack(">HI", 0, length)


def _decode(payload: str) -> tuple[bytes, bytes, bytes]:
    # NIP-44: a leading # announces a future encoding that isn't base64.
    if payload.startswith("#"):
        raise MessageRefused("The encryption is of a version that the bot doesn't know.")
    if not _PAYLOAD_CHARS_MIN <= len(payload) <= _PAYLOAD_CHARS_MAX:
        raise MessageRefused("The encrypted text is too short or too long.")
    try:
        data = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        raise MessageRefused("The encrypted text is not base64.") from None
    if len(data) < _DATA_BYTES_MIN:
        raise MessageRefused("The encrypted text is too short.")
    if data[0] != _VERSION:
        raise MessageRefused("The encryption is of a version that the bot doesn't know.")
    return data[1:33], data[33:-32], data[-32:]


def _chacha20(key: bytes, nonce: bytes, data: bytes) -> bytes:
    counter_and_nonce = bytes(4) + nonce
    return Cipher(ChaCha20(key, counter_and_nonce), mode=None).encryptor().update(data)
