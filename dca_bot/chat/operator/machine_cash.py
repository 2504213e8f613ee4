"""The operators' commands about the cash in machines, beside clients' balances and source wallet."""

from collections.abc import Sequence
from functools import partial

from dca_bot.chat.amounts import take_amount
from dca_bot.chat.command import Args, Command, Context, Done
from dca_bot.chat.operator.find import Incomplete, find_machine, read_machine
from dca_bot.chat.params import PAGE, Param, read_fiat_or_zero, read_note
from dca_bot.chat.parsing import wrong_argument
from dca_bot.core.money import sat_ceil
from dca_bot.ledger.programme import machine_cash, machines
from dca_bot.ledger.programme.machine_cash import (
    CASH_IN,
    CASH_OUT,
    DEPOSIT,
    WITHDRAWAL,
    MachineCash,
)
from dca_bot.ledger.programme.machines import Machine
from dca_bot.ledger.store import accounts
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import NOTHING, CommandRefused, Fiat, Moment, Sat, Say

_COUNTED = "MACHINE AMOUNT"
_MACHINE = Param("MACHINE", read_note, optional=True, rest=True)


def _cash_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Tell the expected cash of all machines, a machine on a line; of one machine also how it moved."""
    words = args.text(_MACHINE.name).split()
    all_cash = machine_cash.of_all(tx)
    page = _page(tx, ctx, words)
    if page is None:
        machine = find_machine(tx, " ".join(words))
        return _block(machine_cash.of_machine(tx, machine))
    unnamed_minor = machine_cash.unnamed_minor(tx)
    if not all_cash and not unnamed_minor:
        return Say("cash.no_machine")
    beside = _beside(tx, unnamed_minor)
    if len(all_cash) == 1:
        return Say("lines", lines=(_block(all_cash[0]), *beside))
    totals = (_total(all_cash, unnamed_minor), *beside)
    if not all_cash:
        return Say("lines", lines=totals)
    more = Say("cash.about", machine=describe.short(all_cash[0].machine.label))
    return describe.page(
        Say("lines", lines=(*totals, more)),
        page,
        lambda *, limit, offset: all_cash[offset : offset + limit],
        _line,
        again="cash",
    )


def _count_plan(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Tell the difference between a count and the expected cash."""
    machine, counted_minor = _counted(tx, ctx, args)
    before = machine_cash.of_machine(tx, machine)
    return Say(
        "cash.count_effect",
        machine=describe.short(machine.label),
        counted=Fiat(counted_minor),
        difference=_expectation(before, counted_minor),
    )


def _count_apply(tx: Tx, ctx: Context, args: Args, _seen: object) -> Done:
    """Record a count; the expected cash starts again from the count."""
    machine, counted_minor = _counted(tx, ctx, args)
    before = machine_cash.of_machine(tx, machine)
    machine_cash.count(tx, machine.device_id, counted_minor, now=ctx.now, message_id=ctx.message_id)
    done = Say(
        "cash.counted",
        machine=describe.short(machine.label),
        counted=Fiat(counted_minor),
        difference=_expectation(before, counted_minor),
    )
    return Done(done)


def three_sides(tx: Tx, needed_msat: int) -> tuple[Say, ...]:
    """Say the machines' cash, the clients' balances, and open payouts' need of the source wallet."""
    all_cash = machine_cash.of_all(tx)
    balances_minor = accounts.totals(tx).get("balance", 0)
    known = all_cash or machine_cash.unnamed_minor(tx)
    return (
        _total(all_cash, machine_cash.unnamed_minor(tx)) if known else NOTHING,
        Say("sides.balances", amount=Fiat(balances_minor)),
        Say("sides.needed", sats=Sat(sat_ceil(needed_msat))),
    )


def gaps(tx: Tx, needed_msat: int, balance_msat: int | None) -> list[Say]:
    """Warn where the machines' cash, the clients' balances and the source wallet don't fit each other.

    `needed_msat`: open payouts' need of the source wallet. `balance_msat`: the source wallet's balance, None
    without an answer of LNbits.
    """
    beyond_minor = machine_cash.uncovered_minor(tx)
    short_sat = 0 if balance_msat is None else sat_ceil(needed_msat - balance_msat)
    found = [Say("sides.uncovered", amount=Fiat(beyond_minor))] if beyond_minor else []
    found += [
        Say(
            "sides.count_differed",
            machine=describe.short(cash.machine.label),
            at=Moment(cash.last_count.counted_at),
            difference=_difference(cash.last_count.difference_minor),
        )
        for cash in machine_cash.of_all(tx)
        if cash.last_count and cash.last_count.difference_minor
    ]
    return [*found, Say("sides.short", sats=Sat(short_sat))] if short_sat > 0 else found


