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
    numbers = [hold(story, f"h{n}").id for n in range(4)]
    assert [found.id for found in story.read(holds.still_open, limit=3)] == numbers[:3]


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
