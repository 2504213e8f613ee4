from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.ceilings import Ceiling, Ceilings, Turn, broken, to_be_held

turns = st.lists(
    st.builds(
        Turn,
        st.uuids().map(str),
        st.integers(1, 50),
        accepted=st.sets(st.sampled_from([str(one) for one in Ceiling])).map(frozenset),
        counted_sat=st.just(0),
        is_aside=st.booleans(),
    ),
    max_size=12,
    unique_by=lambda turn: turn.id,
)


@given(turns, st.integers(0, 60), st.builds(Ceilings, st.integers(1, 40), st.integers(1, 120)))
def test_what_is_held_is_what_a_worker_that_sends_in_order_holds(story, sent_sat, ceilings):
    held, sent = set(), sent_sat
    for turn in story:
        if broken(turn.amount_sat, sent_sat=sent, ceilings=ceilings, accepted=turn.accepted):
            held.add(turn.id)
        elif not turn.is_aside:
            sent += turn.amount_sat
    assert to_be_held(story, sent_sat=sent_sat, ceilings=ceilings) == held


@given(turns, st.integers(0, 60), st.builds(Ceilings, st.integers(1, 40), st.integers(1, 120)))
def test_nothing_beyond_a_ceiling_is_counted_as_leaving(story, sent_sat, ceilings):
    held = to_be_held(story, sent_sat=sent_sat, ceilings=ceilings)
    leaving = [turn for turn in story if turn.id not in held and not turn.accepted]
    assert all(turn.amount_sat <= ceilings.payout_max_sat for turn in leaving)
    sent = sum(turn.amount_sat for turn in leaving if not turn.is_aside)
    assert sent <= max(ceilings.day_max_sat - sent_sat, 0)


def test_amount_at_a_ceiling_is_sent_and_the_first_broken_one_is_named():
    ceilings = Ceilings(payout_max_sat=10, day_max_sat=15)
    at = {"ceilings": ceilings, "accepted": frozenset()}
    assert broken(10, sent_sat=5, **at) is None
    assert broken(10, sent_sat=6, **at) is Ceiling.DAY
    assert broken(11, sent_sat=6, **at) is Ceiling.PAYOUT
    assert broken(11, sent_sat=6, ceilings=ceilings, accepted={Ceiling.PAYOUT}) is Ceiling.DAY
    assert broken(11, sent_sat=6, ceilings=ceilings, accepted={*Ceiling}) is None


def test_own_earlier_attempt_is_not_counted_twice():
    ceilings = Ceilings(payout_max_sat=10, day_max_sat=15)
    again = Turn("again", 10, counted_sat=10)
    assert to_be_held([again], sent_sat=15, ceilings=ceilings) == frozenset()
    assert to_be_held([again, Turn("next", 1)], sent_sat=15, ceilings=ceilings) == {"next"}
