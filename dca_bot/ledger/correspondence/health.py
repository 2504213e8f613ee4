"""What the ledger knows of the bot's health, and the last judgement, for a command of another process."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from dca_bot.core.freshness import is_stale
from dca_bot.core.health import Condition, Health, HealthPart, LedgerSeen, PartHealth
from dca_bot.core.payout import Waiting
from dca_bot.ledger.correspondence import delivery
from dca_bot.ledger.distributions import readings
from dca_bot.ledger.payouts import leases, payout_need, queue
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx

_FAILING = (Waiting.ERROR, Waiting.NO_ANSWER, Waiting.SENT_AGAIN)
"""Why payouts wait for no reason of their payees'."""


def look(tx: Tx, operators: Collection[str], now: datetime) -> LedgerSeen:
    """Return what the ledger knows; `operators`: the operators' public keys."""
    copy = readings.oldest_copy(tx)
    return LedgerSeen(
        is_paused=bot_state.paused(tx),
        is_clock_doubted=bot_state.get(tx, bot_state.CLOCK_DOUBTED) is not None,
        polled_at=bot_state.last_poll_at(tx),
        is_copy_stale=copy is not None and is_stale(copy, now),
        is_waiting_for_funds=payout_need.is_waiting_for_funds(tx),
        failing_since=queue.oldest_due_at(tx, _FAILING),
        hanging_since=queue.hanging_since(tx),
        is_disputed=leases.open_dispute(tx) is not None,
        is_lease_refused=bot_state.get(tx, bot_state.LEASE_REFUSED) is not None,
        is_backup_failing=bot_state.get(tx, bot_state.BACKUP_FAILING) is not None,
        lost_operators=len(
            delivery.lost_operators(tx, operators, before=now - delivery.SHOWN_AFTER)
        ),
    )


def note(tx: Tx, health: Health) -> None:
    """Record a judgement in place of the last one."""
    bot_state.put(tx, bot_state.HEALTH, json.dumps(fields_of(health)))


def forget(tx: Tx) -> None:
    """Remove the judgement: the bot stops as it should."""
    bot_state.drop(tx, bot_state.HEALTH)


def read(tx: Tx) -> Health | None:
    """Return the last judgement; None if no bot runs, or the bot has not looked yet."""
    try:
        return health_of(json.loads(bot_state.get(tx, bot_state.HEALTH) or "{}"))
    except (KeyError, ValueError):  # none, or of a program that knows other codes
        return None


def fields_of(health: Health) -> dict[str, Any]:
    """Return a judgement as values of JSON."""
    return {
        "well": health.is_well,
        "at": health.at.isoformat(),
        "next_by": health.next_by.isoformat(),
        "parts": {
            part: {"condition": one.condition, "since": one.since.isoformat()}
            for part, one in health.parts.items()
        },
    }


def health_of(fields: Mapping[str, Any]) -> Health:
    """Return the judgement of `fields_of`."""
    return Health(
        at=datetime.fromisoformat(fields["at"]),
        next_by=datetime.fromisoformat(fields["next_by"]),
        parts={
            HealthPart(part): PartHealth(
                Condition(one["condition"]), datetime.fromisoformat(one["since"])
            )
            for part, one in fields["parts"].items()
        },
    )
