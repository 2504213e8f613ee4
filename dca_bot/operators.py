"""Reads `nostr.operators`: who may command the bot.

The invariant: every operator can command the bot, and no secret key in the list is ever shown.
"""

from collections.abc import Sequence

from dca_bot.core.secrets import find_secret
from dca_bot.errors import ConfigError, KeyRefused
from dca_bot.nostr.keys import is_hex, is_secret, parse_public_key, relay_hints

_SHOWN_CHARS = 16
_LEAKED = (
    "is a secret key. Whoever could read the file has it: make a new key in your app, use the old one"
    " no more, and write the new one's npub here."
)
EXAMPLE_NPUB = "npub1gqen388kvv4pwf2xwj8a5708lw4ua9zt25kmtkagrvtvq8lvxaas42vruv"
"""Whose npub config.example.toml shows: nobody's."""
_EXAMPLE = (
    "is the example's npub, which is nobody's. Write your own: your app's profile page shows it."
)
_OWN = (
    "is the bot's own npub, so nobody could command it. Write the npub of the account that you"
    " will write to the bot from."
)


def parse_operators(entries: Sequence[str]) -> frozenset[str]:
    """Return the operators' public keys in hex; raise ConfigError with each wrong entry."""
    keys, faults = set(), []
    for number, text in enumerate(entries, start=1):
        try:
            keys.add(parse_public_key(text))
        except KeyRefused as error:
            faults.append(_fault(entries, number, text, str(error)))
    if faults:
        raise ConfigError("nostr.operators: " + "\n".join(faults))
    return frozenset(keys)


def operator_hints(entries: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the relays that each nprofile among the entries names, by public key.

    Raise KeyRefused for an entry that is no key.
    """
    named = [(parse_public_key(text), relay_hints(text)) for text in entries]
    return {pubkey: urls for pubkey, urls in named if urls}


def refuse_deaf_entries(entries: Sequence[str], bot_pubkey: str) -> None:
    """Raise ConfigError for an entry that is no key, or from which no command can come.

    No command can come from the bot's own npub or from the npub of config.example.toml.
    """
    parse_operators(entries)
    deaf = {bot_pubkey: _OWN, parse_public_key(EXAMPLE_NPUB): _EXAMPLE}
    for number, text in enumerate(entries, start=1):
        why = deaf.get(parse_public_key(text))
        if why is not None:
            raise ConfigError(f"nostr.operators: {_place(entries, number)} {why}")


def _fault(entries: Sequence[str], number: int, text: str, why: str) -> str:
    if is_secret(text):
        return f"{_place(entries, number)} {_LEAKED}"
    if is_hex(text) or find_secret(text) is not None:
        return f"{_place(entries, number)}, not shown as it looks like a secret: {why}"
    cut = text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
    return f"{_place(entries, number)}, {cut!r}: {why}"


def _place(entries: Sequence[str], number: int) -> str:
    return f"entry {number} of {len(entries)}"
