"""The clients' commands: the table, and the commands about balance, purchases and wallet."""

from functools import partial

from dca_bot.chat.client.exports import EXPORT
from dca_bot.chat.client.fixed import FIXED_SAVING, fixed_mode_text
from dca_bot.chat.client.language import LANGUAGE
from dca_bot.chat.client.notify import NOTIFY, notify_how
from dca_bot.chat.client.requests import REQUEST_COMMANDS
from dca_bot.chat.client.stats import STATS_COMMANDS
from dca_bot.chat.command import Args, Command, Context, Done
from dca_bot.chat.destinations import MAY_HAVE_DESTINATION, look_destination
from dca_bot.chat.general import GENERAL_COMMANDS
from dca_bot.chat.params import PAGE
from dca_bot.core.clients import ClientState, Mode
from dca_bot.core.payout import COLLECTING, PayoutState
from dca_bot.ledger.distributions.distributions import COMMISSION_SPLIT
from dca_bot.ledger.payouts import owed, planning
from dca_bot.ledger.programme import clients, deposits
from dca_bot.ledger.programme.clients import Destination
from dca_bot.ledger.programme.deposits import Deposit
from dca_bot.ledger.reports import purchases
from dca_bot.ledger.reports.purchases import HistoryLine
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe, forecast_text, obstacles
from dca_bot.messages.say import NOTHING, Fiat, Field, LanguageName, Moment, Rate, Sat, Say, Word


def _balance_answer(tx: Tx, ctx: Context, _args: Args, _seen: object) -> Say:
    """Tell the client's balance, the sats on their way, and the sats paid so far."""
    me = ctx.me
    hindered = obstacles.to_client(me, ctx.programme)
    pending_minor = deposits.pending_minor(tx, me.id)
    got = purchases.got(tx, me.id)
    received = Say(
        "balance.received",
        sats=Sat(got.bought_sat),
        fiat=Fiat(got.spent_minor),
        rate=Rate(got.spent_minor, got.bought_sat),
    )
    return Say(
        "lines",
        lines=(
            Say("balance.balance", balance=Fiat(me.balance_minor)),
            _lasts(tx, ctx),
            Say("balance.pending", amount=Fiat(pending_minor)) if pending_minor else NOTHING,
            received if got.bought_sat else _nothing_yet(tx, ctx, is_hindered=bool(hindered)),
            Say("balance.earned", sats=Sat(got.earned_sat)) if got.earned_sat else NOTHING,
            *_owed(tx, ctx),
            Say("balance.all_paused") if bot_state.paused(tx) else NOTHING,
            *hindered,
            obstacles.too_small_told(tx, ctx.programme, me),
        ),
    )


def _history_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """List the client's purchases, newest first."""
    found = partial(purchases.history, tx, ctx.me.id)
    line = partial(_history_line, has_wallet=ctx.me.destination is not None)
    return describe.page(Say("history.heading"), args.page, found, line)


def _deposits_answer(tx: Tx, ctx: Context, _args: Args, _seen: object) -> Say:
    """List the client's newest deposits."""
    rows = deposits.recent_of(tx, ctx.me.id, limit=describe.PAGE_ROWS)
    if not rows:
        return Say("deposits.own_nothing")
    lines = tuple(_deposit_line(row) for row in rows)
    return Say("lines", lines=(Say("deposits.own_heading"), *lines))


def _settings_answer(_tx: Tx, ctx: Context, _args: Args, _seen: object) -> Say:
    """Tell the client's settings."""
    me = ctx.me
    return Say(
        "settings",
        name=me.name,
        state=Word("client", me.state),
        mode=Word("mode", me.mode),
        terms=fixed_mode_text(me, ctx.programme),
        wallet=describe.destination(me.destination),
        language=LanguageName(me.language),
        notify=notify_how(me.notify, ctx.programme),
    )


def _pause_answer(tx: Tx, ctx: Context, _args: Args, _seen: object) -> Say:
    """Stop taking part in cash-outs."""
    if ctx.me.state is ClientState.STOPPED:
        return Say("balance.stopped")
    if ctx.me.state is ClientState.PAUSED:
        return Say("pause.already")
    clients.set_state(tx, ctx.me, ClientState.PAUSED)
    return Say("pause.done")


def _resume_answer(tx: Tx, ctx: Context, _args: Args, _seen: object) -> Say:
    """Take part in cash-outs again."""
    if ctx.me.state is ClientState.STOPPED:
        return Say("balance.stopped")
    if ctx.me.state is ClientState.ACTIVE:
        return Say("resume.already")
    clients.set_state(tx, ctx.me, ClientState.ACTIVE)
    still = obstacles.to_client(clients.by_id(tx, ctx.me.id), ctx.programme)
    if still:
        return Say("lines", lines=(Say("resume.done_but"), *still))
    return Say("resume.done_fixed" if ctx.me.mode is Mode.FIXED else "resume.done")


