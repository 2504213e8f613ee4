"""What a clock that was wrong has noted, and what becomes of it once the clock is right."""

import random
import re
import sqlite3
from datetime import timedelta

import pytest
from ledger.story import START, hex_of

from dca_bot.core.funds import TopUp, Trouble
from dca_bot.core.ports import Uptime
from dca_bot.ledger.correspondence import alarms, confirmations, knocks, outbox
from dca_bot.ledger.payouts import deferral, holds, queue, top_ups, unknown_payments
from dca_bot.ledger.programme import clients, commission
from dca_bot.ledger.store import bot_state, clock
from dca_bot.ledger.store.clock import Turn
from dca_bot.ledger.store.instants import micros

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AHEAD = [HOUR, 20 * HOUR, 150 * HOUR, 400 * DAY]


@pytest.fixture
def ahead(story):
    """Set the clock ahead, do something, and set it right; a minute passes meanwhile."""

    def do(span, work):
        story.do(clock.note, story.now)
        right = story.now + timedelta(minutes=1)
        story.now += span
        story.do(clock.note, story.now)
        work()
        story.now = right
        turn = story.do(clock.note, right)
        if turn is Turn.DOUBTED:
            assert story.do(clock.accept, right)

    return do


@pytest.mark.parametrize("span", AHEAD)
def test_payout_that_waited_by_a_clock_ahead_is_due_once_the_clock_is_right(story, ahead, span):
    story.client("ana", balance=10_000)
    id_ = story.cash_out("d1", 600, 60).shares[0].payout_id

    def defer():
        until = story.now + HOUR
        story.do(deferral.defer, story.payout(id_), waiting="unreachable", until=until)

    ahead(span, defer)
    assert [payout.id for payout in story.read(queue.due, story.now)] == [id_]


@pytest.mark.parametrize("span", AHEAD)
def test_letter_that_waited_by_a_clock_ahead_leaves_once_the_clock_is_right(story, ahead, span):
    def write():
        mail_ = {"now": story.now}
        story.do(outbox.write, hex_of("ana"), "tried", **mail_)
        (letter,) = story.read(outbox.due, story.now, urgency=outbox.Urgency.NOTICE)
        story.do(outbox.mark_failed, letter, delay_s=600, now=story.now)
        story.do(outbox.write, hex_of("ben"), "new", **mail_)

    ahead(span, write)
    due = story.read(outbox.due, story.now, urgency=outbox.Urgency.NOTICE)
    assert {letter.text: letter.created_at for letter in due} == {
        "tried": START + span,  # it may have arrived, and stays the same letter
        "new": story.now,
    }


@pytest.mark.parametrize("span", AHEAD)
def test_deposit_confirmed_by_a_clock_ahead_counts_from_when_the_clock_was_right(
    story, ahead, span
):
    ana = story.client("ana")
    ahead(span, lambda: story.deposit(ana, 10_000))
    before, after = story.now - timedelta(seconds=1), story.now
    assert story.cash_out("d1", 600, 60, at=before).shares == ()
    assert story.cash_out("d2", 600, 60, at=after).shares[0].minor == 60
    assert story.findings() == ()


@pytest.mark.parametrize("span", AHEAD)
def test_machine_counted_by_a_clock_ahead_goes_on_from_what_was_counted(story, ahead, span):
    story.names({"m": "Market"})
    ahead(span, lambda: story.count("m", 5_000))
    story.later(minutes=1)
    story.cash_in("in", 700, machine="m")
    assert story.should_be("m") == 5_700
    story.later(minutes=1)
    story.count("m", 5_600)
    assert (story.machine("m").last_count.difference_minor, story.should_be("m")) == (-100, 5_600)
    assert story.findings() == ()


@pytest.mark.parametrize("span", AHEAD)
def test_what_was_sent_by_a_clock_ahead_counts_for_the_ceiling_of_one_day(story, ahead, span):
    story.client("ana", balance=10_000)
    id_ = story.cash_out("d1", 600, 60).shares[0].payout_id
    other = story.cash_out("d2", 600, 60).shares[0].payout_id
    ahead(span, lambda: story.bring(id_, "DONE"))

    def sent(at):
        beside = story.payout(other)
        return story.read(queue.submitted_sat_since, at - queue.DAY, beside=beside)

    assert [sent(story.now), sent(story.now + DAY)] == [600, 0]


def test_old_word_of_the_operator_covers_no_payment_that_is_seen_later(story, ahead):
    story.client("ana", balance=10_000)
    payout = story.payout(story.cash_out("d1", 600, 60).shares[0].payout_id)
    reason = holds.HoldReason.KNOWN_PAYOUT

    def accept():
        story.do(holds.open_hold, "payout", payout.id, reason, now=story.now)
        story.do(holds.close, "payout", payout.id, outcome="accepted", now=story.now)

    ahead(20 * HOUR, accept)
    story.later(minutes=1)
    failed = story.payment(payout, status="failed")
    story.do(unknown_payments.remember, failed, now=story.now)
    assert not story.read(unknown_payments.was_let_go, payout.id, failed)


