"""Names a person's open codes: the codes that still wait, and the codes that are dropped."""

from collections.abc import Sequence
from datetime import datetime

from dca_bot.ledger.correspondence import confirmations, questions
from dca_bot.ledger.correspondence.confirmations import Confirmation
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import NOTHING, Code, Field, Say, Typed

_SUMMARY_MAX = 90


def waiting(tx: Tx, pubkey: str, now: datetime, *, but: str = "") -> Say:
    """Name the codes that still wait, each with its effect; `but`: a code to leave out."""
    others = [one for one in confirmations.open_codes(tx, pubkey, now=now) if one.code != but]
    return Say("lines", lines=tuple(map(_still_open, others))) if others else NOTHING


def drop_all(tx: Tx, pubkey: str, now: datetime) -> Say:
    """Void the person's open codes, end the bot's question, and name both."""
    asked = questions.still_open(tx, pubkey, now=now)
    effects = [summary(one.effect) for one in confirmations.open_codes(tx, pubkey, now=now)]
    confirmations.withdraw(tx, pubkey)
    questions.close(tx, pubkey)
    # To ask whether to drop everything is nothing that could be dropped.
    is_named = asked not in ("", "cancel")
    return _dropped([*([Typed(asked)] if is_named else []), *effects])


def drop_question(tx: Tx, pubkey: str, now: datetime) -> Say:
    """End the bot's question; name the question, and the codes that still wait."""
    asked = questions.still_open(tx, pubkey, now=now)
    questions.close(tx, pubkey)
    codes = waiting(tx, pubkey, now)
    still = NOTHING if codes == NOTHING else Say("cancel.still", codes=codes)
    return Say("lines", lines=(_dropped([Typed(asked)] if asked else []), still))


def summary(effect: str) -> str:
    r"""Return the beginning of an effect's text: the first line, with the next line behind a colon.

    >>> summary("Give this to nobody, for good:\n#1, cash-out 4711")
    'Give this to nobody, for good: #1, cash-out 4711'
    """
    first, *more = [line for line in effect.splitlines() if line.strip()]
    text = f"{first} {more[0]}" if more and first.endswith(":") else first
    return text if len(text) <= _SUMMARY_MAX else f"{text[: _SUMMARY_MAX - 1].rstrip()}…"


def _still_open(other: Confirmation) -> Say:
    code = Code(other.code, other.expires_at)
    return Say("confirm.open", effect=summary(other.effect), code=code)


def _dropped(dropped: Sequence[Field]) -> Say:
    if not dropped:
        return Say("cancel.none")
    if len(dropped) == 1:
        return Say("cancel.done", what=dropped[0])
    return Say("cancel.several", lines=tuple(Say("cancel.line", what=one) for one in dropped))
