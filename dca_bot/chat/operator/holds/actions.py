"""The shape of a row in the table of kinds: an operator's decisions about a hold of one kind.

`commands` has the table, and closes the hold in the transaction that carries a decision out.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dca_bot.chat.command import Context, Done
from dca_bot.chat.services import Services
from dca_bot.core.ports import Payment
from dca_bot.ledger.payouts.holds import Hold
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import Say


@dataclass(frozen=True, slots=True)
class Ruling:
    """An operator's decision about an open hold.

    `part_minor`: the typed FIAT, None for all. `payments`: LNbits' answer to the `look` of the kind.
    """

    hold: Hold
    part_minor: int | None = None
    payments: tuple[Payment, ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """One decision: `plan` tells the effect, `apply` carries the effect out after the code.

    Both raise CommandRefused if the decision is not possible, or not yet.
    """

    plan: Callable[[Tx, Context, Ruling], Say]
    apply: Callable[[Tx, Context, Ruling], Done]


async def _look_nowhere(_services: Services, _hold: Hold) -> tuple[Payment, ...]:
    """Ask LNbits nothing: the ledger alone decides."""
    return ()


@dataclass(frozen=True, slots=True)
class HoldActions:
    """The row of a kind of hold: the two decisions.

    `look` asks LNbits before the transaction, and may be repeated. `takes_part`: `hold accept` takes FIAT.
    """

    accept: Action
    ignore: Action
    look: Callable[[Services, Hold], Awaitable[tuple[Payment, ...]]] = _look_nowhere
    takes_part: bool = False
