"""Faults in what is paid, to whom, and how often."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from dca_bot.core.attempt import Finding
from dca_bot.core.attempt import judge as judge_payment
from dca_bot.core.payout import PayoutState
from dca_bot.core.payout import payout_id as derived_id
from dca_bot.core.ports import Credit, LnurlLimits, PayAnswer, PaymentStatus
from dca_bot.core.witness import Said
from dca_bot.jobs.payouts.verify import judge as judge_verify
from dca_bot.ledger.payouts import transitions
from dca_bot.ledger.payouts.witnesses import record_verdict
from dca_bot.ledger.store import clock
from simulation.faults.fault import Fault

_JUDGE = "jobs.payouts.context.rules.judge"
_MANY_LIES = {"mischief_rate": 0.2}
_HIGH_MINIMUMS = {"least_sats": (5_000, 20_000)}
_MANY_COPIES = {"restore_rate": 0.15}


def _failed_is_dead(payment: Any, **about: Any) -> Finding:
    is_failed = payment is not None and payment.status is PaymentStatus.FAILED
    return Finding.DEAD if is_failed else judge_payment(payment, **about)


def _over_is_paid(payment: Any, **about: Any) -> Finding:
    found = judge_payment(payment, **about)
    return Finding.DEBITED if found is Finding.DEAD and payment is not None else found


def _missing_is_dead(payment: Any, **about: Any) -> Finding:
    return Finding.DEAD if payment is None else judge_payment(payment, **about)


def _pending_is_debited(payment: Any, **about: Any) -> Finding:
    is_pending = payment is not None and payment.status is PaymentStatus.PENDING
    return Finding.DEBITED if is_pending else judge_payment(payment, **about)


async def _no(*_args: Any, **_named: Any) -> bool:
    return False


def _nothing(*_args: Any, **_named: Any) -> None:
    return None


async def _arrived(_self: Any, payout: Any) -> Credit:
    return Credit(PaymentStatus.SUCCESS, payout.amount_sat * 1000)


def _any_amount(invoice: Any, *, amount_sat: int, margin: Any, now: Any) -> None:  # noqa: ARG001
    return None


async def _refused_is_failed(self: Any, payout: Any) -> None:
    """Plan a payout anew as soon as LNbits answers the pay request by words of a refusal."""
    context, attempt = self.context, payout.last_attempt
    reply = await context.wallet.pay(
        attempt.bolt11,
        external_id=payout.id,
        extra=payout.payment_extra(context.programme.currency),
    )
    if reply.answer is not PayAnswer.NO_ANSWER and reply.detail not in ("success", "pending"):
        now = context.clock.now()
        await context.database.transact(lambda tx: transitions.void(tx, payout, now=now))


def _random_id(recipient: str, distribution_ids: Any) -> str:
    _random_id.made = getattr(_random_id, "made", 0) + 1  # type: ignore[attr-defined]
    return derived_id(f"{recipient} {_random_id.made}", distribution_ids)  # type: ignore[attr-defined]


def _no_minimum(limits: LnurlLimits) -> LnurlLimits:
    return replace(limits, min_sat=1)


async def _without_minimum(self: Any, payout: Any) -> Any:
    limits = _no_minimum(await self.context.addresses.limits(payout.goes_to.value))
    return await self.context.addresses.request_invoice(
        limits, amount_sat=payout.amount_sat, comment=""
    )


def _merged_with_shares(tx: Any, payout: Any, *, min_sat: int, now: Any) -> None:  # noqa: ARG001
    transitions.move(tx, payout, PayoutState.MERGED)


def _given_up(tx: Any, payout: Any, *, now: Any, **_named: Any) -> None:  # noqa: ARG001
    transitions.move(tx, payout, PayoutState.CANCELLED, waiting="")


def _sent_on_time(
    tx: Any, payout: Any, invoice: Any, *, verify_url: str, now: Any, uptime: Any
) -> Any:
    """Record an invoice wherever the client's sats go by now."""
    return transitions.record_invoice(
        tx, payout, invoice, now=now, verify_url=verify_url, witnessed=clock.witnessed(tx, uptime)
    )


def _any_unsettled(case: Any) -> bool:
    return any(look.said is Said.UNSETTLED for look in case.looks)


def _with_any_preimage(*of: Any, preimage: str, **about: Any) -> None:
    record_verdict(*of, preimage=preimage or "none", **about)


def _settled_is_proof(answer: Any, question: Any) -> Said:
    is_settled = answer is not None and answer.is_settled
    return Said.SETTLED if is_settled else judge_verify(answer, question)


FAULTS = (
    Fault(
        "a failed payment counts as paid once its invoice is over",
        {_JUDGE: _over_is_paid},
        _MANY_LIES,
    ),
    Fault(
        "a payout's id is drawn by chance, and payments by other ids don't count",
        {
            "ledger.payouts.planning.payout_id": _random_id,
            "jobs.payouts.send.unknown_payments.covers_share": lambda *_a, **_n: False,
            "jobs.payouts.reconcile.queue.unsent_of": lambda *_a, **_n: [],
        },
        _MANY_COPIES,
    ),
    Fault(
        "a failed payment counts as unpaid, with one witness",
        {_JUDGE: _failed_is_dead, "jobs.payouts.failed_payments.FailedPayments.may_have_left": _no},
    ),
    Fault(
        "a payment that LNbits doesn't show counts as unpaid at once", {_JUDGE: _missing_is_dead}
    ),
    Fault("a payment under way counts as arrived", {_JUDGE: _pending_is_debited}),
    Fault(
        "a restored ledger asks LNbits for no payments",
        {
            "jobs.payouts.reconcile.record_unknown": lambda *_a, **_n: 0,
            "jobs.payouts.send.Sender._is_known_to_lnbits": _no,
        },
        _MANY_COPIES,
    ),
    Fault("a debit counts as the arrival", {"jobs.payouts.arrival.Arrival._credit": _arrived}),
    Fault(
        "an invoice of another amount is paid",
        {"jobs.payouts.send.rules.refusal_of_invoice": _any_amount},
    ),
    Fault(
        "a refused pay request counts as unpaid",
        {"jobs.payouts.send.Sender.request": _refused_is_failed},
    ),
    Fault(
        "a payout above the ceiling is sent",
        {"jobs.payouts.send.broken": _nothing},
    ),
    Fault(
        "an address's least payment is ignored",
        {"jobs.payouts.send.Sender._address_invoice": _without_minimum},
        _HIGH_MINIMUMS,
    ),
    Fault(
        "the shares of a payout that is too small are lost",
        {"jobs.payouts.send.planning.merge": _merged_with_shares},
        _HIGH_MINIMUMS,
    ),
    Fault(
        "a cancelled payout gives nothing back", {"chat.operator.payouts.booking.cancel": _given_up}
    ),
    Fault(
        "a payout goes to the wallet of before",
        {"jobs.payouts.send.transitions.accept_invoice": _sent_on_time},
    ),
    Fault(
        "nobody is asked to fill the source wallet",
        {"jobs.payouts.funds.Funds.report": _no},
        {"balance_sat": 100_000, "doing_every": timedelta(hours=12)},
    ),
    Fault(
        "a payee's word before the invoice is over is enough",
        {"core.witness._is_unpaid": _any_unsettled, _JUDGE: _failed_is_dead},
        _MANY_LIES,
    ),
    Fault(
        "settled without a preimage counts as a proof",
        {
            "jobs.payouts.verify.judge": _settled_is_proof,
            "jobs.payouts.verify.witnesses.record_verdict": _with_any_preimage,
        },
        _MANY_LIES,
    ),
)
