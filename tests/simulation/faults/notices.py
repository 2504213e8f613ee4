"""Faults in what people are told, and how often."""

from dataclasses import replace
from typing import Any

from dca_bot.core.clients import Notify
from dca_bot.core.ports import OutgoingMessage
from dca_bot.core.routing import Outcome
from dca_bot.ledger.correspondence.outbox import TRIES_MIN, mark_failed
from dca_bot.ledger.correspondence.payout_notices import arrive, take
from dca_bot.ledger.programme.clients import by_id
from dca_bot.messages.notices.writer import NoticeWriter
from simulation.faults.fault import Fault

TELL_CLIENT = NoticeWriter.tell_client


def _each_and_in_a_digest(tx: Any, payout: Any, client: Any) -> bool:
    arrive(tx, payout, client)
    return True


def _whatever_the_wish(tx: Any, payout: Any, client: Any) -> bool:
    return arrive(tx, payout, replace(client, notify=Notify.EACH))


def _always_reached(route: Any, answers: Any) -> Outcome:  # noqa: ARG001
    return Outcome(reached_at=next(iter(route.counting), "wss://relay-1.example"))


def _told_again(tx: Any, client_id: int) -> Any:
    before = tx.execute(
        "SELECT group_concat(quote(id)) FROM payout WHERE client_id = ? AND told = 'digest'",
        (client_id,),
    ).fetchone()[0]
    found = take(tx, client_id)
    if before:
        tx.execute(f"UPDATE payout SET told = 'digest' WHERE id IN ({before})")
    return found


def _given_up_at_once(
    tx: Any, message: Any, *, delay_s: int, now: Any, taken_beside: str = ""
) -> bool:
    return mark_failed(
        tx,
        replace(message, created_at=message.created_at.replace(year=2000), tries=TRIES_MIN),
        delay_s=delay_s,
        now=now,
        taken_beside=taken_beside,
    )


class _AnotherEachTime:
    """Makes each try of a message another message."""

    tries = 0

    def __call__(self, **named: Any) -> OutgoingMessage:
        self.tries += 1
        text = named.pop("text")
        return OutgoingMessage(text=text + " " * (self.tries % 7), **named)


def _never_sent(tx: Any, message: Any, *, now: Any) -> None:
    mark_failed(tx, message, delay_s=3_600, now=now)


def _to_the_next(self: Any, tx: Any, client: Any, told: Any, now: Any, **named: Any) -> None:
    following = tx.execute("SELECT min(id) FROM client WHERE id > ?", (client.id,)).fetchone()[0]
    TELL_CLIENT(self, tx, by_id(tx, following) if following else client, told, now, **named)


def _nothing(*_args: Any, **_named: Any) -> None:
    return None


_LOSSY = {"fault_rate": 0.3}

FAULTS = (
    Fault(
        "a payment is told at once and in a digest",
        {"messages.notices.clients.payout_notices.arrive": _each_and_in_a_digest},
    ),
    Fault(
        "the notice of a payment is lost",
        {"messages.notices.clients.ClientNotices.payout_arrived": _nothing},
    ),
    Fault(
        "digests are never written",
        {"messages.notices.clients.ClientNotices.digest": lambda *_a, **_n: False},
    ),
    Fault(
        "a digest is told again each day",
        {"messages.notices.clients.payout_notices.take": _told_again},
    ),
    Fault(
        "who wants no messages of payments gets them",
        {"messages.notices.clients.payout_notices.arrive": _whatever_the_wish},
    ),
    Fault(
        "a message counts as sent whatever the relays say",
        {"jobs.outbox.judge": _always_reached},
        _LOSSY,
    ),
    Fault(
        "a message is given up after the first try",
        {"jobs.outbox.outbox.mark_failed": _given_up_at_once},
        _LOSSY,
    ),
    Fault(
        "each try of a message is another message",
        {"jobs.outbox.OutgoingMessage": _AnotherEachTime()},
        _LOSSY,
    ),
    Fault("a message is sent for ever", {"jobs.outbox.outbox.mark_sent": _never_sent}),
    Fault(
        "another client is told", {"messages.notices.writer.NoticeWriter.tell_client": _to_the_next}
    ),
)
