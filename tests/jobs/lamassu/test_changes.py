"""What happens in Lamassu after a cash-out was shared out, and what comes late: over many polls."""

import random
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ingest_bench import (
    DAY,
    HOUR,
    MINUTE,
    NEVER_PAID,
    NOW,
    START_AT,
    UNCONFIRMED,
    Bench,
    Server,
    cash_out,
)
from payout_bench import OPERATOR
from scaffold import FLOW

from dca_bot.core.cash_out import Action
from dca_bot.core.change import MISSING_MAX, missing
from dca_bot.core.row_amounts import row_amounts, usable
from dca_bot.core.verdict import decide
from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.distributions import cash_outs, flow_mode
from dca_bot.ledger.distributions.changes import columns_of
from dca_bot.ledger.payouts import holds
from dca_bot.ledger.programme import clients, commission

GOOD = {}
DOUBLE_SPEND = {"error": "double spend", "status": "insufficientFunds"}
CANCELLED = {**NEVER_PAID, "error": "operator cancel", "error_code": "operatorCancel"}
OTHER_FIAT = {"fiat": Decimal(80)}
OTHER_COMMISSION = {"commission": Decimal("0.10000")}
OTHER_COIN = {"crypto_code": "ETH"}
SHORT = {"received_crypto_atoms": Decimal(100)}
SAME = {"fiat": Decimal(800), "received_crypto_atoms": Decimal(125_000)}
GONE = None
ODD = [Decimal("Infinity"), Decimal("1e999"), Decimal("1e-999"), Decimal("1." + "1" * 50)]


async def close(bench, outcome):
    await bench.database.transact(
        lambda tx: holds.close(tx, "changed", "a", outcome=outcome, now=bench.clock.now())
    )


def change(bench, changes):
    bench.server.rows.pop("a", None)
    if changes is not GONE:
        bench.server.put(cash_out("a", NOW - HOUR, **changes))


# What the row says at each reading, a day apart ("ignored" and "accepted": the operator closes the
# hold), and the holds (reason, outcome) in the end. Each is told once, when it is opened.
CHANGES = {
    "nothing": ([GOOD, GOOD, SAME], []),
    "a double spend": ([DOUBLE_SPEND, DOUBLE_SPEND], [("contradiction", None)]),
    "an operator's cancel": ([CANCELLED], [("closed", None)]),
    "confirmation taken back": ([UNCONFIRMED], [("dispense_not_complete", None)]),
    "fewer coins after all": ([SHORT], [("fewer_coins_received_than_sold", None)]),
    "other cash": ([OTHER_FIAT, OTHER_FIAT], [("amounts_changed", None)]),
    "another commission": ([OTHER_COMMISSION], [("amounts_changed", None)]),
    "another coin": ([OTHER_COIN], [("amounts_changed", None)]),
    "other cash and a cancel": ([{**OTHER_FIAT, **CANCELLED}], [("closed", None)]),
    "deleted": ([GONE, GONE], [("missing", None)]),
    "deleted and back": ([GONE, GOOD, GOOD], [("missing", "by_itself")]),
    "a success again": ([CANCELLED, GOOD, GOOD], [("closed", "by_itself")]),
    "seen, and still so": ([CANCELLED, "accepted", CANCELLED], [("closed", "accepted")]),
    "ignored, and still so": ([CANCELLED, "ignored", CANCELLED], [("closed", "ignored")]),
    "seen, good, and so again": (
        [CANCELLED, "accepted", GOOD, CANCELLED],
        [("closed", "accepted")],
    ),
    "so, good by itself, and so again": (
        [CANCELLED, GOOD, CANCELLED],
        [("closed", "by_itself"), ("closed", None)],
    ),
    "changed otherwise": (
        [CANCELLED, DOUBLE_SPEND, GONE],
        [("closed", "by_itself"), ("contradiction", "by_itself"), ("missing", None)],
    ),
    "seen, then changed otherwise": (
        [CANCELLED, "ignored", DOUBLE_SPEND],
        [("closed", "ignored"), ("contradiction", None)],
    ),
    "deleted, seen, back, deleted again": (
        [GONE, "accepted", GOOD, GONE],
        [("missing", "accepted")],
    ),
}


