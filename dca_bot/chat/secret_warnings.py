"""Finds secrets in messages; the warning names the secret and what to do, and nothing is kept."""

from collections.abc import Collection

from dca_bot.chat.command import CommandSet
from dca_bot.chat.senders import Role
from dca_bot.chat.services import Services
from dca_bot.chat.understanding.meaning import Certainty
from dca_bot.chat.understanding.reading import understand, vocabulary_of
from dca_bot.core.secrets import Secret, find_secret, hex_keys
from dca_bot.ledger.payouts import payouts
from dca_bot.ledger.programme import client_names, machines
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.lexicon import LEXICONS
from dca_bot.messages.say import NOTHING, Say

CHARS_MAX = 8000
"""The characters of a message that are searched: four times the longest message that can run."""
_KEYS_MAX = 80
_TEXTS = {
    Secret.NOSTR_KEY: "secret.nostr_key",
    Secret.SEED_WORDS: "secret.seed_words",
    Secret.PRIVATE_KEY: "secret.private_key",
    Secret.ACCOUNT_LINK: "secret.account_link",
    Secret.ACCESS: "secret.access",
    Secret.MONEY: "secret.money",
    Secret.WALLET_KEY: "secret.wallet_key",
    Secret.HEX_KEY: "secret.hex_key",
}


async def secret_in(
    text: str, command_set: CommandSet, services: Services, operators: Collection[str]
) -> Secret | None:
    """Return the kind of secret in a message; None without a secret.

    A key that the message's command takes is no secret, nor is an id of the ledger. For an operator, the
    public keys of clients and `operators` are no secrets either. Anybody else gets a warning for such a key
    too: without the warning, people could find out who is a client.
    """
    text = text[:CHARS_MAX]
    secret = find_secret(text)
    if secret not in (Secret.WALLET_KEY, Secret.HEX_KEY):
        return secret
    text = _without_keys_taken(text, command_set, services.currency)
    keys = hex_keys(text)[:_KEYS_MAX]

    def public(tx: Tx) -> set[str]:
        people = {*operators, *client_names.known_pubkeys(tx, keys)} if operators else set()
        return people | payouts.known_ids(tx, keys) | machines.known_ids(tx, keys)

    return find_secret(text, public=await services.database.read(public))


def _without_keys_taken(text: str, command_set: CommandSet, currency: str) -> str:
    """Return a message without the keys that its commands take: `wallet KEY` becomes `wallet`."""
    understood = understand(text, vocabulary_of(command_set.role, LEXICONS, currency))
    rows = {command.name: command for command in command_set.table}
    sure = understood.intents if understood.certainty is Certainty.SURE else ()
    taken = (
        str(one.arguments.get(param.name.lower(), ""))
        for one in sure
        for param in (rows[one.intent].params if one.intent in rows else ())
        if param.takes_key(str(one.arguments.get(param.name.lower(), "")))
    )
    for key in taken:
        place = text.lower().rfind(key.lower())
        text = text[:place] + text[place + len(key) :] if place >= 0 else text
    return text


def warning(secret: Secret, role: Role) -> Say:
    """Return the warning; clients and operators are also told the command that sets a wallet."""
    command = {
        Role.CLIENT: Say("secret.client_command"),
        Role.OPERATOR: Say("secret.operator_command"),
        Role.STRANGER: NOTHING,
    }
    return Say(_TEXTS[secret], command=command[role])
