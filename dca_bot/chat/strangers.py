"""Answers strangers: one short answer, alike for everybody, with a code to show to an operator.

The invariant: an answer tells nothing of the programme, the clients or the operators.
"""

from datetime import datetime
from random import Random

from dca_bot.chat.replies import Replies
from dca_bot.chat.secret_warnings import CHARS_MAX, warning
from dca_bot.chat.senders import Role
from dca_bot.core.ports import IncomingMessage
from dca_bot.core.secrets import Secret, find_secret
from dca_bot.ledger.correspondence import knocks
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import NOTHING, Code, Say


def secret_of(message: IncomingMessage) -> Secret | None:
    """Return the kind of secret in a stranger's message; the search takes time."""
    return find_secret(message.text[:CHARS_MAX])


def answer_stranger(
    tx: Tx,
    message: IncomingMessage,
    secret: Secret | None,
    replies: Replies,
    *,
    now: datetime,
    random: Random,
) -> bool:
    """Answer a stranger's message; return False, and leave no trace, once the hour's answers are used up.

    A secret in the message brings a warning in place of a code.
    """
    if not knocks.may_answer(tx, message.sender, now=now):
        return False
    told = warning(secret, Role.STRANGER) if secret else _greeting(tx, message.sender, now, random)
    replies.close(tx, message, told, command=knocks.STRANGER, now=now)
    return True


def turn_away() -> Say:
    """Return the answer without a code."""
    return Say("stranger", knock=NOTHING)


def _greeting(tx: Tx, pubkey: str, now: datetime, random: Random) -> Say:
    knock = knocks.give(tx, pubkey, now=now, random=random)
    if knock is None:
        return turn_away()
    return Say("stranger", knock=Say("knock.code", code=Code(knock.code, knock.expires_at)))
