"""Tells operators of the clients who wait for an answer, with the commands to type."""

from dca_bot.core.names import on_one_line
from dca_bot.core.quotes import quoted
from dca_bot.ledger.correspondence import tasks
from dca_bot.ledger.correspondence.tasks import Task, TaskKind
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import NOTHING, Fiat, Moment, Plain, Say

_SHOWN_MAX = 5
_QUOTED_CHARS_MAX = 200


def waiting(tx: Tx) -> tuple[Say, ...]:
    """Name the clients who wait, the longest wait first; all messages of a client are one line."""
    found = {(task.client_id, task.kind): task for task in reversed(tasks.open_tasks(tx))}
    lines = [_line(task) for task in sorted(found.values(), key=lambda task: task.id)]
    more = len(lines) - _SHOWN_MAX
    return (*lines[:_SHOWN_MAX], Say("task.more", n=more) if more > 0 else NOTHING)


def of_client(tx: Tx, client_id: int, *, has_words: bool = False) -> Say:
    """Tell a client's open tasks; NOTHING without an open task.

    `has_words`: with the beginning of each message, for an answer that the log doesn't keep.
    """
    found = tasks.open_of(tx, client_id)
    lines = tuple(
        Say("lines", lines=(_line(task), _beginning(task) if has_words else NOTHING))
        for task in found
    )
    return Say("task.of_client", lines=lines) if lines else NOTHING


def requested(tx: Tx, client_id: int) -> Say:
    """Tell a client of the client's open request for cash; NOTHING without a request."""
    asked = tasks.requested_cash(tx, client_id)
    if asked is None:
        return NOTHING
    return Say("request.waiting", amount=Fiat(asked.amount_minor), at=Moment(asked.asked_at))


def _line(task: Task) -> Say:
    if task.kind is TaskKind.CONTACT:
        return Say("task.contact", name=task.client_name, at=Moment(task.asked_at))
    return Say(
        "task.withdrawal",
        name=task.client_name,
        amount=Fiat(task.amount_minor),
        at=Moment(task.asked_at),
        typed=Plain(Fiat(task.amount_minor)),
    )


def _beginning(task: Task) -> Say:
    if not task.text:
        return NOTHING
    return Say("task.words", words=quoted(on_one_line(task.text, _QUOTED_CHARS_MAX)))
