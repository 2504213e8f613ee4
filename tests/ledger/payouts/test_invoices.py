"""Invoices of payouts that are done are forgotten after 90 days, and nothing else of them."""

from datetime import timedelta

import pytest

from dca_bot.ledger.payouts import invoices

MOMENT = timedelta(microseconds=1)


@pytest.fixture
def done(story):
    """Return the ids of three payouts, two done at the same instant and one a second later."""
    story.client("ana", balance=10_000)
    ids = [story.cash_out(f"d{n}", 600, 60).shares[0].payout_id for n in range(4)]
    for id_ in ids[:2]:
        story.bring(id_, "DONE")
    story.later(seconds=1)
    story.bring(ids[2], "DONE")
    story.bring(ids[3], "SUBMITTED")
    return ids[:3]


def forget(story, limit=100):
    return story.do(invoices.forget, now=story.now, limit=limit)


def with_invoice(story):
    return {
        row["payout_id"] for row in story.sql("SELECT payout_id FROM attempt WHERE bolt11 <> ''")
    }


def test_invoice_is_forgotten_90_days_after_its_payout_was_done_and_the_rest_stays(story, done):
    kept = "SELECT payout_id, number, payment_hash, expires_at, verify_url FROM attempt"
    payouts = "SELECT * FROM payout"
    before, everyone = (story.sql(kept), story.sql(payouts)), with_invoice(story)
    story.now += invoices.KEPT - timedelta(seconds=1) - MOMENT
    assert forget(story) == 0
    story.now += MOMENT
    assert forget(story) == 2
    assert with_invoice(story) == everyone - {*done[:2]}
    story.later(days=1)
    assert (forget(story), forget(story)) == (1, 0)
    assert with_invoice(story) == everyone - {*done}
    assert (story.sql(kept), story.sql(payouts)) == before
    assert story.findings() == ()


def test_invoices_are_forgotten_a_few_at_a_time_and_payouts_of_one_instant_together(story, done):
    story.now += invoices.KEPT + timedelta(days=1)
    assert [forget(story, limit=1) for _ in range(3)] == [2, 1, 0]
    assert not with_invoice(story) & {*done}


def test_invoice_that_the_payees_server_is_still_asked_about_stays(story, done):
    story.sql("INSERT INTO verify_due (payout_id, number, try_at) VALUES (?, 1, 0)", done[0])
    story.now += invoices.KEPT + timedelta(days=1)
    assert forget(story) == 2
    assert with_invoice(story) & {*done} == {done[0]}


def test_clock_that_was_ahead_keeps_no_later_invoice_for_good(story, done):
    right, ahead = story.now, timedelta(days=400)
    story.now += ahead
    assert forget(story) == len(done)
    story.now = right
    assert forget(story) == 0
    later = story.cash_out("d9", 600, 60).shares[0].payout_id
    story.bring(later, "DONE")
    story.now += invoices.KEPT
    assert forget(story) == 1
    assert later not in with_invoice(story)
