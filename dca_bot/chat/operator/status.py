"""The operators' commands about the bot itself: `status`, `poll`, `pause all`, `resume all`, `audit`."""

from dataclasses import dataclass

from dca_bot.chat.ask import ask_balance, in_time
from dca_bot.chat.command import Args, Command, Context, Done
from dca_bot.chat.operator.exports import TABLES_EXPORT
from dca_bot.chat.operator.status_text import full_status, programme_state, short_status
from dca_bot.chat.params import ALL, PAGE, Param
from dca_bot.chat.services import Services
from dca_bot.core.lease import short_name
from dca_bot.core.reach import Part
from dca_bot.errors import LnbitsRefused, LnbitsUnavailable
from dca_bot.ledger.audit.audit import LedgerAudit
from dca_bot.ledger.audit.payments import PaymentsAudit, audit_payments
from dca_bot.ledger.payouts import leases
from dca_bot.ledger.programme import start
from dca_bot.ledger.store import bot_state, clock
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.lamassu_state import copy_age, lost_parts
from dca_bot.messages.owed import rehearsed
from dca_bot.messages.say import NOTHING, Moment, Say, refuse
from dca_bot.messages.surroundings import Surroundings

_FINDINGS_SHOWN_MAX = 10


@dataclass(frozen=True, slots=True)
class _AuditFindings:
    """The findings of `audit`; `payments` is None if LNbits did not answer, and for a rehearsal."""

    ledger: LedgerAudit
    payments: PaymentsAudit | None


async def look_around(services: Services, _args: Args) -> Surroundings:
    """Ask LNbits for the balance, and note which outside parts and relays are in reach."""
    return Surroundings(await ask_balance(services), services.parts(), services.relays())


async def _look_audit(services: Services, _args: Args) -> _AuditFindings:
    """Audit the ledger, and compare LNbits' payments with the ledger if LNbits answers.

    A rehearsal has no payments to compare.
    """
    if await services.database.read(lambda tx: bot_state.get(tx, bot_state.REHEARSAL)):
        return _AuditFindings(await services.audit_ledger(), None)
    try:
        await in_time(services, services.wallet.balance_msat())
        async with services.reading_database() as database:
            payments = await audit_payments(database, services.wallet)
    except (LnbitsUnavailable, LnbitsRefused):
        return _AuditFindings(await services.audit_ledger(), None)
    return _AuditFindings(await services.audit_ledger(), payments)


def _status_answer(tx: Tx, ctx: Context, args: Args, found: Surroundings) -> Say:
    """Tell what needs the operator, then the programme in a few lines; with `all` a page of everything."""
    if args.has(_ALL.name):
        return full_status(tx, ctx, found, args.page)
    return short_status(tx, ctx, found)


def _read_all(text: str, _currency: str) -> str:
    """Read the word `all`."""
    if text.lower() != ALL:
        raise refuse("wrong.status")
    return ALL


def _poll_answer(tx: Tx, ctx: Context, _args: Args, _seen: object) -> Say:
    """Say that Lamassu is read now, and why the last reading failed; the signal follows the transaction."""
    if bot_state.paused(tx):
        raise refuse("status.paused")
    if not ctx.services.is_reconciled():
        raise refuse("unavailable")
    parts = [part for part in ctx.services.parts() if part.part is Part.LAMASSU]
    lines = (Say("poll.done"), *lost_parts(parts), copy_age(tx, ctx.now, only_stale=True))
    return Say("lines", lines=lines)


def _pause_answer(tx: Tx, ctx: Context, args: Args, seen: object) -> Say:
    """Pause at once, as the emergency brake."""
    if _is_paused_by_word(tx):
        _note_words(tx, ctx)
        return Say("pause_all.already")
    return _reported(tx, ctx, _pause_apply(tx, ctx, args, seen))


def _pause_plan(tx: Tx, _ctx: Context, _args: Args, _seen: object) -> Say:
    """Tell the effect of a pause, also if a doubted clock has paused the programme already."""
    if _is_paused_by_word(tx):
        raise refuse("pause_all.already")
    return Say("pause_all.effect")


def _pause_apply(tx: Tx, ctx: Context, _args: Args, _seen: object) -> Done:
    """Pause deciding and paying."""
    bot_state.put(tx, bot_state.PAUSED, ctx.now.isoformat())
    _note_words(tx, ctx)
    return Done(Say("pause_all.done"))


def _note_words(tx: Tx, ctx: Context) -> None:
    """Note when the newest `pause all` was written: what was written before it doesn't end the pause."""
    before = bot_state.moment(tx, bot_state.PAUSE_WRITTEN_AT)
    if before is None or before < ctx.written_at:
        bot_state.put(tx, bot_state.PAUSE_WRITTEN_AT, ctx.written_at.isoformat())


def _resume_answer(tx: Tx, ctx: Context, args: Args, seen: object) -> Say:
    """Resume deciding and paying at once, with all cash-outs of the meantime."""
    if not bot_state.paused(tx):
        return Say("resume_all.already")
    return _reported(tx, ctx, _resume_apply(tx, ctx, args, seen))


