"""Payments that LNbits knows and the ledger doesn't: what is news, and what they can have been for."""

from dataclasses import replace
from datetime import timedelta

import pytest
from ledger.story import hex_of

from dca_bot.core.attempt import FAILED_FOR_GOOD
from dca_bot.core.ports import PaymentStatus, Uptime
from dca_bot.ledger.payouts import holds, queue, unknown_payments
from dca_bot.ledger.payouts.unknown_payments import UnknownPayment
from dca_bot.ledger.programme import clients, commission
from dca_bot.ledger.store import clock
from dca_bot.ledger.store.instants import instant

SUCCESS, PENDING, FAILED = PaymentStatus.SUCCESS, PaymentStatus.PENDING, PaymentStatus.FAILED


@pytest.fixture
def lost(story):
    """A payment to ana that the ledger has no invoice of."""
    story.client("ana", balance=10_000)
    payout = story.payout(story.cash_out("d1", 600, 60).shares[0].payout_id)
    extra = {"distributions": ["d9"], "client": "ana", "fiat_minor": 60}
    return replace(story.payment(payout, hash_=hex_of("lost")), external_id="lost", extra=extra)


@pytest.mark.parametrize(
    ("before", "then", "is_news"),
    [
        (None, FAILED, True),
        (None, SUCCESS, True),
        (FAILED, FAILED, False),
        (FAILED, PENDING, True),
        (FAILED, SUCCESS, True),
        (PENDING, SUCCESS, False),
        (SUCCESS, SUCCESS, False),
    ],
)
def test_payment_is_news_when_it_is_first_seen_or_comes_to_life_again(
    story, lost, before, then, is_news
):
    if before is not None:
        story.do(unknown_payments.remember, replace(lost, status=before), now=story.now)
    assert story.do(unknown_payments.remember, replace(lost, status=then), now=story.now) is is_news


def test_what_the_operator_has_settled_is_paid_for_nobody_any_more(story, lost):
    story.do(unknown_payments.remember, lost, now=story.now)
    assert [one.sat for one in story.read(unknown_payments.paid_for, "d9")] == [600]
    story.do(unknown_payments.settle_distribution, "d9", now=story.now)
    assert story.read(unknown_payments.paid_for, "d9") == []


@pytest.mark.parametrize(
    ("is_shared", "part", "can"),
    [
        (False, (60, 600), True),
        (False, (60, 599), False),
        (False, (59, 600), False),
        (False, None, False),
        (True, (60, 600), True),
        (True, (1, 1), True),
        (True, (61, 600), False),
        (True, (60, 601), False),
        (True, None, False),
    ],
)
def test_payment_can_have_brought_its_part_and_a_shared_one_no_more_than_itself(
    lost, is_shared, part, can
):
    assert UnknownPayment("lost", "ana", 60, lost, is_shared).can_pay(part) is can


@pytest.mark.parametrize(
    ("state", "is_known"),
    [
        ("PLANNED", False),
        ("INVOICED", False),
        ("SUBMITTED", True),
        ("IN_DOUBT", True),
        ("DEBITED", True),
        ("DONE", True),
        ("VOID", False),
        ("HELD", False),
    ],
)
def test_ledger_knows_of_a_payment_once_its_request_was_recorded(story, state, is_known):
    story.client("ana", balance=10_000)
    id_ = story.cash_out("d1", 600, 60).shares[0].payout_id
    hash_ = hex_of(f"{id_} 0")
    paid = story.payment(story.bring(id_, state), hash_=hash_)
    assert story.read(unknown_payments.is_recorded, paid) is is_known


def test_hashes_are_found_among_more_than_one_query_takes(story, lost):
    story.do(unknown_payments.remember, lost, now=story.now)
    expected = [story.bring(story.payouts()[0].id, "SUBMITTED").attempt.payment_hash]
    others = [hex_of(f"other {number}") for number in range(1_100)]
    for at in (0, 499, 500, 501, 1_100):
        hashes = [*others[:at], *expected, lost.payment_hash, *others[at:]]
        assert story.read(unknown_payments.remembered_hashes, hashes) == {lost.payment_hash}
        assert story.read(unknown_payments.expected_hashes, hashes) == set(expected)


