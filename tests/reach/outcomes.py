"""Judges what became of each message, from what the people's apps have and what the ledger says."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reach.bot import Bot
from reach.cast import Cast

if TYPE_CHECKING:
    from reach.world import Person

IN, ANSWER, NOTICE = "command in", "answer out", "notice out"


@dataclass(frozen=True)
class Outcome:
    """What became of a message; `took_s` is None if it never came.

    `shown`: the ledger has the person as not reached. `twice`: a command was carried out more than once.
    `late`: executed, or shown by the app, after a message that was written later.
    """

    world: str
    column: str
    kind: str
    way: str
    direction: str
    text: str
    took_s: float | None
    shown: bool = False
    twice: bool = False
    late: bool = False

    @property
    def is_lost(self) -> bool:
        return self.took_s is None and not self.shown


async def judge(cast: Cast, person: "Person", bot: Bot) -> list[Outcome]:
    """Judge every message from and to a person."""
    pubkey = person.app.pubkey
    shown = bool(
        await bot.rows("SELECT 1 FROM delivery WHERE pubkey = ? AND lost_at IS NOT NULL", pubkey)
    )
    received = dict(
        await bot.rows("SELECT message_id, received_at FROM inbox WHERE sender = ?", pubkey)
    )
    written = [
        text
        for (text,) in await bot.rows(
            "SELECT text FROM outbox WHERE recipient = ? ORDER BY id", pubkey
        )
    ]
    came = {arrival.text: arrival.at for arrival in person.app.arrivals}
    by_app = sorted(person.app.arrivals, key=lambda arrival: (arrival.created_at, arrival.at))
    late_out = _behind([written.index(one.text) for one in by_app if one.text in written])
    late_texts = {by_app[place].text for place in late_out}
    ran_in_order = sorted(received, key=lambda id_: received[id_])
    ids = list(person.sent)
    late_in = {
        ran_in_order[place]
        for place in _behind([ids.index(id_) for id_ in ran_in_order if id_ in person.sent])
    }
    answers = Counter(
        text for text, _ in person.sent.values() for one in written if is_answer(one, text)
    )

    def outcome(direction, text, took_s, **more):
        return Outcome(
            cast.name,
            cast.column,
            person.role.kind,
            person.role.way,
            direction,
            text,
            took_s,
            **more,
        )

    found = []
    for id_, (text, sent_at) in person.sent.items():
        ran_at = received[id_] / 1_000_000 if id_ in received else None
        took_s = None if ran_at is None else max(ran_at - sent_at, 0.0)
        found.append(outcome(IN, text, took_s, twice=answers[text] > 1, late=id_ in late_in))
        if ran_at is None:
            continue
        answer = next((one for one in written if is_answer(one, text)), "")
        took_s = came[answer] - ran_at if answer in came else None
        found.append(outcome(ANSWER, text, took_s, shown=shown, late=answer in late_texts))
    for text, told_at in person.told.items():
        took_s = came[text] - told_at if text in came else None
        found.append(outcome(NOTICE, text, took_s, shown=shown, late=text in late_texts))
    return found


def is_answer(text: str, command: str) -> bool:
    """Tell whether a message of the bot's answers a command: it repeats the command's amount."""
    return f"Q{command.split()[1]}" in text.split()


def _behind(places: Sequence[int]) -> list[int]:
    """Return the indices of places that come after a higher place."""
    return [index for index, place in enumerate(places) if place < max(places[:index], default=-1)]
