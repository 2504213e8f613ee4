"""The operators' commands about the bot itself: `status`, `poll`, `pause all`, `resume all`, `audit`."""

from dataclasses import dataclass

from dca_bot.chat.ask import ask_balance, in_time
from dca_bot.chat.command import Args, Command, Context, Done
from dca_bot.chat.operator.exports import TABLES_EXPORT
from dca_bot.chat.operator.status_text import full_status, programme_state, short_status
from dca_bot.chat.params import ALL, Param
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
from dca_bot.messages.say import NOTHING, Moment, Say, refuse
from dca_bot.messages.surroundings import Surroundings

_FINDINGS_SHOWN_MAX = 10


@dataclass(frozen=True, slots=True)
class _AuditFindings:
    """The findings of `audit`; `payments` is None if LNbits did not answer."""

    ledger: LedgerAudit
    payments: PaymentsAudit | None


async def look_around(services: Services, _args: Args) -> Surroundings:
    """Ask LNbits for the balance, and note which outside parts and relays are in reach."""
    return Surroundings(await ask_balance(services), services.parts(), services.relays())


async def _look_audit(services: Services, _args: Args) -> _AuditFindings:
    """Audit the ledger, and compare LNbits' payments with the ledger if LNbits answers."""
    try:
        await in_time(services, services.wallet.balance_msat())
        async with services.reading_database() as database:
            payments = await audit_payments(database, services.wallet)
    except (LnbitsUnavailable, LnbitsRefused):
        return _AuditFindings(await services.audit_ledger(), None)
    return _AuditFindings(await services.audit_ledger(), payments)


def _status_answer(tx: Tx, ctx: Context, args: Args, found: Surroundings) -> Say:
    """Tell what needs the operator, then the programme in a few lines; with `all` everything."""
    return full_status(tx, ctx, found) if args.has(_ALL.name) else short_status(tx, ctx, found)


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


def _pause_answer(tx: Tx, ctx: Context, _args: Args, _seen: object) -> Say:
    """Pause deciding and paying, also if a doubted clock has paused both already."""
    if bot_state.get(tx, bot_state.PAUSED) is not None:
        return Say("pause_all.already")
    bot_state.put(tx, bot_state.PAUSED, ctx.now.isoformat())
    ctx.notices.money_command(tx, ctx.sender, Say("pause_all.done"), ctx.now)
    return Say("pause_all.done")


def _resume_answer(tx: Tx, ctx: Context, _args: Args, _seen: object) -> Say:
    """Resume deciding and paying, with all cash-outs of the meantime."""
    was_paused, was_doubted = bot_state.drop(tx, bot_state.PAUSED), clock.accept(tx, ctx.now)
    if not (was_paused or was_doubted):
        return Say("resume_all.already")
    ctx.notices.money_command(tx, ctx.sender, Say("resume_all.done"), ctx.now)
    return Say("resume_all.done")


def _resume_plan(tx: Tx, ctx: Context, _args: Args, _seen: object) -> Say:
    """Tell the effect: another bot must have stopped, or older cash-outs count."""
    dispute, at = leases.open_dispute(tx), start.asked(tx)
    if dispute is None:
        assert at is not None
        effect = Say("resume_all.start_effect", start=Moment(at))
        # Part of the effect: a pause after the question changes the effect, and the old code does not end it.
        is_paused = bot_state.get(tx, bot_state.PAUSED) is not None
        return Say("lines", lines=(effect, Say("resume_all.ends_pause") if is_paused else NOTHING))
    return Say(
        "resume_all.takeover_effect", me=ctx.services.bot_name, rival=short_name(dispute.instance)
    )


def _resume_apply(tx: Tx, ctx: Context, _args: Args, _seen: object) -> Done:
    """Accept the other bot's rows at LNbits, or the earlier start, and resume."""
    was_disputed = _is_disputed(tx)
    if was_disputed:
        leases.accept(tx, now=ctx.now)
    else:
        start.accept(tx)
    bot_state.drop(tx, bot_state.PAUSED)
    if bot_state.paused(tx):  # a further stop needs a decision of its own
        return Done(programme_state(tx, ctx))
    if was_disputed:
        return Done(Say("resume_all.taken_over", me=ctx.services.bot_name))
    return Done(Say("resume_all.done"))


def _is_disputed(tx: Tx) -> bool:
    """Tell whether another bot's row at LNbits has stopped this bot."""
    return leases.open_dispute(tx) is not None


def _needs_word(tx: Tx) -> bool:
    """Tell whether resuming needs an operator's decision with a code."""
    return _is_disputed(tx) or start.asked(tx) is not None


def _audit_answer(_tx: Tx, _ctx: Context, _args: Args, found: _AuditFindings) -> Say:
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
    Command(("status",), (_ALL,), look=look_around, answer=_status_answer),
    Command(("poll",), answer=_poll_answer, then=lambda services: services.poll_now()),
    Command(("pause", "all"), answer=_pause_answer),
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
