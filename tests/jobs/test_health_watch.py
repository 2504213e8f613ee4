"""The heartbeat is called after a judgement that was recorded, and only while all is well."""

import logging
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from payout_bench import OPERATOR, HandClock, programme
from query_plans import too_long, traced
from scaffold import FLOW, open_ledger

from dca_bot.core.cash_out import Amounts
from dca_bot.core.health import Condition, HealthPart
from dca_bot.core.payout import Waiting
from dca_bot.core.reach import Part
from dca_bot.core.relay_state import RelayState, RelayTrouble
from dca_bot.errors import HeartbeatFailed
from dca_bot.jobs.health import HealthWatch
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.correspondence import delivery, health
from dca_bot.ledger.distributions import flow_mode, manual_cash_outs
from dca_bot.ledger.payouts import deferral, queue
from dca_bot.ledger.programme import clients, deposits
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination
from dca_bot.ledger.store import bot_state
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Post:
    """A watched bot on a real ledger; `beats` counts the calls of the heartbeat's URL."""

    def __init__(self, database):
        self.database, self.clock, self.signals = database, HandClock(NOW), Signals(60)
        self.beats, self.fault, self.shown = 0, None, None
        self.relays = [RelayState("wss://r.example", listening=True, detail="", since=NOW)]
        rules = programme()
        self.watch = HealthWatch(
            database=database,
            messenger=self,
            notices=Notices(rules, load_texts(rules)),
            programme=rules,
            clock=self.clock,
            signals=self.signals,
            pause_s=60,
            polls_late_after=timedelta(minutes=3),
            funds=SimpleNamespace(seen_msat=None),
            beat=self.beat,
            metrics=self,
        )

    def show(self, figures):
        self.shown = figures

    def relay_states(self):
        return self.relays

    async def beat(self):
        self.beats += 1
        if self.fault:
            raise self.fault

    async def work(self):
        """Have Lamassu and LNbits answer now."""
        now = self.clock.now()
        self.signals.note(Part.LNBITS, reachable=True, now=now)
        self.signals.stepped_at = now
        await self.database.transact(lambda tx: bot_state.note_poll(tx, now))

    async def look(self):
        """Look after a minute; return the judgement that is recorded."""
        self.clock.ahead += timedelta(minutes=1)
        await self.watch.look_once()
        return await self.database.read(health.read)


@pytest.fixture
async def post(tmp_path):
    database = await open_ledger(tmp_path / "data")
    yield Post(database)
    await database.aclose()


async def test_url_is_called_at_each_look_while_all_is_well(post):
    await post.look()
    assert post.beats == 0, "nothing is known yet"
    for number in (1, 2):
        await post.work()
        assert (await post.look()).is_well
        assert post.beats == number


@pytest.mark.parametrize("part", [Part.LNBITS, Part.LAMASSU])
async def test_url_is_not_called_while_a_part_is_out_of_reach(post, part):
    await post.work()
    post.signals.note(part, reachable=False, now=NOW)
    assert not (await post.look()).is_well
    assert post.beats == 0


async def test_url_is_not_called_while_the_only_relay_is_deaf(post):
    await post.work()
    post.relays = [replace(post.relays[0], listening=False, trouble=RelayTrouble.DEAF)]
    assert (await post.look()).parts[HealthPart.RELAYS].condition is Condition.DEAF
    assert post.beats == 0


async def test_poll_that_hangs_is_late_within_three_minutes_and_a_pause_is_not(post):
    await post.work()
    looks = [await post.look() for _ in range(4)]
    assert [look.parts[HealthPart.POLL].condition for look in looks] == ["ok", "ok", "late", "late"]
    await post.database.transact(lambda tx: bot_state.put(tx, bot_state.PAUSED, "now"))
    assert (await post.look()).parts[HealthPart.POLL].condition is Condition.PAUSED
    await post.database.transact(lambda tx: bot_state.drop(tx, bot_state.PAUSED))
    assert (await post.look()).parts[HealthPart.POLL].condition is Condition.STARTING


async def test_payout_worker_that_takes_no_step_is_stuck(post):
    looks = []
    for _ in range(4):
        await post.work()
        post.signals.stepped_at = NOW
        looks.append((await post.look()).parts[HealthPart.PAYOUTS])
    assert [look.condition for look in looks] == ["ok", "ok", "stuck", "stuck"]
    assert looks[-1].since == NOW + timedelta(minutes=3)


