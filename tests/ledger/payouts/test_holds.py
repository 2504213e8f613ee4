from datetime import timedelta

import pytest

from dca_bot.ledger.payouts import holds
from dca_bot.ledger.store import bot_state


def hold(story, ref="abc1", *, kind="payout", reason="ceiling_payout"):
    return story.do(holds.open_hold, kind, ref, reason, now=story.now)


def close(story, ref="abc1", *, kind="payout", outcome="accepted"):
    story.do(holds.close, kind, ref, outcome=outcome, now=story.now)


def test_a_hold_is_opened_once_while_it_is_open(story):
    first = hold(story)
    assert (first.kind, first.ref, first.reason) == ("payout", "abc1", "ceiling_payout")
    assert hold(story) is None
    assert hold(story, reason="another") is None
    assert story.read(holds.still_open) == [first]


def test_a_closed_hold_can_be_opened_again(story):
    first = hold(story)
    close(story)
    assert story.read(holds.by_id, first.id) is None
    second = hold(story)
    assert second.id != first.id
    assert story.read(holds.still_open) == [second]


def test_closing_what_is_not_held_changes_nothing(story):
    first = hold(story)
    close(story, "abc2")
    close(story, kind="cash-out")
    assert story.read(holds.by_id, first.id) == first


@pytest.mark.parametrize(
    ("ref", "found"),
    [
        ("abc1", "abc1"),
        ("ABC1", "abc1"),
        ("abd", "abd2"),
        ("ab", None),
        ("abc12", None),
        ("x", None),
        ("", None),
        ("abc%", None),
        ("gone", None),
    ],
)
def test_a_hold_is_found_by_the_beginning_of_its_ref_if_it_is_the_only_one(story, ref, found):
    for held in ("abc1", "abd2", "gone"):
        hold(story, held)
    close(story, "gone")
    result = story.read(holds.by_ref, ref)
    assert (result and result.ref) == found


def test_two_holds_on_one_thing_are_found_by_number_only(story):
    for kind in ("cash-out", "changed"):
        hold(story, kind=kind)
    assert story.read(holds.by_ref, "abc1") is None
    assert len(story.read(holds.still_open)) == 2


def test_the_ledger_remembers_what_the_operator_has_seen(story):
    hold(story)
    assert not story.read(holds.was_seen, "payout", "abc1", "ceiling_payout")
    close(story, outcome="by_itself")
    assert not story.read(holds.was_seen, "payout", "abc1", "ceiling_payout")
    hold(story)
    assert story.read(holds.open_reasons, "payout") == {"abc1": "ceiling_payout"}
    close(story, outcome="ignored")
    assert story.read(holds.was_seen, "payout", "abc1", "ceiling_payout")
    assert not story.read(holds.was_seen, "payout", "abc1", "another")
    assert not story.read(holds.was_seen, "cash-out", "abc1", "ceiling_payout")
    assert story.read(holds.open_reasons, "payout") == {}


def test_open_holds_are_listed_oldest_first(story):
    numbers = [hold(story, f"h{n}").id for n in range(51)]
    assert [found.id for found in story.read(holds.still_open, limit=3)] == numbers[:3]
    assert [found.id for found in story.read(holds.still_open)] == numbers[:50]


def test_facts_outlive_a_restart(story):
    story.do(bot_state.put, bot_state.START_AT, "first")
    story.do(bot_state.put, bot_state.START_AT, "second")
    story.do(bot_state.put, bot_state.PAUSED, "yes")
    story.close()
    story.open()
    assert story.read(bot_state.get, bot_state.START_AT) == "second"
    assert story.read(bot_state.paused)
    assert story.do(bot_state.drop, bot_state.PAUSED)
    assert not story.do(bot_state.drop, bot_state.PAUSED)
    assert not story.read(bot_state.paused)


def test_reason_of_one_open_hold_changes_alone(story):
    for ref in ("abc1", "abc2", "abc3"):
        hold(story, ref)
    close(story, "abc3")
    for ref in ("abc1", "abc3"):
        story.do(holds.reword, "payout", ref, "alerted")
    rows = story.sql("SELECT ref, reason FROM hold ORDER BY id")
    assert [tuple(row) for row in rows] == [
        ("abc1", "alerted"),
        ("abc2", "ceiling_payout"),
        ("abc3", "ceiling_payout"),
    ]


MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("reason", "outcome", "late", "opened"),
    [
        ("ceiling_payout", "by_itself", timedelta(0), True),
        ("ceiling_payout", "by_itself", MOMENT, False),
        ("ceiling_payout", "accepted", timedelta(0), False),
        ("another", "by_itself", timedelta(0), False),
    ],
)
def test_hold_that_has_just_closed_by_itself_is_opened_again_with_its_number(
    story, reason, outcome, late, opened
):
    for again in (hold(story), hold(story, "abc2"), hold(story, kind="changed")):
        close(story, again.ref, kind=again.kind, outcome="by_itself")
    last = hold(story)
    close(story, outcome=outcome)
    hold(story, "abc3")
    close(story, "abc3", outcome="by_itself")
    since = story.now + late
    assert story.do(holds.reopen, "payout", "abc1", reason, since=since) is opened
    assert story.read(holds.still_open) == ([last] if opened else [])


def test_open_holds_are_told_apart_by_kind_and_thing(story):
    one, other, changed = hold(story), hold(story, "abc2"), hold(story, kind="changed")
    closed = hold(story, "gone")
    close(story, "gone")
    assert story.read(holds.open_on, "payout", "abc1") == one
    assert story.read(holds.open_on, "changed", "abc1") == changed
    assert story.read(holds.open_on, "payout", "gone") is None
    assert sorted(story.read(holds.open_refs, "payout")) == ["abc1", "abc2"]
    assert story.read(holds.open_ids) == {"payout": [one.id, other.id], "changed": [changed.id]}
    assert story.read(holds.open_count) == 3
    assert story.read(holds.any_by_id, closed.id) == closed
    assert story.read(holds.by_id, closed.id) is None
    assert story.read(holds.still_open, limit=1, offset=1) == [other]


def test_only_the_hold_on_one_thing_is_closed(story):
    for ref, kind in (("abc1", "payout"), ("abc1", "changed"), ("abc2", "payout")):
        hold(story, ref, kind=kind)
    close(story, outcome="ignored")
    story.later(hours=1)
    close(story, outcome="accepted")
    rows = story.sql("SELECT outcome FROM hold ORDER BY id")
    assert [row["outcome"] for row in rows] == ["ignored", None, None]
    assert [found.kind for found in story.read(holds.still_open)] == ["changed", "payout"]


@pytest.mark.parametrize(
    ("kind", "reason", "opened"),
    [
        ("payout", "ceiling_payout", True),
        ("changed", "ceiling_payout", False),
        ("payout", "x", False),
    ],
)
def test_ledger_remembers_which_holds_there_were(story, kind, reason, opened):
    hold(story)
    hold(story, "abc2", kind="changed", reason="x")
    assert story.read(holds.was_opened, kind, "abc1", reason) is opened
    close(story)
    assert story.read(holds.was_opened, kind, "abc1", reason) is opened
    assert story.read(holds.was_accepted, "abc1", reason) is (reason != "x")


def test_accepted_reasons_are_those_of_each_open_payout(story):
    story.client("ana", balance=10_000)
    ids = [story.cash_out(f"d{n}", 600, 60).shares[0].payout_id for n in range(4)]
    for ref, reason, outcome in (
        (ids[0], "ceiling_payout", "accepted"),
        (ids[0], "ceiling_day", "accepted"),
        (ids[0], "known_payout", "ignored"),
        (ids[1], "ceiling_day", "accepted"),
        (ids[2], "ceiling_day", "by_itself"),
        (ids[3], "known_payout", "accepted"),
    ):
        hold(story, ref, reason=reason)
        close(story, ref, outcome=outcome)
    story.bring(ids[3], "DONE")
    both = {"ceiling_payout", "ceiling_day"}
    assert story.read(holds.accepted_on_open_payouts) == {ids[0]: both, ids[1]: {"ceiling_day"}}
    assert story.read(holds.accepted_reasons, ids[0]) == both


@pytest.mark.parametrize(
    ("kind", "outcome", "late", "let_go"),
    [
        ("cash-out", "accepted", timedelta(0), True),
        ("cash-out", "accepted", MOMENT, False),
        ("cash-out", "ignored", timedelta(0), False),
        ("changed", "accepted", timedelta(0), False),
    ],
)
def test_cash_out_is_let_go_by_who_accepts_it_late_enough(story, kind, outcome, late, let_go):
    for ref in ("abc1", "abc2"):
        hold(story, ref, kind=kind)
    close(story, kind=kind, outcome=outcome)
    assert story.read(holds.was_let_go, "abc1", since=story.now + late) is let_go
    assert not story.read(holds.was_let_go, "abc2", since=story.now)