def _resume_plan(tx: Tx, ctx: Context, _args: Args, _seen: object) -> Say:
    """Tell the effect: another bot must have stopped, older cash-outs count, or a pause ends."""
    dispute, at = leases.open_dispute(tx), start.asked(tx)
    if dispute is not None:
        rival = short_name(dispute.instance)
        return Say("resume_all.takeover_effect", me=ctx.services.bot_name, rival=rival)
    if at is not None:
        effect = Say("resume_all.start_effect", start=Moment(at))
        # Part of the effect: a pause after the question changes the effect, and the old code does not end it.
        ends_pause = Say("resume_all.ends_pause") if _is_paused_by_word(tx) else NOTHING
        return Say("lines", lines=(effect, ends_pause))
    if not bot_state.paused(tx):
        raise refuse("resume_all.already")
    # Part of the effect: a code ends the pause that was asked about, and no later pause.
    since = bot_state.moment(tx, bot_state.PAUSED)
    paused = NOTHING if since is None else Say("resume_all.paused_since", at=Moment(since))
    doubted = Say("resume_all.clock_effect") if clock.is_doubted(tx) else NOTHING
    return Say("lines", lines=(Say("resume_all.effect"), paused, doubted))


def _resume_apply(tx: Tx, ctx: Context, _args: Args, _seen: object) -> Done:
    """Accept the other bot's rows at LNbits, the earlier start or else a doubted clock, and resume."""
    was_disputed = _is_disputed(tx)
    if was_disputed:
        leases.accept(tx, now=ctx.now)
    elif start.asked(tx) is not None:
        start.accept(tx)
    else:
        clock.accept(tx, ctx.now)
    bot_state.drop(tx, bot_state.PAUSED)
    bot_state.drop(tx, bot_state.PAUSE_WRITTEN_AT)
    bot_state.drop(tx, bot_state.PUT_BACK)
    if bot_state.paused(tx):  # a further stop needs a decision of its own
        return Done(programme_state(tx, ctx))
    if was_disputed:
        return Done(Say("resume_all.taken_over", me=ctx.services.bot_name))
    return Done(Say("resume_all.done"))


def _reported(tx: Tx, ctx: Context, done: Done) -> Say:
    """Report an effect without a code to all other operators; return the reply."""
    ctx.notices.money_command(tx, ctx.sender, done.reply, ctx.now)
    return done.reply


def _is_paused_by_word(tx: Tx) -> bool:
    """Tell whether an operator has paused the programme."""
    return bot_state.get(tx, bot_state.PAUSED) is not None


def _is_disputed(tx: Tx) -> bool:
    """Tell whether another bot's row at LNbits has stopped this bot."""
    return leases.open_dispute(tx) is not None


def _needs_word(tx: Tx, ctx: Context) -> bool:
    """Tell whether resuming needs a code: a decision, or words that may not have meant this pause.

    Those were written before the newest `pause all`, and have been on their way for long. Or a pause and a
    clock in doubt would both end by the same words. A bot that was put back asks whether the former one has
    stopped for good, also where LNbits has no row of that one any more.
    """
    was_put_back = bot_state.get(tx, bot_state.PUT_BACK) is not None
    if was_put_back or _is_disputed(tx) or start.asked(tx) is not None:
        return True
    written_at = bot_state.moment(tx, bot_state.PAUSE_WRITTEN_AT)
    is_older = written_at is not None and ctx.written_at < written_at
    return _is_paused_by_word(tx) and (clock.is_doubted(tx) or is_older)


def _audit_answer(_tx: Tx, ctx: Context, _args: Args, found: _AuditFindings) -> Say:
    """Tell the findings of the audit."""
    ledger = found.ledger
    findings = (*ledger.findings, *(found.payments.findings if found.payments else ()))
    notes = _notes(found.payments)
    looked = Say(
        "audit.looked",
        entries=ledger.entries,
        distributions=ledger.distributions,
        payouts=ledger.payouts,
    )
    unasked = Say("audit.unasked") if found.payments is None else NOTHING
    if ctx.programme.is_rehearsal:
        unasked = rehearsed(ctx.programme)
    if not findings:
        return Say("lines", lines=(Say("audit.sound"), looked, unasked, *notes))
    shown = tuple(
        Say("audit.finding", text=describe.finding(one)) for one in findings[:_FINDINGS_SHOWN_MAX]
    )
    return Say(
        "lines", lines=(Say("audit.broken", n=len(findings)), *shown, looked, unasked, *notes)
    )


def _notes(payments: PaymentsAudit | None) -> tuple[Say, ...]:
    """Say the audit's notes on LNbits' payments: known, and nothing to do."""
    notes = payments.notes[:_FINDINGS_SHOWN_MAX] if payments else ()
    return tuple(Say("audit.note", text=describe.finding(one)) for one in notes)


def _wake_jobs(services: Services) -> None:
    """Wake the poll of Lamassu and the payouts."""
    services.poll_now()
    services.wake_payouts()


_ALL = Param("FILTER", _read_all, optional=True)
HOUSE_COMMANDS = (
    Command(("status",), (_ALL, PAGE), look=look_around, answer=_status_answer),
    Command(("poll",), answer=_poll_answer, then=lambda services: services.poll_now()),
    Command(
        ("pause", "all"),
        answer=_pause_answer,
        plan=_pause_plan,
        apply=_pause_apply,
        # The emergency brake acts at once; plain words wait for a code.
        code_if=lambda _tx, _ctx: False,
    ),
    Command(
        ("resume", "all"),
        answer=_resume_answer,
        plan=_resume_plan,
        apply=_resume_apply,
        code_if=_needs_word,
        then=_wake_jobs,
    ),
    TABLES_EXPORT,
    Command(("audit",), look=_look_audit, answer=_audit_answer),
)
