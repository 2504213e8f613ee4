"""The clients' commands: the table, and the commands about deposits, settings and wallet."""

from dca_bot.chat.client.cap import CAP
from dca_bot.chat.client.exports import EXPORT
from dca_bot.chat.client.files import FILES, files_wish
from dca_bot.chat.client.fixed import FIXED_SAVING, mode_terms
from dca_bot.chat.client.history import HISTORY
from dca_bot.chat.client.language import LANGUAGE
from dca_bot.chat.client.notify import NOTIFY, notify_how
from dca_bot.chat.client.receipts import RECEIPT
from dca_bot.chat.client.requests import REQUEST_COMMANDS
from dca_bot.chat.client.savings import SAVINGS_COMMANDS
from dca_bot.chat.client.statements import STATEMENTS, statements_how
from dca_bot.chat.client.stats import STATS_COMMANDS
from dca_bot.chat.command import Args, Command, Context, Done
from dca_bot.chat.destinations import MAY_HAVE_DESTINATION, look_destination
from dca_bot.chat.general import GENERAL_COMMANDS
from dca_bot.chat.price import PRICE
from dca_bot.core.clients import ClientState, Mode
from dca_bot.ledger.payouts import planning
from dca_bot.ledger.programme import clients, deposits
from dca_bot.ledger.programme.clients import Destination
from dca_bot.ledger.programme.deposits import Deposit
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe, obstacles
from dca_bot.messages.say import Fiat, LanguageName, Moment, Say, Word


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
        terms=mode_terms(me, ctx.programme),
        wallet=describe.destination(me.destination),
        language=LanguageName(me.language),
        notify=notify_how(me.notify, ctx.programme),
        files=files_wish(ctx),
        statements=statements_how(me.statements),
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
    planning.plan(tx, [ctx.me.id], now=ctx.now)
    wallet = describe.destination(seen)
    return Done(
        reply=Say("wallet.done", wallet=wallet),
        told_otherwise=Say("client.wallet_changed", name=ctx.me.name, wallet=wallet),
    )


CLIENT_COMMANDS = (
    *SAVINGS_COMMANDS,
    PRICE,
    HISTORY,
    RECEIPT,
    *STATS_COMMANDS,
    Command(("deposits",), answer=_deposits_answer),
    EXPORT,
    Command(("settings",), answer=_settings_answer),
    *FIXED_SAVING,
    CAP,
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
    FILES,
    STATEMENTS,
    LANGUAGE,
    *GENERAL_COMMANDS,
)


def _deposit_line(one: Deposit) -> Say:
    return Say(
        "deposits.own_line",
        at=Moment(one.confirmed_at or one.created_at),
        amount=Fiat(one.amount_minor),
        state=Word("deposit", one.state),
    )