async def test_other_amounts_are_told_with_those_of_then(make_ingest):
    bench = await make_ingest()
    bench.server.put(cash_out("a", NOW - HOUR))
    await bench.poll()
    change(bench, OTHER_FIAT)
    await bench.poll()
    (told,) = await bench.letters()
    assert "Lamassu now says Q80, 125,000 sats; then it said Q800, 125,000 sats." in told
    assert told.endswith("Once dealt with: hold accept 1")


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ("Dispense\n error", ["Lamassu's error: Dispense error"]),
        ("x" * 500, ["Lamassu's error: " + "x" * 39 + "…"]),
        (None, []),
    ],
)
async def test_hold_is_told_with_the_error_that_lamassu_wrote_down(make_ingest, error, shown):
    bench = await make_ingest()
    bench.server.put(cash_out("a", NOW - 3 * DAY, error=error, **UNCONFIRMED))
    await bench.poll()
    (told,) = await bench.letters()
    assert [line for line in told.splitlines() if "error" in line] == shown


NUMBERS = st.none() | st.decimals(-(10**12), 10**12, places=5) | st.sampled_from(ODD)


@given(NUMBERS, NUMBERS, st.sampled_from([None, "BTC", "LN"]), st.sampled_from([None, "GTQ"]))
def test_row_amounts_are_read_as_they_were_written_or_not_at_all(atoms, fiat, coin, currency):
    row = cash_out("a", NOW, crypto_atoms=atoms, fiat=fiat, crypto_code=coin, fiat_code=currency)
    read = row_amounts(row)
    assert (read.crypto_code, read.fiat_code) == (coin or "", currency or "")
    expected = [None if number in ODD else number for number in (atoms, fiat)]
    assert [usable(read.crypto_atoms), usable(read.fiat)] == expected


@pytest.mark.parametrize("case", CHANGES)
async def test_change_of_what_was_shared_out_is_told_and_changes_nothing(make_ingest, case):
    steps, expected = CHANGES[case]
    bench = await make_ingest()
    await bench.client("ana", minor=10**9)
    bench.server.put(cash_out("0", NOW - 2 * HOUR), cash_out("a", NOW - HOUR), cash_out("b", NOW))
    await bench.poll()
    entries = await bench.rows("SELECT * FROM entry")
    for step in steps:
        if isinstance(step, str):
            await close(bench, step)
            continue
        change(bench, step)
        bench.clock.ahead += DAY
        await bench.poll(2)
    assert [(reason, outcome) for _, _, reason, outcome in await bench.holds()] == expected
    assert len(await bench.letters()) == len(expected)
    assert await bench.rows("SELECT * FROM entry") == entries
    assert len(await bench.given()) == 3


async def test_change_is_seen_at_the_next_poll_within_the_lookback(make_ingest):
    bench = await make_ingest()
    bench.server.put(cash_out("a", NOW - HOUR))
    await bench.poll()
    for changes, reason in ((OTHER_FIAT, "amounts_changed"), (CANCELLED, "closed")):
        change(bench, changes)
        bench.clock.ahead += MINUTE
        await bench.poll()
        assert (await bench.holds())[-1] == ("changed", "a", reason, None)


async def test_row_of_the_first_version_is_compared_with_what_it_says_at_first(make_ingest):
    bench = await make_ingest()
    bench.server.put(cash_out("a", NOW - HOUR))
    await bench.poll()
    forget = ", ".join(f"{column} = NULL" for column in columns_of(row_amounts(cash_out("a", NOW))))
    await bench.database.transact(lambda tx: tx.execute("DROP TRIGGER cash_out_keeps_row"))
    await bench.database.transact(lambda tx: tx.execute(f"UPDATE cash_out SET {forget}"))
    bench.ingest = bench.poller()
    await bench.poll()
    assert await bench.holds() == []
    change(bench, OTHER_FIAT)
    await bench.poll()
    assert await bench.holds() == [("changed", "a", "amounts_changed", None)]


