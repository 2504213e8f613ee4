"""One alert and one all-clear for the trouble of a part, however often the part is looked at."""

from datetime import UTC, datetime, timedelta

from dca_bot.core.alerts import STEADY, due
from dca_bot.core.health import Condition, Health, HealthPart, PartHealth

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AFTER = timedelta(minutes=15)
POLL, RELAYS = HealthPart.POLL, HealthPart.RELAYS


def health(**parts):
    """Judge all parts as in order since yesterday, but those named: condition and age."""
    found = {part: PartHealth(Condition.OK, NOW - timedelta(days=1)) for part in HealthPart}
    for name, (condition, age) in parts.items():
        found[HealthPart(name)] = PartHealth(condition, NOW - age)
    return Health(NOW, NOW, found)


def found(judged, told):
    return due(judged, told, NOW, alert_after=AFTER)


def test_trouble_is_told_once_it_has_lasted():
    almost = health(poll=(Condition.LATE, AFTER - timedelta(seconds=1)))
    assert not found(almost, {})
    told = found(health(poll=(Condition.LATE, AFTER)), {})
    assert list(told.raised) == [POLL]
    assert told.after({}) == {POLL: NOW - AFTER}


def test_trouble_that_was_told_is_not_told_again_in_whatever_condition():
    told = {POLL: NOW - AFTER}
    assert not found(health(poll=(Condition.UNREACHABLE, AFTER)), told)


def test_end_is_told_once_it_has_lasted_and_the_next_trouble_is_new():
    told = {POLL: NOW - AFTER, RELAYS: NOW - AFTER}
    trouble = {"relays": (Condition.DEAF, AFTER)}
    assert not found(health(poll=(Condition.OK, STEADY - timedelta(seconds=1)), **trouble), told)
    over = found(health(poll=(Condition.OK, STEADY), **trouble), told)
    assert over.over == {POLL: NOW - AFTER}
    assert over.after(told) == {RELAYS: NOW - AFTER}


def test_pause_is_no_trouble_and_a_part_that_never_answers_is():
    assert not found(health(poll=(Condition.PAUSED, AFTER)), {})
    assert found(health(lnbits=(Condition.STARTING, AFTER)), {}).raised


def test_end_of_a_trouble_that_nobody_knows_of_is_not_told():
    assert not found(health(poll=(Condition.OK, STEADY)), {})
