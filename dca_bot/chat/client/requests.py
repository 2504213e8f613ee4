"""The clients' commands to the operators: `contact`, and `withdraw`, a request for cash."""

from datetime import timedelta

from dca_bot.chat.command import Args, Command, Context, Done
from dca_bot.chat.params import Param, read_fiat_or_zero, read_word
from dca_bot.core.quotes import cleaned, quoted
from dca_bot.ledger.correspondence import tasks
from dca_bot.ledger.correspondence.tasks import TaskKind
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import tasks as tasks_told
from dca_bot.messages.say import NOTHING, Fiat, Moment, Plain, Say, refuse

OPEN_MAX = 3
DAY_MAX, REQUESTS_MAX = 20, 5
"""A client's messages and requests for cash in a day: each is told to all operators."""
CHARS_MAX = 1000
_BYTES_MAX = 3000
"""Leaves room in the operators' message for the frame around the words."""
_DAY = timedelta(days=1)


def _contact_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Pass the client's words on to the operators; without words tell how."""
    waiting = [one for one in tasks.open_of(tx, ctx.me.id) if one.kind is TaskKind.CONTACT]
    words = cleaned(args.text("TEXT"))
    if not words:
        open_since = Say("contact.waiting", at=Moment(waiting[0].asked_at)) if waiting else NOTHING
        return Say("lines", lines=(Say("contact.how"), open_since))
    if len(words) > CHARS_MAX or len(quoted(words).encode()) > _BYTES_MAX:
        raise refuse("contact.long", max=CHARS_MAX)
    if len(waiting) >= OPEN_MAX:
        raise refuse("contact.many_open", n=len(waiting))
    if _asked_today(tx, ctx, TaskKind.CONTACT) >= DAY_MAX:
        raise refuse("contact.many_today")
    tasks.contact(tx, ctx.me.id, words, now=ctx.now)
    told = Say("notice.contact", name=ctx.me.name, words=quoted(words))
    ctx.notices.tell_operators(tx, told, ctx.now)
    return Say("contact.done")


def _withdraw_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Tell how much cash can be asked for; with the amount 0 take the request back."""
    if args.has("AMOUNT"):
        return _take_back(tx, ctx)
    balance = Fiat(ctx.me.balance_minor)
    how = Say("request.how", balance=balance) if ctx.me.balance_minor else Say("request.no_cash")
    return Say("lines", lines=(tasks_told.requested(tx, ctx.me.id), how))


def _withdraw_plan(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Tell the amount of cash, and the open request that the new request replaces."""
    amount_minor, balance = args.number("AMOUNT"), Fiat(ctx.me.balance_minor)
    if not ctx.me.balance_minor:
        raise refuse("request.no_cash")
    if amount_minor > ctx.me.balance_minor:
        raise refuse("request.too_much", balance=balance)
    if _asked_today(tx, ctx, TaskKind.WITHDRAWAL) >= REQUESTS_MAX:
        raise refuse("request.many_today")
    asked = tasks.requested_cash(tx, ctx.me.id)
    old = NOTHING if asked is None else Say("request.replaces", old=Fiat(asked.amount_minor))
    return Say("request.effect", amount=Fiat(amount_minor), replaces=old)


def _withdraw_apply(tx: Tx, ctx: Context, args: Args, _seen: object) -> Done:
    """Record the request, and tell the operators the command to type; the balance stays."""
    amount_minor = args.number("AMOUNT")
    tasks.request_cash(tx, ctx.me.id, amount_minor, by=ctx.sender, now=ctx.now)
    return Done(
        reply=Say("request.done", amount=Fiat(amount_minor)),
        told_otherwise=Say(
            "request.told",
            name=ctx.me.name,
            amount=Fiat(amount_minor),
            balance=Fiat(ctx.me.balance_minor),
            typed=Plain(Fiat(amount_minor)),
        ),
    )


REQUEST_COMMANDS = (
    Command(
        ("contact",),
        (Param("TEXT", read_word, optional=True, verbatim=True),),
        answer=_contact_answer,
    ),
    Command(
        ("withdraw",),
        (Param("AMOUNT", read_fiat_or_zero, optional=True),),
        answer=_withdraw_answer,
        plan=_withdraw_plan,
        apply=_withdraw_apply,
        code_when=lambda args: args.has("AMOUNT") and args.number("AMOUNT") > 0,
        texts="withdraw_request",
    ),
)


def _asked_today(tx: Tx, ctx: Context, kind: TaskKind) -> int:
    return tasks.asked_since(tx, ctx.me.id, kind, ctx.now - _DAY)


def _take_back(tx: Tx, ctx: Context) -> Say:
    closed = tasks.close(tx, ctx.me.id, TaskKind.WITHDRAWAL, by=ctx.sender, now=ctx.now)
    if not closed:
        raise refuse("request.none")
    amount = Fiat(closed[0].amount_minor)
    told = Say("request.taken_back_told", name=ctx.me.name, amount=amount)
    ctx.notices.money_command(tx, ctx.sender, told, ctx.now)
    return Say("request.taken_back", amount=amount)
