"""Says why nothing is bought for a client: to the client with a remedy, to operators in a few words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dca_bot.core.clients import Mode
from dca_bot.core.market import bought_sat, coin_minor
from dca_bot.core.obstacles import Obstacle, Setup, obstacles
from dca_bot.core.programme import Programme
from dca_bot.ledger.payouts import owed
from dca_bot.ledger.payouts.owed import Unpaid
from dca_bot.ledger.programme import deposits, tickers
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import NOTHING, Fiat, Field, Sat, Say, Word

_NAMES_SHOWN_MAX = 5


def of(client: Client, programme: Programme) -> tuple[Obstacle, ...]:
    """Return the obstacles between a client's balance and a purchase."""
    return obstacles(
        Setup(
            state=client.state,
            mode=client.mode,
            has_wallet=client.destination is not None,
            limit_minor=client.fixed_limit_minor,
            flow_enabled=programme.flow_enabled,
            fixed_enabled=programme.fixed.enabled,
        )
    )


def to_client(client: Client, programme: Programme) -> tuple[Say, ...]:
    """Say each obstacle to the client, with the remedy."""
    return tuple(_told(one, programme) for one in of(client, programme))


def is_off(mode: Mode, programme: Programme) -> Say:
    """Say that the operators have switched a mode off, and whether the other mode is on."""
    if not programme.flow_enabled and not programme.fixed.enabled:
        return Say("mode.both_off")
    return Say("mode.flow_is_off" if mode is Mode.FLOW else "mode.fixed_is_off")


def short(client: Client, programme: Programme) -> Say:
    """Say the obstacles in a few words; NOTHING without an obstacle."""
    return _joined(of(client, programme))


def _joined(found: tuple[Obstacle, ...]) -> Say:
    """Say several obstacles on a line."""
    if not found:
        return NOTHING
    first = Say("obstacle.why", why=Word("obstacle", found[0]))
    return Say("obstacle.and", first=first, rest=_joined(found[1:])) if found[1:] else first


def idle(programme: Programme, people: Iterable[Client]) -> tuple[Say, ...]:
    """Name the clients for whom nothing is bought, in groups with the same obstacles."""
    by_why: dict[tuple[Obstacle, ...], list[str]] = {}
    for one in people:
        if why := of(one, programme):
            by_why.setdefault(why, []).append(one.name)
    return tuple(
        Say("summary.idle", why=_joined(why), names=name_list(names))
        for why, names in by_why.items()
    )


def name_list(some: Sequence[str]) -> Field:
    """Say the first names, and the number of further names."""
    shown, more = ", ".join(some[:_NAMES_SHOWN_MAX]), len(some) - _NAMES_SHOWN_MAX
    return Say("summary.more", names=shown, n=more) if more > 0 else shown


def warnings(
    tx: Tx, programme: Programme, client: Client, *, more_minor: int = 0
) -> tuple[Say, ...]:
    """Warn operators of what keeps a client's cash, with `more_minor` on top, from becoming bitcoin."""
    why, small = short(client, programme), too_small(tx, programme, client, more_minor=more_minor)
    return (
        NOTHING if why == NOTHING else Say("obstacle.careful", name=client.name, why=why),
        NOTHING
        if small is None
        else Say("obstacle.too_small", name=client.name, least=Sat(small.min_sat)),
    )


@dataclass(frozen=True, slots=True)
class TooSmall:
    """A wallet takes no payment below `min_sat`; kept sats and the client's cash do not reach `min_sat`."""

    kept_sat: int
    min_sat: int


def too_small(
    tx: Tx, programme: Programme, client: Client, *, more_minor: int = 0
) -> TooSmall | None:
    """Tell whether all of a client's cash brings less than the smallest payment that the wallet takes.

    Cash counts at Lamassu's newest price. None if large enough, or if there is cash and no price.
    """
    min_sat = client.destination.min_sat if client.destination else 1
    if min_sat <= 1:
        return None
    cash_minor = client.balance_minor + deposits.pending_minor(tx, client.id) + more_minor
    kept_sat = owed.unpaid(tx, client.id).get(Unpaid.KEPT, 0)
    ticker = tickers.newest(tx)
    if not cash_minor:
        brings_sat = 0
    elif ticker is None:
        return None
    else:
        brings_sat = bought_sat(cash_minor, coin_minor(ticker.price, programme.currency))
    is_small = (kept_sat or cash_minor) and kept_sat + brings_sat < min_sat
    return TooSmall(kept_sat, min_sat) if is_small else None


def too_small_told(tx: Tx, programme: Programme, client: Client) -> Say:
    """Warn a client whose wallet takes no payment so small; NOTHING for any other client."""
    found = too_small(tx, programme, client)
    return NOTHING if found is None else Say("wallet.too_small", least=Sat(found.min_sat))


def _told(one: Obstacle, programme: Programme) -> Say:
    match one:
        case Obstacle.STOPPED:
            return Say("balance.stopped")
        case Obstacle.PAUSED:
            return Say("balance.paused")
        case Obstacle.NO_WALLET:
            return Say("wallet.none")
        case Obstacle.FLOW_OFF:
            return is_off(Mode.FLOW, programme)
        case Obstacle.FIXED_OFF:
            return is_off(Mode.FIXED, programme)
        case Obstacle.NO_LIMIT:
            return Say("limit.none", most=Fiat(programme.fixed.daily_limit_max_minor))
