"""Refuses secrets that stand in the configuration itself, and never repeats the secrets.

The invariant: the words of a fault, on a screen or in the journal, hold no secret.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dca_bot.core.secrets import Secret, find_secret, is_key
from dca_bot.errors import ConfigError

_NAMES = {
    Secret.NOSTR_KEY: "the secret key of a Nostr account (nsec)",
    Secret.SEED_WORDS: "the words that restore a wallet",
    Secret.ACCOUNT_LINK: "the link of an LNbits account (usr=)",
    Secret.ACCESS: "a password",
    Secret.WALLET_KEY: "a key of LNbits",
}
_MAY_HAVE_PASSWORD = "lamassu.csv.command"  # noqa: S105 (a place in the file)
_RELAYS = "nostr.relays"
_FILE = "_file"
"""The end of each key whose value names a file."""


def refuse_secrets(path: Path, values: Mapping[str, Any]) -> None:
    """Raise ConfigError with the places of secrets among a configuration's values."""
    found = ((place, _found(place, text)) for place, text in _texts(values))
    lines = [f"{place} has {what} in it." for place, what in found if what]
    if lines:
        raise ConfigError(
            f"{path} is no place for secrets: {' '.join(lines)} A secret belongs into a file of its own"
            " (chmod 600), whose name stands here; operators are written by their npub, LNbits by its"
            " address alone. If others could read the file, make a new one: key, account or password."
        )


def refuse_key_as_path(path: Path) -> None:
    """Raise ConfigError if the name of a key's file is the key itself."""
    if find_secret(str(path)) is not None:
        raise ConfigError(
            "--key takes the name of a file that has the key in it (chmod 600), not the key itself."
            " What was typed may be in the shell's history now: take it out, or make a new key."
        )


def _found(place: str, text: str) -> str:
    """Name the secret in a value; empty for none. A URL for a file's name may hold one in any form."""
    secret = _secret(place, text)
    if secret is None and place.endswith(_FILE) and "://" in text:
        return "a URL, not the name of a file,"
    return "" if secret is None else _NAMES.get(secret, "a secret")


def _secret(place: str, text: str) -> Secret | None:
    """Return the kind of secret in a value; public keys in hex and folders named in hex are none.

    The query of a relay's URL may hold an access token: the configuration has no other place for the token.
    """
    found = find_secret(text)
    if found is Secret.ACCESS and place.startswith(_RELAYS):
        found = find_secret(text.partition("?")[0])
    if found is Secret.HEX_KEY or (found is Secret.ACCESS and place == _MAY_HAVE_PASSWORD):
        return None
    return None if found is Secret.WALLET_KEY and not is_key(text.strip(), found) else found


def _texts(value: object, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text among the values, with its dotted place."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from _texts(one, f"{place}.{name}".lstrip("."))
    elif isinstance(value, list):
        for number, one in enumerate(value, 1):
            yield from _texts(one, f"{place}[{number}]")
