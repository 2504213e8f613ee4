"""What each place has of the copies that are sent away: a single value of the bot, by the place's label."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import TypeAdapter

from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx


@dataclass(frozen=True, slots=True)
class PlaceState:
    """The copy that was sent last, by name, length and hash (SHA-256); empty before the first.

    `kept_as`: the name by which the place has the copy. `failing_since`: present once the operators were told
    that the place fails. `compared_at`: when the copy there was last found to be the copy that was sent.
    """

    name: str = ""
    kept_as: str = ""
    size: int = 0
    sha256: str = ""
    sent_at: datetime | None = None
    failing_since: datetime | None = None
    compared_at: datetime | None = None


def states(tx: Tx) -> dict[str, PlaceState]:
    """Return the state of each place that was ever tried, by label."""
    value = bot_state.get(tx, bot_state.OFFSITE)
    return {} if value is None else _STATES.validate_json(value)


def state(tx: Tx, label: str) -> PlaceState:
    """Return the state of a place."""
    return states(tx).get(label, PlaceState())


def change(tx: Tx, label: str, **values: object) -> PlaceState:
    """Record a change of a place's state; return the state from before."""
    found = states(tx)
    before = found.get(label, PlaceState())
    found[label] = replace(before, **values)  # type: ignore[arg-type]
    _put(tx, found)
    return before


def retain(tx: Tx, labels: Collection[str]) -> None:
    """Forget the places that are no longer configured."""
    _put(tx, {label: one for label, one in states(tx).items() if label in labels})


def _put(tx: Tx, found: dict[str, PlaceState]) -> None:
    if found:
        bot_state.put(tx, bot_state.OFFSITE, _STATES.dump_json(found).decode())
    else:
        bot_state.drop(tx, bot_state.OFFSITE)


_STATES = TypeAdapter(dict[str, PlaceState])
