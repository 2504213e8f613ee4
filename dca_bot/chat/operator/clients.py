"""The operator's commands about clients."""

from dca_bot.chat.client.fixed import mode_terms
from dca_bot.chat.command import Args, Command, Context, Done
from dca_bot.chat.destinations import DESTINATION, look_destination
from dca_bot.chat.operator.client_lists import CLIENT_LIST
from dca_bot.chat.operator.client_modes import CLIENT_MODES
from dca_bot.chat.operator.client_views import VIEW, WHO, view
from dca_bot.chat.operator.find import find_client, find_person
from dca_bot.chat.operator.new_clients import CLIENT_ADD, free_pubkey, hints_of, keep_hints
from dca_bot.chat.operator.unreached import UNREACHED
from dca_bot.chat.params import PAGE, Param, read_name, read_word
from dca_bot.core.calendar import local_date
from dca_bot.core.clients import ClientState
from dca_bot.ledger.correspondence import confirmations, inbox, knocks, tasks
from dca_bot.ledger.correspondence.outbox import Urgency
from dca_bot.ledger.correspondence.tasks import TaskKind
from dca_bot.ledger.payouts import planning
from dca_bot.ledger.programme import clients, commission, deposits
from dca_bot.ledger.programme.clients import Client, Destination
from dca_bot.ledger.reports import purchases
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe, obstacles, reach
from dca_bot.messages import tasks as tasks_told
from dca_bot.messages.say import NOTHING, Day, Fiat, Npub, Percent, Sat, Say, Word, refuse

NAME = Param("NAME", read_name)
_NPUB = Param("NPUB", read_word)


def _client_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Show a client's settings, balance and purchases, or the list that VIEW names."""
    client = find_person(tx, ctx, args.text("NAME"))
    if args.has(VIEW.name):
        return view(tx, client, args.text(VIEW.name), args.page)
    got, pending_minor = purchases.got(tx, client.id), deposits.pending_minor(tx, client.id)
    clock = describe.phone_clock(inbox.clock_behind(tx, client.pubkey))
    note = clients.note(tx, client.id)
    return Say(
        "client.card",
        name=client.name,
        state=Word("client", client.state),
        mode=Word("mode", client.mode),
        terms=mode_terms(client, ctx.programme),
        npub=Npub(ctx.services.npub(client.pubkey)),
        balance=Fiat(client.balance_minor),
        pending=Say("client.pending", amount=Fiat(pending_minor)) if pending_minor else NOTHING,
        sats=Sat(got.bought_sat),
        fiat=Fiat(got.spent_minor),
        earned=Say("client.earned", sats=Sat(got.earned_sat)) if got.earned_sat else NOTHING,
        owed=Say("client.owed", sats=Sat(client.owed_sat)) if client.owed_sat else NOTHING,
        wallet=describe.destination(client.destination),
        idle=_idle(tx, ctx, client),
        since=Day(local_date(client.created_at, ctx.programme.timezone)),
        reached=reach.of_client(tx, client),
        tasks=tasks_told.of_client(tx, client.id, has_words=True),
        clock=Say("client.phone", clock=clock) if clock != NOTHING else NOTHING,
        note=Say("client.note", note=note) if note else NOTHING,
        paid_as=NOTHING
        if client.paid_as == client.name
        else Say("client.paid_as", name=client.paid_as),
    )


def _idle(tx: Tx, ctx: Context, client: Client) -> Say:
    """Say what keeps a client's cash from becoming bitcoin in a wallet."""
    why, too_small = obstacles.short(client, ctx.programme), None
    if client.state is not ClientState.CLOSED:
        too_small = obstacles.too_small(tx, ctx.programme, client)
    small = NOTHING
    if too_small is not None:
        least, kept = Sat(too_small.min_sat), Sat(too_small.kept_sat)
        small = Say("client.too_small", least=least, kept=kept)
    idle = NOTHING if why == NOTHING else Say("client.idle", why=why)
    return Say("client.hindered", idle=idle, small=small)


def _pause_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Exclude a client from distributions until an operator resumes the client."""
    client = find_client(tx, args.text("NAME"))
    if client.state is ClientState.STOPPED:
        return Say("client.paused_already", name=client.name)
    clients.set_state(tx, client, ClientState.STOPPED)
    ctx.notices.tell_client(tx, client, Say("notice.client_paused"), ctx.now)
    return Say("client.paused", name=client.name)


def _resume_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Include a client in distributions again."""
    client = find_client(tx, args.text("NAME"))
    if client.state is ClientState.ACTIVE:
        return Say("client.active_already", name=client.name)
    clients.set_state(tx, client, ClientState.ACTIVE)
    client = clients.by_id(tx, client.id)
    ctx.notices.clients.resumed(tx, client, ctx.now)
    done = Say("client.resumed", name=client.name)
    return Say("lines", lines=(done, *obstacles.warnings(tx, ctx.programme, client)))


