"""One alarm when something is out of reach, or isn't done, for long; one all-clear when it is over."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from here import open_here
from payout_bench import OPERATOR, HandClock, programme
from scaffold import open_ledger

from dca_bot.core.payout import Waiting
from dca_bot.core.reach import Part
from dca_bot.jobs.alarms import Alarms
from dca_bot.jobs.operator_alarms import OperatorAlarms
from dca_bot.jobs.signals import REST_S, Signals
from dca_bot.ledger.correspondence import outbox
from dca_bot.ledger.correspondence.outbox import Urgency
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import ADDRESS, Destination
from dca_bot.ledger.store import bot_state, clock
from dca_bot.ledger.store.instants import micros
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ALERT_AFTER = timedelta(minutes=15)
POLLS_AFTER = timedelta(minutes=30)
OTHER_OPERATOR = "0" * 63 + "2"
NAMES = {Part.LAMASSU: "Lamassu", Part.LNBITS: "LNbits", Part.RELAYS: "All relays"}


class Tower:
    """A watch on a real ledger; `online` is whether a relay is connected, `polling` Lamassu read."""

    def __init__(self, database, **changes):
        self.database = database
        self.clock = HandClock(NOW)
        self.rules = programme(**changes)
        self.notices = Notices(self.rules, load_texts(self.rules))
        self.online = self.polling = True
        self.relays = []
        self.restart()

    def restart(self):
        """Start the bot anew; only the ledger is as it was."""
        self.signals = Signals()
        self.signals.reconciled.set()
        self.watch = Alarms(
            database=self.database,
            messenger=self,
            notices=self.notices,
            clock=self.clock,
            signals=self.signals,
            alert_after=ALERT_AFTER,
            polls_after=POLLS_AFTER,
            operators=OperatorAlarms(self.rules, self.notices, self.signals, ALERT_AFTER),
        )

    def connected(self):
        return int(self.online)

    def relay_states(self):
        return self.relays

    async def look(self, minutes, *, every=1):
        """Look every so many minutes until `minutes` since the start; return all letters."""
        while self.clock.ahead < minutes * MINUTE:
            self.clock.ahead += min(every * MINUTE, minutes * MINUTE - self.clock.ahead)
            if self.polling:
                await self.transact(bot_state.note_poll, self.clock.now())
            await self.watch.look_once()
        return await self.letters()

    def note(self, part, *, reachable):
        self.signals.note(part, reachable=reachable, now=self.clock.now())

    async def transact(self, work, *args, **named):
        return await self.database.transact(lambda tx: work(tx, *args, **named))

    async def sql(self, statement, *values):
        return await self.transact(lambda tx: tx.execute(statement, values).fetchall())

    async def letters(self, operator=OPERATOR):
        """Return what an operator gets, or has got."""
        query = "SELECT text FROM outbox WHERE recipient = ? AND dropped_at IS NULL ORDER BY id"
        return [row["text"] for row in await self.sql(query, operator)]

    async def deliver(self, recipient=None):
        """Have every letter leave that is due, if it is for this person."""
        everybody = {OPERATOR, OTHER_OPERATOR}
        others = everybody - {recipient} if recipient else ()
        named = {"urgency": Urgency.NOTICE, "busy": tuple(others)}
        while due := await self.transact(outbox.due, self.clock.now(), **named):
            await self.transact(outbox.mark_sent, due[0], now=self.clock.now())

    async def fail(self):
        """Have no letter leave; all wait for their next try."""
        await self.sql(
            "UPDATE outbox SET try_at = try_at + 600000000 WHERE sent_at IS NULL AND dropped_at IS NULL"
        )


@pytest.fixture
async def make_tower(tmp_path):
    opened = []

    async def make(**changes):
        database = await open_ledger(tmp_path / "data", open_here)
        opened.append(database)
        return Tower(database, **changes)

    yield make
    for database in opened:
        await database.aclose()


@pytest.fixture
async def tower(make_tower):
    return await make_tower()


# The pace


async def rested(tower, **changed):
    """Let the watch rest after a look; return how long, in whole seconds of a computer that runs on."""
    tower.signals.reach.ring()
    await tower.signals.reach.wait(tower.clock, 60)
    begun, happens_after = tower.clock.uptime().elapsed, changed.pop("after", 0)
    slept = tower.clock.sleep

    async def sleep(delay_s):
        await slept(delay_s)
        if (tower.clock.uptime().elapsed - begun).total_seconds() > happens_after:
            for name, value in changed.items():
                if name == "lost":
                    tower.note(value, reachable=False)
                else:
                    setattr(tower.clock if name == "wrong" else tower, name, value)

    tower.clock.sleep = sleep
    await tower.watch._rest()
    tower.clock.sleep = slept
    return round((tower.clock.uptime().elapsed - begun).total_seconds())


async def test_watch_looks_seldom_while_all_is_well_and_soon_after_a_change(tower):
    await tower.look(5)
    assert await rested(tower) == REST_S
    assert await rested(tower, online=False, after=100) == 120
    await tower.look(tower.clock.ahead / MINUTE + 1)
    assert await rested(tower) == 60, "while something is out of reach"


async def test_part_that_is_lost_is_looked_at_within_a_minute(tower):
    tower.note(Part.LNBITS, reachable=True)
    await tower.look(5)
    assert await rested(tower, lost=Part.LNBITS, after=100) == 120
    await tower.watch.look_once()
    assert await tower.sql("SELECT name FROM alarm"), "a restart doesn't delay the alarm"


async def test_alarm_that_is_open_keeps_the_watch_awake(tower):
    tower.note(Part.LAMASSU, reachable=True)
    await tower.look(1)
    tower.note(Part.LAMASSU, reachable=False)
    assert len(await tower.look(20)) == 1
    tower.restart()
    assert await rested(tower) == 60


@pytest.mark.parametrize("leap", [-3 * HOUR, 10 * MINUTE, 400 * 24 * HOUR])
async def test_clock_that_is_set_is_seen_within_a_minute_and_wakes_the_jobs(tower, leap):
    await tower.look(5)
    assert await rested(tower, wrong=leap, after=100) == 120
    assert all(bell._rung.is_set() for bell in (tower.signals.fixed, tower.signals.digests))


async def test_computer_that_was_asleep_wakes_the_jobs(tower):
    """A job's wait doesn't count the time asleep, so a run or a digest may be due already."""
    await tower.look(5)
    slept = tower.clock.sleep

    async def sleep(delay_s):
        await slept(delay_s + 1000)

    tower.signals.reach.ring()
    await tower.signals.reach.wait(tower.clock, 0)
    tower.clock.sleep = sleep
    await tower.watch._rest()
    assert all(bell._rung.is_set() for bell in (tower.signals.fixed, tower.signals.digests))


# Parts


@pytest.mark.parametrize("part", [Part.LAMASSU, Part.LNBITS])
async def test_long_outage_is_told_once_and_its_end_once(tower, part):
    tower.note(part, reachable=True)
    await tower.look(1)
    tower.note(part, reachable=False)
    assert await tower.look(15) == []
    (alarm,) = await tower.look(16)
    assert alarm.startswith(f"{NAMES[part]}: out of reach since 1 Mar 06:01.")
    await tower.deliver()
    assert await tower.look(300, every=10) == [alarm]
    tower.note(part, reachable=True)
    assert await tower.look(301) == [alarm]
    _, all_clear = await tower.look(303)
    assert all_clear == f"{NAMES[part]}: in reach again (lost since 1 Mar 06:01)."
    assert len(await tower.look(400, every=10)) == 2


@pytest.mark.parametrize(("language", "why"), [("en", "Why: "), ("es", "Motivo: ")])
async def test_reason_of_an_outage_stands_on_a_line_of_its_own(make_tower, language, why):
    tower = await make_tower(language=language)
    detail = "The export of cash_out_txs is JSON, not CSV. Nothing of it was used."
    tower.signals.note(Part.LAMASSU, reachable=False, now=tower.clock.now(), detail=detail)
    (alarm,) = await tower.look(16)
    told, reason = alarm.splitlines()
    assert told.startswith("Lamassu: ")
    assert detail not in told
    assert reason == why + detail


async def test_short_outages_are_not_told(tower):
    tower.note(Part.LNBITS, reachable=True)
    for minutes in range(0, 80, 20):
        tower.note(Part.LNBITS, reachable=False)
        await tower.look(minutes + 14)
        tower.note(Part.LNBITS, reachable=True)
        await tower.look(minutes + 20)
    assert await tower.letters() == []


async def test_outage_from_the_start_is_told(tower):
    tower.note(Part.LAMASSU, reachable=False)
    assert len(await tower.look(16)) == 1


@pytest.mark.parametrize(("away", "back"), [(1, 1), (4, 1), (20, 1)])
async def test_part_that_comes_and_goes_for_hours_is_told_once_each_way(tower, away, back):
    minutes = 0
    while minutes < 90:
        tower.note(Part.LNBITS, reachable=False)
        minutes += away
        await tower.look(minutes)
        tower.note(Part.LNBITS, reachable=True)
        minutes += back
        letters = await tower.look(minutes)
        await tower.deliver()
    (alarm,) = letters
    assert alarm.startswith("LNbits: out of reach since 1 Mar 06:00.")
    alarm, all_clear = await tower.look(minutes + 5)
    assert all_clear == "LNbits: in reach again (lost since 1 Mar 06:00)."


async def test_each_outage_is_told_anew(tower):
    for minutes in (0, 100):
        tower.note(Part.LNBITS, reachable=False)
        await tower.look(minutes + 40)
        await tower.deliver()
        tower.note(Part.LNBITS, reachable=True)
        await tower.look(minutes + 60)
    assert len(await tower.letters()) == 4


async def test_parts_are_told_apart_and_together(tower):
    for part in (Part.LNBITS, Part.LAMASSU):
        tower.note(part, reachable=False)
    tower.online = False
    alarms = await tower.look(20)
    assert {text.split(":")[0] for text in alarms} == set(NAMES.values())
    assert len(await tower.look(400, every=10)) == 3
    await tower.deliver()
    for number, part in enumerate((Part.LNBITS, Part.LAMASSU)):
        tower.note(part, reachable=True)
        letters = await tower.look(410 + 10 * number)
        assert letters[-1].startswith(f"{NAMES[part]}: in reach again")
    tower.online = True
    assert len(await tower.look(500)) == 6


async def test_restart_repeats_no_alarm_and_forgets_no_all_clear(tower):
    tower.note(Part.LNBITS, reachable=False)
    await tower.look(20)
    for minutes in (40, 60):
        tower.restart()
        tower.note(Part.LNBITS, reachable=False)
        assert len(await tower.look(minutes)) == 1
    await tower.deliver()
    tower.restart()
    tower.note(Part.LNBITS, reachable=True)
    _, all_clear = await tower.look(70)
    assert all_clear == "LNbits: in reach again (lost since 1 Mar 06:00)."


async def test_restarts_neither_hide_an_outage_nor_tell_it_twice(tower):
    for minutes in range(10, 70, 10):
        tower.note(Part.LNBITS, reachable=False)
        await tower.look(minutes)
        tower.restart()
    (alarm,) = await tower.letters()
    assert alarm.startswith("LNbits: out of reach since 1 Mar 06:00.")
    await tower.deliver()
    for minutes in (70, 80):
        tower.restart()
        tower.note(Part.LNBITS, reachable=True)
        _, all_clear = await tower.look(minutes)
    assert all_clear == "LNbits: in reach again (lost since 1 Mar 06:00)."


async def test_part_that_was_away_before_the_bot_was_down_for_long_is_given_time_anew(tower):
    tower.note(Part.LNBITS, reachable=False)
    await tower.look(10)
    tower.clock.ahead += timedelta(hours=8)
    tower.restart()
    tower.note(Part.LNBITS, reachable=False)
    minutes = tower.clock.ahead // MINUTE
    assert await tower.look(minutes + 14) == []
    (alarm,) = await tower.look(minutes + 16)
    assert alarm.startswith("LNbits: out of reach since 1 Mar 14:10.")


async def test_hours_without_anything_leave_few_lines_in_the_log(tower, caplog):
    caplog.set_level(logging.INFO)
    tower.online = False
    for minutes in range(0, 12 * 60, 5):
        for part in (Part.LNBITS, Part.LAMASSU):
            tower.note(part, reachable=False)
        await tower.look(minutes, every=5)
    tower.online = True
    for part in (Part.LNBITS, Part.LAMASSU):
        tower.note(part, reachable=True)
    await tower.look(13 * 60, every=5)
    assert [record.getMessage().split(" since")[0] for record in caplog.records] == [
        "relays reachable=False",
        *(f"alarm name={part}" for part in (Part.LNBITS, Part.LAMASSU, Part.RELAYS)),
        "relays reachable=True",
        *(f"all-clear name={part}" for part in (Part.LNBITS, Part.LAMASSU, Part.RELAYS)),
    ]


# While no relay could take the alarm


@pytest.mark.parametrize(
    ("part", "lost", "back"), [(Part.LNBITS, "06:05", "08:00"), (Part.RELAYS, "06:06", "08:01")]
)
async def test_outage_that_could_not_be_told_is_told_as_one_when_it_is_over(
    tower, part, lost, back
):
    await tower.look(5)
    tower.online = False
    tower.note(Part.LNBITS, reachable=False)
    assert len(await tower.look(30)) == 2
    await tower.fail()
    await tower.look(120)
    tower.online = True
    tower.note(Part.LNBITS, reachable=True)
    await tower.look(122)
    await tower.deliver()
    letters = [text for text in await tower.look(130) if text.startswith(NAMES[part])]
    assert letters == [
        f"{NAMES[part]}: out of reach from 1 Mar {lost} to 1 Mar {back}."
        " You could not be told before. All is well again."
    ]


async def test_outage_that_goes_on_is_told_soon_after_the_relays_are_back(tower):
    await tower.look(5)
    tower.online = False
    tower.note(Part.LNBITS, reachable=False)
    await tower.look(30)
    await tower.fail()
    await tower.look(120)
    tower.online = True
    await tower.look(124)
    await tower.deliver()
    rows = await tower.sql("SELECT text FROM outbox WHERE sent_at IS NOT NULL ORDER BY id")
    assert [row["text"].split(" since")[0] for row in rows] == [
        "LNbits: out of reach",
        "All relays: out of reach from 1 Mar 06:06 to 1 Mar 08:01."
        " You could not be told before. All is well again.",
    ]


@pytest.mark.parametrize(
    ("is_taken", "told"),
    [
        (True, ["LNbits: out of reach since", "LNbits: in reach again"]),
        (False, ["LNbits: out of reach from"]),
    ],
)
async def test_alarm_on_its_way_is_waited_for_before_its_end_is_told(tower, is_taken, told):
    tower.note(Part.LNBITS, reachable=False)
    (alarm,) = await tower.look(20)
    (letter,) = await tower.transact(outbox.due, tower.clock.now(), urgency=Urgency.NOTICE)
    tower.signals.leaving.add(letter.id)
    tower.note(Part.LNBITS, reachable=True)
    assert await tower.look(30) == [alarm]
    if is_taken:
        await tower.transact(outbox.mark_sent, letter, now=tower.clock.now())
    else:
        await tower.transact(outbox.mark_failed, letter, delay_s=60, now=tower.clock.now())
    tower.signals.leaving.discard(letter.id)
    letters = await tower.look(60)
    assert all(text.startswith(start) for text, start in zip(letters, told, strict=True))


async def test_each_operator_hears_what_fits_what_came_before(make_tower):
    tower = await make_tower(operators=frozenset({OPERATOR, OTHER_OPERATOR}))
    tower.note(Part.LNBITS, reachable=False)
    await tower.look(20)
    await tower.deliver(OPERATOR)
    tower.note(Part.LNBITS, reachable=True)
    await tower.look(30)
    assert [text[:20] for text in await tower.letters()] == [
        "LNbits: out of reach",
        "LNbits: in reach aga",
    ]
    (told,) = await tower.letters(OTHER_OPERATOR)
    assert told.startswith("LNbits: out of reach from ")


async def test_waiting_letters_leave_as_soon_as_a_relay_is_back(tower):
    await tower.look(5)
    tower.online = False
    await tower.transact(outbox.write, "a" * 64, "answer", now=tower.clock.now())
    await tower.fail()
    await tower.look(7)
    assert await tower.transact(outbox.due, tower.clock.now(), urgency=Urgency.NOTICE) == []
    tower.online = True
    await tower.look(8)
    (letter,) = await tower.transact(outbox.due, tower.clock.now(), urgency=Urgency.NOTICE)
    assert letter.text == "answer"


# Polls


async def test_polls_that_stay_out_are_told_once_and_their_return_once(tower):
    await tower.look(10)
    tower.polling = False
    assert await tower.look(39) == []
    (alarm,) = await tower.look(40)
    assert alarm.startswith("Lamassu has not been read since 1 Mar 06:10, so nothing new")
    assert await tower.look(300, every=10) == [alarm]
    await tower.deliver()
    tower.polling = True
    assert await tower.look(400, every=10) == [
        alarm,
        "Lamassu is read again (it was not since 1 Mar 06:10).",
    ]


async def test_start_that_waits_for_lnbits_is_told_with_its_cause(tower):
    tower.signals.reconciled.clear()
    tower.polling = False
    (alarm,) = await tower.look(31)
    assert "after a start LNbits is asked first" in alarm


async def test_bot_that_was_down_for_days_is_given_time_to_poll(tower):
    await tower.look(10)
    tower.clock.ahead += timedelta(days=3)
    tower.restart()
    tower.polling = False
    minutes = tower.clock.ahead // MINUTE
    assert await tower.look(minutes + 30) == []
    assert len(await tower.look(minutes + 32)) == 1


async def test_alarm_of_a_clock_that_was_ahead_ends_and_hides_nothing(tower):
    tower.clock.ahead = timedelta(days=30)
    tower.polling = False
    await tower.look(30 * 24 * 60 + 60)
    await tower.deliver()
    tower.clock.ahead = MINUTE
    tower.polling = True
    (_, doubt, _) = await tower.look(2)
    assert doubt.startswith("The computer's clock shows 1 Mar")
    await tower.transact(clock.accept, tower.clock.now())
    assert len(await tower.look(120)) == 3
    tower.note(Part.LAMASSU, reachable=False)
    tower.polling = False
    assert len(await tower.look(240)) == 4


async def test_poll_that_a_clock_ahead_has_noted_hides_no_silence(tower):
    await tower.look(1)
    await tower.transact(bot_state.note_poll, NOW + timedelta(hours=23))
    await tower.transact(clock.see, NOW + timedelta(hours=23))
    tower.polling = False
    assert len(await tower.look(60)) == 1


async def test_leap_of_the_clock_is_no_outage(tower):
    tower.clock.ahead = timedelta(days=-365)
    await tower.watch.look_once()
    tower.note(Part.LNBITS, reachable=False)
    tower.clock.ahead += timedelta(seconds=20)
    await tower.watch.look_once()
    tower.clock.ahead = MINUTE
    await tower.watch.look_once()
    assert await tower.letters() == []
    assert len(await tower.look(20)) == 1


async def test_copy_that_was_put_back_by_a_clock_ahead_makes_nobody_unheard_for_long(tower):
    ahead = NOW + timedelta(days=30)
    for name in (bot_state.RESTORED_AT, bot_state.LOOKED_AT):
        await tower.transact(bot_state.put, name, ahead.isoformat())
    await tower.look(1)
    doubted = await tower.transact(bot_state.moment, bot_state.CLOCK_DOUBTED)
    assert await tower.transact(bot_state.alive_since) == doubted == NOW + MINUTE
    await tower.transact(clock.accept, tower.clock.now())
    assert await tower.transact(bot_state.alive_since) <= NOW + MINUTE


async def test_pause_of_the_operator_is_no_outage(tower):
    await tower.look(10)
    tower.polling = False
    await tower.transact(bot_state.put, bot_state.PAUSED, "now")
    assert await tower.look(600, every=10) == []
    await tower.transact(bot_state.drop, bot_state.PAUSED)
    assert await tower.look(629) == []
    assert len(await tower.look(631)) == 1


async def test_restarts_do_not_hide_that_nothing_is_polled(tower):
    await tower.look(5)
    tower.polling = False
    for minutes in range(10, 40, 10):
        tower.restart()
        assert await tower.look(minutes) == []
    tower.restart()
    (alarm,) = await tower.look(40)
    assert alarm.startswith("Lamassu has not been read since 1 Mar 06:05")


async def test_pause_gives_no_alarm_of_what_nobody_looks_at(tower):
    tower.note(Part.LAMASSU, reachable=True)
    await tower.look(1)
    tower.note(Part.LAMASSU, reachable=False)
    tower.polling = False
    await tower.look(2)
    await tower.transact(bot_state.put, bot_state.PAUSED, "now")
    assert await tower.look(120) == []
    assert Part.LAMASSU not in tower.signals.parts
    await tower.transact(bot_state.drop, bot_state.PAUSED)
    tower.note(Part.LAMASSU, reachable=False)
    assert await tower.look(134) == []
    (alarm,) = await tower.look(135)
    assert alarm.startswith("Lamassu: out of reach since 1 Mar 08:00.")


PAUSED = (
    "While everything is paused I do not read Lamassu, so I cannot tell when it is back"
    " (not read since 1 Mar 06:00)."
)


@pytest.mark.parametrize("noted", [True, False])
@pytest.mark.parametrize("heard", [True, False])
async def test_alarm_that_nobody_will_see_the_end_of_is_taken_back_at_a_pause(tower, noted, heard):
    if noted:
        tower.note(Part.LAMASSU, reachable=False)
    tower.polling = False
    letters = await tower.look(40)
    assert len(letters) == 1
    if heard:
        await tower.deliver()
    await tower.transact(bot_state.put, bot_state.PAUSED, "now")
    since = "06:00" if noted else "06:01"
    told = PAUSED.replace("06:00", since)
    assert await tower.look(300) == [*letters * heard, told]
    await tower.transact(bot_state.drop, bot_state.PAUSED)
    tower.polling = True
    tower.note(Part.LAMASSU, reachable=True)
    assert len(await tower.look(400)) == 1 + heard, "nothing is left of it"


@pytest.mark.parametrize("noted_after", [0, 10, 50])
async def test_lamassu_out_of_reach_is_told_in_one_way_only(tower, noted_after):
    """However long a poll hangs before it is known that Lamassu is out of reach."""
    tower.note(Part.LAMASSU, reachable=True)
    await tower.look(10)
    tower.polling = False
    await tower.look(10 + noted_after)
    tower.note(Part.LAMASSU, reachable=False)
    await tower.look(200, every=10)
    tower.restart()
    assert len(await tower.look(300, every=10)) == 1
    await tower.deliver()
    tower.polling = True
    tower.note(Part.LAMASSU, reachable=True)
    assert len(await tower.look(400, every=10)) == 2


async def test_look_that_breaks_is_told_once_and_keeps_nothing_else_back(waiting):
    await waiting.sql(
        "CREATE TRIGGER broken BEFORE INSERT ON alarm BEGIN SELECT RAISE(ABORT, 'broken'); END"
    )
    waiting.note(Part.LNBITS, reachable=False)
    (told,) = await waiting.look(60)
    assert told.startswith("The look at what is out of reach could not be done")
    await waiting.sql("DROP TRIGGER broken")
    _, alarm = await waiting.look(61)
    assert alarm.startswith("LNbits: out of reach")


# Destinations


@pytest.fixture
async def waiting(tower):
    """ana has two payouts that wait for her address, ben some that wait for funds and LNbits.

    They were tried a moment ago, whenever that is.
    """

    def work(tx):
        clock.see(tx, NOW)
        for number, name in enumerate(("ana", "ben")):
            client = clients.add(tx, name=name, pubkey=f"{number:064x}", language="en", now=NOW)
            place = Destination(ADDRESS, f"{name}@wallet.example")
            clients.set_destination(tx, client.id, place)
        for id_, client_id, why in (
            ("p1", 1, "unreachable"),
            ("p2", 1, "unreachable"),
            ("p3", 2, Waiting.FUNDS),
            ("p4", 2, Waiting.NO_ANSWER),
        ):
            tx.execute(
                "INSERT INTO payout (id, client_id, amount_sat, try_at, due_at, waiting)"
                " VALUES (?, ?, 1500, ?, 0, ?)",
                (id_, client_id, micros(NOW + 9 * timedelta(days=1)), why),
            )

    await tower.transact(work)
    return tower


DAY_MINUTES = 24 * 60


async def try_again(tower, waiting):
    """Have ana's payouts tried once more, in vain."""
    try_at = micros(NOW + 9 * timedelta(days=1))
    await tower.sql(
        "UPDATE payout SET waiting = ?, try_at = ? WHERE client_id = 1", waiting, try_at
    )


