"""A held cash-out is recorded as LNbits has paid it, and never beyond what was sold."""

import pytest
from ledger.story import hex_of

from dca_bot.core.cash_out import Amounts
from dca_bot.core.ports import Payment, PaymentStatus
from dca_bot.errors import Changed, StateChanged
from dca_bot.ledger.distributions import recovery
from dca_bot.ledger.payouts import unknown_payments


@pytest.mark.parametrize(
    ("sat", "minor", "is_too_much"),
    [(600, 60, False), (601, 61, False), (599, 60, True), (600, 59, True)],
)
def test_cash_out_is_recorded_as_paid_up_to_what_was_sold(story, sat, minor, is_too_much):
    ana = story.client("ana", balance=1_000)
    story.record("d1", state="held", reason="known_distribution")
    extra = {"distributions": ["d1"], "client": "ana", "fiat_minor": 60}
    about = {"seen_at": story.now, "external_id": "lost", "extra": extra}
    paid = Payment(hex_of("lost"), -600_000, 0, PaymentStatus.SUCCESS, **about)
    story.do(unknown_payments.remember, paid, now=story.now)

    def record():
        named = {"at": story.now, "now": story.now, "message_id": "m"}
        return story.do(recovery.record_cash_out, "d1", Amounts(sat, minor, 0), **named)

    if is_too_much:
        with pytest.raises(StateChanged, match=Changed.PAID_TOO_MUCH):
            record()
    else:
        record()
        assert story.shares("d1") == {ana: (60, 600)}
        assert story.balance(ana) == 940