@pytest.mark.parametrize(
    ("waiting", "condition"),
    [
        (Waiting.SENT_AGAIN, Condition.STUCK),
        (Waiting.NO_ANSWER, Condition.STUCK),
        (Waiting.ERROR, Condition.STUCK),
        (Waiting.FUNDS, Condition.NO_FUNDS),
        (Waiting.ON_ITS_WAY, Condition.OK),
        (Waiting.NO_DESTINATION, Condition.OK),
        ("said", Condition.OK),
    ],
)
async def test_payout_counts_that_waits_for_no_reason_of_its_payees(post, waiting, condition):
    def work(tx):
        client = clients.add(tx, name="ana", pubkey="a" * 64, language="en", now=NOW)
        manual_cash_outs.record(
            tx, "1", device_id="m", fiat_minor=10_000, currency="GTQ", note="", now=NOW
        )
        clients.set_destination(tx, client.id, Destination(INVOICE_KEY, "key"))
        deposits.confirm(
            tx,
            deposits.add(tx, client.id, amount_minor=90_000, note="", now=NOW),
            machine=None,
            now=NOW,
        )
        amounts = Amounts(12_000, 10_000, 0)
        flow_mode.distribute(tx, "1", amounts, at=NOW, now=NOW, rules=FLOW)
        (payout,) = queue.open_payouts(tx)
        deferral.back_off(tx, payout, waiting, now=NOW)

    await post.work()
    await post.database.transact(work)
    await post.look()
    await post.work()
    assert (await post.look()).parts[HealthPart.PAYOUTS].condition is condition


async def test_ledger_that_cannot_be_written_calls_nothing(post):
    await post.work()
    post.database.transact = _full
    with pytest.raises(sqlite3.OperationalError):
        await post.watch.look_once()
    assert post.beats == 0


async def _full(_work):
    raise sqlite3.OperationalError("database or disk is full")


async def test_unexpected_error_in_a_look_calls_nothing(post):
    await post.work()
    await post.look()
    post.relays = None
    await post.look()
    assert post.beats == 1


async def test_failures_of_the_url_are_logged_once_and_so_is_their_end(post, caplog):
    caplog.set_level(logging.INFO)
    post.fault = HeartbeatFailed("the answer was HTTP 404")
    for fault in (post.fault, post.fault, None, None):
        post.fault = fault
        await post.work()
        await post.look()
    told = [one.message for one in caplog.records if "heartbeat" in one.message]
    assert told == ["heartbeat failed why=the answer was HTTP 404", "heartbeat answered"]


@pytest.mark.parametrize(("minutes", "age"), [(1, 2), (180, 0)])
async def test_trouble_from_before_a_power_cut_begins_anew(post, minutes, age):
    await post.look()
    post.clock.ahead += timedelta(minutes=minutes)
    look = await post.look()
    assert look.at - look.parts[HealthPart.LNBITS].since == timedelta(minutes=age)


async def test_operator_who_is_not_reached_is_seen_and_the_heart_beats_on(post):
    await post.work()
    lost = delivery.Undelivered.REFUSED
    await post.database.transact(
        lambda tx: delivery.note_lost(tx, OPERATOR, lost, "", now=NOW - timedelta(hours=1))
    )
    look = await post.look()
    assert look.parts[HealthPart.OPERATORS].condition is Condition.UNREACHED
    assert post.beats == 1


async def test_unknown_codes_of_another_version_are_no_judgement(post):
    fields = '{"at": "2026-03-01", "next_by": "2026-03-01", "parts": {"moon": {}}}'
    await post.database.transact(lambda tx: bot_state.put(tx, bot_state.HEALTH, fields))
    assert await post.database.read(health.read) is None
    assert await post.look() is not None


async def test_look_takes_no_longer_with_history(post):
    with traced(post.database) as plans:
        await post.look()
    assert plans
    assert await post.database.read(lambda tx: too_long(tx, plans)) == []


async def test_metrics_show_the_judgement_and_the_balance(post):
    await post.look()
    assert post.shown.source_wallet_sat is None
    post.watch.funds.seen_msat = 1_999
    await post.work()
    look = await post.look()
    assert post.shown.health == look
    assert post.shown.source_wallet_sat == 1
    assert post.shown.ledger.payouts["PLANNED"] == 0
    assert post.shown.ledger.ledger_bytes > 100_000
