"""`stats` and `chart`: figures about a client's purchases, and a chart made of text."""

from datetime import datetime, timedelta
from fractions import Fraction

from dca_bot.chat.ask import coin_rate
from dca_bot.chat.command import Args, Attachment, Command, Context, Render
from dca_bot.chat.params import ALL, RANGE, start_of
from dca_bot.chat.price import MarketPrice, look_price, market_price
from dca_bot.core import chart
from dca_bot.core.calendar import local_date
from dca_bot.core.files import FileForm, FilesWish
from dca_bot.core.money import minor_digits
from dca_bot.core.picture import Panel, Picture, days, growth, lines
from dca_bot.core.stats import (
    Purchase,
    Stats,
    gain,
    next_milestone,
    summarize,
    weekly_tenths,
)
from dca_bot.ledger.reports import purchases
from dca_bot.ledger.reports.purchases import Bought
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import NOTHING, Day, Fiat, Moment, Rate, Sat, Say, Tenths, Word

_USUAL = "30d"
"""The default range: bounded, so the answer does not grow with history."""
_ROWS = {"7d": 7, "30d": 10, "90d": 10, "1y": 12, ALL: 12}
"""How many bars the chart of a range has."""
_CHART_DAYS_MIN = 7
_DAYS_WITH_YEARS = 300


def _stats_answer(tx: Tx, ctx: Context, args: Args, coin: Fraction | None) -> Say:
    """Tell the purchases of a range, their rates, and their value now."""
    range_, price = _range(args), market_price(tx, ctx, coin)
    bought, stats = _bought(tx, ctx, range_)
    total_sat = stats.sat if stats and range_ == ALL else purchases.got(tx, ctx.me.id).bought_sat
    return Say(
        "lines",
        lines=(
            *(_nothing(range_) if stats is None else _figures(stats, range_, price)),
            NOTHING if stats is None else _pace(tx, ctx, stats, range_),
            Say("stats.commission", sats=Sat(bought.commission_sat))
            if bought.commission_sat
            else NOTHING,
            _milestone(total_sat) if total_sat else NOTHING,
            NOTHING if args.has("RANGE") else Say("stats.more"),
        ),
    )


