"""A run happens once, and no day takes more of a client than its limit, whatever changes in between."""

import sqlite3
import tempfile
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger.story import Story, hex_of

from dca_bot.core.clients import LimitPeriod
from dca_bot.core.fixed_schedule import day_of, limit_of, run_by_hand, run_to_settle, runs_of
from dca_bot.core.rate import Quote, Ticker
from dca_bot.errors import StateChanged
from dca_bot.ledger.distributions import distributions, fixed_mode, fixed_runs
from dca_bot.ledger.distributions.distributions import FIXED, Distribution, Share
from dca_bot.ledger.payouts import booking
from dca_bot.ledger.programme import clients, tickers
from dca_bot.ledger.store.accounts import CONVERTED, TREASURY, Cause

ZONE = ZoneInfo("America/Guatemala")
DAY = date(2026, 11, 24)
NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
MORNING, EVENING = runs_of(DAY, (time(9), time(18)), ZONE)
QUOTE = Quote(Decimal("800000.00"), "lnbits")


class Savings:
    """A ledger in fixed mode; one minor unit is 1.25 sats."""

    def __init__(self, story):
        self.story = story
        story.now = NOW

    def fixed_client(self, name, *, limit, balance=100_000, **named):
        id_ = self.story.client(name, balance=balance, **named)
        self.story.do(clients.set_mode, id_, "fixed")
        self.limit(id_, limit)
        return id_

    def limit(self, id_, minor):
        self.story.do(clients.set_fixed_limit, id_, minor)

    def run(self, run=MORNING, *, quote=QUOTE, ceiling=200_000):
        named = {"ceiling_minor": ceiling, "currency": "GTQ", "now": self.story.now}
        return self.story.do(fixed_mode.carry_out, run, quote, **named)

    def by_hand(self, **named):
        self.story.later(seconds=1)
        return self.run(run_by_hand(self.story.now, ZONE), **named)

    def given(self):
        rows = self.story.sql(
            "SELECT distribution_id, client_id, minor, sat, day FROM share ORDER BY id"
        )
        return [tuple(row) for row in rows]

    def known(self, run=MORNING):
        return self.story.read(fixed_runs.known, [run])[run.id]


@pytest.fixture
def savings(story):
    return Savings(story)


def test_run_gives_each_client_the_portion_and_its_sats(savings):
    ana, ben = (
        savings.fixed_client("ana", limit=10_001),
        savings.fixed_client("ben", limit=400, balance=150),
    )
    done = savings.run()
    assert (done.principal_minor, done.principal_sat) == (5_150, 6_437)
    assert savings.given() == [
        (MORNING.id, ana, 5_000, 6_250, "2026-11-24"),
        (MORNING.id, ben, 150, 187, "2026-11-24"),
    ]
    story = savings.story
    assert (story.balance(ana), story.owed(ana)) == (95_000, 6_250)
    assert (story.total(CONVERTED), story.total(TREASURY)) == (5_150, -6_437)
    assert [payout.amount_sat for payout in story.payouts()] == [6_250, 187]
    known = savings.known()
    assert (known.state, known.clients, known.minor, known.sat) == ("done", 2, 5_150, 6_437)
    assert story.findings() == ()


def test_run_happens_once(savings):
    savings.fixed_client("ana", limit=10_000)
    savings.run()
    with pytest.raises(StateChanged):
        savings.run()
    assert len(savings.given()) == 1


def test_new_key_after_a_closed_account_gives_no_second_limit(savings):
    story = savings.story
    ana = savings.fixed_client("ana", limit=10_000, balance=5_000)
    savings.run()
    (payout,) = story.payouts()
    story.bring(payout.id, "DONE")
    story.state(ana, "closed")
    again = savings.fixed_client("ana", limit=10_000)
    story.do(clients.set_pubkey, again, hex_of("a new key"), now=story.now)
    savings.by_hand()
    savings.run(EVENING)
    assert [given[2] for given in savings.given()] == [5_000, 5_000]


