"""Says the sats that are still to be paid: by the bot, or after a person's decision."""

from datetime import datetime

from dca_bot.core.money import sat_floor
from dca_bot.core.programme import Programme
from dca_bot.ledger.payouts import payout_need
from dca_bot.ledger.payouts.payout_need import Need, Part
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import NOTHING, Sat, Say


def need_of(tx: Tx, programme: Programme, now: datetime) -> Need:
    """Return open payouts' need of the source wallet, by the programme's ceilings."""
    return payout_need.need(tx, programme.ceilings, now=now)


def to_be_paid(programme: Programme, need: Need) -> Say:
    """Say the sats that the bot is going to pay, or would have paid in the last 24 hours of a rehearsal."""
    key = "rehearsal.owed" if programme.is_rehearsal else "status.owed"
    return Say(key, sats=Sat(need.amount_sat), n=need.count)


def rehearsed(programme: Programme) -> Say:
    """Say that nothing is paid, if this is a rehearsal."""
    return Say("rehearsal.state") if programme.is_rehearsal else NOTHING


def not_counted(tx: Tx, need: Need) -> tuple[Say, ...]:
    """Say the sats beside `to_be_paid`: sent, above a ceiling, without a wallet, held, too small."""
    return (
        part("funds.under_way", payout_need.under_way(tx)),
        part("funds.above_ceiling", need.above_ceiling),
        part("funds.homeless", need.homeless),
        part("funds.held", payout_need.held(tx)),
        part("funds.collecting", payout_need.collecting(tx)),
    )


def source_balance(balance_msat: int | None) -> Say:
    """Say the source wallet's balance, None without an answer of LNbits."""
    if balance_msat is None:
        return Say("status.no_balance")
    return Say("status.balance", sats=Sat(sat_floor(balance_msat)))


def part(key: str, of: Part) -> Say:
    """Say a number of payouts or shares by a key; NOTHING for none."""
    return Say(key, sats=Sat(of.sat), n=of.count) if of.count else NOTHING