def _chart_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Draw the growth of the sats over a range, a bar for each line."""
    range_ = _range(args)
    bought, stats = _bought(tx, ctx, range_)
    if stats is None:
        return Say("lines", lines=_nothing(range_))
    start = start_of(range_, ctx.now) or _first(bought.purchases, ctx.now)
    points = ((one.at, one.sat) for one in bought.purchases)
    grown = chart.accumulate(points, start=start, end=ctx.now, rows=_ROWS[range_])
    date = "%Y-%m" if (ctx.now - start).days > _DAYS_WITH_YEARS else "%m-%d"
    bars = tuple(
        Say(
            "chart.bar",
            date=f"{at.astimezone(ctx.programme.timezone):{date}}",
            bar=chart.bar(sat, stats.sat),
            amount=chart.compact(sat),
        )
        for at, sat in grown
    )
    heading = Say("chart.heading", sats=Sat(stats.sat), range=Word("range", range_))
    return Say("lines", lines=(heading, *bars))


def _chart_picture(tx: Tx, ctx: Context, args: Args, render: Render) -> Attachment | None:
    """Show the growth of the sats over a range, and what they cost."""
    range_ = _range(args)
    bought, stats = _bought(tx, ctx, range_)
    if stats is None or not ctx.programme.draws_charts:
        return None
    end, zone = ctx.now, ctx.programme.timezone
    start = start_of(range_, end) or _first(bought.purchases, end)
    whole = 10 ** minor_digits(ctx.programme.currency)

    def panel(heading: Say, amounts: list[tuple[datetime, int]], *, unit: int) -> Panel:
        points = growth(amounts, start=start, end=end)
        marks = [(at, chart.compact(at // unit)) for at in lines(points[-1][1], unit)]
        return Panel(render(heading), points, marks)

    def day(at: datetime) -> tuple[int, str]:
        return int(at.timestamp()), render(Say("chart.day", day=Day(local_date(at, zone))))

    sats = [(one.at, one.sat) for one in bought.purchases]
    cost = [(one.at, one.minor) for one in bought.purchases]
    picture = Picture(
        is_dark=ctx.me.files is FilesWish.DARK,
        heading=render(Say("chart.title", range=Word("range", range_))),
        days=[day(at) for at in days(start, end)],
        panels=[
            panel(Say("chart.sats", sats=Sat(stats.sat)), sats, unit=1),
            panel(Say("chart.cost", fiat=Fiat(stats.minor)), cost, unit=whole),
        ],
    )
    return Attachment(FileForm.CHART, picture.to_json())


STATS_COMMANDS = (
    Command(("stats",), (RANGE,), look=look_price, answer=_stats_answer),
    Command(("chart",), (RANGE,), answer=_chart_answer, attach=_chart_picture),
)


def _range(args: Args) -> str:
    return args.text("RANGE") or _USUAL


def _first(bought: tuple[Purchase, ...], now: datetime) -> datetime:
    """Return where a chart of everything begins: at the first purchase, or a week ago at least."""
    return min(*(one.at for one in bought), now - timedelta(days=_CHART_DAYS_MIN))


def _bought(tx: Tx, ctx: Context, range_: str) -> tuple[Bought, Stats | None]:
    bought = purchases.since(tx, ctx.me.id, start_of(range_, ctx.now))
    return bought, summarize(bought.purchases)


def _nothing(range_: str) -> tuple[Say, ...]:
    if range_ == ALL:
        return (Say("balance.nothing"),)
    return (Say("stats.nothing", range=Word("range", range_)),)


def _figures(stats: Stats, range_: str, price: MarketPrice | None) -> tuple[Say, ...]:
    return (
        Say("stats.heading", range=Word("range", range_)),
        Say("stats.bought", sats=Sat(stats.sat), fiat=Fiat(stats.minor)),
        Say("stats.average", rate=Rate(stats.minor, stats.sat)),
        *(_market(stats, price) if price else (Say("stats.no_market"),)),
        *_extremes(stats),
    )


def _market(stats: Stats, price: MarketPrice) -> tuple[Say, ...]:
    won = gain(stats, price.coin)
    if won is None:
        return ()
    rate, value = coin_rate(price.coin), Fiat(won.value_minor)
    return (
        Say("stats.market", rate=rate, value=value)
        if price.at is None
        else Say("stats.market_at", rate=rate, value=value, at=Moment(price.at)),
        Say(
            "stats.gain" if won.minor >= 0 else "stats.loss",
            fiat=Fiat(abs(won.minor)),
            percent=Tenths(abs(won.percent_tenths)),
        ),
    )


def _extremes(stats: Stats) -> tuple[Say, ...]:
    if stats.best.rate == stats.worst.rate:
        return ()
    return (
        Say("stats.best", rate=Rate(stats.best.minor, stats.best.sat), at=Moment(stats.best.at)),
        Say(
            "stats.worst", rate=Rate(stats.worst.minor, stats.worst.sat), at=Moment(stats.worst.at)
        ),
    )


def _pace(tx: Tx, ctx: Context, stats: Stats, range_: str) -> Say:
    """Say how often payouts came, within the range or since the first deposit."""
    first = purchases.saving_since(tx, ctx.me.id) or ctx.now
    span = ctx.now - max(first, start_of(range_, ctx.now) or first)
    weekly = Tenths(weekly_tenths(stats.payouts, span))
    return Say("stats.pace", n=stats.payouts, weekly=weekly) if stats.payouts else NOTHING


def _milestone(total_sat: int) -> Say:
    milestone_sat = next_milestone(total_sat)
    return Say(
        "stats.milestone",
        milestone=Sat(milestone_sat),
        left=Sat(milestone_sat - total_sat),
        percent=total_sat * 100 // milestone_sat,
    )