def _wallet_answer(_tx: Tx, ctx: Context, _args: Args, _seen: object) -> Say:
    """Tell the destination of the client's sats."""
    if ctx.me.destination is None:
        return Say("wallet.none")
    return Say("wallet.shown", wallet=describe.destination(ctx.me.destination))


def _wallet_plan(_tx: Tx, ctx: Context, _args: Args, seen: Destination) -> Say:
    """Tell the old and the new destination of the client's payouts."""
    return Say(
        "wallet.effect",
        old=describe.destination(ctx.me.destination),
        new=describe.destination_whole(seen),
        minimum=describe.minimum(seen),
    )


def _wallet_apply(tx: Tx, ctx: Context, _args: Args, seen: Destination) -> Done:
    """Set the destination of future payouts; submitted payouts keep their destination."""
    clients.set_destination(tx, ctx.me.id, seen)
    planning.plan(tx, ctx.me.id, now=ctx.now)
    wallet = describe.destination(seen)
    return Done(
        reply=Say("wallet.done", wallet=wallet),
        told_otherwise=Say("client.wallet_changed", name=ctx.me.name, wallet=wallet),
    )


CLIENT_COMMANDS = (
    Command(("balance",), answer=_balance_answer),
    Command(("history",), (PAGE,), answer=_history_answer),
    *STATS_COMMANDS,
    Command(("deposits",), answer=_deposits_answer),
    EXPORT,
    Command(("settings",), answer=_settings_answer),
    *FIXED_SAVING,
    Command(
        ("wallet",),
        (MAY_HAVE_DESTINATION,),
        look=look_destination,
        answer=_wallet_answer,
        plan=_wallet_plan,
        apply=_wallet_apply,
        code_when=lambda args: args.has("DESTINATION"),
    ),
    *REQUEST_COMMANDS,
    Command(("pause",), answer=_pause_answer),
    Command(("resume",), answer=_resume_answer),
    NOTIFY,
    LANGUAGE,
    *GENERAL_COMMANDS,
)


def _lasts(tx: Tx, ctx: Context) -> Say:
    count = None
    if not bot_state.paused(tx):
        count = forecast_text.deposit_days(tx, ctx.programme, ctx.me, ctx.now)
    return NOTHING if count is None else Say("balance.lasts", days=forecast_text.days(count))


def _nothing_yet(tx: Tx, ctx: Context, *, is_hindered: bool) -> Say:
    """Say that the client has no bitcoin yet, and when the first is bought if nothing hinders that."""
    if is_hindered or bot_state.paused(tx):
        return Say("balance.nothing")
    if not ctx.me.balance_minor:
        return Say("balance.nothing_deposited")
    return Say("balance.nothing_fixed" if ctx.me.mode is Mode.FIXED else "balance.nothing_flow")


def _owed(tx: Tx, ctx: Context) -> tuple[Say, ...]:
    """Say how many sats are still to be paid, and the reason of each delay."""
    me = ctx.me
    if not me.owed_sat:
        return ()
    unpaid = owed.owed(tx, me.id, me.owed_sat)
    if me.destination is None:
        return (Say("balance.owed_homeless", sats=Sat(me.owed_sat)),)
    least = Sat(me.destination.min_sat)
    return (
        Say("balance.owed", sats=Sat(unpaid.coming)) if unpaid.coming else NOTHING,
        Say("balance.owed_held", sats=Sat(unpaid.held)) if unpaid.held else NOTHING,
        Say("balance.owed_kept", sats=Sat(unpaid.kept), least=least) if unpaid.kept else NOTHING,
    )


def _history_line(line: HistoryLine, *, has_wallet: bool) -> Say:
    if line.kind == COMMISSION_SPLIT:
        return _commission_line(line, has_wallet=has_wallet)
    return Say(
        "history.line",
        at=Moment(line.at),
        sats=Sat(line.sat),
        fiat=Fiat(line.minor),
        state=_payout_state(line, has_wallet=has_wallet),
    )


def _payout_state(line: HistoryLine, *, has_wallet: bool) -> Field:
    if line.payout_state == PayoutState.PLANNED and not has_wallet:
        return Say("history.no_wallet")
    return Word("own_payout", line.payout_state or COLLECTING)


def _commission_line(line: HistoryLine, *, has_wallet: bool) -> Say:
    if line.payout_state == PayoutState.CANCELLED:
        return Say("history.commission_cancelled", at=Moment(line.at), sats=Sat(line.sat))
    return Say(
        "history.commission",
        at=Moment(line.at),
        sats=Sat(line.sat),
        state=_payout_state(line, has_wallet=has_wallet),
    )


def _deposit_line(one: Deposit) -> Say:
    return Say(
        "deposits.own_line",
        at=Moment(one.confirmed_at or one.created_at),
        amount=Fiat(one.amount_minor),
        state=Word("deposit", one.state),
    )
