"""Each month is told once, by itself, to whoever wants statements; each milestone once."""

from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from talk import START
from test_notify import arrive, at

from dca_bot.core.periods import month_due
from dca_bot.core.ports import Uptime
from dca_bot.core.stats import last_milestone, next_milestone
from dca_bot.ledger.store import bot_state
from dca_bot.startup import begin

STATEMENT = "What the month brought you."
MILESTONE = "Congratulations! You have bought "


@pytest.fixture
async def maria(talk):
    """Maria has bought in March, and the job has looked at her."""
    await talk.add_client("maria", balance="1000")
    await arrive(talk, 24_000)
    await at(talk, "2026-03-02 19:00")
    return talk


async def told(talk, beginning=STATEMENT):
    return [text for text in await talk.letters_to("maria") if text.startswith(beginning)]


async def test_a_month_is_told_once_from_the_hour_of_digests_on(maria):
    await at(maria, "2026-04-01 18:59")
    assert await told(maria) == []
    await at(maria, "2026-04-01 19:00")
    (text,) = await told(maria)
    assert text.splitlines()[1:] == [
        "1 Mar to 31 Mar: 24,000 sats for Q100.00 (1 BTC = Q416,666 on average)",
        "Deposited: Q1,000.00",
        "Cash to convert: Q0.00 before, Q900.00 after",
        "All so far: 24,000 sats for Q100.00 (1 BTC = Q416,666 on average)",
        "Day by day: history 2026-03. To end these messages: statements off",
    ]
    for moment in ("2026-04-01 19:01", "2026-04-02 19:00", "2026-04-30 19:00"):
        await at(maria, moment)
    assert len(await told(maria)) == 1


@pytest.mark.parametrize("wish", ["on", "off"])
async def test_whoever_wants_files_gets_the_months_account_as_one(maria, wish):
    await maria.tell("maria", f"files {wish}")
    await at(maria, "2026-04-01 19:00")
    files = [
        row["content"].decode("utf-8-sig") for row in await maria.sql("SELECT * FROM file_waiting")
    ]
    assert files == ([f"{await maria.tell('maria', 'export 2026-03')}\n"] if wish == "on" else [])


async def test_a_bot_that_was_down_tells_the_newest_month_later(maria):
    await arrive(maria, 24_001)
    maria.clock.at = START + timedelta(days=40)
    await arrive(maria, 24_002)
    await at(maria, "2026-05-17 03:00")
    (text,) = await told(maria)
    assert "1 Apr to 30 Apr: 24,002 sats for Q100.00" in text
    assert "Deposited" not in text


async def test_a_quiet_month_is_not_told(maria):
    await at(maria, "2026-04-01 19:00")
    await at(maria, "2026-05-01 19:00")
    assert len(await told(maria)) == 1


async def test_statements_end_and_begin_by_the_clients_wish(maria):
    assert "Monthly statement: yes" in await maria.tell("maria", "statements")
    assert ": no." in await maria.tell("maria", "statements off")
    await at(maria, "2026-04-01 19:00")
    assert "Monthly statement: no" in await maria.tell("maria", "settings")
    await maria.tell("maria", "statements on")
    await at(maria, "2026-04-02 19:00")
    assert await told(maria) == [], "the month of before can be asked for"
    await arrive(maria, 24_003)
    await at(maria, "2026-05-01 19:00")
    assert len(await told(maria)) == 1


async def test_the_first_look_after_an_upgrade_tells_nothing_old(maria):
    await maria.sql("UPDATE client SET statement_month = ''")
    await at(maria, "2026-04-20 19:00")
    assert await told(maria) == []
    await arrive(maria, 24_004)
    await at(maria, "2026-05-01 19:00")
    assert len(await told(maria)) == 1


async def test_in_january_the_year_is_told_too(maria):
    await at(maria, "2026-12-01 19:00")
    maria.clock.at += timedelta(days=1)
    await arrive(maria, 24_005)
    await at(maria, "2027-01-01 19:00")
    text = (await told(maria))[-1]
    assert "1 Dec 2026 to 31 Dec 2026: 24,005 sats" in text
    assert "1 Jan 2026 to 31 Dec 2026: 48,005 sats for Q200.00" in text


