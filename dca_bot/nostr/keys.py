"""Reads and writes Nostr keys (NIP-19).

The invariant: a mistyped key is refused, so that nobody pays or obeys a stranger.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random, SystemRandom

import coincurve

from dca_bot.core.names import visible
from dca_bot.errors import KeyRefused
from dca_bot.nostr.primitives import decode_bech32, encode_bech32

_NPROFILE_PUBKEY, _NPROFILE_RELAY = 0, 1
_HINTS_READ_MAX = 20
_SECRET_PREFIXES = ("nsec1", "ncryptsec1")
_OTHER_KINDS = {
    "note1": "a note, not a person",
    "nevent1": "a note, not a person",
    "naddr1": "an article, not a person",
    "nrelay1": "a relay, not a person",
    "lnurl1": "a payment code, not a person",
    "bc1": "a Bitcoin address, not a person",
}


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A secret key and the public key in hex; neither `repr` nor `str` shows the secret.

    Raise KeyRefused for bytes that are no secret key.
    """

    raw: bytes = field(repr=False)
    public_key: str = field(init=False)
    _signer: coincurve.PrivateKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            signer = coincurve.PrivateKey(self.raw)
        except ValueError:
            raise KeyRefused("This is not a secret key of Nostr; make one with init.") from None
        object.__setattr__(self, "_signer", signer)
        object.__setattr__(self, "public_key", signer.public_key_xonly.format().hex())

    @property
    def npub(self) -> str:
        """Return the public key as an npub, the form that people pass around."""
        return npub(self.public_key)

    def nsec(self) -> str:
        """Return the secret as an nsec, to be written to the key file and nowhere else."""
        return encode_bech32("nsec", self.raw)

    def sign(self, digest: bytes) -> bytes:
        """Return the Schnorr signature (BIP-340) of a digest of 32 bytes."""
        return bytes(self._signer.sign_schnorr(digest))


def generate(random: Random | None = None) -> SecretKey:
    """Make a fresh key, from the operating system's randomness by default."""
    random = random or SystemRandom()
    while True:
        raw = random.randbytes(32)
        try:
            return SecretKey(raw)
        except KeyRefused:  # chance 1 in 2**128: a number beyond the curve's order
            continue


def is_secret(text: str) -> bool:
    """Tell whether a text is, or begins as, a secret key that must not be shown."""
    return _bare(text).lower().startswith(_SECRET_PREFIXES)


def is_hex(text: str) -> bool:
    """Tell whether a text is 64 hex digits: a public key, or just as likely a secret key."""
    return _is_hex_key(_bare(text))


def parse_secret_key(text: str) -> SecretKey:
    """Read an nsec or 64 hex digits; raise KeyRefused with a sentence that doesn't show the key."""
    text = text.strip()
    if _is_hex_key(text):
        return SecretKey(bytes.fromhex(text))
    if text.lower().startswith("npub1"):
        raise KeyRefused("This is a public key (npub); the secret key (nsec) is needed here.")
    return SecretKey(_decode_bech32("nsec", text))


def parse_public_key(text: str) -> str:
    """Read an npub, an nprofile or 64 hex digits, with or without `nostr:`, into lowercase hex.

    White space is skipped: a checksum or the length shows whether the key is complete. Raise
    KeyRefused with a sentence for the person if the key is mistyped, not on the curve, or a secret
    key.
    """
    if is_secret(text):
        raise KeyRefused(
            "This is a secret key (nsec): never send it to anybody. The npub is needed here."
        )
    text = _bare(text)
    for prefix, what in _OTHER_KINDS.items():
        if text.lower().startswith(prefix):
            raise KeyRefused(f"This is {what}; copy the npub from the person's profile.")
    if "@" in text:
        raise KeyRefused(
            "This is a name that can change hands; copy the npub from the person's profile."
        )
    return _checked_point(_public_key_bytes(text))


def parse_npub(text: str) -> str:
    """Read a public key as `parse_public_key` does, except hex; raise KeyRefused."""
    # In hex, half of all secret keys pass for public keys.
    if is_hex(text):
        raise KeyRefused("In hex a secret key looks like a public one; write the npub (npub1…).")
    return parse_public_key(text)


def npub(public_key: str) -> str:
    """Write a public key in hex as npub."""
    return encode_bech32("npub", bytes.fromhex(public_key))


def nprofile(public_key: str, relays: Sequence[str]) -> str:
    """Write a public key in hex as nprofile, with the relays where the owner is found.

    A relay's URL must be ASCII and at most 255 characters long.
    """
    entries = [(_NPROFILE_PUBKEY, bytes.fromhex(public_key))]
    entries += [(_NPROFILE_RELAY, url.encode("ascii")) for url in relays]
    data = b"".join(bytes((kind, len(value))) + value for kind, value in entries)
    return encode_bech32("nprofile", data)


def relay_hints(text: str) -> tuple[str, ...]:
    """Return the relays that an nprofile names, as written; none for another text."""
    text = _bare(text)
    prefix, data = decode_bech32(text) or ("", b"")
    if prefix != "nprofile":
        return ()
    named = [value for kind, value in _entries(data) if kind == _NPROFILE_RELAY]
    return tuple(value.decode("ascii", "replace") for value in named[:_HINTS_READ_MAX])


def _bare(text: str) -> str:
    """Remove from a copied key the prefix `nostr:`, white space and invisible marks."""
    text = "".join(visible(text).split())
    return text[len("nostr:") :] if text.lower().startswith("nostr:") else text


def _public_key_bytes(text: str) -> bytes:
    if _is_hex_key(text):
        return bytes.fromhex(text)
    if text.lower().startswith("nprofile1"):
        return _nprofile_key(_decode_bech32("nprofile", text))
    return _decode_bech32("npub", text)


def _nprofile_key(data: bytes) -> bytes:
    """Find the public key in an nprofile."""
    for kind, value in _entries(data):
        if kind == _NPROFILE_PUBKEY and len(value) == 32:
            return value
    raise KeyRefused("This nprofile holds no public key; send the npub instead.")


def _entries(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the whole type-length-value entries of an nprofile (NIP-19)."""
    at = 0
    while at + 2 <= len(data):
        kind, length = data[at], data[at + 1]
        value = data[at + 2 : at + 2 + length]
        if len(value) == length:
            yield kind, value
        at += 2 + length


def _checked_point(raw: bytes) -> str:
    try:
        coincurve.PublicKeyXOnly(raw)
    except ValueError:
        raise KeyRefused("No such public key exists; please copy the npub again.") from None
    return raw.hex()


def _is_hex_key(text: str) -> bool:
    return len(text) == 64 and all(digit in "0123456789abcdefABCDEF" for digit in text)


def _decode_bech32(prefix: str, text: str) -> bytes:
    found, raw = decode_bech32(text) or ("", b"")
    if found != prefix:
        raise KeyRefused(f"This is not a valid {prefix}; please copy it again, whole.")
    if prefix != "nprofile" and len(raw) != 32:
        raise KeyRefused(f"This {prefix} has the wrong length; please copy it again, whole.")
    return raw
