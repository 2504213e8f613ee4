"""What an operator can do with payouts, and what is refused while LNbits may still pay."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from talk import code_in

from dca_bot.core.ports import PaymentStatus
from dca_bot.ledger.audit.payments import audit_payments
from dca_bot.ledger.payouts.holds import HoldReason
from dca_bot.ledger.store.instants import micros

CASH_OUT = "aaaa1111-0000"


@pytest.fixture
async def payout(talk):
    """Maria has a planned payout of 18,000 sats for Q150."""
    await talk.add_client("maria", balance="150")
    await talk.distribute(CASH_OUT)
    return await talk.payout()


async def state(talk):
    return (await talk.payout()).state


async def lnbits_knows(talk, payout, status, *, amount_sat=None, ago=timedelta(), hash_="fe" * 32):
    amount_msat = -(amount_sat or payout.amount_sat) * 1000
    await talk.sql(
        "INSERT INTO foreign_payment VALUES (?, ?, ?, 'maria', ?, 3, ?, ?, NULL, NULL)",
        hash_,
        payout.id,
        CASH_OUT,
        amount_msat,
        status,
        micros(talk.clock.now() - ago),
    )


@pytest.mark.parametrize("reason", [HoldReason.CEILING_PAYOUT, HoldReason.CEILING_DAY])
async def test_payout_above_a_ceiling_is_let_go(talk, payout, reason):
    await talk.hold_payout(reason)
    told = (await talk.letters_to("op"))[-1]
    hold_id = re.search(r"hold accept (\d+)", told)[1]
    assert f"payout cancel {payout.id[:8]}" in told
    assert "ceiling" in told
    assert "Let go" in await talk.do("op", f"hold accept {hold_id}")
    found = await talk.payout()
    assert (found.state, found.waiting) == ("PLANNED", "")
    assert await talk.tell("op", "holds") == "Nothing is held."


async def test_held_payout_is_not_ignored_but_cancelled(talk, payout):
    await talk.hold_payout(HoldReason.CEILING_PAYOUT)
    assert "payout cancel" in await talk.tell("op", "hold ignore 1")
    assert "Q150.00 are back" in await talk.do("op", f"payout cancel {payout.id[:6]}")
    client = await talk.client("maria")
    assert (client.balance_minor, client.owed_sat) == (15_000, 0)
    assert await talk.tell("op", "holds") == "Nothing is held."
    assert "Q150.00 are back in your balance" in (await talk.letters_to("maria"))[-1]
    assert await talk.audit() == ()


async def test_payout_that_is_over_says_how_it_ended_when_it_is_to_be_cancelled(talk, payout):
    cancel = f"payout cancel {payout.id[:6]}"
    await talk.bring_to(payout.id, "invoice", "submit")
    assert "may be paid or still be on its way" in await talk.tell("op", cancel)
    for step in ("debit", "DONE"):
        if step == "debit":
            await talk.bring_to(payout.id, step)
        else:
            await talk.sql("UPDATE payout SET state = 'DONE', done_at = 1")
        assert (await talk.tell("op", cancel)).startswith("This is paid, so it cannot be cancelled")


async def test_payout_that_is_cancelled_already_says_so(talk, payout):
    await talk.do("op", f"payout cancel {payout.id[:6]}")
    again = await talk.tell("op", f"payout cancel {payout.id[:6]}")
    assert again.startswith("This is cancelled already: payout ")


async def test_payout_that_lnbits_has_paid_is_taken_over_and_not_paid_again(talk, payout):
    await lnbits_knows(talk, payout, "success")
    await lnbits_knows(talk, payout, "failed", hash_="ee" * 32)
    await talk.hold_payout(HoldReason.KNOWN_PAYOUT)
    assert "Record it as paid, without paying again" in await talk.tell("op", "hold accept 1")
    assert "Recorded as paid" in await talk.do("op", "hold accept 1")
    found = await talk.payout()
    assert (found.state, found.attempt.payment_hash) == ("DEBITED", "fe" * 32)
    assert (await talk.client("maria")).owed_sat == 0
    assert await talk.audit() == ()


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([("pending", {})], "still paying"),
        ([("success", {}), ("pending", {"hash_": "ee" * 32})], "still paying"),
        ([("success", {"amount_sat": 17_999})], "another amount"),
        ([("success", {}), ("success", {"hash_": "ee" * 32})], "more than once"),
        ([("failed", {"ago": timedelta(days=7)})], "may still be alive"),
    ],
)
async def test_payout_known_to_lnbits_stays_held_while_in_doubt(talk, payout, known, expected):
    for status, how in known:
        await lnbits_knows(talk, payout, status, **how)
    await talk.hold_payout(HoldReason.KNOWN_PAYOUT)
    assert expected in await talk.tell("op", "hold accept 1")
    assert await state(talk) == "HELD"


async def test_payout_that_failed_at_lnbits_for_good_is_paid_anew(talk, payout):
    await lnbits_knows(talk, payout, "failed", ago=timedelta(days=7, minutes=11))
    await talk.hold_payout(HoldReason.KNOWN_PAYOUT)
    assert "Let go" in await talk.do("op", "hold accept 1")
    assert await state(talk) == "PLANNED"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("success", "has paid this already"),
        ("pending", "still paying"),
        ("failed", "may still be alive"),
    ],
)
async def test_payout_that_lnbits_may_pay_is_not_cancelled(talk, payout, status, expected):
    await lnbits_knows(talk, payout, status)
    await talk.hold_payout(HoldReason.KNOWN_PAYOUT)
    assert expected in await talk.tell("op", f"payout cancel {payout.id}")
    assert await state(talk) == "HELD"


@pytest.mark.parametrize(
    "steps",
    [
        ("invoice", "submit"),
        ("invoice", "submit", "IN_DOUBT"),
        ("invoice", "submit", "ALERT"),
        ("invoice", "submit", "debit"),
    ],
)
async def test_payout_that_may_be_paid_is_neither_cancelled_nor_retried(talk, payout, steps):
    await talk.bring_to(payout.id, *steps)
    assert "cannot be cancelled" in await talk.tell("op", f"payout cancel {payout.id[:8]}")
    assert "proven unpaid" in await talk.tell("op", f"payout retry {payout.id[:8]}")


@pytest.mark.parametrize("steps", [(), ("invoice",), ("invoice", "submit", "VOID")])
async def test_payout_that_can_not_be_paid_is_cancelled(talk, payout, steps):
    await talk.bring_to(payout.id, *steps)
    assert "Cancelled" in await talk.do("op", f"payout cancel {payout.id[:4]}")
    assert await talk.audit() == ()


async def test_void_payout_is_retried(talk, payout):
    await talk.bring_to(payout.id, "invoice", "submit", "VOID")
    assert "proven unpaid" in await talk.tell("op", "payouts stuck")
    assert "A new invoice is made" in await talk.do("op", f"payout retry {payout.id[:8]}")
    assert await state(talk) == "PLANNED"


async def test_payout_sent_between_effect_and_code_is_not_cancelled(talk, payout):
    asked = await talk.tell("op", f"payout cancel {payout.id[:8]}")
    await talk.bring_to(payout.id, "invoice", "submit")
    assert "cannot be cancelled" in await talk.tell("op", f"confirm {code_in(asked)}")
    assert (await talk.client("maria")).balance_minor == 0


async def test_unsent_payout_follows_a_new_wallet_and_a_submitted_one_does_not(talk, payout):
    await talk.do("op", "client wallet maria new@example.com")
    assert (await talk.payout()).destination.value == "new@example.com"
    await talk.bring_to(payout.id, "invoice", "submit")
    await talk.do("op", "client wallet maria other@example.com")
    assert (await talk.payout()).destination.value == "new@example.com"


async def test_cash_out_that_lnbits_has_paid_warns_before_it_is_shared_out(talk):
    await talk.add_client("maria", balance="500")
    hold_id = await talk.hold_cash_out(CASH_OUT, reason=HoldReason.KNOWN_DISTRIBUTION)
    await talk.sql(
        "INSERT INTO foreign_payment VALUES (?, 'x', ?, 'maria', -18000000, 0, 'success', 0, NULL, NULL)",
        "fe" * 32,
        CASH_OUT,
    )
    assert "LNbits has paid 18,000 sats" in await talk.tell("op", f"hold accept {hold_id}")


async def test_audit_over_chat_compares_with_lnbits(talk, payout):
    await talk.bring_to(payout.id, "invoice", "submit", "debit")
    assert "LNbits doesn't have it" in await talk.tell("op", "audit")
    talk.wallet.payments = [talk.paid(await talk.payout())]
    assert "All is well" in await talk.tell("op", "audit")
    talk.wallet.down = True
    assert "payments were not compared" in await talk.tell("op", "audit")
    assert "LNbits does not tell" in await talk.tell("op", "status")
    assert "does not answer" in await talk.tell("op", "topup 5")


async def test_audit_over_chat_never_has_the_ledgers_own_connection(talk):
    seen = []
    await talk.database._connection.run(lambda tx: tx.set_trace_callback(seen.append))
    assert "payouts" in await talk.tell("op", "audit")
    assert seen
    whole = ("integrity_check", "FROM attempt", "FROM foreign_payment")
    assert not [statement for statement in seen if any(words in statement for words in whole)]


async def test_payout_made_while_lnbits_is_listed_is_no_finding(talk, payout):
    await talk.bring_to(payout.id, "invoice", "submit")

    async def debit():
        await talk.bring_to(payout.id, "debit")

    talk.wallet.while_listing = debit
    assert "All is well" in await talk.tell("op", "audit")
    talk.wallet.payments = [talk.paid(await talk.payout(), status=PaymentStatus.FAILED)]
    talk.wallet.while_listing = None
    assert "one finding" in await talk.tell("op", "audit")


@pytest.mark.parametrize("status", [PaymentStatus.SUCCESS, PaymentStatus.PENDING])
async def test_payout_of_an_old_copy_is_not_cancelled_before_lnbits_was_read(talk, payout, status):
    paid = talk.paid(payout, status=status)
    talk.wallet.payments = [paid]
    assert "confirm" not in await talk.tell("op", f"payout cancel {payout.id[:8]}")
    talk.wallet.payments = []
    asked = await talk.tell("op", f"payout cancel {payout.id[:8]}")
    talk.wallet.payments = [paid]
    refused = await talk.tell("op", f"confirm {code_in(asked)}")
    assert "has paid this" in refused or "still paying" in refused
    assert (await talk.payout()).state == "PLANNED"


async def test_payout_is_not_cancelled_while_lnbits_is_silent(talk, payout):
    talk.wallet.down = True
    assert "LNbits does not answer" in await talk.tell("op", f"payout cancel {payout.id[:8]}")
    assert (await talk.payout()).state == "PLANNED"


@pytest.mark.parametrize("status", ["success", "failed"])
async def test_pending_payment_that_has_ended_meanwhile_is_asked_for_afresh(talk, payout, status):
    await lnbits_knows(talk, payout, "pending", ago=timedelta(days=8))
    await talk.hold_payout(HoldReason.KNOWN_PAYOUT)
    ended = talk.paid(payout, status=PaymentStatus(status))
    talk.wallet.payments = [ended]
    await talk.do("op", "hold accept 1")
    assert await state(talk) == {"success": "DEBITED", "failed": "PLANNED"}[status]


async def test_payout_held_for_a_share_that_lnbits_did_not_pay_is_let_go(talk, payout):
    assert payout.state == "PLANNED"
    await talk.hold_payout(HoldReason.KNOWN_PAYOUT)
    await talk.do("op", "hold accept 1")
    assert await state(talk) == "PLANNED"


async def test_payout_held_for_a_share_paid_under_another_id_is_not_let_go(talk, payout):
    await lnbits_knows(talk, replace(payout, id="another"), "success")
    await talk.hold_payout(HoldReason.KNOWN_PAYOUT)
    assert "LNbits has paid shares" in await talk.tell("op", "hold accept 1")
    assert await state(talk) == "HELD"


async def test_payout_that_lnbits_paid_otherwise_is_cancelled_with_a_warning(talk, payout):
    await lnbits_knows(talk, payout, "success", amount_sat=17_000)
    await talk.hold_payout(HoldReason.KNOWN_PAYOUT)
    asked = await talk.tell("op", f"payout cancel {payout.id[:8]}")
    assert "17,000 sats" in asked
    await talk.tell("op", f"confirm {code_in(asked)}")
    assert await state(talk) == "CANCELLED"
    assert (await talk.client("maria")).balance_minor == 15_000


async def test_alerted_payout_is_recorded_as_done_once_settled_by_hand(talk, payout):
    await talk.bring_to(payout.id, "invoice", "submit", "debit", "ALERT")
    await talk.hold_reason(payout.id, HoldReason.ALERTED)
    assert "settled it by hand" in await talk.tell("op", "holds")
    await talk.do("op", "hold accept 1")
    assert await state(talk) == "DONE"
    assert await talk.tell("op", "holds") == "Nothing is held."
    assert await talk.audit() == ()


@pytest.mark.parametrize("paid_sat", [0, 17_000])
async def test_alerted_payout_that_never_left_is_taken_back_once_its_invoice_is_over(
    talk, payout, paid_sat
):
    await talk.bring_to(payout.id, "invoice", "submit", "ALERT")
    await talk.hold_reason(payout.id, HoldReason.ALERTED)
    assert "payout cancel" in await talk.tell("op", "hold accept 1")
    if paid_sat:
        paid = replace(talk.paid(await talk.payout()), amount_msat=-paid_sat * 1000)
        talk.wallet.payments = [paid]
    assert "cannot be cancelled" in await talk.tell("op", f"payout cancel {payout.id}")
    talk.clock.at += timedelta(hours=25)
    assert "Careful" in await talk.tell("op", f"payout cancel {payout.id}")
    await talk.do("op", f"payout cancel {payout.id}")
    assert await state(talk) == "CANCELLED"
    assert (await talk.client("maria")).balance_minor == 15_000
    assert await talk.tell("op", "holds") == "Nothing is held."
    assert await talk.audit() == ()
    findings = (await audit_payments(talk.database, talk.wallet)).findings
    assert findings == ()


@pytest.mark.parametrize("command", ["hold accept 1", "payout cancel {id}"])
async def test_payment_that_failed_a_minute_ago_is_not_over(talk, payout, command):
    await lnbits_knows(talk, payout, "failed", ago=timedelta(days=8))
    await talk.hold_payout(HoldReason.KNOWN_PAYOUT)
    fresh = talk.paid(payout, status=PaymentStatus.FAILED)
    talk.wallet.payments = [replace(fresh, payment_hash="ee" * 32)]
    answer = await talk.tell("op", command.format(id=payout.id))
    assert "may still be alive" in answer


async def test_cancel_warns_of_shares_that_lnbits_paid_under_another_payout(talk, payout):
    await lnbits_knows(talk, replace(payout, id="another"), "success")
    await talk.hold_payout(HoldReason.KNOWN_PAYOUT)
    assert "Careful" in await talk.tell("op", f"payout cancel {payout.id}")
