"""The operators get one summary a day, and it tells whether the bot lives and reads Lamassu."""

import sqlite3
import tempfile
from asyncio import Runner
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scaffold import open_ledger
from talk import START, Talk, make_programme

from dca_bot.chat.command import Args
from dca_bot.chat.operator.status import look_around
from dca_bot.core.reach import Part, Reach
from dca_bot.jobs.daily_summary import DailySummary
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.correspondence.outbox import Urgency
from dca_bot.ledger.payouts import payouts, queue, transitions
from dca_bot.ledger.store import bot_state

HEADING = "Summary since "
HOUR = timedelta(hours=1)


def summary_of(talk, database):
    services = replace(talk.services, database=database)
    return DailySummary(
        database=database,
        clock=services.clock,
        look_around=partial(look_around, services, Args({})),
        signals=Signals(),
        notices=talk.notices,
        programme=talk.programme,
    )


async def look(talk, at=None, *, database=None):
    """Let the job look, at an instant if one is given; return the summaries since the last time."""
    talk.clock.at = at or talk.clock.at
    await summary_of(talk, database or talk.database).look_once()
    letters = await talk.letters_to("op")
    seen, talk.seen = getattr(talk, "seen", 0), len(letters)
    return [text for text in letters[seen:] if text.startswith(HEADING)]


def utc(day, hour, minute=0):
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


async def polled(talk, *ats):
    for at in ats:
        await talk.database.transact(lambda tx, at=at: bot_state.note_poll(tx, at))


@pytest.fixture
async def started(talk):
    """A bot whose first look was on 1 March at 6:00 in Guatemala; the summary comes at 8:00."""
    assert await look(talk, START) == []
    return talk


async def test_summary_comes_at_its_hour_once_a_day_to_all_operators(started):
    assert await look(started, utc(1, 13, 59)) == []
    assert len(await look(started, utc(1, 14))) == 1
    assert (await started.letters_to("op2")) == (await started.letters_to("op"))
    for at in (utc(1, 14, 1), utc(1, 23), utc(2, 13, 59)):
        assert await look(started, at) == []
    assert len(await look(started, utc(2, 14, 7))) == 1


async def test_after_days_of_silence_there_is_one_for_today_if_its_hour_has_passed(started):
    assert len(await look(started, utc(1, 14))) == 1
    assert await look(started, utc(6, 9)) == [], "it is night: today's comes in the morning"
    assert len(await look(started, utc(6, 20))) == 1
    assert await look(started, utc(6, 21)) == []


async def test_bot_that_is_set_up_after_the_hour_begins_on_the_next_day(talk):
    assert await look(talk, utc(1, 15)) == []
    assert await look(talk, utc(1, 23)) == []
    assert len(await look(talk, utc(2, 14))) == 1


async def test_summary_time_that_is_changed_on_the_first_day_counts_on_that_day(talk):
    assert await look(talk, utc(1, 15)) == [], "the hour of the first configuration has passed"
    talk.programme = replace(talk.programme, summary_time=time(12))
    assert await look(talk, utc(1, 17, 59)) == []
    assert len(await look(talk, utc(1, 18))) == 1
    talk.programme = replace(talk.programme, summary_time=time(15))
    assert await look(talk, utc(1, 22)) == [], "one for each date"