def _close_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Close a client without balance, deposits, payouts and commission."""
    client = find_client(tx, args.text("NAME"))
    balance_minor, open_payouts, pending = clients.open_items(tx, client.id)
    if balance_minor or open_payouts or pending or client.owed_sat:
        raise refuse(
            "client.not_empty",
            name=client.name,
            balance=Fiat(balance_minor),
            owed=Sat(client.owed_sat),
            payouts=open_payouts,
            deposits=pending,
        )
    share = commission.in_force(tx).share_of(client.id)
    if share is not None:
        percent = Percent(share.percent_bp)
        raise refuse("client.gets_commission", name=client.name, percent=percent)
    # Not in bulk: the farewell would overtake the digest.
    ctx.notices.clients.digest(tx, client.id, ctx.now, urgency=Urgency.NOTICE)
    ctx.notices.tell_client(tx, client, Say("notice.client_closed"), ctx.now)
    clients.set_state(tx, client, ClientState.CLOSED)
    confirmations.withdraw(tx, client.pubkey)
    asked = tasks.close(tx, client.id, *TaskKind, by=ctx.sender, now=ctx.now)
    open_no_more = Say("client.tasks_closed", n=len(asked)) if asked else NOTHING
    return Say("lines", lines=(Say("client.was_closed", name=client.name), open_no_more))


def _wallet_plan(tx: Tx, _ctx: Context, args: Args, seen: Destination) -> Say:
    """Tell the old and the new destination of a client's payouts."""
    client = find_client(tx, args.text("NAME"))
    return Say(
        "client.wallet_effect",
        name=client.name,
        old=describe.destination(client.destination),
        new=describe.destination_whole(seen),
        minimum=describe.minimum(seen),
    )


def _wallet_apply(tx: Tx, ctx: Context, args: Args, seen: Destination) -> Done:
    """Set the destination of a client's future payouts, and tell the client."""
    client = find_client(tx, args.text("NAME"))
    clients.set_destination(tx, client.id, seen)
    planning.plan(tx, [client.id], now=ctx.now)
    wallet = describe.destination(seen)
    told = "notice.wallet_set" if client.destination is None else "notice.wallet_changed"
    ctx.notices.tell_client(tx, client, Say(told, wallet=wallet), ctx.now)
    done = Say("client.wallet_done", name=client.name, wallet=wallet)
    return Done(done)


def _npub_plan(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Tell the old and the new npub of a client, or the relays of an nprofile of the present key."""
    client = find_client(tx, args.text("NAME"))
    hints = hints_of(ctx, args, client.pubkey)
    if hints:
        return Say("client.hints_effect", name=client.name, relays=", ".join(hints))
    pubkey = free_pubkey(tx, ctx, args)
    return Say(
        "client.npub_effect",
        name=client.name,
        old=Npub(ctx.services.npub(client.pubkey)),
        new=Npub(ctx.services.npub(pubkey)),
    )


def _npub_apply(tx: Tx, ctx: Context, args: Args, _seen: object) -> Done:
    """Give a client a new npub, void the codes of the old npub, and tell both npubs.

    An nprofile of the present key changes nothing but where the client is looked for.
    """
    client = find_client(tx, args.text("NAME"))
    if hints_of(ctx, args, client.pubkey):
        keep_hints(tx, ctx, args, client.pubkey)
        return Done(Say("client.hints_done", name=client.name))
    pubkey = free_pubkey(tx, ctx, args)
    ctx.notices.tell_client(tx, client, Say("notice.npub_old"), ctx.now)
    clients.set_pubkey(tx, client.id, pubkey, now=ctx.now)
    keep_hints(tx, ctx, args, pubkey)
    knocks.close(tx, pubkey, now=ctx.now)
    confirmations.withdraw(tx, client.pubkey)
    ctx.notices.tell_client(tx, clients.by_id(tx, client.id), Say("notice.npub_new"), ctx.now)
    done = Say("client.npub_done", name=client.name, npub=Npub(ctx.services.npub(pubkey)))
    return Done(done)


CLIENT_MANAGEMENT = (
    CLIENT_ADD,
    Command(("client",), (WHO, VIEW, PAGE), answer=_client_answer),
    CLIENT_LIST,
    UNREACHED,
    Command(("client", "pause"), (NAME,), answer=_pause_answer),
    Command(("client", "resume"), (NAME,), answer=_resume_answer),
    Command(("client", "close"), (NAME,), answer=_close_answer),
    Command(
        ("client", "wallet"),
        (NAME, DESTINATION),
        look=look_destination,
        plan=_wallet_plan,
        apply=_wallet_apply,
    ),
    Command(("client", "npub"), (NAME, _NPUB), plan=_npub_plan, apply=_npub_apply),
    *CLIENT_MODES,
)
