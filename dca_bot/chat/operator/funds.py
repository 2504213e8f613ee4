"""The operators' commands about the source wallet: balance, need, forecast, top-ups."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from dca_bot.chat.ask import ask_balance, ask_coin, in_time
from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.params import Param, read_sat
from dca_bot.chat.services import Services
from dca_bot.core import payout as rules
from dca_bot.core.forecast import DAY, days_left, fixed_need_minor, need_for, pace
from dca_bot.core.funds import Levels, Purse
from dca_bot.core.market import coin_minor, cost_sat
from dca_bot.core.money import WHOLE_BP, sat_ceil, sat_floor
from dca_bot.core.ports import Invoice
from dca_bot.core.programme import Programme
from dca_bot.errors import LnbitsRefused, LnbitsSlow, LnbitsUnavailable
from dca_bot.ledger.payouts import top_ups
from dca_bot.ledger.payouts.payout_need import Need
from dca_bot.ledger.programme import tickers
from dca_bot.ledger.reports import forecast
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import forecast_text
from dca_bot.messages.owed import need_of, not_counted, source_balance, to_be_paid
from dca_bot.messages.say import NOTHING, Bolt11, Fiat, Moment, Sat, Say, refuse

_WEEK_DAYS = 7


@dataclass(frozen=True, slots=True)
class _AtLnbits:
    """LNbits' answers: the source wallet's balance and the price of a coin, None without an answer."""

    balance_msat: int | None
    coin: Fraction | None


@dataclass(frozen=True, slots=True)
class _Expected:
    """The forecast need of one day and of one week.

    `fixed_minor`, `flow_sat`: by mode, at most the balances. `sums_sat`: None if the fixed mode needs LNbits'
    price and LNbits tells none.
    """

    fixed_minor: tuple[int, int]
    flow_sat: tuple[int, int]
    sums_sat: tuple[int, int] | None


async def _look_funds(services: Services, _args: Args) -> _AtLnbits:
    """Ask LNbits for the source wallet's balance and the price of a coin."""
    balance_msat = await ask_balance(services)
    return _AtLnbits(balance_msat, None if balance_msat is None else await ask_coin(services))


async def _look_top_up(services: Services, args: Args) -> Invoice:
    """Have LNbits make an invoice that tops the source wallet up.

    Raise CommandRefused if LNbits refuses the amount, LnbitsUnavailable or LnbitsRefused if LNbits fails.
    """
    try:
        return await in_time(
            services,
            services.wallet.top_up_invoice(
                amount_sat=args.number("AMOUNT"),
                memo=rules.TOP_UP_MEMO,
                expiry_s=int(rules.TOP_UP_LIFE.total_seconds()),
            ),
        )
    except LnbitsSlow:
        raise
    except (LnbitsUnavailable, LnbitsRefused):
        await in_time(
            services, services.wallet.balance_msat()
        )  # raises if LNbits does not answer at all
        raise refuse("topup.refused") from None


def _funds_answer(tx: Tx, ctx: Context, _args: Args, found: _AtLnbits) -> Say:
    """Tell the source wallet's balance, the need of payouts, the forecast, and a sensible top-up."""
    need = need_of(tx, ctx.programme, ctx.now)
    expected = _expected(tx, ctx, found.coin)
    purse = None if found.balance_msat is None else Purse(found.balance_msat, need.needed_msat)
    return Say(
        "lines",
        lines=(
            source_balance(found.balance_msat),
            to_be_paid(ctx.programme, need),
            _reserve(need),
            *not_counted(tx, need),
            NOTHING if purse is None else _free(purse),
            *_expected_lines(expected),
            NOTHING if purse is None else _lasts(purse, expected),
            _open_invoice(tx, ctx.now),
            NOTHING if purse is None else _suggestion(purse, expected, ctx.programme),
        ),
    )


def _top_up_answer(_tx: Tx, _ctx: Context, _args: Args, invoice: Invoice) -> Say:
    """Show the invoice."""
    return Say(
        "topup.done",
        amount=Sat(sat_floor(invoice.amount_msat)),
        invoice=Bolt11(invoice.bolt11),
        expiry=Moment(invoice.expires_at),
    )


FUNDS_COMMANDS = (
    Command(("funds",), look=_look_funds, answer=_funds_answer),
    Command(
        ("topup",),
        (Param("AMOUNT", read_sat),),
        look=_look_top_up,
        answer=_top_up_answer,
        acts_outside=True,
        leaves=True,
    ),
)