async def test_summary_tells_what_the_day_brought(started):
    started.clock.at = utc(1, 20)
    await started.add_client("maria", balance="12,000")
    await started.add_client("juan", balance="100")
    await started.distribute("long ago", fiat_minor=100_000)
    await look(started, utc(2, 14))
    started.clock.at = utc(2, 15)
    await started.distribute("one", fiat_minor=10_000, sat=12_000)
    await started.distribute("two", fiat_minor=20_000, sat=24_001)
    for payout in await started.database.read(queue.open_payouts):
        if payout.minor < 20_000:
            await started.bring_to(payout.id, "invoice", "submit", "debit")
            await started.database.transact(
                lambda tx, id_=payout.id: transitions.finish(
                    tx, payouts.by_id(tx, id_), now=started.clock.now()
                )
            )
    await started.sql("UPDATE payout SET fee_msat = 1001 WHERE state = 'DONE'")
    await started.hold_cash_out("held")
    await polled(started, utc(3, 13, 58), utc(3, 13, 59))
    (text,) = await look(started, utc(3, 14))
    done = await started.sql(
        "SELECT count(*) AS n, sum(amount_sat) AS sat FROM payout WHERE done_at"
    )
    ((n, sat),) = done
    heading, *lines = text.splitlines()
    assert heading.startswith(HEADING)
    assert lines[:3] == [
        "Needs you:",
        "- LNbits out of reach since 1 Mar 06:00 → status all",
        "- Cash-out held: #1 → holds",
    ]
    del lines[:2]
    assert lines[1] == "Lamassu: read 2 times since the last summary, last at 3 Mar 07:59"
    assert lines[2] == "Shared out: 2 cash-outs, Q300.00, 36,001 sats"
    assert lines[3] == f"Paid: {n} payouts, {sat:,} sats, fees {-(-n * 1001 // 1000)} sats"
    assert lines[4].startswith("To be paid: ")
    assert lines[5:8] == [
        "Holds: 1",
        "Source wallet: 5,000,000 sats (0.05000000 BTC)",
        "Low or used up: juan",
    ]
    assert lines[8].startswith("Messages to be sent: ")
    assert lines[9] == "LNbits: OUT OF REACH since 1 Mar 06:00"
    assert len(lines) == 10


def shared_out(text):
    """Return since when a summary counts, and what it has to say about cash-outs."""
    lines = text.splitlines()
    (found,) = (line for line in lines if line.startswith("Shared out: "))
    return lines[0].removeprefix(HEADING), found.split(",")[0].removeprefix("Shared out: ")


async def test_late_summaries_count_each_cash_out_once(started):
    started.clock.at = utc(1, 13)
    await started.add_client("maria", balance="9,000")
    counted = []
    for number, (shared_at, told_at) in enumerate(
        [
            (utc(1, 13), utc(1, 20)),
            (utc(1, 21), utc(2, 14)),
            (utc(2, 14, 1), utc(3, 20)),
            (utc(3, 21), utc(6, 14)),
        ]
    ):
        started.clock.at = shared_at
        await started.distribute(f"{number}", fiat_minor=10_000)
        counted += [shared_out(text) for text in await look(started, told_at)]
    assert counted == [
        ("1 Mar 06:00", "one cash-out"),
        ("1 Mar 14:00", "one cash-out"),
        ("2 Mar 08:00", "one cash-out"),
        ("3 Mar 14:00", "one cash-out"),
    ]


async def test_summary_after_weeks_looks_back_a_week_and_says_so(started):
    (text,) = await look(started, utc(25, 14))
    assert shared_out(text)[0] == "18 Mar 08:00"


@pytest.mark.parametrize("noted", [None, "2026-03-20T14:00:00+00:00"], ids=["none", "ahead"])
async def test_summary_without_a_last_one_that_can_be_believed_counts_a_day(started, noted):
    await started.sql("DELETE FROM fact WHERE name = 'summary_at'")
    if noted:
        await started.database.transact(lambda tx: bot_state.put(tx, bot_state.SUMMARY_AT, noted))
    (text,) = await look(started, utc(3, 14))
    assert shared_out(text)[0] == "2 Mar 08:00"


async def test_bot_that_reads_nothing_says_so(started):
    (text,) = await look(started, utc(1, 14))
    assert "Lamassu was not read yet." in text
    await polled(started, utc(1, 15))
    (text,) = await look(started, utc(2, 14))
    assert "Lamassu: read once since the last summary, at 1 Mar 09:00" in text
    (text,) = await look(started, utc(3, 14))
    assert "Lamassu: NOT READ since the last summary; last at 1 Mar 09:00" in text


async def test_lnbits_that_does_not_answer_is_no_hindrance(started):
    started.wallet.down = True
    (text,) = await look(started, utc(1, 14))
    assert "Source wallet: LNbits does not tell" in text


