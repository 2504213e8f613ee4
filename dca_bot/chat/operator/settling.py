"""`settle NAME`: one client's whole balance becomes bitcoin at once, out of the source wallet."""

from dataclasses import dataclass
from decimal import Decimal

from dca_bot.chat.ask import ask_price, coin_rate
from dca_bot.chat.command import Args, Command, Context, Done
from dca_bot.chat.operator.find import find_client
from dca_bot.chat.params import Param, read_name
from dca_bot.chat.services import Services
from dca_bot.core.clients import ClientState
from dca_bot.core.fixed_schedule import run_to_settle
from dca_bot.core.market import bought_sat, coin_minor
from dca_bot.core.rate import Quote, choose_rate, round_price
from dca_bot.ledger.correspondence import tasks
from dca_bot.ledger.distributions import fixed_mode
from dca_bot.ledger.payouts import unknown_payments
from dca_bot.ledger.programme import clients, tickers
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import NOTHING, Fiat, Field, Moment, Sat, Say, Word, refuse


async def _look(services: Services, _args: Args) -> Decimal | None:
    """Ask LNbits for the price of a coin; None without an answer."""
    return await ask_price(services)


@dataclass(frozen=True, slots=True)
class _Settling:
    """Whose whole balance is bought for, and at which price."""

    client: Client
    quote: Quote


def _plan(tx: Tx, ctx: Context, args: Args, price: Decimal | None) -> Say:
    """Tell what settling would give; rate and sats are rounded, as the price moves until the code comes."""
    wanted = _allowed(tx, ctx, args, price)
    client, asked = wanted.client, tasks.requested_cash(tx, wanted.client.id)
    about = coin_minor(Decimal(round_price(wanted.quote.price)), ctx.programme.currency)
    paused = client.state in (ClientState.PAUSED, ClientState.STOPPED)
    return Say(
        "settle.effect",
        name=client.name,
        fiat=Fiat(client.balance_minor),
        sats=Sat(round_price(Decimal(bought_sat(client.balance_minor, about)))),
        rate=coin_rate(about),
        wallet=describe.destination(client.destination),
        paused=Say("settle.paused", name=client.name) if paused else NOTHING,
        asked=NOTHING
        if asked is None
        else Say(
            "settle.asked",
            name=client.name,
            amount=Fiat(asked.amount_minor),
            at=Moment(asked.asked_at),
        ),
    )


def _apply(tx: Tx, ctx: Context, args: Args, price: Decimal | None) -> Done:
    """Buy for the client's whole balance, and tell the client."""
    wanted = _allowed(tx, ctx, args, price)
    client = wanted.client
    given = fixed_mode.settle(
        tx,
        client,
        run_to_settle(client.id, ctx.now, ctx.programme.timezone),
        wanted.quote,
        currency=ctx.programme.currency,
        now=ctx.now,
        message_id=ctx.message_id,
    )
    bought: dict[str, Field] = {
        "fiat": Fiat(given.principal_minor),
        "sats": Sat(given.principal_sat),
        "rate": coin_rate(coin_minor(wanted.quote.price, ctx.programme.currency)),
    }
    ctx.notices.tell_client(tx, client, Say("notice.settled", **bought), ctx.now)
    # The client has just been told that nothing is left.
    clients.cross_low(tx, [client.id], ctx.programme.low_deposit_minor)
    return Done(Say("settle.done", name=client.name, **bought))


SETTLE = Command(("settle",), (Param("NAME", read_name),), look=_look, plan=_plan, apply=_apply)


def _allowed(tx: Tx, ctx: Context, args: Args, price: Decimal | None) -> _Settling:
    """Return the client and the rate; raise CommandRefused for what must not, or can't, be settled now."""
    client = find_client(tx, args.text("NAME"))
    if bot_state.paused(tx):
        raise refuse("status.paused")
    if not ctx.services.is_reconciled():
        raise refuse("unavailable")
    if unknown_payments.may_concern(tx, client.paid_as, now=ctx.now):
        raise refuse("settle.unknown_paid", name=client.name)
    if client.destination is None:
        raise refuse("settle.no_wallet", name=client.name)
    if not client.balance_minor:
        raise refuse("settle.nothing", name=client.name)
    quote = choose_rate(
        price,
        tickers.newest(tx),
        rules=ctx.programme.fixed,
        currency=ctx.programme.currency,
        now=ctx.now,
    )
    if not isinstance(quote, Quote):
        raise refuse("fixed.no_run", why=Word("reason", quote))
    if not fixed_mode.work_out_settling(client, quote, currency=ctx.programme.currency).sat:
        raise refuse("settle.no_sat", name=client.name, balance=Fiat(client.balance_minor))
    return _Settling(client, quote)