def seen(story, payment, **changed):
    """Have the ledger see a payment, with these fields changed; return its hash."""
    changed.setdefault("payment_hash", hex_of(repr(changed)))
    payment = replace(payment, **changed)
    story.do(unknown_payments.remember, payment, now=story.now)
    return payment.payment_hash


def test_payout_is_settled_with_its_own_payments_and_with_its_clients_part_of_others(story, lost):
    (payout,) = story.payouts()
    to_ben = {"distributions": ["d1"], "client": "ben"}
    own = [
        seen(story, lost, external_id=payout.id, extra={}),
        seen(story, lost, external_id=payout.id, extra=to_ben),
        seen(story, lost, extra={"distributions": ["d1"], "client": "Ana"}),
    ]
    for others in (
        {"extra": {}},
        {"extra": to_ben},
        {"extra": {"distributions": ["d2"], "client": "ana"}},
        {"external_id": payout.id, "extra": {"distributions": ["d2"], "client": "ana"}},
        {"external_id": payout.id, "extra": {}, "status": PENDING},
        {"extra": {"distributions": ["d1"], "client": "ana"}, "status": FAILED},
    ):
        seen(story, lost, **others)
    for _ in range(2):
        story.do(unknown_payments.settle_payout, payout, now=story.now)
        rows = story.sql("SELECT payment_hash FROM foreign_payment WHERE settled_at IS NOT NULL")
        assert sorted(row["payment_hash"] for row in rows) == sorted(own)
        story.later(hours=1)
    (row,) = story.sql("SELECT DISTINCT settled_at FROM foreign_payment WHERE settled_at > 0")
    assert instant(row["settled_at"]) == story.now - timedelta(hours=2)


@pytest.mark.parametrize(
    ("named", "settled", "in_full"),
    [
        (["d9"], ["d9"], True),
        (["d8", "d9"], ["d9"], False),
        (["d8", "d9"], ["d8", "d9"], True),
        (["d1", "d9"], ["d9"], True),
        (["d1", "d9"], [], False),
        (["d1"], [], False),
    ],
)
def test_payment_is_settled_once_each_distribution_is_or_is_in_the_ledger(
    story, lost, named, settled, in_full
):
    payment_hash = seen(story, lost, extra={"distributions": named, "client": "ana"})
    for distribution_id in settled:
        story.do(unknown_payments.settle_distribution, distribution_id, now=story.now)
    assert story.read(unknown_payments.settled_hashes) == ({payment_hash} if in_full else set())


@pytest.mark.parametrize(
    ("reason", "outcome", "own", "late", "let_go"),
    [
        ("known_payout", "accepted", True, timedelta(0), True),
        ("known_payout", "accepted", True, timedelta(microseconds=-1), False),
        ("known_payout", "ignored", True, timedelta(0), False),
        ("ceiling_payout", "accepted", True, timedelta(0), False),
        ("known_payout", "accepted", False, timedelta(0), False),
    ],
)
def test_payout_is_let_go_by_who_accepts_it_after_the_payment_was_seen(
    story, lost, reason, outcome, own, late, let_go
):
    (payout,) = story.payouts()
    story.do(unknown_payments.remember, lost, now=story.now)
    ref = payout.id if own else "another"
    story.do(holds.open_hold, "payout", ref, reason, now=story.now)
    story.do(holds.close, "payout", ref, outcome=outcome, now=story.now + late)
    assert story.read(unknown_payments.was_let_go, payout.id, lost) is let_go
    assert not story.read(unknown_payments.was_let_go, payout.id, replace(lost, payment_hash="x"))


@pytest.mark.parametrize(
    ("client", "external_id", "status", "may"),
    [
        ("Ana", "lost", PENDING, True),
        ("ana", "lost", FAILED, True),
        ("ana", "lost", SUCCESS, False),
        ("ben", "lost", PENDING, False),
        ("ana", None, PENDING, False),
    ],
)
def test_payment_to_the_same_client_may_still_bring_a_share(
    story, lost, client, external_id, status, may
):
    (payout,) = story.payouts()
    extra = {"distributions": ["d1"], "client": client}
    seen(story, lost, extra=extra, external_id=external_id or payout.id, status=status)
    assert story.read(unknown_payments.may_still_cover, payout, now=story.now) is may