async def test_paused_bot_and_parts_in_reach(started):
    started.parts = [Reach(Part.LNBITS, reachable=True, since=START)]
    await started.tell("op", "pause all")
    (text,) = await look(started, utc(1, 14))
    assert text.splitlines()[1].startswith("PAUSED")
    assert "OUT OF REACH" not in text


async def test_summary_clients_low_and_message_low_name_the_same_people(started):
    await started.add_client("maria", balance="200")
    await started.add_client("juan", balance="199.99")
    await started.add_client("lena")
    (text,) = await look(started, utc(1, 14))
    assert "\nLow or used up: lena, juan\n" in text
    listed = (await started.tell("op", "clients low")).splitlines()[1:]
    assert [line.split(":")[0] for line in listed] == ["lena", "juan"]
    assert "low or used up, lena, juan:" in await started.tell("op", "message low Hello")
    await started.do("op", "deposit lena 500")
    await started.do("op", "deposit confirm 3")
    (text,) = await look(started, utc(2, 14))
    assert "\nLow or used up: juan\n" in text


async def test_many_low_clients_are_counted(started):
    await started.database.transact(
        lambda tx: tx.executemany(
            "INSERT INTO client (name, pubkey, language, low_told, created_at)"
            " VALUES (?, ?, 'en', 'low', 0)",
            [(f"c{n}", f"{n:064x}") for n in range(8)],
        )
    )
    (text,) = await look(started, utc(1, 14))
    assert "Low or used up: c0, c1, c2, c3, c4 and 3 more" in text


async def test_summary_waits_behind_no_broadcast(started):
    await look(started, utc(1, 14))
    rows = await started.sql("SELECT urgency FROM outbox")
    assert {row["urgency"] for row in rows} == {Urgency.NOTICE}


async def test_summary_that_fails_is_told_once_and_comes_when_that_is_mended(started):
    await started.sql(
        "CREATE TRIGGER broken BEFORE INSERT ON fact WHEN NEW.name = 'summary_date'"
        " BEGIN SELECT RAISE(ABORT, 'broken'); END"
    )
    started.clock.at = utc(1, 14)
    job = summary_of(started, started.database)
    for _ in range(2):
        await job.look_once()
    (told,) = await started.letters_to("op")
    assert told.startswith("Your daily summary could not be done because of an error")
    await started.sql("DROP TRIGGER broken")
    await job.look_once()
    assert (await started.letters_to("op"))[-1].startswith(HEADING)


class Breaking:
    """A ledger whose transactions break off at the very end once the summary is written."""

    def __init__(self, database):
        self._database = database

    async def transact(self, work):
        def breaks_off(tx):
            result, before = work(tx), tx.total_changes
            if before and result is None:
                raise sqlite3.OperationalError
            return result

        return await self._database.transact(breaks_off)


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(1, 90 * 60), st.sampled_from(["look", "look", "crash"])),
        min_size=3,
        max_size=25,
    ),
    zone=st.sampled_from(["America/Guatemala", "Europe/Berlin", "Africa/Cairo"]),
)
def test_no_date_has_two_summaries_and_no_hour_is_overlooked(steps, zone):
    async def run():
        with tempfile.TemporaryDirectory() as name:
            database = await open_ledger(Path(name) / "data")
            programme = make_programme(timezone=ZoneInfo(zone))
            talk = Talk(database, Path(name), programme)
            try:
                await look(talk, datetime(2026, 3, 26, tzinfo=UTC))
                await go_through(talk, steps)
            finally:
                await database.aclose()

    with Runner() as runner:
        runner.run(run())


async def go_through(talk, steps):
    told = {local(talk).date()} if local(talk).hour >= 8 else set()
    for minutes, what in steps:
        talk.clock.at += timedelta(minutes=minutes)
        due = local(talk).date() if local(talk).hour >= 8 else None
        if what == "look":
            assert len(await look(talk)) == (due is not None and due not in told)
            told |= {due} if due else set()
        elif due is not None and due not in told:
            with pytest.raises(sqlite3.OperationalError):
                await look(talk, database=Breaking(talk.database))


def local(talk):
    return talk.clock.now().astimezone(talk.programme.timezone)
