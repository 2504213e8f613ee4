"""The operator's command that adds a client: by an npub, or by the code of a knock."""

from collections.abc import Collection, Sequence
from datetime import datetime

from dca_bot.chat.command import Args, Command, Context, Counted, Done
from dca_bot.chat.operator.knocks import described, find_knock, read_npub_or_knock
from dca_bot.chat.operator.names import refuse_taken_name
from dca_bot.chat.operator.newcomers import Newcomer, look_newcomer
from dca_bot.chat.params import Param, read_fiat, read_name
from dca_bot.core import knock
from dca_bot.core.clients import Notify
from dca_bot.errors import DcaBotError
from dca_bot.ledger.correspondence import knocks, person_relays
from dca_bot.ledger.programme import client_names, clients, commission, deposits
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import NOTHING, Fiat, Npub, Say, refuse


def _add_plan(tx: Tx, ctx: Context, args: Args, newcomer: Newcomer) -> Say:
    """Tell the name, npub and first deposit of the new client, and of a knock who has knocked and when."""
    pubkey = _new_pubkey(tx, ctx, args)
    name, npub = refuse_taken_name(tx, args.text("NAME")), ctx.services.npub(pubkey)
    effect = Say("client.add_effect_alone", name=name, npub=Npub(npub))
    if args.has("AMOUNT"):
        amount = Fiat(args.number("AMOUNT"))
        effect = Say("client.add_effect", name=name, npub=Npub(npub), amount=amount)
    found = find_knock(tx, ctx, args)
    told = NOTHING if found is None else described(tx, found, newcomer.profile_name)
    return Say("lines", lines=(effect, told))


def _add_apply(tx: Tx, ctx: Context, args: Args, newcomer: Newcomer) -> Done:
    """Add a client, with a pending first deposit if an amount was given."""
    client = _add(tx, ctx, args, newcomer)
    if not args.has("AMOUNT"):
        return Done(Say("client.added", name=client.name))
    amount_minor = args.number("AMOUNT")
    deposit = deposits.add(tx, client.id, amount_minor=amount_minor, note="", now=ctx.now)
    ctx.notices.clients.deposit_pending(tx, client, amount_minor, ctx.now, is_new=True)
    done = Say(
        "client.added_with_deposit", name=client.name, amount=Fiat(amount_minor), id=deposit.id
    )
    return Done(done, counted=Counted("batch.noted", amount_minor))


def _add_answer(tx: Tx, ctx: Context, args: Args, newcomer: Newcomer) -> Say:
    """Add a client without a deposit; no code, because no money is promised."""
    return Say("client.added", name=_add(tx, ctx, args, newcomer).name)


def _needs_code(args: Args) -> bool:
    """Tell whether the operator is asked back: money is promised, or the operator hasn't seen the npub."""
    return args.has("AMOUNT") or knock.is_knock(args.text("NPUB"))


CLIENT_ADD = Command(
    ("client", "add"),
    (
        Param("NAME", read_name, is_new_name=True),
        Param("NPUB", read_npub_or_knock),
        Param("AMOUNT", read_fiat, optional=True),
    ),
    look=look_newcomer,
    always_looks=True,
    answer=_add_answer,
    plan=_add_plan,
    apply=_add_apply,
    code_when=_needs_code,
)


def free_pubkey(tx: Tx, ctx: Context, args: Args) -> str:
    """Read the argument NPUB; refuse the npub of a client, of an operator or of the bot."""
    try:
        pubkey = ctx.services.parse_npub(args.text("NPUB"))
    except (DcaBotError, ValueError):
        raise refuse("wrong.npub") from None
    return _refuse_taken(tx, ctx, pubkey)


def hints_of(ctx: Context, args: Args, pubkey: str) -> Sequence[str]:
    """Return the relays of the argument NPUB if the argument is an nprofile of a key; else none."""
    try:
        is_same = ctx.services.parse_npub(args.text("NPUB")) == pubkey
    except (DcaBotError, ValueError):
        return ()
    return ctx.services.relay_hints(args.text("NPUB")) if is_same else ()


def keep_hints(tx: Tx, ctx: Context, args: Args, pubkey: str) -> None:
    """Record the relays that the argument NPUB names, if an nprofile was written."""
    person_relays.keep_hints(tx, pubkey, ctx.services.relay_hints(args.text("NPUB")))


def admit(
    tx: Tx, name: str, pubkey: str, *, hints: Sequence[str], language: str, now: datetime
) -> Client:
    """Add a client with a free pubkey and a new name; raise CommandRefused if the name is taken.

    `hints`: relays where the client reads.
    """
    name = refuse_taken_name(tx, name)
    for former in client_names.alike(tx, name):
        commission.close_spent(tx, former)
    client = clients.add(
        tx,
        name=name,
        pubkey=pubkey,
        language=language,
        now=now,
        notify=Notify.DAILY,  # a message for each payout would be up to 40 a day
    )
    person_relays.keep_hints(tx, pubkey, hints)
    knocks.close(tx, pubkey, now=now)
    return client


def refuse_taken_pubkey(tx: Tx, pubkey: str, *, operators: Collection[str], bot_pubkey: str) -> str:
    """Return a pubkey that can be a client's; raise CommandRefused for anybody else's."""
    if pubkey in operators:
        raise refuse("client.npub_of_operator")
    if pubkey == bot_pubkey:
        raise refuse("client.npub_of_bot")
    taken = clients.by_pubkey(tx, pubkey)
    if taken is not None:
        raise refuse("client.npub_taken", name=taken.name)
    return pubkey


def _add(tx: Tx, ctx: Context, args: Args, newcomer: Newcomer) -> Client:
    client = admit(
        tx,
        args.text("NAME"),
        _new_pubkey(tx, ctx, args),
        hints=ctx.services.relay_hints(args.text("NPUB")),
        language=ctx.programme.language,
        now=ctx.now,
    )
    ctx.notices.clients.welcome(tx, client, ctx.now, offered=newcomer.address)
    return client


def _new_pubkey(tx: Tx, ctx: Context, args: Args) -> str:
    found = find_knock(tx, ctx, args)
    if found is None:
        return free_pubkey(tx, ctx, args)
    return _refuse_taken(tx, ctx, found.pubkey)


def _refuse_taken(tx: Tx, ctx: Context, pubkey: str) -> str:
    operators, bot_pubkey = ctx.programme.operators, ctx.services.bot_pubkey
    return refuse_taken_pubkey(tx, pubkey, operators=operators, bot_pubkey=bot_pubkey)