def test_crash_in_a_run_leaves_all_of_it_or_nothing(savings):
    savings.fixed_client("ana", limit=10_000)
    savings.story.crash_in(savings.run)
    assert savings.story.sql("SELECT * FROM fixed_run") == []
    savings.run()
    assert len(savings.given()) == 1
    assert savings.story.findings() == ()


@pytest.mark.parametrize("what", ["flow", "paused", "stopped", "homeless", "empty", "no limit"])
def test_who_does_not_take_part_gives_nothing(savings, what):
    id_ = savings.fixed_client(
        "ana",
        limit=0 if what == "no limit" else 10_000,
        balance=0 if what == "empty" else 10_000,
        **({"destination": None} if what == "homeless" else {}),
    )
    if what == "flow":
        savings.story.do(clients.set_mode, id_, "flow")
    elif what in ("paused", "stopped"):
        savings.story.state(id_, what)
    assert savings.run(quote=None) is None
    assert (savings.known().state, savings.known().clients) == ("done", 0)
    assert savings.given() == []


def test_recipient_of_commission_takes_no_part(savings):
    savings.story.sql(
        "INSERT INTO client (name, pubkey, language, created_at, role, mode, fixed_limit_minor,"
        " destination, destination_kind) VALUES ('cut', ?, 'en', 0, 'recipient', 'fixed', 9, 'x', 'address')",
        "c" * 64,
    )
    savings.story.sql("UPDATE account SET balance = 9 WHERE kind = 'balance'")
    assert savings.story.read(fixed_mode.fixed_clients, DAY) == []


def test_flow_mode_leaves_fixed_clients_out_and_the_other_way_round(savings):
    ana, ben = savings.fixed_client("ana", limit=10_000), savings.story.client("ben", balance=5_000)
    savings.story.cash_out("d1", 1_000, 800)
    savings.run()
    assert [(row[0], row[1]) for row in savings.given()] == [("d1", ben), (MORNING.id, ana)]
    assert savings.given()[0][4] is None


def test_who_has_fiat_for_no_sat_keeps_it(savings):
    ana, ben = savings.fixed_client("ana", limit=2), savings.fixed_client("ben", limit=10_000)
    dear = Quote(Decimal(2_000_000), "lnbits")
    savings.run(quote=dear)
    assert [row[1] for row in savings.given()] == [ben]
    assert savings.story.balance(ana) == 100_000
    assert savings.known().clients == 1


def test_limit_that_is_raised_between_runs_does_not_lift_what_the_day_gave(savings):
    ana = savings.fixed_client("ana", limit=100)
    savings.run()
    savings.limit(ana, 300)
    savings.run(EVENING)
    assert [row[2] for row in savings.given()] == [50, 150]


def test_limit_that_is_lowered_below_what_the_day_gave_gives_nothing_more(savings):
    ana = savings.fixed_client("ana", limit=100)
    savings.run()
    savings.limit(ana, 50)
    assert savings.run(EVENING, quote=None) is None
    assert [row[2] for row in savings.given()] == [50]


def test_run_by_hand_gives_the_rest_and_later_runs_nothing(savings):
    savings.fixed_client("ana", limit=101)
    savings.run()
    savings.by_hand()
    assert savings.run(EVENING, quote=None) is None
    assert [row[2] for row in savings.given()] == [50, 51]


def test_cancelled_share_counts_for_its_day_all_the_same(savings):
    savings.fixed_client("ana", limit=100)
    savings.by_hand()
    payout = savings.story.payouts()[0]
    savings.story.do(booking.cancel, payout, now=savings.story.now)
    assert savings.run(EVENING, quote=None) is None
    assert savings.story.findings() == ()


def test_next_day_starts_anew(savings):
    ana = savings.fixed_client("ana", limit=100)
    savings.by_hand()
    (tomorrow,) = runs_of(DAY + timedelta(days=1), (time(9),), ZONE)
    savings.run(tomorrow)
    assert [(row[1], row[2], row[4]) for row in savings.given()] == [
        (ana, 100, "2026-11-24"),
        (ana, 100, "2026-11-25"),
    ]


# What waits, lapses, is held