def _expected(tx: Tx, ctx: Context, coin: Fraction | None) -> _Expected:
    fixed = ctx.programme.fixed
    limits = forecast.fixed_limits(tx, fixed.daily_limit_max_minor) if fixed.enabled else []
    flow = forecast.flow_pace(tx, ctx.now)
    fixed_minor = (fixed_need_minor(limits, 1), fixed_need_minor(limits, _WEEK_DAYS))
    flow_sat = (need_for(flow, 1), need_for(flow, _WEEK_DAYS))
    known = coin or _lamassu_coin(tx, ctx.programme.currency)
    if known is not None:
        most_sat = cost_sat(forecast.flow_balances_minor(tx), known)
        flow_sat = (min(flow_sat[0], most_sat), min(flow_sat[1], most_sat))
    sums_sat = None
    if not fixed_minor[0]:
        sums_sat = flow_sat
    elif coin is not None:
        # Sats are needed for what the margin leaves.
        price = coin * Fraction(WHOLE_BP, WHOLE_BP - fixed.margin_bp)
        fixed_sat = [cost_sat(minor, price) for minor in fixed_minor]
        sums_sat = (fixed_sat[0] + flow_sat[0], fixed_sat[1] + flow_sat[1])
    return _Expected(fixed_minor, flow_sat, sums_sat)


def _lamassu_coin(tx: Tx, currency: str) -> Fraction | None:
    """Return Lamassu's newest price of a coin, for the bound of a forecast without LNbits' price."""
    ticker = tickers.newest(tx)
    return None if ticker is None else coin_minor(ticker.price, currency)


def _reserve(need: Need) -> Say:
    if need.needed_msat == need.amount_sat * 1000:
        return NOTHING
    return Say("funds.reserve", sats=Sat(sat_ceil(need.needed_msat)))


def _free(purse: Purse) -> Say:
    if purse.free_msat < 0:
        return Say("funds.short", sats=Sat(sat_ceil(-purse.free_msat)))
    return Say("funds.free", sats=Sat(sat_floor(purse.free_msat)))


def _expected_lines(expected: _Expected) -> tuple[Say, ...]:
    if not any(expected.fixed_minor + expected.flow_sat):
        return (Say("funds.nothing_expected"),)
    lines = []
    if expected.sums_sat is not None:
        day, week = expected.sums_sat
        lines.append(Say("funds.expected", day=Sat(day), week=Sat(week)))
    if expected.flow_sat[0] and expected.fixed_minor[0]:
        lines.append(Say("funds.of_flow", day=Sat(expected.flow_sat[0])))
    if expected.fixed_minor[0]:
        day_minor, week_minor = expected.fixed_minor
        lines.append(Say("funds.of_fixed", day=Fiat(day_minor), week=Fiat(week_minor)))
    if expected.sums_sat is None:
        lines.append(Say("funds.no_price"))
    return tuple(lines)


def _lasts(purse: Purse, expected: _Expected) -> Say:
    if expected.sums_sat is None or purse.free_msat < 0:
        return NOTHING
    free_sat, (day_sat, week_sat) = sat_floor(purse.free_msat), expected.sums_sat
    count = days_left(free_sat, pace(day_sat, DAY))
    if count is not None and count < _WEEK_DAYS and week_sat <= free_sat:
        return Say("funds.covers_week")  # the balances are used up earlier
    return NOTHING if count is None else Say("funds.lasts", days=forecast_text.days(count))


def _open_invoice(tx: Tx, now: datetime) -> Say:
    told = top_ups.told(tx)
    if told is None or not told.asked_sat or told.expires_at <= now:
        return NOTHING
    return Say("funds.invoice", amount=Sat(told.asked_sat), expiry=Moment(told.expires_at))


def _suggestion(purse: Purse, expected: _Expected, programme: Programme) -> Say:
    """Suggest a top-up: up to the configured level, or enough for a week if a week needs more."""
    levels = Levels(programme.low_balance_sat, programme.top_up_to_sat)
    week_sat = expected.sums_sat[1] if expected.sums_sat else expected.flow_sat[1]
    amount_sat = sat_ceil(max(levels.target_sat, week_sat) * 1000 - purse.free_msat)
    if amount_sat <= 0:
        return Say("funds.enough")
    return Say("funds.suggestion", amount=amount_sat)