async def test_destination_that_keeps_payouts_waiting_for_a_day_is_told_once(waiting):
    assert await waiting.look(DAY_MINUTES + 29, every=30) == []
    (told,) = await waiting.look(DAY_MINUTES + 30, every=30)
    assert told.startswith(
        "2 payouts to ana have waited for more than a day: 3,000 sats to ana@wallet.example."
        " Why: its server does not answer right now; I ask again\n"
    )
    waiting.restart()
    assert await waiting.look(2 * DAY_MINUTES, every=30) == [told]


async def test_destination_that_took_something_meanwhile_starts_anew(waiting):
    await waiting.look(DAY_MINUTES - 30, every=30)
    await waiting.sql("UPDATE payout SET waiting = '' WHERE client_id = 1")
    await waiting.look(DAY_MINUTES, every=30)
    await waiting.sql("UPDATE payout SET waiting = 'again' WHERE id = 'p1'")
    assert await waiting.look(2 * DAY_MINUTES, every=30) == []
    (told,) = await waiting.look(2 * DAY_MINUTES + 30, every=30)
    assert told.startswith("A payout to ana has waited for more than a day: 1,500 sats")


async def test_while_lnbits_is_away_or_all_is_paused_no_destination_is_blamed(waiting):
    waiting.note(Part.LNBITS, reachable=False)
    await waiting.look(DAY_MINUTES + 60, every=30)
    assert not any("waited" in text for text in await waiting.letters())
    waiting.note(Part.LNBITS, reachable=True)
    await waiting.transact(bot_state.put, bot_state.PAUSED, "1")
    letters = await waiting.look(2 * DAY_MINUTES, every=30)
    assert not any("waited" in text for text in letters)
    await waiting.transact(bot_state.drop, bot_state.PAUSED)
    letters = await waiting.look(2 * DAY_MINUTES + 30, every=30)
    assert sum("payouts to ana have waited" in text for text in letters) == 1