async def test_accepted_part_is_compared_with_the_row_that_was_accepted(make_ingest):
    bench = await make_ingest()
    bench.server.put(cash_out("a", NOW - 3 * DAY, **UNCONFIRMED))
    await bench.poll()
    found = (await bench.database.read(lambda tx: cash_outs.by_prefix(tx, "a")))[0]
    part = replace(found.amounts, principal_minor=20_000, principal_sat=25_000)

    def accept(tx):
        flow_mode.distribute(tx, "a", part, at=NOW, now=NOW, rules=FLOW)
        holds.close(tx, "cash-out", "a", outcome="accepted", now=NOW)

    await bench.database.transact(accept)
    await bench.poll()
    bench.server.put(cash_out("a", NOW - 3 * DAY))
    await bench.poll()
    assert [hold[2:] for hold in await bench.holds()] == [("dispense_not_complete", "accepted")]
    bench.server.put(cash_out("a", NOW - 3 * DAY, **OTHER_FIAT))
    await bench.poll()
    assert (await bench.holds())[-1] == ("changed", "a", "amounts_changed", None)


# Rows that are not there


async def test_row_outside_the_lookback_is_not_missing(make_ingest):
    bench = await make_ingest()
    bench.server.put(*(cash_out(f"{n:02}", NOW - n * DAY) for n in range(29)))
    await bench.poll()
    for _ in range(5):
        bench.clock.ahead += MINUTE
        await bench.poll()
    assert await bench.holds() == []


# The rows that a later full reading has, of ten that are a day apart; those that are missing; and how
# many come after all that the reading has.
READINGS = {
    "everything": (range(10), [], 0),
    "nothing at all": ([], [], 10),
    "one is gone": ([0, 1, 2, 4, 5, 6, 7, 8, 9], ["3"], 0),
    "some are gone": ([0, 2, 4, 6, 9], ["1", "3", "5", "7", "8"], 0),
    "the reading ends early": ([0, 1, 2, 3], [], 6),
    "the reading begins late": ([5, 6, 7, 8, 9], [], 0),
    "the reading begins late, and one is gone": ([5, 6, 8, 9], ["7"], 0),
    "a single row": ([4], [], 5),
}


@pytest.mark.parametrize("case", READINGS)
async def test_only_what_a_full_reading_has_passed_over_is_missing(make_ingest, case):
    kept, gone, later = READINGS[case]
    bench = await make_ingest()
    rows = [cash_out(f"{n}", NOW - 20 * DAY + n * DAY) for n in range(10)]
    bench.server.put(*rows)
    await bench.poll()
    bench.server.rows = {rows[n].id: rows[n] for n in kept}
    await bench.poll(2)
    assert await bench.holds() == [], "these readings were not full"
    bench.clock.ahead += DAY
    await bench.poll(2)
    assert await bench.holds() == [("changed", id_, "missing", None) for id_ in gone]
    letters = [letter for letter in await bench.letters() if "Hold" not in letter]
    assert len(await bench.letters()) == len(gone) + len(letters)
    told = [f"end early: {later} cash-outs that were shared out, the first {10 - later}"] * bool(
        later
    )
    assert [words in letter for words, letter in zip(told, letters, strict=True)] == [True] * len(
        told
    )