def test_run_that_waited_is_done_and_lapsed_or_held_ones_never(savings):
    savings.fixed_client("ana", limit=100)
    now = savings.story.now
    assert savings.story.do(fixed_runs.put_off, MORNING, "waiting", "why", now=now)
    assert not savings.story.do(fixed_runs.put_off, MORNING, "waiting", "why", now=now)
    assert savings.story.do(fixed_runs.put_off, MORNING, "waiting", "else", now=now)
    savings.run()
    assert (savings.known().state, savings.known().reason) == ("done", "")
    for state in ("lapsed", "held"):
        assert not savings.story.do(fixed_runs.put_off, MORNING, state, "", now=now)
        run = run_by_hand(savings.story.later(seconds=1), ZONE)
        savings.story.do(fixed_runs.put_off, run, state, "", now=now)
        with pytest.raises(StateChanged):
            savings.run(run)


def test_only_what_waits_on_earlier_days_lapses(savings):
    yesterday = runs_of(DAY - timedelta(days=1), (time(9), time(18)), ZONE)
    now = savings.story.now
    savings.story.do(fixed_runs.put_off, yesterday[0], "waiting", "why", now=now)
    savings.story.do(fixed_runs.put_off, yesterday[1], "held", "paid", now=now)
    savings.story.do(fixed_runs.put_off, MORNING, "waiting", "why", now=now)
    over = savings.story.do(fixed_runs.lapse_before, DAY, now=now)
    assert [(run.id, run.reason) for run in over] == [("fixed:2026-11-23T09:00", "why")]
    found = savings.story.read(fixed_runs.recent, limit=9)
    assert [run.state for run in found] == ["waiting", "held", "lapsed"]


def test_run_is_found_as_it_is_typed(savings):
    savings.run(quote=None)
    for typed in ("fixed:2026-11-24T09:00", "FIXED:2026-11-24t09:00", "fixed:2026-11-24t09:00"):
        (found,) = savings.story.read(fixed_runs.by_prefix, typed)
        assert found.id == MORNING.id
    assert savings.story.read(fixed_runs.by_prefix, "fixed:2026-11-25") == []


def test_run_is_found_by_the_beginning_of_its_id_and_by_all_of_it_alone(savings):
    now = savings.story.now
    by_hand = replace(MORNING, id=f"{MORNING.id}:30-06:00")
    savings.story.do(fixed_runs.put_off, by_hand, "waiting", "why", now=now)
    for typed in ("fixed:2026-11-24", "fixed:2026-11-24T09:00", by_hand.id):
        (found,) = savings.story.read(fixed_runs.by_prefix, typed)
        assert found.id == by_hand.id
    savings.run(quote=None)
    (found,) = savings.story.read(fixed_runs.by_prefix, MORNING.id)
    assert found.id == MORNING.id
    assert len(savings.story.read(fixed_runs.by_prefix, "fixed:2026-11-24T09")) == 2


@pytest.mark.parametrize(
    ("distribution_id", "settled_at", "unknown"),
    [
        ("fixed:2026-11-24T09:00", None, True),
        ("fixed:2026-11-24T10:31:07-06:00", None, True),
        ("fixed:2026-11-24T09:00", 1, False),
        ("fixed:2026-11-23T18:00", None, False),
        ("fixed:2026-11-25T09:00", None, False),
        ("a-cash-out", None, False),
    ],
)
def test_payments_for_unknown_runs_of_a_day_are_seen(savings, distribution_id, settled_at, unknown):
    savings.story.sql(
        "INSERT INTO foreign_payment VALUES ('h', 'x', ?, 'ana', -1, 0, 'success', 0, 1, ?)",
        distribution_id,
        settled_at,
    )
    assert savings.story.read(fixed_runs.has_unknown_paid, DAY) is unknown


def test_payments_for_a_recorded_run_are_no_riddle(savings):
    savings.fixed_client("ana", limit=100)
    savings.run()
    savings.story.sql(
        "INSERT INTO foreign_payment VALUES ('h', 'x', ?, 'ana', -1, 0, 'success', 0, 1, NULL)",
        MORNING.id,
    )
    assert not savings.story.read(fixed_runs.has_unknown_paid, DAY)


