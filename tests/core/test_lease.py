"""The decisions of the lease, one at a time; how they work together is in tests/jobs/test_lease_steps."""

from datetime import timedelta

import pytest

from dca_bot.core.lease import (
    Claimed,
    Dispute,
    DisputeReason,
    LeaseKind,
    LeaseReading,
    LeaseRecord,
    LeaseRow,
    Party,
    is_fresh,
    judge_claim,
    judge_look,
    next_generation,
    plan_claim,
    public_id,
    wait_left_s,
)

ME = Party("me", "ledger", "bot")
S = timedelta(seconds=1)
TICK = timedelta.resolution


def row(generation, instance="other", kind=LeaseKind.CLAIM, *, ledger="ledger", bot="bot"):
    return LeaseRow(generation, instance, kind, ledger, bot)


def reading(*rows, whole=True):
    return LeaseReading(rows, is_whole=whole)


def test_first_start_on_a_new_wallet_claims_generation_one_without_a_wait():
    planned = plan_claim(ME, LeaseRecord(), reading())
    assert planned == row(1, "me")
    judged = judge_claim(planned, ME, LeaseRecord(), before=reading(), after=reading(planned))
    assert judged is Claimed.HELD


def test_restart_claims_above_its_predecessor_and_waits():
    record, old = LeaseRecord(7, "predecessor"), row(7, "predecessor")
    planned = plan_claim(ME, record, reading(old))
    assert planned == row(8, "me")
    after = reading(planned, old)
    judged = judge_claim(planned, ME, record, before=reading(old), after=after)
    assert judged is Claimed.HELD_AFTER_WAIT


@pytest.mark.parametrize("newer", [row(8), row(7)])
def test_row_that_the_ledger_does_not_know_stops_a_start(newer):
    planned = plan_claim(ME, LeaseRecord(7, "predecessor"), reading(newer, row(7, "predecessor")))
    assert planned == Dispute(DisputeReason.NEWER_START, newer)


def test_row_of_a_process_that_is_known_to_have_ended_stops_no_start():
    me = Party("me", "ledger", "bot", frozenset({"other"}))
    assert plan_claim(me, LeaseRecord(7, "predecessor"), reading(row(9))) == row(10, "me")


def test_process_that_is_said_to_have_ended_does_not_spare_the_wait():
    """The folder may have been copied, and the process may run on."""
    me = Party("me", "ledger", "bot", frozenset({"other"}))
    before, own = reading(row(9)), row(10, "me")
    judged = judge_claim(own, me, LeaseRecord(), before=before, after=reading(own, row(9)))
    assert judged is Claimed.HELD_AFTER_WAIT


def test_dispute_row_of_a_stopped_bot_stops_no_start():
    stopped = row(9, kind=LeaseKind.DISPUTE)
    assert plan_claim(ME, LeaseRecord(7, "predecessor"), reading(stopped)) == row(10, "me")


def test_operators_word_covers_what_was_seen_and_nothing_newer():
    record = LeaseRecord(7, "predecessor", accepted=9, is_takeover=True)
    assert plan_claim(ME, record, reading(row(9))) == row(10, "me", LeaseKind.TAKEOVER)
    newer = row(10)
    found = plan_claim(ME, record, reading(newer, row(9)))
    assert found == Dispute(DisputeReason.NEWER_START, newer)


@pytest.mark.parametrize(
    ("stranger", "is_rival"),
    [
        (row(9, ledger="another", bot="another"), False),
        (row(9, ledger="another"), True),
        (row(9, bot="another"), True),
        (row(9, bot=""), True),
    ],
)
def test_programmes_of_another_ledger_and_key_share_a_wallet_in_peace(stranger, is_rival):
    assert bool(ME.rivals([stranger])) is is_rival
    planned = plan_claim(ME, LeaseRecord(), reading(stranger))
    assert isinstance(planned, Dispute) is is_rival
    if not is_rival:
        assert planned == row(10, "me"), "the newest row of a wallet has the highest generation"
        after = reading(planned, stranger)
        judged = judge_claim(planned, ME, LeaseRecord(), before=reading(stranger), after=after)
        assert judged is Claimed.HELD