async def test_reading_that_lacks_much_is_a_partial_one_and_told_once(make_ingest, caplog):
    bench = await make_ingest()
    rows = [cash_out(f"{n:02}", NOW - 2 * DAY + n * MINUTE) for n in range(MISSING_MAX + 3)]
    bench.server.put(*rows)
    await bench.poll()
    bench.server.rows = {row.id: row for row in (rows[0], rows[-1])}
    for _ in range(2):
        bench.clock.ahead += DAY
        await bench.poll()
    (letter,) = await bench.letters()
    assert f"lacks {MISSING_MAX + 1} cash-outs that were shared out; the first is 01" in letter
    assert f"n={MISSING_MAX + 1} first=01" in caplog.text
    assert await bench.holds() == []
    bench.server.put(rows[1])
    bench.clock.ahead += DAY
    await bench.poll()
    assert len(await bench.holds()) == MISSING_MAX, "one fewer is no reason to think so"


async def test_search_for_what_is_missing_that_breaks_is_told_and_keeps_nothing_back(make_ingest):
    bench = await make_ingest()
    bench.server.put(*(cash_out(f"{n}", NOW - n * HOUR) for n in range(3)))
    await bench.poll()
    del bench.server.rows["1"]
    bench.server.put(cash_out("new", NOW))
    trigger = "BEFORE INSERT ON hold BEGIN SELECT RAISE(ABORT, 'broken'); END"
    await bench.database.transact(lambda tx: tx.execute(f"CREATE TRIGGER broken {trigger}"))
    for _ in range(2):
        bench.clock.ahead += DAY
        await bench.poll(2)
    assert "new" in await bench.distributed()
    (told,) = await bench.letters()
    assert told.startswith("The search for cash-outs that have gone from Lamassu could not")
    await bench.database.transact(lambda tx: tx.execute("DROP TRIGGER broken"))
    bench.clock.ahead += DAY
    await bench.poll()
    assert await bench.holds() == [("changed", "1", "missing", None)]


async def test_row_that_could_not_be_read_is_not_missing(make_ingest):
    bench = await make_ingest()
    bench.server.put(*(cash_out(f"tx-{n}", NOW - n * HOUR) for n in range(3)))
    await bench.poll()
    del bench.server.rows["tx-1"]
    bench.server.unreadable_ids = frozenset({"tx-1"})
    bench.clock.ahead += DAY
    await bench.poll()
    assert await bench.holds() == []


async def test_cash_out_that_never_was_in_lamassu_is_not_missing(make_ingest):
    bench = await make_ingest()
    bench.server.put(cash_out("0", NOW - 2 * HOUR), cash_out("9", NOW))

    def add_by_hand(tx):
        row = cash_out("by-hand", NOW - HOUR)
        decision = decide(row, currency="GTQ", now=NOW)
        cash_outs.record(tx, row, decision, state="waiting", reason="", now=NOW)
        flow_mode.distribute(tx, row.id, decision.amounts, at=NOW, now=NOW, rules=FLOW)

    await bench.database.transact(add_by_hand)
    await bench.poll()
    assert await bench.holds() == []


NUMBERS = st.sets(st.integers(0, 30))


@given(NUMBERS, NUMBERS, st.sets(st.integers(0, 30), min_size=1))
def test_what_lies_outside_a_reading_is_never_missing(known, read, passed):
    at = {n: NOW + n * MINUTE for n in range(31)}
    there = read | passed
    span = (at[min(there)], at[max(there)])
    found = missing(((f"{n}", at[n]) for n in known), span, lambda id_: int(id_) in there)
    assert set(found) == {f"{n}" for n in known - there if min(there) < n < max(there)}


# What the operator is shown