def test_newest_ticker_stays(savings):
    assert savings.story.read(tickers.newest) is None
    for price, minutes in (("800000.5", 0), ("1", -1), ("2", 0)):
        ticker = Ticker(Decimal(price), NOW + timedelta(minutes=minutes))
        savings.story.do(tickers.note, ticker, now=NOW)
    assert savings.story.read(tickers.newest) == Ticker(Decimal("800000.5"), NOW)
    newer = Ticker(Decimal(3), NOW + timedelta(seconds=1))
    savings.story.do(tickers.note, newer, now=newer.at)
    assert savings.story.read(tickers.newest) == newer


def test_ticker_of_the_future_gives_way_to_todays(savings):
    ahead, today = (Ticker(Decimal(4), NOW + timedelta(days=n)) for n in (20, 0))
    savings.story.do(tickers.note, ahead, now=ahead.at)
    savings.story.do(tickers.note, today, now=NOW)
    assert savings.story.read(tickers.newest) == today


def test_settling_that_a_restored_ledger_lacks_is_recorded_as_one_clients(savings):
    ana = savings.fixed_client("ana", limit=100)
    id_ = run_to_settle(ana, NOW, ZONE).id
    shares = (Share(ana, minor=100_000, sat=125_000),)
    paid = Distribution(id_, FIXED, NOW, 125_000, 100_000, shares)
    savings.story.do(fixed_runs.record_recovered, paid, clients=1, now=NOW)
    cause, day = Cause(distribution_id=id_), day_of(id_)
    named = {"source": TREASURY, "day": day, "cause": cause, "now": NOW}
    savings.story.do(distributions.record, paid, **named)
    (run,) = savings.story.read(fixed_runs.recent, limit=5)
    assert (run.settled, run.minor, savings.story.balance(ana)) == ("ana", 100_000, 0)
    assert savings.story.findings() == ()


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ("INSERT INTO fixed_run (id, day, due_at, state, changed_at, clients, ceiling_minor,"
         " settles_client) VALUES ('x', '2026-11-24', 0, 'done', 0, 1, 9, 1)", "CHECK"),
        ("INSERT INTO fixed_run (id, day, due_at, state, changed_at, clients, margin_bp,"
         " settles_client) VALUES ('x', '2026-11-24', 0, 'done', 0, 1, 1, 1)", "CHECK"),
        ("INSERT INTO fixed_run (id, day, due_at, state, changed_at, settles_client)"
         " VALUES ('x', '2026-11-24', 0, 'waiting', 0, 1)", "CHECK"),
    ],
)  # fmt: skip
def test_schema_refuses_a_settling_with_terms_of_the_schedule(savings, change, refusal):
    savings.fixed_client("ana", limit=100)
    with pytest.raises(sqlite3.IntegrityError, match=refusal):
        savings.story.sql(change)


def test_schema_has_a_settling_give_one_client_alone(savings):
    savings.fixed_client("ana", limit=100)
    ben = savings.fixed_client("ben", limit=100)
    savings.story.sql(
        "INSERT INTO fixed_run (id, day, due_at, state, changed_at, clients, settles_client)"
        " VALUES ('x', '2026-11-24', 0, 'done', 0, 1, ?)",
        ben,
    )

    def attack(tx):
        tx.execute(SHARE, ("x", 1, "2026-11-24"))
        tx.execute(GIVEN, ("x", "fixed"))

    with pytest.raises(sqlite3.IntegrityError, match="one client alone"):
        savings.story.do(attack)


# What the schema itself refuses

SHARE = "INSERT INTO share (distribution_id, client_id, minor, sat, day) VALUES (?, 1, ?, 1, ?)"
GIVEN = "INSERT INTO distribution VALUES (?, ?, 0, 0, 1, 999999, 0, 0, NULL, NULL)"


