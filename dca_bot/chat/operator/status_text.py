"""The texts of `status`: what needs the operator, or everything."""

from collections.abc import Mapping
from datetime import datetime

from dca_bot.chat.command import Context
from dca_bot.chat.operator.machine_cash import gaps, three_sides
from dca_bot.core.lease import short_name
from dca_bot.ledger.correspondence import outbox
from dca_bot.ledger.payouts import holds, leases, queue
from dca_bot.ledger.payouts.payout_need import Need
from dca_bot.ledger.programme import client_names, deposits, machine_cash, start
from dca_bot.ledger.store import accounts, bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe, tasks
from dca_bot.messages.lamassu_state import age_lines, lost_parts, part_state
from dca_bot.messages.owed import need_of, not_counted, rehearsed, source_balance, to_be_paid
from dca_bot.messages.reach import not_reached
from dca_bot.messages.say import NOTHING, Fiat, Moment, Sat, Say, Word
from dca_bot.messages.surroundings import Surroundings
from dca_bot.messages.to_do import needs_you, to_do

_RUNNING = Say("status.running")
_PAGE_LINES = 8
"""Most lines are longer than a phone is wide."""


def short_status(tx: Tx, ctx: Context, found: Surroundings) -> Say:
    """Say what needs the operator, then the programme in a few lines.

    A programme that is stopped comes first: nothing is shared out or paid before the operator's word.
    """
    state, need = programme_state(tx, ctx), need_of(tx, ctx.programme, ctx.now)
    things = to_do(tx, ctx.programme, found, need, ctx.now)
    is_running = state == _RUNNING
    facts = (
        state if is_running else NOTHING,
        _starts_later(tx, ctx.now),
        _last_poll(tx),
        source_balance(found.balance_msat),
        to_be_paid(ctx.programme, need),
        _cash(tx),
    )
    return Say(
        "status.short",
        head=(
            rehearsed(ctx.programme),
            NOTHING if is_running else state,
            *(needs_you(things) if things or is_running else ()),
        ),
        facts=facts,
    )


def full_status(tx: Tx, ctx: Context, found: Surroundings, number: int) -> Say:
    """Say a page of the state of the bot, of the outside parts, and of the money; troubles come first."""
    need = need_of(tx, ctx.programme, ctx.now)
    told = (
        *_troubles(tx, ctx, found, need),
        *_bot(tx, found, ctx.now),
        *_money(tx, ctx, found, need),
    )
    lines = tuple(line for line in told if line != NOTHING)
    return describe.page(
        Say("lines", lines=(rehearsed(ctx.programme), programme_state(tx, ctx))),
        number,
        lambda *, limit, offset: lines[offset : offset + limit],
        lambda line: line,
        again="status all",
        size=_PAGE_LINES,
    )


def programme_state(tx: Tx, ctx: Context) -> Say:
    """Say whether the programme runs, or why not."""
    dispute = leases.open_dispute(tx)
    if dispute is not None:
        why, rival = Word("lease", dispute.reason), short_name(dispute.instance)
        return Say("status.disputed", why=why, me=ctx.services.bot_name, rival=rival)
    at = start.asked(tx)
    if at is not None:
        return Say("status.start_asked", start=Moment(at))
    if bot_state.paused(tx):
        return Say("status.paused")
    refused = bot_state.get(tx, bot_state.LEASE_REFUSED)
    if refused is not None:
        return Say("status.lease_refused", why=refused)
    return _RUNNING


def _starts_later(tx: Tx, now: datetime) -> Say:
    at = start.ahead(tx, now)
    return NOTHING if at is None else Say("status.starts_later", start=Moment(at))


def _last_poll(tx: Tx) -> Say:
    polled_at = bot_state.last_poll_at(tx)
    if polled_at is None:
        return Say("status.no_poll")
    return Say("status.last_poll", at=Moment(polled_at))


def _troubles(tx: Tx, ctx: Context, found: Surroundings, need: Need) -> tuple[Say, ...]:
    """Say what is out of reach, fails, doesn't fit, or waits, and how old the knowledge of Lamassu is."""
    failing = bot_state.moment(tx, bot_state.BACKUP_FAILING)
    return (
        *lost_parts(found.parts),
        _last_poll(tx),
        *age_lines(tx, ctx.now),
        *map(describe.relay, found.relays),
        NOTHING if failing is None else Say("status.backup_failing", since=Moment(failing)),
        *not_reached(tx, ctx.programme, ctx.services.npub, ctx.now),
        *gaps(tx, need.needed_msat, found.balance_msat),
        *tasks.waiting(tx),
    )


def _bot(tx: Tx, found: Surroundings, now: datetime) -> tuple[Say, ...]:
    """Say what works, and how much there is of everything but money."""
    copied_at = bot_state.moment(tx, bot_state.BACKUP_AT)
    return (
        _starts_later(tx, now),
        *(part_state(part) for part in found.parts if part.reachable),
        Say("status.backup", at=Moment(copied_at)) if copied_at else Say("status.no_backup"),
        Say("status.unsent", n=outbox.unsent(tx)),
        Say("status.clients", n=len(client_names.names(tx))),
    )


def _money(tx: Tx, ctx: Context, found: Surroundings, need: Need) -> tuple[Say, ...]:
    pending, pending_minor = deposits.pending_totals(tx)
    return (
        source_balance(found.balance_msat),
        to_be_paid(ctx.programme, need),
        *not_counted(tx, need),
        *(
            Say("status.state", state=Word("payout", state), count=count)
            for state, count in sorted(queue.counts(tx).items())
        ),
        Say("status.holds", n=holds.open_count(tx)),
        Say("status.deposits", n=pending, amount=Fiat(pending_minor)),
        *three_sides(tx, need.needed_msat),
        *_totals(accounts.totals(tx)),
    )


def _totals(totals: Mapping[str, int]) -> tuple[Say, ...]:
    """Say the sums since the programme began."""
    operator, commission = Sat(totals["operator"]), Sat(totals["commission"])
    return (
        Say("status.converted", amount=Fiat(totals["converted"])),
        Say("status.paid", amount=Sat(totals["paid"])),
        Say("status.treasury", amount=Sat(-totals["treasury"])),
        Say("status.yours", operator=operator, commission=commission),
    )


def _cash(tx: Tx) -> Say:
    """Say the cash that should be in the machines together."""
    all_cash, unnamed_minor = machine_cash.of_all(tx), machine_cash.unnamed_minor(tx)
    counted = [cash for cash in all_cash if cash.last_count]
    if not all_cash:
        return NOTHING
    if not counted:
        return Say("status.cash_unknown")
    amount = Fiat(sum(cash.expected_minor for cash in counted) + unnamed_minor)
    uncounted = len(all_cash) - len(counted)
    if uncounted:
        return Say("status.cash_partly", amount=amount, n=uncounted)
    return Say("status.cash", amount=amount)
