"""The operators' command `tx add`: a cash-out that was settled outside Lamassu."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from dca_bot.chat.amounts import is_amount_like, take_amount
from dca_bot.chat.ask import coin_rate
from dca_bot.chat.command import Args, Command, Context, Done
from dca_bot.chat.operator import sharing
from dca_bot.chat.operator.find import Incomplete, read_machine
from dca_bot.chat.params import Param, read_fiat, read_note, read_sat
from dca_bot.chat.parsing import usage, wrong_argument
from dca_bot.core.cash_out import Amounts
from dca_bot.core.currencies import SATS
from dca_bot.core.market import coin_minor, is_far_off
from dca_bot.ledger.distributions import manual_cash_outs
from dca_bot.ledger.programme import machines, tickers
from dca_bot.ledger.programme.machines import Machine
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import NOTHING, CommandRefused, Rate, Say, refuse

_PRICE_AGE_MAX = timedelta(days=7)
"""A price of Lamassu of a greater age proves no typing error."""
_ADDED = "MACHINE FIAT SATS [NOTE]"


@dataclass(frozen=True, slots=True)
class _Added:
    """The cash-out to add; for an unknown machine, `device_id` and `machine` are the typed name."""

    device_id: str
    machine: str
    fiat_minor: int
    sat: int
    note: str

    @property
    def amounts(self) -> Amounts:
        """Return the amounts to share out: no commission."""
        return Amounts(principal_sat=self.sat, principal_minor=self.fiat_minor, commission_sat=0)


@dataclass(frozen=True, slots=True)
class _Rest:
    """The words after the machine's name."""

    fiat_minor: int
    sat: int
    note: str


def _add_plan(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Tell the shares that the new cash-out would give."""
    wanted, known = _read(tx, ctx, args), tickers.newest(tx)
    rate = Rate(wanted.fiat_minor, wanted.sat)
    if known is not None and ctx.now - known.at <= _PRICE_AGE_MAX:
        coin = coin_minor(known.price, ctx.programme.currency)
        if is_far_off(rate.minor, rate.sat, coin):
            raise refuse("tx.add_far_off", rate=rate, price=coin_rate(coin))
    id_ = manual_cash_outs.cash_out_id(ctx.sender, ctx.message_id, ctx.place)
    return Say(
        "tx.add_effect",
        machine=describe.short(wanted.machine),
        rate=rate,
        note=Say("deposit.note", note=wanted.note) if wanted.note else NOTHING,
        **sharing.planned(tx, ctx, id_, wanted.amounts, ctx.now),
    )


def _add_apply(tx: Tx, ctx: Context, args: Args, _seen: object) -> Done:
    """Record a cash-out with the present time, and share the cash-out out."""
    wanted = _read(tx, ctx, args)
    id_ = manual_cash_outs.cash_out_id(ctx.sender, ctx.message_id, ctx.place)
    manual_cash_outs.record(
        tx,
        id_,
        device_id=wanted.device_id,
        fiat_minor=wanted.fiat_minor,
        currency=ctx.programme.currency,
        note=wanted.note,
        now=ctx.now,
    )
    return sharing.share_out(tx, ctx, id_, wanted.amounts, ctx.now)


ADD = Command(
    ("tx", "add"),
    (Param(_ADDED, read_note, rest=True),),
    plan=_add_plan,
    apply=_add_apply,
)


def _read(tx: Tx, ctx: Context, args: Args) -> _Added:
    """Read machine, amounts and note; refuse a note that looks like an amount in two words."""
    words, read_rest = args.text(_ADDED).split(), partial(_rest, ctx.programme.currency)
    if machines.everything(tx):
        machine, rest = read_machine(tx, words, read_rest)
    else:
        machine, rest = _unknown_machine(words, read_rest)
    if is_amount_like(rest.note):
        raise wrong_argument(ADD, refuse("wrong.amount_split"))
    return _Added(machine.device_id, machine.label, rest.fiat_minor, rest.sat, rest.note)


def _rest(currency: str, _machine: Machine, words: Sequence[str]) -> _Rest:
    try:
        return _amounts(currency, words)
    except Incomplete:
        raise
    except CommandRefused as refused:
        raise wrong_argument(ADD, refused) from None


def _amounts(currency: str, words: Sequence[str]) -> _Rest:
    if not words:
        raise Incomplete(usage(ADD))
    fiat_text, used = take_amount(words, currency, has_note=False)
    left = words[used:]
    if not left:
        raise Incomplete(usage(ADD))
    fiat_minor = read_fiat(fiat_text, currency)
    sat_text, used = take_amount(left, SATS, has_note=True)
    return _Rest(fiat_minor, read_sat(sat_text, SATS), " ".join(left[used:]))


def _unknown_machine(
    words: Sequence[str], read_rest: Callable[[Machine, Sequence[str]], _Rest]
) -> tuple[Machine, _Rest]:
    """Read the command while the ledger knows no machine: a name of any words, if unambiguous."""
    readings: list[tuple[Machine, _Rest]] = []
    unreadable: CommandRefused = Incomplete(usage(ADD))
    for count in range(len(words), 0, -1):
        name = " ".join(words[:count])
        machine = Machine(name, name, name)
        try:
            readings.append((machine, read_rest(machine, words[count:])))
        except CommandRefused as refused:
            unreadable = refused
    if len(readings) > 1:
        raise refuse("tx.add_unclear")
    if not readings:
        raise unreadable
    return readings[0]
