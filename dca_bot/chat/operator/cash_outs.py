"""The operator's commands about single cash-outs and runs of the fixed mode: `tx`, `tx add`."""

from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.operator import sharing
from dca_bot.chat.operator.cash_out_lists import CASH_OUT_LIST
from dca_bot.chat.operator.find import ID_LENGTH_MIN
from dca_bot.chat.operator.manual_cash_outs import ADD
from dca_bot.chat.params import PAGE, Param, read_word
from dca_bot.core.names import short_id
from dca_bot.core.row_amounts import usable
from dca_bot.core.sale_amounts import fee_minor
from dca_bot.ledger.distributions import cash_outs, distributions, fixed_runs, missed
from dca_bot.ledger.distributions.cash_outs import RecordedCashOut
from dca_bot.ledger.distributions.fixed_runs import RecordedRun
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import NOTHING, Fiat, Moment, Sat, Say, refuse

_ID = Param("ID", read_word)
_PAGE_SHARES = 5
"""The first page has the sums too."""


def _tx_answer(tx: Tx, _ctx: Context, args: Args, _seen: object) -> Say:
    """Show one cash-out or one run of the fixed mode, with a page of its shares."""
    wanted = args.text("ID")
    if len(wanted) < ID_LENGTH_MIN:
        raise refuse("tx.id_short", min=ID_LENGTH_MIN)
    runs = fixed_runs.by_prefix(tx, wanted)
    found = cash_outs.by_prefix(tx, wanted)
    if len(runs) + len(found) != 1:
        raise refuse("tx.ambiguous" if runs or found else "tx.unknown")
    if runs:
        head, shares = describe.fixed_run(runs[0]), _shares_of_run(tx, runs[0])
    else:
        head, shares = _cash_out(tx, found[0]), _shares(tx, found[0])
    return describe.page(
        head if args.page == 1 else Say("tx.shares", id=short_id(wanted)),
        args.page,
        lambda *, limit, offset: shares[offset : offset + limit],
        lambda line: line,
        empty=head,
        again=f"tx {wanted}",
        size=_PAGE_SHARES,
    )


CASH_OUT_COMMANDS = (
    CASH_OUT_LIST,
    Command(("tx",), (_ID, PAGE), answer=_tx_answer),
    ADD,
)


def _shares_of_run(tx: Tx, run: RecordedRun) -> tuple[Say, ...]:
    done = distributions.by_id(tx, run.id)
    return sharing.shares_given(done.shares) if done else ()


def _shares(tx: Tx, cash_out: RecordedCashOut) -> tuple[Say, ...]:
    """Say the shares of a cash-out and of the commission, a share on a line."""
    given = distributions.by_id(tx, cash_out.id)
    if given is None:
        return ()
    return (*sharing.shares_given(given.shares), *sharing.split_given(tx, cash_out.id))


def _cash_out(tx: Tx, cash_out: RecordedCashOut) -> Say:
    """Say a cash-out with the sums of the distribution, without the shares."""
    head = Say("tx.head", id=cash_out.id, facts=describe.cash_out_facts(cash_out))
    reported = (
        NOTHING
        if cash_out.reported_minor is None
        else Say("tx.reported", reported=Fiat(cash_out.reported_minor))
    )
    given = distributions.by_id(tx, cash_out.id)
    if given is None:
        return Say("lines", lines=(head, reported))
    note = Say("tx.note", note=cash_out.note) if cash_out.note else NOTHING
    if cash_out.is_recovered:
        note = Say("tx.recovered")
    sums = Say(
        "tx.sums",
        at=Moment(given.at),
        principal=Sat(given.principal_sat),
        fiat=Fiat(given.principal_minor),
        commission=Sat(given.commission_sat),
        unallocated=Sat(given.unallocated_sat),
    )
    fee = _fee(cash_out, given.principal_minor)
    names = [one.name for one in missed.of_distribution(tx, cash_out.id)]
    return Say("lines", lines=(head, note, reported, sums, fee, sharing.passed_by_line(names)))


def _fee(cash_out: RecordedCashOut, given_minor: int) -> Say:
    """Say the fixed fee within the commission, in proportion to the accepted part of the cash-out."""
    if cash_out.fixed_fee is None or cash_out.row is None:
        return NOTHING
    fee = fee_minor(cash_out.fixed_fee, given_minor, fiat=usable(cash_out.row.fiat))
    return Say("tx.fee", fee=Fiat(fee))