@pytest.mark.parametrize(
    ("client", "accepted", "covers"),
    [
        ("Ana", None, True),
        ("ana", "known_distribution", True),
        ("ben", None, False),
        ("gone", None, True),
        ("gone", "known_distribution", False),
        ("gone", "known_payout", True),
    ],
)
def test_payment_to_a_name_that_nobody_has_can_have_been_anybodys(
    story, lost, client, accepted, covers
):
    (payout,) = story.payouts()
    story.client("ben")
    seen(story, lost, extra={"distributions": ["d1"], "client": client})
    if accepted:
        story.do(holds.open_hold, "cash-out", "d1", accepted, now=story.now)
        assert story.read(unknown_payments.covers_share, payout, now=story.now) is (client != "ben")
        story.do(holds.close, "cash-out", "d1", outcome="accepted", now=story.now)
    assert story.read(unknown_payments.covers_share, payout, now=story.now) is covers


def test_payment_from_before_a_client_was_renamed_is_still_that_clients(story, lost):
    (payout,) = story.payouts()
    for id_, name in ((payout.client_id, "anna"), (story.client("ben"), "otto")):
        story.do(clients.rename, story.read(clients.by_id, id_), name)
    (renamed,) = story.payouts()
    assert (renamed.client_name, renamed.payment_extra("GTQ")["client"]) == ("anna", "ana")
    seen(story, lost, extra={"distributions": ["d1"], "client": "ANA"})
    assert story.read(unknown_payments.covers_share, renamed, now=story.now)
    assert story.read(clients.paid_as, "Ana").name == "anna"
    found = story.read(queue.unsent_of, ["d1"], client_name="ben")
    assert found == [], "ben's, under whatever name"


@pytest.mark.parametrize(
    ("status", "age", "covers"),
    [
        (PENDING, FAILED_FOR_GOOD, True),
        (FAILED, FAILED_FOR_GOOD - timedelta(microseconds=1), True),
        (FAILED, FAILED_FOR_GOOD, False),
    ],
)
@pytest.mark.parametrize("external_id", ["lost", None])
def test_share_may_be_paid_by_a_payment_of_another_payout_unless_it_failed_for_good(
    story, lost, status, age, covers, external_id
):
    (payout,) = story.payouts()
    extra = {"distributions": ["d1"], "client": "ana"}
    seen(story, lost, extra=extra, status=status, external_id=external_id or payout.id)
    now = story.now + age
    may = covers and external_id is not None
    assert story.read(unknown_payments.covers_share, payout, now=now) is may
    assert story.read(unknown_payments.may_still_cover, payout, now=now) is may


@pytest.mark.parametrize("boot", ["same", "another"])
@pytest.mark.parametrize(
    "wrong", [timedelta(days=-20_000), timedelta(hours=-5), timedelta(days=10)]
)
def test_failed_for_good_is_what_has_aged_by_passed_time_whatever_the_clock_shows(
    story, lost, wrong, boot
):
    """LNbits calls a payment failed that may still arrive; the clock is wrong before, or from then on."""
    (payout,), began, minute = story.payouts(), story.now, timedelta(minutes=1)
    before, after = (wrong, timedelta()) if wrong < timedelta() else (timedelta(), wrong)

    def covers(passed):
        """Tell whether the payment may cover the share, before the bot has looked at the clock and after."""
        shown = began + passed + after
        at_once = story.read(unknown_payments.covers_share, payout, now=shown)
        story.do(clock.witness, Uptime(boot, passed), shown)
        return at_once, story.read(unknown_payments.covers_share, payout, now=shown)

    story.do(clock.witness, Uptime("same", minute), began + minute + before)
    story.now = began + 2 * minute + before
    extra = {"distributions": ["d1"], "client": "ana"}
    seen(story, lost, extra=extra, status=FAILED, external_id="other")
    assert covers(3 * minute) == (True, True)
    assert covers(FAILED_FOR_GOOD - minute) == (True, True)
    assert covers(FAILED_FOR_GOOD + 4 * minute) == (False, False)