@pytest.mark.parametrize(
    ("run_id", "kind", "minor", "day", "refusal"),
    [
        (EVENING.id, "fixed", 1, "2026-11-24", "belong to a run"),  # waits: nothing is done
        ("fixed:nowhere", "fixed", 1, "2026-11-24", "belong to a run"),
        ("flow", "flow", 1, "2026-11-24", "belong to a run"),
        (MORNING.id, "flow", 1, "2026-11-24", "belong to a run"),
        (MORNING.id, "fixed", 1, None, "belong to a run"),
        (MORNING.id, "fixed", 1, "2026-11-25", "belong to a run"),
        (MORNING.id, "fixed", 10_001, "2026-11-24", "no more than its limit"),
        (MORNING.id, "fixed", 8_001, "2026-11-24", "no more than its limit"),
    ],
)
def test_schema_refuses_shares_that_no_run_may_give(savings, run_id, kind, minor, day, refusal):
    savings.fixed_client("ana", limit=10_000)
    savings.story.do(fixed_runs.put_off, EVENING, "waiting", "", now=NOW)
    savings.story.sql(
        "INSERT INTO fixed_run (id, day, due_at, state, changed_at, clients, ceiling_minor)"
        " VALUES (?, '2026-11-24', 0, 'done', 0, 1, 8000)",
        MORNING.id,
    )

    def attack(tx):
        tx.execute(SHARE, (run_id, minor, day))
        tx.execute(GIVEN, (run_id, kind))

    with pytest.raises(sqlite3.IntegrityError, match=refusal):
        savings.story.do(attack)


@pytest.mark.parametrize(
    ("period", "day", "limit"),
    [
        ("weekly", "2026-11-23", 142),  # of 1,000: Monday
        ("weekly", "2026-11-29", 143),
        ("monthly", "2026-11-24", 34),
        ("monthly", "2026-11-30", 34),
        ("monthly", "2028-02-01", 34),
        ("monthly", "2026-12-31", 33),
    ],
)
def test_schema_knows_what_a_date_has_of_a_weeks_or_months_limit(savings, period, day, limit):
    id_ = savings.fixed_client("ana", limit=1_000)
    savings.story.sql("UPDATE client SET fixed_period = ?", period)
    assert limit_of(date.fromisoformat(day), 1_000, LimitPeriod(period)) == limit
    savings.story.sql(
        "INSERT INTO fixed_run (id, day, due_at, state, changed_at, clients, ceiling_minor)"
        " VALUES ('run', ?, 0, 'done', 0, 1, 8000)",
        day,
    )

    def give(tx, minor):
        tx.execute(SHARE, ("run", minor, day))
        tx.execute(GIVEN, ("run", "fixed"))

    with pytest.raises(sqlite3.IntegrityError, match="no more than its limit"):
        savings.story.do(give, limit + 1)
    savings.story.do(give, limit)
    assert [row[1:3] for row in savings.given()] == [(id_, limit)]


@pytest.mark.parametrize("state", ["done", "lapsed"])
@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ("UPDATE fixed_run SET state = 'waiting', clients = NULL", "stays as it is"),
        ("UPDATE fixed_run SET reason = 'x'", "stays as it is"),
        ("DELETE FROM fixed_run", "never deleted"),
        (
            "INSERT OR REPLACE INTO fixed_run (id, day, due_at, state, changed_at)"
            " VALUES ('fixed:2026-11-24T09:00', '2026-11-24', 0, 'waiting', 0)",
            "never deleted",
        ),
    ],
)
def test_schema_keeps_a_run_that_is_over(savings, state, change, refusal):
    if state == "done":
        savings.run(quote=None)
    else:
        savings.story.do(fixed_runs.put_off, MORNING, state, "why", now=NOW)
    with pytest.raises(sqlite3.IntegrityError, match=refusal):
        savings.story.sql(change)


@pytest.mark.parametrize("column", ["id", "day"])
def test_schema_keeps_the_name_of_a_run_that_waits(savings, column):
    savings.story.do(fixed_runs.put_off, MORNING, "waiting", "why", now=NOW)
    with pytest.raises(sqlite3.IntegrityError, match="stays as it is"):
        savings.story.sql(f"UPDATE fixed_run SET {column} = 'x'")