def test_bots_without_a_key_of_their_own_are_told_apart_by_their_ledgers():
    nameless = Party("me", "ledger")
    assert nameless.rivals([row(1, ledger="another", bot="")]) == []


@pytest.mark.parametrize("generation", [7, 8, 9])
def test_rival_that_starts_in_step_is_a_dispute_whatever_its_generation(generation):
    own, rival = row(8, "me"), row(generation)
    judged = judge_claim(own, ME, LeaseRecord(), before=reading(), after=reading(own, rival))
    assert judged == Dispute(DisputeReason.SECOND_BOT, rival, announce=True)


def test_row_that_a_dead_predecessor_wrote_and_that_comes_late_is_no_dispute():
    own, late = row(8, "me"), row(7, "predecessor")
    record = LeaseRecord(7, "predecessor")
    judged = judge_claim(own, ME, record, before=reading(), after=reading(own, late))
    assert judged is Claimed.HELD_AFTER_WAIT


def test_reading_that_may_not_be_whole_never_spares_the_wait():
    own = row(1, "me")
    found = reading(own, whole=False)
    assert judge_claim(own, ME, LeaseRecord(), before=found, after=found) is Claimed.HELD_AFTER_WAIT


@pytest.mark.parametrize(
    ("rival", "reason", "announce"),
    [
        (row(8), DisputeReason.SECOND_BOT, True),
        (row(9), DisputeReason.SECOND_BOT, True),
        (row(9, kind=LeaseKind.DISPUTE), DisputeReason.SECOND_BOT, False),
        (row(9, kind=LeaseKind.TAKEOVER), DisputeReason.TAKEN_OVER, False),
    ],
)
def test_look_that_shows_a_rival_stops_and_tells_one_that_may_not_know(rival, reason, announce):
    own = row(8, "me")
    judged = judge_look(own, ME, reading(own, rival))
    assert judged == Dispute(reason, rival, announce=announce)


def test_look_without_the_own_row_loses_the_lease():
    own = row(8, "me")
    assert judge_look(own, ME, reading(row(7))) is Claimed.MISSING
    assert judge_look(own, ME, reading(own, row(7))) is Claimed.HELD


def test_generation_is_above_all_that_is_known():
    rows = [row(3), row(12, ledger="another", bot="another")]
    assert next_generation(LeaseRecord(7, accepted=9), rows) == 13
    assert next_generation(LeaseRecord(7, accepted=20), rows) == 21
    assert next_generation(LeaseRecord(), []) == 1


@pytest.mark.parametrize(
    ("age", "by_date_s", "fresh"),
    [
        (0 * S, 0, True),
        (5 * S, 5, True),
        (5 * S + TICK, 5, False),
        (1 * S, 3600, False),  # a virtual computer that was paused; its clock was set right
        (3600 * S, 1, False),  # the clock was set back
        (1 * S, -1, False),
    ],
)
def test_look_is_fresh_only_by_both_clocks(age, by_date_s, fresh):
    assert is_fresh(age, timedelta(seconds=by_date_s)) is fresh


@pytest.mark.parametrize(
    ("age", "left"), [(0 * S, 15), (TICK, 15), (S, 14), (15 * S - TICK, 1), (15 * S, 0)]
)
def test_wait_is_never_cut_short(age, left):
    assert wait_left_s(age) == left
    assert wait_left_s(99 * S) == 0


def test_public_id_hides_what_it_is_made_of():
    assert public_id("2026-03-01T12:00:00+00:00") == public_id("2026-03-01T12:00:00+00:00")
    assert public_id("a") != public_id("b")
    assert len(public_id("a")) == 16
    assert public_id("") == ""