async def test_a_crash_while_a_statement_is_written_neither_loses_nor_repeats_it(maria):
    me, zone = await maria.client("maria"), maria.programme.timezone
    now = datetime(2026, 4, 1, 20, tzinfo=zone)
    month = month_due(now, maria.programme.digest_time, zone)

    def breaks_off(tx):
        assert maria.notices.clients.statement(tx, me.id, month, now)
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        await maria.database.transact(breaks_off)
    for _ in range(2):
        await at(maria, "2026-04-02 19:00")
    assert len(await told(maria)) == 1


@pytest.mark.parametrize(
    ("started", "texts"),
    [("2026-04-05 08:00", 0), ("2026-04-01 18:00", 1)],
    ids=["after", "before"],
)
async def test_a_restored_ledger_tells_no_month_that_may_have_been_told(maria, started, texts):
    await at(maria, "2026-03-31 12:00")
    maria.clock.at = datetime.fromisoformat(f"{started}-06:00")
    config = SimpleNamespace(
        bot=SimpleNamespace(currency="GTQ", rehearsal=False),
        nostr=SimpleNamespace(operators=[]),
        start_at=None,
    )

    def restart(tx):
        bot_state.put(tx, bot_state.COPIED, "1")
        uptime = Uptime("boot", timedelta())
        begin(tx, config, maria.programme, maria.notices, now=maria.clock.at, uptime=uptime)

    await maria.database.transact(restart)
    await at(maria, "2026-04-06 19:00")
    assert len(await told(maria)) == texts


async def test_a_statement_adds_up_also_where_a_purchase_is_taken_back_later(maria):
    await maria.distribute("taken-back", fiat_minor=10_000, sat=9_000)
    await at(maria, "2026-04-01 19:00")
    maria.clock.at += timedelta(days=3)
    (payout,) = await maria.sql("SELECT id FROM payout WHERE state = 'PLANNED'")
    await maria.do("op", f"payout cancel {payout['id'][:8]}")
    lines = (await maria.tell("maria", "history 2026-03")).splitlines()
    assert "Purchases taken back, or of another month: -Q100.00" in lines
    assert "Cash to convert: Q0.00 before, Q800.00 after" in lines
    lines = (await maria.tell("maria", "history 2026-04")).splitlines()
    assert "Purchases taken back, or of another month: Q100.00" in lines
    assert lines[-1] == "Cash to convert: Q800.00 before, Q900.00 after"


async def test_each_milestone_is_told_once(maria):
    assert await told(maria, MILESTONE) == []
    await arrive(maria, 80_000)
    await arrive(maria, 1)
    assert await told(maria, MILESTONE) == [f"{MILESTONE}100,000 sats in all."]
    await arrive(maria, 500_000)
    assert (await told(maria, MILESTONE))[1:] == [f"{MILESTONE}500,000 sats in all."]


async def test_a_milestone_that_is_lost_and_reached_again_is_not_told_again(maria):
    await arrive(maria, 80_000)
    await maria.sql("UPDATE client SET milestone_sat = 250000")
    await arrive(maria, 100_000)
    assert len(await told(maria, MILESTONE)) == 1


async def test_old_milestones_are_not_told_at_the_first_look(maria):
    await arrive(maria, 80_000)
    await maria.sql("UPDATE client SET milestone_sat = NULL")
    await arrive(maria, 10)
    assert len(await told(maria, MILESTONE)) == 1


async def test_who_wants_no_messages_about_payments_gets_no_milestone(maria):
    await maria.tell("maria", "notify off")
    await arrive(maria, 80_000)
    await maria.tell("maria", "notify each")
    await arrive(maria, 10)
    assert await told(maria, MILESTONE) == []


def test_a_milestone_is_the_next_one_until_it_is_the_last():
    for sat in (0, 1, 99_999, 100_000, 249_999, 250_000, 2_499_999, 2_500_000, 10**15):
        assert last_milestone(sat) <= sat < next_milestone(sat)
        assert next_milestone(last_milestone(sat)) == next_milestone(sat)
