"""Destinations that payouts wait for: which there are, since when, and that operators hear once of each."""

from datetime import timedelta

import pytest
from ledger.story import ADDRESS, KEY

from dca_bot.core.payout import Wait, Waiting
from dca_bot.errors import Refusal
from dca_bot.ledger.payouts import deferral, slow_destinations
from dca_bot.ledger.payouts.slow_destinations import SlowDestination
from dca_bot.ledger.programme import clients

MOMENT = timedelta(microseconds=1)
SOON = timedelta(minutes=5)
FULL, TOO_MUCH = Wait(Refusal.SAID, "full"), Wait(Refusal.ABOVE_MAXIMUM, limit_sat=5)


@pytest.fixture
def ana(story):
    return story.client("ana", balance=10_000)


def planned(story, id_, sat):
    """Return the payouts of a sale, one a client; each sale is later than the one before."""
    story.later(seconds=1)
    return [share.payout_id for share in story.cash_out(id_, sat, 100).shares]


def wait(story, id_, why):
    payout = story.payout(id_)
    story.do(deferral.defer, payout, waiting=why, until=story.now + SOON)


def note(story):
    return story.do(slow_destinations.note, story.now)


def told(story, *, since):
    """Return what operators are told now of the destinations waited for since then."""
    return story.do(slow_destinations.take_untold, before=since, now=story.now)


def test_operators_hear_once_of_each_destination_that_a_client_waits_for(story, ana):
    ben = story.client("ben", balance=10_000)
    old, bens = planned(story, "d1", 200)
    story.bring(old, "VOID")
    story.step(old, "PLANNED")
    first, _ = planned(story, "d2", 2_000)
    second, going = planned(story, "d3", 20_000)
    story.do(clients.set_destination, ana, ADDRESS)
    for id_, why in (
        (second, Refusal.UNREACHABLE),
        (first, FULL),
        (old, TOO_MUCH),
        (bens, Refusal.SERVER_FAULT),
        (going, Waiting.FUNDS),
    ):
        wait(story, id_, why)
    assert note(story)
    assert told(story, since=story.now - MOMENT) == []
    expected = [
        SlowDestination(ana, "ana", ADDRESS, 2, 11_000, FULL),
        SlowDestination(ana, "ana", KEY, 1, 100, TOO_MUCH),
        SlowDestination(ben, "ben", KEY, 1, 100, Wait(Refusal.SERVER_FAULT)),
    ]
    found = told(story, since=story.now)
    assert sorted(found, key=lambda slow: (slow.client_id, slow.count != 2)) == expected
    assert note(story)
    assert told(story, since=story.now) == []


@pytest.mark.usefixtures("ana")
def test_destination_is_slow_since_its_first_wait_until_it_works_again(story):
    (id_,) = planned(story, "d1", 600)
    assert not note(story)
    for _ in range(2):
        began = story.now
        wait(story, id_, Refusal.UNREACHABLE)
        assert note(story)
        story.later(minutes=1)
        assert note(story)
        assert told(story, since=began - MOMENT) == []
        assert [slow.count for slow in told(story, since=began)] == [1]
        wait(story, id_, "")
        assert note(story)
        assert not note(story)


@pytest.mark.usefixtures("ana")
def test_overdue_try_proves_no_slow_destination(story):
    (id_,) = planned(story, "d1", 600)
    wait(story, id_, Refusal.UNREACHABLE)
    note(story)
    began = story.now
    story.now = began + SOON
    assert told(story, since=began) == []
    story.now -= MOMENT
    assert len(told(story, since=began)) == 1


@pytest.mark.usefixtures("ana")
@pytest.mark.parametrize(
    ("state", "why", "is_slow"),
    [
        ("PLANNED", "", False),
        ("PLANNED", Waiting.FUNDS, False),
        ("PLANNED", Waiting.NO_ANSWER, False),
        ("PLANNED", Refusal.UNREACHABLE, True),
        ("INVOICED", Refusal.UNREACHABLE, True),
        ("HELD", Refusal.UNREACHABLE, False),
        ("SUBMITTED", Waiting.ON_ITS_WAY, False),
        ("IN_DOUBT", Refusal.UNREACHABLE, False),
    ],
)
def test_unsent_payout_waits_for_its_destination_if_not_for_lnbits(story, state, why, is_slow):
    (id_,) = planned(story, "d1", 600)
    story.bring(id_, state)
    wait(story, id_, why)
    assert note(story) is is_slow
    assert len(told(story, since=story.now)) == is_slow


def test_somebody_without_a_destination_is_waited_for_too(story):
    story.client("ana", balance=10_000)
    eva = story.client("eva", destination=None)
    story.percent(eva, 10_000)
    story.cash_out("d1", 600, 60, commission_sat=1)
    (payout,) = story.payouts(eva)
    wait(story, payout.id, Waiting.NO_DESTINATION)
    assert note(story)
    without = SlowDestination(eva, "eva", None, 1, 1, Wait(Waiting.NO_DESTINATION))
    assert told(story, since=story.now) == [without]
