"""The primitives of Nostr that pynostr provides: bech32, shared points, NIP-04.

The only module that imports pynostr. Keys are raw bytes or hex here, and results are built-in types.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import coincurve


@contextmanager
def _left_out(*names: str) -> Iterator[None]:
    """Let imports in the block find an empty module under each name that isn't loaded yet."""
    placeholders = {name: ModuleType(name) for name in names if name not in sys.modules}
    sys.modules.update(placeholders)
    try:
        yield
    finally:
        for name in placeholders:
            del sys.modules[name]


# pynostr.utils imports requests and tlv8 for functions that look up relays and profiles. The bot calls
# none of these functions; without a second HTTP client the process is 5 MB smaller.
with _left_out("requests", "tlv8"):
    from pynostr import bech32
    from pynostr.key import PrivateKey, copy_x, ffi, lib


def encode_bech32(prefix: str, raw: bytes) -> str:
    """Write bytes as bech32 (BIP-173, NIP-19)."""
    words = bech32.convertbits(raw, 8, 5)
    return str(bech32.bech32_encode(prefix, words, bech32.Encoding.BECH32))


def decode_bech32(text: str) -> tuple[str, bytes] | None:
    """Return prefix and bytes of a bech32 text; None for a wrong checksum, form or encoding (bech32m).

    The decoder in pynostr.utils isn't used: on some paths that decoder skips the checksum, and
    drops a last byte of zero.
    """
    prefix, words, encoding = bech32.bech32_decode(text)
    if words is None or encoding is not bech32.Encoding.BECH32:
        return None
    raw = bech32.convertbits(words, 5, 8, False)  # noqa: FBT003
    return None if raw is None else (str(prefix), bytes(raw))


def shared_x(secret: bytes, public_key: str) -> bytes:
    """Return the x coordinate of the point that two keys share (ECDH), 32 bytes.

    The multiplication takes the same time for every secret key. Raise ValueError if `public_key`, x-only
    in hex, isn't on the curve. pynostr's own method derives the secret key's public key twice, unused.
    """
    point = coincurve.PublicKey(bytes.fromhex(f"02{public_key}"))
    result = ffi.new("char [32]")
    secret_is_valid = lib.secp256k1_ecdh(
        point.context.ctx, result, point.public_key, secret, copy_x, ffi.NULL
    )
    if not secret_is_valid:
        raise ValueError("not a secret key")
    return bytes(ffi.buffer(result, 32))


def encrypt_nip04(text: str, secret: bytes, public_key: str) -> str:
    """Encrypt a text for the owner of `public_key` (NIP-04), with a fresh initialization vector."""
    return str(PrivateKey(secret).encrypt_message(text, public_key))


def decrypt_nip04(content: str, secret: bytes, public_key: str) -> str:
    """Decrypt the content of a kind 4 event (NIP-04); raise ValueError if that fails."""
    try:
        return str(PrivateKey(secret).decrypt_message(content, public_key))
    except (IndexError, TypeError) as error:  # content without `?iv=`, or of another form
        raise ValueError("not encrypted as NIP-04 says") from error
