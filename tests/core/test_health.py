"""Each way in which a part can fail has a condition of its own, and only a fault of a vital part counts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dca_bot.core.health import (
    FAILING_AFTER,
    HANGING_AFTER,
    HANGING_ALONE_AFTER,
    LATE_AFTER,
    VITAL,
    Condition,
    Health,
    HealthPart,
    LedgerSeen,
    PartHealth,
    Seen,
    follow,
    judge,
)
from dca_bot.core.reach import Part, Reach
from dca_bot.core.relay_state import RelayState, RelayTrouble

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=1)
SECOND = timedelta(seconds=1)
JUST_BEFORE, LATE = NOW - LATE_AFTER + SECOND, NOW - LATE_AFTER


def reach(part, *, reachable=True):
    return {part: Reach(part, reachable, LONG_AGO)}


def relay(trouble=None, *, listening=False):
    return RelayState("wss://r.example", listening, "", LONG_AGO, trouble)


WELL = Seen(
    LedgerSeen(polled_at=JUST_BEFORE),
    {**reach(Part.LAMASSU), **reach(Part.LNBITS)},
    (relay(listening=True), relay(RelayTrouble.LOST)),
    polls_due_at=LONG_AGO,
    stepped_at=JUST_BEFORE,
)
AWAY = {"reaches": reach(Part.LAMASSU, reachable=False) | reach(Part.LNBITS, reachable=False)}
PAUSED = {"is_paused": True}
ONE_ALONE = (NOW - HANGING_ALONE_AFTER + SECOND,)

CASES = [
    # the ledger, the jobs, the part, its condition
    ({}, {}, HealthPart.POLL, "ok"),
    ({"polled_at": LATE}, {}, HealthPart.POLL, "late"),
    ({"polled_at": LATE}, {"polls_late_after": LATE_AFTER * 2}, HealthPart.POLL, "ok"),
    ({"polled_at": LONG_AGO}, {"polls_due_at": JUST_BEFORE}, HealthPart.POLL, "starting"),
    ({"polled_at": None}, {}, HealthPart.POLL, "late"),
    ({"is_copy_stale": True}, {}, HealthPart.POLL, "stale"),
    ({}, AWAY, HealthPart.POLL, "unreachable"),
    (PAUSED | {"polled_at": LONG_AGO}, AWAY, HealthPart.POLL, "paused"),
    (PAUSED | {"is_clock_doubted": True}, {}, HealthPart.POLL, "clock_doubted"),
    ({}, {}, HealthPart.LNBITS, "ok"),
    ({}, AWAY, HealthPart.LNBITS, "unreachable"),
    ({}, {"reaches": {}}, HealthPart.LNBITS, "starting"),
    ({}, {}, HealthPart.PAYOUTS, "ok"),
    ({"is_waiting_for_funds": True}, {}, HealthPart.PAYOUTS, "no_funds"),
    (PAUSED | {"is_waiting_for_funds": True}, {}, HealthPart.PAYOUTS, "paused"),
    ({"failing_since": NOW - FAILING_AFTER + SECOND}, {}, HealthPart.PAYOUTS, "ok"),
    ({"failing_since": NOW - FAILING_AFTER}, {}, HealthPart.PAYOUTS, "stuck"),
    ({"hanging_since": ONE_ALONE}, {}, HealthPart.PAYOUTS, "ok"),
    ({"hanging_since": (LONG_AGO,)}, {}, HealthPart.PAYOUTS, "stuck"),
    ({"hanging_since": (*ONE_ALONE, NOW - HANGING_AFTER + SECOND)}, {}, HealthPart.PAYOUTS, "ok"),
    ({"hanging_since": (*ONE_ALONE, NOW - HANGING_AFTER, NOW)}, {}, HealthPart.PAYOUTS, "stuck"),
    ({}, {"stepped_at": LATE}, HealthPart.PAYOUTS, "stuck"),
    ({}, {"stepped_at": LATE} | AWAY, HealthPart.PAYOUTS, "ok"),
    (PAUSED | {"is_disputed": True}, {}, HealthPart.PAYOUTS, "disputed"),
    (PAUSED | {"is_clock_doubted": True}, {}, HealthPart.PAYOUTS, "clock_doubted"),
    ({"is_lease_refused": True}, {}, HealthPart.PAYOUTS, "lease_refused"),
    ({}, {}, HealthPart.RELAYS, "ok"),
    ({}, {"relays": (relay(RelayTrouble.LOST),)}, HealthPart.RELAYS, "unreachable"),
    (
        {},
        {"relays": (relay(RelayTrouble.DEAF), relay(RelayTrouble.LOST))},
        HealthPart.RELAYS,
        "deaf",
    ),
    ({}, {"relays": (relay(RelayTrouble.NOT_TRIED),)}, HealthPart.RELAYS, "starting"),
    ({}, {}, HealthPart.BACKUPS, "ok"),
    ({"is_backup_failing": True}, {}, HealthPart.BACKUPS, "failing"),
    ({}, {}, HealthPart.OPERATORS, "ok"),
    ({"lost_operators": 1}, {}, HealthPart.OPERATORS, "unreached"),
]


@pytest.mark.parametrize(("ledger", "jobs", "part", "condition"), CASES)
def test_part_has_the_condition_of_what_was_seen(ledger, jobs, part, condition):
    seen = replace(WELL, ledger=replace(WELL.ledger, **ledger), **jobs)
    assert judge(seen, NOW)[part] == condition


def test_each_condition_is_reached():
    assert {condition for *_, condition in CASES} == set(Condition)


@pytest.mark.parametrize("part", HealthPart)
@pytest.mark.parametrize("condition", Condition)
def test_only_a_vital_part_in_trouble_makes_the_bot_unwell(part, condition):
    parts = {one: PartHealth(Condition.OK, NOW) for one in HealthPart}
    health = Health(NOW, NOW, parts | {part: PartHealth(condition, NOW)})
    is_fine = condition in (Condition.OK, Condition.PAUSED)
    assert health.is_well is (is_fine or part not in VITAL)


def test_trouble_keeps_the_time_of_its_beginning_whatever_its_kind():
    part, later = HealthPart.POLL, NOW + timedelta(minutes=1)
    first = follow({}, {part: Condition.LATE}, NOW)
    for condition in (Condition.LATE, Condition.UNREACHABLE):
        assert follow(first, {part: condition}, later)[part] == PartHealth(condition, NOW)
    assert follow(first, {part: Condition.OK}, later)[part] == PartHealth(Condition.OK, later)


def test_condition_of_a_time_to_come_begins_now():
    """It was noted while the clock was ahead."""
    ahead = {HealthPart.POLL: PartHealth(Condition.LATE, NOW + timedelta(days=1))}
    assert follow(ahead, {HealthPart.POLL: Condition.LATE}, NOW)[HealthPart.POLL].since == NOW