async def test_hold_shows_who_was_paid_what_and_how_far_it_is(make_ingest):
    bench = await make_ingest()
    for number in range(6):
        await bench.client(f"client{number}", minor=10_000 * (6 - number))

    def set_parts(tx):
        for name, percent_bp in (("client0", 6000), ("client1", 3000)):
            client = clients.by_name(tx, name)
            commission.set_share(tx, client.id, percent_bp, now=NOW)

    await bench.database.transact(set_parts)
    bench.server.put(cash_out("a", NOW - HOUR))
    await bench.poll()
    change(bench, {**CANCELLED, "actions": (Action(1, "dispenseError", NOW, ((100, 3),)),)})
    await bench.poll()
    (letter,) = [text for text in await bench.letters() if "Hold" in text]
    assert letter.splitlines() == [
        "Something waits for your decision.",
        "Hold #1: cash-out a at Market, 1 Mar 05:00, was shared out, and has changed in"
        " Lamassu since.",
        "Q800.00, 100,000 sats; the machine reported Q300.00 given out",
        "Why: the machine did not confirm that all cash was given out",
        "Given to:",
        "client0: Q228.57, 28,571 sats, planned",
        "client1: Q190.48, 23,810 sats, planned",
        "client2: Q152.38, 19,048 sats, planned",
        "client3: Q114.29, 14,286 sats, planned",
        "and 2 more; see tx a",
        "Of its commission:",
        "client0: 15,000 sats, planned",
        "client1: 7,500 sats, planned",
        "Nothing was taken back.",
        "Once dealt with: hold accept 1",
    ]


# What becomes final late: (when it is looked at, what the row says then), and when it is shared out
REPORTED = {"actions": (Action(1, "dispense", NOW + 47 * HOUR, ((100, 8),)),)}
REDEEMED = {"actions": (Action(1, "dispense", NOW + 24 * HOUR, ((100, 8),)),)}
ZERO_CONF = {"status": "authorized", "confirmed_at": None}
UNREDEEMED = {"dispense": False, "dispense_confirmed": False}
ABSENT = None
LATE = {
    "at once": ([(MINUTE, GOOD)], 0, []),
    "zero-conf": ([(MINUTE, ZERO_CONF), (11 * MINUTE, GOOD)], 1, []),
    "zero-conf that confirms after hours": (
        [(MINUTE, ZERO_CONF), (20 * HOUR, ZERO_CONF), (47 * HOUR, GOOD)],
        2,
        [],
    ),
    "redeemed after a day": (
        [(MINUTE, UNREDEEMED), (23 * HOUR, UNREDEEMED), (25 * HOUR, REDEEMED)],
        2,
        [],
    ),
    "reported after 47 hours": (
        [(MINUTE, UNCONFIRMED), (46 * HOUR, UNCONFIRMED), (48 * HOUR, REPORTED)],
        2,
        [],
    ),
    "reported after three days": (
        [(MINUTE, UNCONFIRMED), (49 * HOUR, UNCONFIRMED), (3 * DAY, REPORTED)],
        2,
        ["by_itself"],
    ),
    "reported after twenty days, with the next full reading": (
        [(MINUTE, UNCONFIRMED), (3 * DAY, UNCONFIRMED), (20 * DAY, REPORTED)],
        2,
        ["by_itself"],
    ),
    "inserted late": ([(MINUTE, ABSENT), (2 * HOUR, ABSENT), (2 * HOUR + MINUTE, GOOD)], 2, []),
    "inserted after twenty days": ([(MINUTE, ABSENT), (20 * DAY, GOOD)], 1, []),
    "never": ([(MINUTE, UNREDEEMED), (3 * DAY, UNREDEEMED), (30 * DAY, UNREDEEMED)], None, []),
}


@pytest.mark.parametrize("case", LATE)
async def test_row_that_becomes_final_late_is_shared_out_then_once(make_ingest, case):
    steps, shared_at, outcomes = LATE[case]
    bench = await make_ingest()
    await bench.client("ana", minor=10**9)
    for number, (after, changes) in enumerate(steps):
        if changes is not ABSENT:
            bench.server.put(cash_out("a", NOW, **changes))
        bench.clock.ahead = after
        await bench.poll(2)
        is_due = shared_at is not None and number >= shared_at
        assert await bench.distributed() == (["a"] if is_due else []), f"after {after}"
    bench.clock.ahead += 2 * DAY
    await bench.poll(2)
    assert len(await bench.given()) == (0 if shared_at is None else 1)
    assert [outcome for *_, outcome in await bench.holds()] == outcomes
    assert len(await bench.letters()) == len(outcomes)


