import sqlite3
from datetime import timedelta

import pytest
from ledger.story import ADDRESS, CEILINGS, KEY, START, WAYS

from dca_bot.core.ceilings import Ceilings
from dca_bot.core.funds import TopUp, Trouble
from dca_bot.core.payout import Waiting, needed_msat
from dca_bot.ledger.payouts import (
    deferral,
    holds,
    payout_need,
    top_ups,
    transitions,
)
from dca_bot.ledger.payouts.holds import HoldReason
from dca_bot.ledger.payouts.payout_need import Need, Part
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import Destination
from dca_bot.ledger.store.ledger_files import LEDGER_FILE
from dca_bot.ledger.store.schema import run_script

FIRST = TopUp(Trouble.SHORT, START, balance_msat=1, asked_sat=2)


def test_only_what_was_told_last_is_kept(story):
    assert story.read(top_ups.told) is None
    story.do(top_ups.note, FIRST)
    assert story.read(top_ups.told) == FIRST
    second = TopUp(Trouble.LOW, START + timedelta(microseconds=1), balance_msat=0, asked_sat=0)
    story.do(top_ups.note, second)
    assert story.read(top_ups.told) == second
    assert story.do(top_ups.forget)
    assert story.read(top_ups.told) is None
    assert not story.do(top_ups.forget)


def test_shortage_of_the_first_version_is_still_known(story):
    story.close()
    (story.folder / LEDGER_FILE).unlink()
    old = sqlite3.connect(story.folder / LEDGER_FILE)
    run_script(old, 1)
    with old:
        old.execute("INSERT INTO fact VALUES ('shortage', '1772366400000000 5000 70')")
    old.close()
    (story.folder / LEDGER_FILE).chmod(0o600)
    story.open()
    assert story.read(top_ups.told) == TopUp(Trouble.SHORT, START, 5000, 70)


@pytest.mark.parametrize(
    ("state", "counts"),
    [(state, state in ("PLANNED", "INVOICED", "IN_DOUBT", "VOID")) for state in WAYS],
)
def test_what_is_still_to_leave_the_wallet_needs_funds(story, state, counts):
    story.client("ana", balance=1_000_000)
    (share,) = story.cash_out("d1", 5_000, 400).shares
    story.bring(share.payout_id, state)
    needed = (1, 5_000, 5_000_000) if counts else (0, 0, 0)
    assert story.need() == Need(*needed, Part(0, 0), Part(0, 0))


def test_payout_that_was_sent_needs_funds_again_once_it_is_known_to_lack_them(story):
    story.client("ana", balance=1_000_000)
    (share,) = story.cash_out("d1", 5_000, 400).shares
    sent = story.bring(share.payout_id, "SUBMITTED")
    assert not story.read(payout_need.is_waiting_for_funds)
    story.do(deferral.defer, sent, waiting=Waiting.FUNDS, until=story.now)
    assert story.need().count == 1
    assert story.read(payout_need.is_waiting_for_funds)


def test_what_may_leave_lnbits_needs_its_reserve(story):
    story.client("ana", balance=1_000_000)
    story.client("ben", balance=1_000_000, destination=ADDRESS)
    story.cash_out("d1", 101, 400)
    story.cash_out("d2", 100_001, 400)
    sats = [(p.amount_sat, p.client_name == "ana") for p in story.payouts()]
    assert len(sats) == 4
    assert story.need() == Need(
        4, 100_102, sum(needed_msat(sat, is_internal=internal) for sat, internal in sats)
    )


def test_held_payouts_are_counted_apart(story):
    story.client("ana", balance=1_000_000)
    (share,) = story.cash_out("d1", 5_000, 400).shares
    assert story.read(payout_need.held) == Part(0, 0)
    story.bring(share.payout_id, "HELD")
    assert story.read(payout_need.held) == Part(1, 5_000)


@pytest.mark.parametrize(
    ("kind", "is_own", "is_open", "is_asked"),
    [
        ("payout", True, True, True),
        ("payout", True, False, False),
        ("payout", False, True, False),
        ("cash-out", True, True, False),
    ],
)
def test_payout_in_doubt_needs_funds_until_the_operators_are_asked(
    story, kind, is_own, is_open, is_asked
):
    story.client("ana", balance=1_000_000)
    (share,) = story.cash_out("d1", 5_000, 400).shares
    payout = story.bring(share.payout_id, "IN_DOUBT")
    ref = payout.id if is_own else "another"
    story.do(holds.open_hold, kind, ref, HoldReason.FAILED_TO_ADDRESS, now=story.now)
    if not is_open:
        story.do(holds.close, kind, ref, outcome="cancelled", now=story.now)
    story.do(deferral.defer, payout, waiting=Waiting.FUNDS, until=story.now)
    assert story.need().count == (not is_asked)
    assert story.read(payout_need.under_way) == (Part(1, 5_000) if is_asked else Part(0, 0))
    assert story.read(payout_need.is_waiting_for_funds) is not is_asked


@pytest.mark.parametrize(
    ("place", "source_status", "voids", "is_needed"),
    [
        (KEY, "", 1, True),
        (KEY, "", 2, True),
        (KEY, "", 3, False),
        (KEY, "failed", 1, True),
        (ADDRESS, "", 1, True),
        (ADDRESS, "failed", 1, False),
    ],
)
def test_void_payout_needs_funds_if_it_gets_another_attempt_by_itself(
    story, place, source_status, voids, is_needed
):
    story.client("ana", balance=1_000_000, destination=place)
    (share,) = story.cash_out("d1", 5_000, 400).shares
    for _ in range(voids - 1):
        story.bring(share.payout_id, "VOID")
        story.step(share.payout_id, "PLANNED")
    story.bring(share.payout_id, "VOID")
    story.sql("UPDATE payout SET source_status = ?", source_status)
    assert story.need().count == is_needed
    assert story.read(payout_need.under_way).count == (not is_needed)


