from datetime import UTC, datetime, timedelta

import pytest

from dca_bot.chat.admission import PEOPLE_MAX, RateLimit, Ruling

START = datetime(2026, 3, 1, tzinfo=UTC)
PASS, NOTICE, SILENCE = Ruling.PASS, Ruling.NOTICE, Ruling.SILENCE


@pytest.mark.parametrize(
    ("seconds", "rulings"),
    [
        ([0, 0, 0, 0, 0], [PASS, PASS, PASS, NOTICE, SILENCE]),
        ([0, 0, 0, 9, 10, 10], [PASS, PASS, PASS, NOTICE, PASS, SILENCE]),
        ([0, 0, 0, 0, 30, 30, 30, 30], [PASS, PASS, PASS, NOTICE, PASS, PASS, PASS, NOTICE]),
        ([0, 10, 20, 30, 40], [PASS] * 5),
        ([500, 0, 0, 0, 0], [PASS, PASS, PASS, PASS, NOTICE]),
    ],
)
def test_burst_passes_then_one_notice_then_silence(seconds, rulings):
    limit = RateLimit(burst=3, per=timedelta(seconds=10))
    assert [limit.judge("a", START + timedelta(seconds=s)) for s in seconds] == rulings


def test_one_person_never_costs_another():
    limit = RateLimit(burst=1, per=timedelta(seconds=10))
    assert [limit.judge("a", START) for _ in range(3)] == [PASS, NOTICE, SILENCE]
    assert limit.judge("b", START) is PASS


def test_silence_is_foretold_and_nothing_counted_by_that():
    limit = RateLimit(burst=2, per=timedelta(seconds=10))
    foretold = []
    for seconds in (0, 0, 0, 0, 5, 10, 10, 40, 40):
        now = START + timedelta(seconds=seconds)
        silent = [limit.is_silent("a", now) for _ in range(3)]
        foretold.append(
            (silent == [limit.judge("a", now) is SILENCE] * 3, limit.is_silent("b", now))
        )
    assert foretold == [(True, False)] * 9


def test_memory_is_bounded():
    limit = RateLimit(burst=1, per=timedelta(days=1))
    for number in range(PEOPLE_MAX + 10):
        limit.judge(str(number), START)
        limit.judge(str(number), START)
    assert len(limit._full_at) == len(limit._noticed) == PEOPLE_MAX