async def test_late_row_older_than_the_lookback_waits_for_the_daily_reading(make_ingest):
    bench = await make_ingest()
    await bench.client("ana", minor=10**9)
    await bench.poll()
    bench.server.put(cash_out("a", NOW - 20 * DAY))
    full_reading = DAY // (6 * HOUR)
    shared = []
    for _ in range(full_reading + 1):
        shared.append(await bench.distributed())
        bench.clock.ahead += 6 * HOUR
        await bench.poll()
    assert shared == [[], [], [], [], ["a"]]


async def test_late_row_takes_the_balances_of_when_its_cash_left(make_ingest):
    bench = await make_ingest()
    await bench.client("early", minor=40_000)
    bench.server.put(cash_out("a", NOW, **UNREDEEMED))
    bench.clock.ahead = 25 * HOUR
    await bench.client("late", minor=10**9, since=NOW + 24 * HOUR + MINUTE)
    bench.server.put(cash_out("a", NOW, **REDEEMED))
    await bench.poll()
    assert await bench.given() == [("a", "early", 40_000, 50_000)]


# Whatever a later export says

LATER = [
    GOOD,
    SAME,
    GONE,
    DOUBLE_SPEND,
    CANCELLED,
    UNCONFIRMED,
    OTHER_FIAT,
    OTHER_COMMISSION,
    OTHER_COIN,
    SHORT,
    REPORTED,
    {"fiat": Decimal("NaN")},
    {"fiat_code": "USD"},
    {"crypto_atoms": None},
    {"created_at": START_AT - HOUR},
    {"device_id": "other"},
]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 2**32), st.lists(st.sampled_from(LATER), min_size=1, max_size=8))
async def test_nothing_that_a_later_export_says_changes_the_ledger(tmp_path_factory, seed, later):
    """Rows that were shared out change in any way, in any order, with the operator closing holds."""
    chance = random.Random(seed)
    bench = Bench(tmp_path_factory.mktemp("changes"), Server())
    await bench.open()
    await bench.client("ana", minor=200_000)
    await bench.client("ben", minor=90_000)
    bench.server.put(*(cash_out(f"{n}", NOW - n * 5 * DAY) for n in range(4)))
    await bench.poll()
    tables = ("entry", "posting", "account", "distribution", "share", "payout")
    before = [await bench.rows(f"SELECT * FROM {table}") for table in tables]
    told = await bench.rows("SELECT count(*) FROM outbox WHERE recipient <> ?", OPERATOR)
    for changes in later:
        id_ = f"{chance.randrange(4)}"
        bench.server.rows.pop(id_, None)
        if changes is not GONE:
            bench.server.put(replace(cash_out(id_, NOW - int(id_) * 5 * DAY), **changes))
        bench.clock.ahead += chance.choice([MINUTE, 6 * HOUR, DAY, 3 * DAY])
        await bench.poll(chance.randint(1, 2))
        for kind, ref, _, outcome in await bench.holds():
            if outcome is None and chance.random() < 0.3:
                now = bench.clock.now()
                await bench.database.transact(
                    lambda tx, kind=kind, ref=ref, now=now: holds.close(
                        tx, kind, ref, outcome="accepted", now=now
                    )
                )
    assert [await bench.rows(f"SELECT * FROM {table}") for table in tables] == before
    assert await bench.rows("SELECT count(*) FROM outbox WHERE recipient <> ?", OPERATOR) == told
    assert (await bench.database.read(audit_ledger)).findings == ()
    await bench.database.aclose()


async def test_hold_says_how_much_came_in_where_less_did_than_was_sold(make_ingest):
    bench = await make_ingest()
    await bench.client("ana", minor=80_000)
    bench.server.put(cash_out("a", NOW - HOUR, received_crypto_atoms=Decimal(50_000)))
    await bench.poll()
    (letter,) = [text for text in await bench.letters() if "Hold" in text]
    assert "Received 50,000 sats of 125,000 sats with commission; that part is Q320.00." in letter