def test_shares_that_wait_for_more_are_counted_apart(story):
    place = Destination(clients.ADDRESS, "ana@far.example", min_sat=1_000)
    story.client("ana", balance=1_000_000, destination=place)
    assert story.read(payout_need.collecting) == Part(0, 0)
    story.cash_out("d1", 5_000, 400)
    for sat in (300, 400):
        story.cash_out(f"d{sat}", sat, 40)
    assert story.read(payout_need.collecting) == Part(2, 700)
    assert (story.need().count, story.need().amount_sat) == (1, 5_000)


@pytest.mark.parametrize("work", ["need", "held", "is_waiting_for_funds"])
def test_finished_payouts_are_not_read(story, work):
    named = {"ceilings": CEILINGS, "now": story.now} if work == "need" else {}
    statements = []

    def explain(tx):
        tx.set_trace_callback(statements.append)
        getattr(payout_need, work)(tx, **named)
        tx.set_trace_callback(None)
        asked = [statement for statement in statements if "payout" in statement]
        return [
            " ".join(row["detail"] for row in tx.execute(f"EXPLAIN QUERY PLAN {one}"))
            for one in asked
        ]

    assert all("payout_open" in plan or "payout_submitted" in plan for plan in story.do(explain))


def test_need_asks_the_ledger_no_more_often_for_many_payouts(story):
    """An outage leaves many thousands open; a question for each took seconds."""
    story.client("ana", balance=1_000_000)

    def asked(tx):
        statements = []
        tx.set_trace_callback(statements.append)
        found = payout_need.need(tx, CEILINGS, now=story.now)
        tx.set_trace_callback(None)
        return found.count, len(statements)

    planned(story, 4_000)
    count, few = story.do(asked)
    assert count == 1
    for number in range(9):
        planned(story, 4_001 + number)
    assert story.do(asked) == (10, few)


# What waits for a person


@pytest.fixture
def ana(story):
    return story.client("ana", balance=1_000_000)


def planned(story, sat):
    """Plan a payout of so many sats, later than the one before."""
    story.later(seconds=1)
    (share,) = story.cash_out(f"d{sat}-{story.now.isoformat()}", sat, 400).shares
    return story.payout(share.payout_id)


def of(need):
    return need.amount_sat, need.above_ceiling


@pytest.mark.usefixtures("ana")
def test_payout_that_is_about_to_be_held_needs_nothing(story):
    planned(story, 4_000)
    big = planned(story, 5_001)
    ceilings = Ceilings(payout_max_sat=5_000, day_max_sat=10_000)
    assert of(story.need(ceilings)) == (4_000, Part(1, 5_001))
    hold = story.do(transitions.hold, big, HoldReason.CEILING_PAYOUT, now=story.now)
    assert of(story.need(ceilings)) == (4_000, Part())
    story.do(transitions.retry, story.payout(big.id), now=story.now)
    story.do(holds.close, "payout", hold.ref, outcome="accepted", now=story.now)
    assert of(story.need(ceilings)) == (9_001, Part())


@pytest.mark.usefixtures("ana")
def test_payouts_beyond_the_days_ceiling_need_nothing_until_there_is_room(story):
    ceilings = Ceilings(payout_max_sat=5_000, day_max_sat=7_000)
    story.bring(planned(story, 3_000).id, "DONE")
    planned(story, 2_500)
    planned(story, 2_000)
    planned(story, 1_500)
    # 3,000 were sent; 2,500 fit, 2,000 don't, 1,500 do.
    assert of(story.need(ceilings)) == (4_000, Part(1, 2_000))
    story.later(hours=24)
    assert of(story.need(ceilings)) == (6_000, Part())


@pytest.mark.usefixtures("ana")
def test_payout_that_its_destination_refuses_counts_and_takes_no_room_from_others(story):
    """It steps aside, so those behind it have their turn; its own comes again every few minutes."""
    ceilings = Ceilings(payout_max_sat=5_000, day_max_sat=5_000)
    first = planned(story, 3_000)
    planned(story, 4_000)
    assert of(story.need(ceilings)) == (3_000, Part(1, 4_000))
    until = story.later(days=3)
    story.do(deferral.defer, first, waiting="refused_without_reason", until=until)
    assert of(story.need(ceilings)) == (7_000, Part())


@pytest.mark.usefixtures("ana")
def test_own_unpaid_attempt_takes_no_room(story):
    ceilings = Ceilings(payout_max_sat=5_000, day_max_sat=5_000)
    story.bring(planned(story, 3_000).id, "VOID")
    planned(story, 2_000)
    assert of(story.need(ceilings)) == (5_000, Part())
    # A day later that attempt makes no room either.
    story.later(hours=24, seconds=-2)
    story.bring(planned(story, 2_001).id, "SUBMITTED")
    assert of(story.need(ceilings)) == (2_000, Part(1, 3_000))


def test_payout_to_somebody_without_a_wallet_needs_nothing_until_there_is_one(story):
    story.client("ana", balance=1_000_000)
    ben = story.client("ben", destination=None)
    story.percent(ben, 10_000)
    story.cash_out("d1", 5_000, 400, commission_sat=700)
    assert (story.need().amount_sat, story.need().homeless) == (5_000, Part(1, 700))
    story.do(clients.set_destination, ben, ADDRESS)
    need = story.need()
    assert (need.amount_sat, need.homeless) == (5_700, Part())
    assert need.needed_msat == 5_000_000 + needed_msat(700, is_internal=False)
