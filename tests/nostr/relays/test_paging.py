from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dca_bot.nostr import events
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.relays.paging import PAGES_MAX, Paging

EVENT = events.sign(SecretKey((5).to_bytes(32)), kind=4, created_at=0, tags=(), content="")


def events_at(times):
    return [replace(EVENT, id=f"{n:064x}", created_at=at) for n, at in enumerate(times)]


def answer(stored, wanted, cap):
    """Answer a filter as NIP-01 says: newest first, ties by id, at most `cap`."""
    until = wanted.get("until", 10**12)
    found = [event for event in stored if wanted["since"] <= event.created_at <= until]
    found.sort(key=lambda event: (-event.created_at, event.id))
    return found[: min(cap, wanted["limit"])]


def read_all(stored, *, since, cap):
    paging, read, requests = Paging({}, since), set(), 0
    while True:
        wanted = paging.filter()
        assert wanted["limit"] > 0
        requests += 1
        for event in answer(stored, wanted, cap):
            paging.observe(event)
            read.add(event.id)
        if not paging.turn():
            return read, requests


@given(
    times=st.lists(st.integers(0, 30), max_size=60), since=st.integers(0, 20), cap=st.integers(1, 9)
)
def test_every_stored_event_is_read_unless_one_second_exceeds_the_relays_cap(times, since, cap):
    stored = events_at(times)
    read, requests = read_all(stored, since=since, cap=cap)
    reachable = {
        event.id
        for event in stored
        if event.created_at >= since and times.count(event.created_at) < cap
    }
    assert reachable <= read <= {event.id for event in stored if event.created_at >= since}
    assert requests <= 2 * len(stored) + 3


def test_empty_relay_takes_one_request():
    assert read_all([], since=0, cap=5) == (set(), 1)


def test_walk_goes_past_a_second_with_more_events_than_the_relay_gives():
    stored = events_at([50] * 20 + [40, 41])
    read, _ = read_all(stored, since=0, cap=10)
    assert {event.id for event in stored if event.created_at < 50} <= read


def test_relay_that_gives_equal_times_in_turns_is_read_without_going_in_circles():
    *equal, older = events_at([50] * 6 + [40])
    paging, read = Paging({}, 0), set()
    for turn in range(20):
        first = 2 * turn % 6
        page = equal[first : first + 2] if paging.filter().get("until", 100) >= 50 else [older]
        for event in page:
            paging.observe(event)
            read.add(event.id)
        if older.id in read:
            break
        assert paging.turn()
    else:
        raise AssertionError("the walk never left that second")
    assert len(read) == 7


def test_relay_that_ignores_until_ends_the_walk():
    paging = Paging({}, 0)
    newest = events_at([100, 99])
    for _ in range(10):
        for event in newest:
            paging.observe(event)
        if not paging.turn():
            return
    raise AssertionError("the walk went on")


def test_relay_that_never_ends_is_left_after_a_bounded_number_of_pages():
    paging = Paging({}, 0)
    for at in range(10 * PAGES_MAX, 0, -1):
        paging.observe(replace(EVENT, id=f"{at:064x}", created_at=at))
        if not paging.turn():
            break
    assert at == 10 * PAGES_MAX - PAGES_MAX + 1