async def test_destination_is_blamed_only_for_what_it_did_since_all_goes_on_again(waiting):
    await waiting.sql("UPDATE payout SET try_at = ?", micros(NOW + MINUTE))
    assert await waiting.look(2 * DAY_MINUTES, every=30) == [], "nothing was tried since"
    await waiting.sql("UPDATE payout SET try_at = ?", micros(waiting.clock.now() + MINUTE * 31))
    (told,) = await waiting.look(2 * DAY_MINUTES + 30, every=30)
    assert told.startswith("2 payouts to ana")


async def test_new_destination_is_another_one(waiting):
    await waiting.look(DAY_MINUTES + 30, every=30)
    place = Destination(ADDRESS, "new@wallet.example")
    await waiting.transact(clients.set_destination, 1, place)
    await try_again(waiting, "unreachable")
    letters = await waiting.look(2 * DAY_MINUTES + 60, every=30)
    assert [("new@" in text) for text in letters] == [False, True]


async def test_client_without_a_wallet_is_named(waiting):
    await waiting.sql("UPDATE client SET destination = NULL, destination_kind = NULL WHERE id = 1")
    await try_again(waiting, "no_destination")
    (told,) = await waiting.look(DAY_MINUTES + 30, every=30)
    assert "to no wallet yet. Why: the client has no wallet yet\n" in told