# Whatever happens on a day

steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["run", "run", "by hand", "limit", "deposit", "withdraw", "cancel", "mode"]
        ),
        st.integers(0, 1),
        st.integers(0, 900),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, st.integers(1, 5), st.integers(0, 900))
def test_no_sequence_takes_more_of_a_day_than_ceiling_and_limit(story_steps, count, ceiling):
    times = [time(hour) for hour in range(9, 9 + count)]
    runs = list(runs_of(DAY, times, ZONE))
    with tempfile.TemporaryDirectory() as folder:
        story = Story(Path(folder) / "data")
        savings = Savings(story)
        ids = [savings.fixed_client(name, limit=500, balance=700) for name in ("ana", "ben")]
        highest = dict.fromkeys(ids, 500)
        modes = dict.fromkeys(ids, "fixed")
        for what, place, minor in story_steps:
            id_ = ids[place]
            if what == "run" and runs:
                savings.run(runs.pop(0), ceiling=ceiling)
            elif what == "by hand":
                savings.by_hand(ceiling=ceiling)
            elif what == "limit":
                savings.limit(id_, minor)
                highest[id_] = max(highest[id_], minor)
            elif what == "deposit" and minor:
                story.deposit(id_, minor)
            elif what == "withdraw" and 0 < minor <= story.balance(id_):
                story.withdraw(id_, minor)
            elif what == "cancel" and story.payouts(id_):
                story.do(booking.cancel, story.payouts(id_)[0], now=story.now)
            elif what == "mode":
                modes[id_] = "flow" if modes[id_] == "fixed" else "fixed"
                story.do(clients.set_mode, id_, modes[id_])
        rows = story.sql("SELECT client_id, sum(minor) AS minor FROM share GROUP BY client_id")
        assert all(row["minor"] <= min(ceiling, highest[row["client_id"]]) for row in rows)
        assert story.findings() == ()
        story.end()


def test_days_limit_is_a_persons_also_of_a_closed_account(savings):
    story = savings.story
    id_ = savings.fixed_client("ana", limit=10_000, balance=10_000)
    assert savings.by_hand().principal_minor == 10_000
    story.bring(story.sql("SELECT id FROM payout")[0]["id"], "DONE")
    story.state(id_, "closed")
    savings.fixed_client("ana", limit=10_000)
    assert savings.by_hand() is None
    assert [row[2] for row in savings.given()] == [10_000]


def test_waiting_run_that_lnbits_has_paid_is_held_and_not_lapsed(savings):
    story = savings.story
    story.do(fixed_runs.put_off, MORNING, "waiting", "no_price", now=NOW)
    story.do(fixed_runs.put_off, EVENING, "waiting", "no_price", now=NOW)
    story.sql(
        "INSERT INTO foreign_payment (payment_hash, external_id, distribution_id, amount_msat,"
        f" fee_msat, status, seen_at) VALUES ('h', 'p', '{MORNING.id}', -1000, 0, 'success', 0)"
    )
    story.do(fixed_runs.hold_paid, reason="paid", now=NOW)
    lapsed = story.do(fixed_runs.lapse_before, DAY + timedelta(days=1), now=NOW)
    assert [run.id for run in lapsed] == [EVENING.id]
    assert savings.known().state == "held"


def test_words_of_an_earlier_version_go_with_the_reason_that_they_stood_for(savings):
    story = savings.story
    story.do(fixed_runs.put_off, MORNING, "waiting", "said", now=NOW)
    story.sql("UPDATE fixed_run SET reason_said = 'a sentence'")
    story.sql(
        "INSERT INTO foreign_payment (payment_hash, external_id, distribution_id, amount_msat,"
        f" fee_msat, status, seen_at) VALUES ('h', 'p', '{MORNING.id}', -1000, 0, 'success', 0)"
    )
    story.do(fixed_runs.hold_paid, reason="paid", now=NOW)
    assert (savings.known().reason, savings.known().reason_said) == ("paid", "")