def test_whoever_was_added_by_a_clock_ahead_is_heard_once_the_clock_is_right(story, ahead):
    ahead(20 * HOUR, lambda: story.client("ana"))
    assert story.read(clients.by_name, "ana").key_at == story.now


def test_facts_alarms_and_codes_of_a_clock_ahead_are_pulled_back(story, ahead):
    names = (
        bot_state.START_AT,
        bot_state.LISTENED_AT,
        bot_state.LAST_POLL_AT,
        bot_state.SUMMARY_AT,
    )

    def note():
        for name in names:
            story.do(bot_state.put, name, story.now.isoformat())
        story.do(alarms.start, "LNbits", story.now, now=story.now)
        effect = {"command": "c", "effect": "e"}
        chance = __import__("random").Random(1)
        story.do(confirmations.issue, hex_of("op"), **effect, now=story.now, random=chance)
        story.do(top_ups.note, TopUp(Trouble.SHORT, story.now + DAY, 7, 9))

    ahead(20 * HOUR, note)
    assert {story.read(bot_state.moment, name) for name in names} == {story.now}
    assert story.read(alarms.since, "LNbits") == story.now
    (code,) = story.read(confirmations.open_codes, hex_of("op"), now=story.now)
    assert code.expires_at == story.now + clock.CODE_LIFE
    assert story.read(top_ups.told) == TopUp(Trouble.SHORT, story.now, 7, 9)


def test_terms_set_after_a_cash_out_of_a_clock_ahead_leave_the_audit_clean(story, ahead):
    story.client("ana", balance=10_000)
    rosa = story.recipient("rosa")

    def cash_out():
        story.cash_out("d1", 600, 60, commission_sat=100)

    ahead(20 * HOUR, cash_out)
    story.do(commission.set_share, rosa, 4000, now=story.now)
    assert story.findings() == ()


# A clock that is behind


def test_clock_that_was_behind_for_a_while_pulls_nothing_back(story):
    story.do(bot_state.put, bot_state.RESTORED_AT, story.now.isoformat())
    story.do(clock.note, story.now)
    for at in (story.now - 700 * DAY, story.now - 700 * DAY + HOUR):
        story.do(clock.note, at)
        assert story.read(bot_state.paused)
    assert story.do(clock.note, story.later(minutes=5)) is Turn.RIGHT
    assert not story.read(bot_state.paused)
    assert story.read(bot_state.moment, bot_state.RESTORED_AT) == START


def test_clock_in_doubt_is_told_of_once(story):
    story.do(clock.note, story.now)
    turns = [story.do(clock.note, story.now - 2 * DAY + n * HOUR) for n in range(3)]
    assert turns == [Turn.DOUBTED, Turn.NONE, Turn.NONE]
    assert story.do(clock.note, story.now - DAY) is Turn.RIGHT


def test_code_from_before_the_doubt_lives_no_longer_than_another(story):
    ahead = story.now + 3 * DAY
    story.do(clock.note, ahead)
    effect = {"command": "c", "effect": "e", "random": random.Random(1)}
    story.do(confirmations.issue, hex_of("op"), **effect, now=ahead)
    assert story.do(clock.note, story.now) is Turn.DOUBTED
    (code,) = story.read(confirmations.open_codes, hex_of("op"), now=story.now)
    assert code.expires_at == story.now + clock.CODE_LIFE


def test_knock_by_a_clock_that_was_days_ahead_keeps_nobody_from_doubting_the_clock(story):
    ahead = story.now + 40 * DAY
    story.do(clock.note, ahead)
    story.do(knocks.give, hex_of("new"), now=ahead, random=random.Random(1))
    assert story.do(clock.note, story.now) is Turn.DOUBTED
    assert story.do(clock.accept, story.now)
    (knock,) = story.read(knocks.open_knocks, now=story.now, limit=9)
    assert knock.knocked_at == story.now


def test_operators_word_is_asked_for_a_doubted_clock_only(story):
    story.do(clock.note, story.now)
    assert not story.do(clock.accept, story.now - HOUR)
    assert story.read(clock.shown_at) == story.now


# What may be dated back, and what may not


@pytest.mark.parametrize("by", [1, 0, -1])
def test_confirmed_deposit_is_dated_back_to_where_the_clock_was_found_wrong_alone(story, by):
    ana = story.client("ana", balance=500)
    found = micros(START) - 10 if by else micros(START)
    story.do(bot_state.put, bot_state.CLOCK_BACK_AT, str(found))
    with pytest.raises(sqlite3.IntegrityError, match="cannot make this move"):
        story.sql("UPDATE deposit SET confirmed_at = ?", found + by)
    assert (story.balance(ana), story.findings()) == (500, ())


def test_count_keeps_what_was_counted_when_it_is_dated_back(story):
    story.names({"m": "Market"})
    story.count("m", 5_000)
    story.do(bot_state.put, bot_state.CLOCK_BACK_AT, "7")
    for change in ("counted_at = 7, counted_minor = 1", "counted_at = 8", "counted_minor = 1"):
        with pytest.raises(sqlite3.IntegrityError, match="never altered"):
            story.sql(f"UPDATE cash_count SET {change}")
    story.sql("UPDATE cash_count SET counted_at = 7")