_COUNT = Command(
    ("cash", "count"),
    (Param(_COUNTED, read_note, rest=True),),
    plan=_count_plan,
    apply=_count_apply,
)
MACHINE_COMMANDS = (Command(("cash",), (_MACHINE,), answer=_cash_answer), _COUNT)


def _page(tx: Tx, ctx: Context, words: Sequence[str]) -> int | None:
    """Read the page of `cash`; None if the words name a machine, which may be named like a number."""
    if not words:
        return 1
    is_number = len(words) == 1 and words[0].isascii() and words[0].isdigit()
    if not is_number or machines.complete(machines.everything(tx), words)[0]:
        return None
    return int(PAGE.read(words[0], ctx.programme.currency))


def _beside(tx: Tx, unnamed_minor: int) -> tuple[Say, ...]:
    """Say the cash of no named machine, and the balances that the cash is there for."""
    balances_minor = accounts.totals(tx).get("balance", 0)
    beyond_minor = machine_cash.uncovered_minor(tx)
    return (
        Say("cash.unnamed", amount=Fiat(unnamed_minor)) if unnamed_minor else NOTHING,
        Say("sides.balances", amount=Fiat(balances_minor)),
        Say("sides.uncovered", amount=Fiat(beyond_minor)) if beyond_minor else NOTHING,
    )


def _line(cash: MachineCash) -> Say:
    """Say a machine's expected cash on a line, and the last count's difference."""
    machine = describe.short(cash.machine.label)
    if cash.last_count is None:
        return Say("cash.line_uncounted", machine=machine)
    differs = bool(cash.last_count.difference_minor)
    return Say(
        "cash.line",
        machine=machine,
        amount=Fiat(cash.expected_minor),
        at=Moment(cash.last_count.counted_at),
        difference=Say("cash.counted_off", difference=_difference(cash.last_count.difference_minor))
        if differs
        else NOTHING,
    )


def _counted(tx: Tx, ctx: Context, args: Args) -> tuple[Machine, int]:
    """Read a machine and the counted amount, which may be 0."""
    read_amount = partial(_read_amount, ctx.programme.currency)
    return read_machine(tx, args.text(_COUNTED).split(), read_amount)


def _read_amount(currency: str, machine: Machine, words: Sequence[str]) -> int:
    if not words:
        raise Incomplete(Say("cash.count_what", machine=machine.label))
    try:
        amount, used = take_amount(words, currency, has_note=False)
        return read_fiat_or_zero(amount if used == len(words) else " ".join(words), currency)
    except CommandRefused as refused:
        raise wrong_argument(_COUNT, refused) from None


def _block(cash: MachineCash) -> Say:
    """Say a machine's expected cash, last count, and movements since."""
    since = cash.since_minor
    return Say(
        "cash.machine",
        machine=describe.short(cash.machine.label),
        state=_state(cash),
        deposits=Fiat(since.get(DEPOSIT, 0)),
        cash_ins=Fiat(since.get(CASH_IN, 0)),
        cash_outs=Fiat(-since.get(CASH_OUT, 0)),
        withdrawals=Fiat(-since.get(WITHDRAWAL, 0)),
    )


def _state(cash: MachineCash) -> Say:
    if cash.last_count is None:
        return Say("cash.not_counted", machine=describe.short(cash.machine.label))
    return Say(
        "cash.should_be",
        amount=Fiat(cash.expected_minor),
        at=Moment(cash.last_count.counted_at),
        counted=Fiat(cash.last_count.counted_minor),
        difference=_difference(cash.last_count.difference_minor),
    )


def _difference(minor: int | None) -> Say:
    """Say the difference of a count; None for a machine's first count."""
    if minor is None:
        return Say("cash.first_count")
    if minor == 0:
        return Say("cash.as_expected")
    return Say("cash.more" if minor > 0 else "cash.less", amount=Fiat(abs(minor)))


def _expectation(before: MachineCash, counted_minor: int) -> Say:
    """Say the expected cash before a count, and the difference."""
    if before.last_count is None:
        return Say("cash.nothing_expected")
    return Say(
        "cash.expected",
        amount=Fiat(before.expected_minor),
        difference=_difference(counted_minor - before.expected_minor),
    )


def _total(all_cash: Sequence[MachineCash], unnamed_minor: int) -> Say:
    """Say the expected cash of all counted machines together."""
    counted = [cash for cash in all_cash if cash.last_count]
    uncounted = [describe.short(cash.machine.label) for cash in all_cash if not cash.last_count]
    amount = Fiat(sum(cash.expected_minor for cash in counted) + unnamed_minor)
    if not counted:
        return Say("sides.not_counted")
    if uncounted:
        return Say("sides.partly_counted", amount=amount, machines=", ".join(uncounted))
    oldest = min(cash.last_count.counted_at for cash in counted if cash.last_count)
    return Say("sides.cash", amount=amount, at=Moment(oldest))