def test_what_was_known_before_a_leap_and_had_failed_for_good_stays_so(story, lost):
    (payout,), began = story.payouts(), story.now
    story.do(clock.witness, Uptime("a", timedelta()), began)
    extra = {"distributions": ["d1"], "client": "ana"}
    seen(story, lost, extra=extra, status=FAILED, external_id="other")
    for days in (8, 9, 30):  # the last is a leap
        story.do(
            clock.witness, Uptime("a", timedelta(days=min(days, 9))), began + timedelta(days=days)
        )
    later = began + timedelta(days=30)
    assert not story.read(unknown_payments.covers_share, payout, now=later)
    (found,) = story.read(unknown_payments.of_payout, "other")
    assert found.seen_at == began


def test_payment_counts_from_when_it_last_named_another_distribution(story, lost):
    story.do(unknown_payments.remember, lost, now=story.now)
    story.do(holds.open_hold, "payout", "lost", "known_payout", now=story.now)
    story.do(holds.close, "payout", "lost", outcome="accepted", now=story.now)
    first, then = story.now, story.later(hours=1)
    both = {"distributions": ["d9", "d8"], "client": "ana"}
    for _ in range(2):
        story.do(unknown_payments.remember, replace(lost, extra=both), now=story.now)
        story.later(hours=1)
    assert story.read(unknown_payments.first_seen_at, lost.payment_hash) == then
    assert not story.read(unknown_payments.was_let_go, "lost", lost)
    (found,) = story.read(unknown_payments.of_payout, "lost")
    assert found.seen_at == then
    (older,) = story.read(unknown_payments.paid_for, "d9")
    assert older.seen_at == first


def test_payments_that_may_still_change_are_asked_for_again(story, lost):
    pending = seen(story, lost, status=PENDING)
    seen(story, lost, status=SUCCESS)
    failed = seen(story, lost, status=FAILED)
    since = story.now

    def asked(now, limit=9):
        return set(story.read(unknown_payments.open_hashes, now=now, limit=limit))

    late = since + FAILED_FOR_GOOD
    assert asked(late - timedelta(microseconds=1)) == {pending, failed}
    assert asked(late) == {pending}
    assert len(asked(since, limit=1)) == 1
    story.do(unknown_payments.renew, replace(lost, payment_hash=pending, fee_msat=7, status=FAILED))
    assert asked(late) == set()
    (renewed,) = story.sql("SELECT * FROM foreign_payment WHERE fee_msat = 7")
    assert (renewed["payment_hash"], renewed["status"]) == (pending, FAILED)
    assert story.read(unknown_payments.first_seen_at, pending) == since
    assert story.read(unknown_payments.first_seen_at, "x") is None
    assert story.read(unknown_payments.is_remembered, pending)
    assert not story.read(unknown_payments.is_remembered, "x")


def test_unknown_payments_are_found_by_what_they_were_for(story, lost):
    both = seen(story, lost, extra={"distributions": ["d9", "d8"], "client": "ana"})
    split = seen(story, lost, extra={"distributions": [commission.split_id("d9")]})
    other = seen(story, lost, external_id="other", extra={"distributions": ["d7"]})

    def hashes(read, id_):
        return {payment.payment_hash for payment in story.read(read, id_)}

    assert hashes(unknown_payments.of_cash_out, "d9") == {both, split}
    assert hashes(unknown_payments.of_distribution, "d9") == {both}
    assert hashes(unknown_payments.of_payout, "lost") == {both, split}
    assert hashes(unknown_payments.of_payout, "other") == {other}
    assert [one.is_shared for one in story.read(unknown_payments.paid_for, "d9")] == [True]
    (alone,) = story.read(unknown_payments.paid_for, "d7")
    assert (alone.is_shared, alone.minor, alone.seen_at) == (False, 0, story.now)