# Time that has really passed


def test_only_what_the_computer_has_run_is_witnessed(story):
    def seen(boot, hours):
        return story.read(clock.witnessed, Uptime(boot, hours * HOUR)) // HOUR

    def witness(boot, hours):
        return story.do(clock.witness, Uptime(boot, hours * HOUR), story.now)

    assert seen("a", 5) == 5
    witness("a", 6)
    assert (seen("a", 6), seen("a", 9)) == (6, 9)
    witness("a", 8)
    assert seen("b", 100) == 8, "another start of the computer, or another computer"
    witness("b", 100)
    assert seen("b", 103) == 11
    witness("b", 103)
    assert seen("b", 50) == 11, "it never runs backwards"


def test_leap_of_the_clock_is_what_has_not_passed(story):
    def leap(shown, hours, boot="a"):
        story.now = START + shown
        return story.do(clock.witness, Uptime(boot, hours * HOUR), story.now)

    assert leap(timedelta(), 0) == timedelta()
    assert leap(5 * HOUR, 5) == timedelta(), "a bot that was down for five hours"
    assert leap(2 * DAY, 6) == 2 * DAY - 6 * HOUR
    assert leap(3 * DAY, 7, "b") == timedelta(), "the computer was off"
    assert leap(3 * DAY - HOUR, 8, "b") == timedelta(), "it went back"


# Every instant that the ledger keeps


IS_TOLD = "tells that something is done, not when"
IS_SHOWN = "is shown, and nothing depends on it"
IS_FINAL = "is never altered; what depends on its order goes by sequence"
IS_OUTSIDE = "was told by somebody else's clock"
STAYS = {
    "attempt.expires_at": IS_OUTSIDE,
    "attempt.created_at": IS_FINAL,
    "cash_move.at": IS_FINAL,
    "cash_move.recorded_at": IS_FINAL,
    "cash_out.at": IS_OUTSIDE,
    "cash_out.created_at": IS_OUTSIDE,
    "cash_out.first_seen_at": IS_SHOWN,
    "cash_out.changed_at": IS_SHOWN,
    "cash_out.report_told_at": IS_TOLD,
    "client.fixed_wanted_at": IS_TOLD,
    "command_log.at": IS_FINAL,
    "commission_terms.set_at": IS_FINAL,
    "confirmation.used_at": IS_TOLD,
    "delivery.reached_at": IS_SHOWN,
    "deposit.created_at": IS_SHOWN,
    "deposit.voided_at": IS_TOLD,
    "distribution.at": IS_FINAL,
    "distribution.processed_at": IS_FINAL,
    "fixed_run.due_at": "follows from its local date and time",
    "fixed_run.changed_at": "a run that lapsed in the future is open again",
    "fixed_run.told_at": IS_TOLD,
    "import_source.imported_at": IS_FINAL,
    "foreign_payment.settled_at": IS_TOLD,
    "inbox.received_at": IS_SHOWN,
    "knock.used_at": IS_TOLD,
    "lease.recorded_at": IS_SHOWN,
    "lease_dispute.closed_at": IS_TOLD,
    "lease_dispute.opened_at": IS_SHOWN,
    "outbox.dropped_at": IS_TOLD,
    "outbox.sent_at": IS_TOLD,
    "payout.doubt_told_at": IS_TOLD,
    "payout.due_at": "gives the order of payouts alone, and is never altered",
    "payout.slow_told_at": IS_TOLD,
    "refused_event.refused_at": "gives the order in which refusals are forgotten",
    "relay.heard_at": "one of the future counts as unknown: pulled back, messages would be passed over",
    "relay.worked_at": IS_SHOWN,
    "relay_list.created_at": IS_OUTSIDE,
    "posting.posted_at": IS_FINAL,
    "task.answered_at": IS_TOLD,
    "task.asked_at": IS_SHOWN,
    "verdict.at": IS_FINAL,
    "verify_look.looked_at": "is never altered; a payee's word counts after the time that was witnessed",
    "alarm.told_at": IS_TOLD,
    "slow_destination.told_at": IS_TOLD,
    "ticker.at": "was told by somebody else's clock; one of the future gives way to the next",
    "witnessed.shown_at": "is what the clock showed, to be held against what it shows next",
}


def test_each_instant_of_the_schema_is_pulled_back_or_stays_for_a_reason(story):
    columns = story.sql(
        "SELECT tables.name || '.' || columns.name AS name FROM sqlite_schema tables,"
        " pragma_table_info(tables.name) columns WHERE tables.type = 'table'"
        " AND (columns.name LIKE '%\\_at' ESCAPE '\\' OR columns.name IN ('at', 'since', 'statement_month'))"
    )
    pulled = {
        ".".join(re.match(r"UPDATE (\w+) SET (\w+) = ", statement).groups())
        for statement in clock._PULLED
    }
    known = {row["name"] for row in columns}
    assert known - pulled == {name for name in STAYS if name in known}
    assert pulled <= known
    assert not pulled & set(STAYS)
