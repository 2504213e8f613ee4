"""Cash-outs as they are read: distributed once, oldest first, and only when it is clear what they are."""

import asyncio
import shutil
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from ingest_bench import DAY, HOUR, MINUTE, NEVER_PAID, NOW, START_AT, UNCONFIRMED, cash_out
from scaffold import FLOW
from test_half_translated import ONLY_ENGLISH, words

from dca_bot.core.cash_out import Action
from dca_bot.core.ports import Payment, PaymentStatus
from dca_bot.core.rate import Ticker
from dca_bot.core.reach import Part
from dca_bot.errors import ExportBroken, SourceUnavailable
from dca_bot.faults import SourceFault
from dca_bot.jobs.lamassu import ingest, judged
from dca_bot.jobs.lamassu.ingest import TOLD_MAX
from dca_bot.lamassu.directory import DirectorySource
from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.distributions import cash_outs, flow_mode
from dca_bot.ledger.payouts import holds, unknown_payments
from dca_bot.ledger.payouts.holds import HoldReason
from dca_bot.ledger.programme import client_names, commission, tickers
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination
from dca_bot.ledger.store import bot_state, clock

SAMPLE = Path(__file__).parents[2] / "data" / "lamassu" / "export"


@pytest.fixture
def make_bench(make_ingest):
    return make_ingest


# Once, whatever is read how often


async def test_cash_out_read_again_and_again_is_distributed_once(make_bench):
    bench = await make_bench()
    await bench.client("ana", minor=1_000_000)
    bench.server.put(cash_out("a", NOW - HOUR))
    await bench.poll(3)
    await bench.reopen()
    await bench.poll(2)
    assert await bench.given() == [("a", "ana", 80_000, 100_000)]


async def test_rows_are_judged_beside_the_event_loop(make_bench, monkeypatch):
    threads = set()

    def watched(*args, **how):
        threads.add(threading.get_ident())
        return judged.judge_all(*args, **how)

    monkeypatch.setattr(ingest, "judge_all", watched)
    bench = await make_bench()
    bench.server.put(cash_out("a", NOW - HOUR))
    await bench.poll()
    assert len(await bench.distributed()) == 1
    assert len(threads - {threading.get_ident()}) == len(threads) == 1


async def test_two_polls_at_once_distribute_once(make_bench):
    bench = await make_bench()
    await bench.client("ana", minor=10**9)
    bench.server.put(*(cash_out(f"{n:02}", NOW - HOUR + n * MINUTE) for n in range(20)))
    other = bench.poller()
    await asyncio.gather(bench.poll(), other.poll_once(), bench.poll(), other.poll_once())
    assert await bench.distributed() == [f"{n:02}" for n in range(20)]
    assert len(await bench.given()) == 20


async def test_whole_sample_is_distributed_once_and_the_rest_told_once(make_bench, tmp_path):
    folder = tmp_path / "export"
    shutil.copytree(SAMPLE, folder)
    bench = await make_bench(DirectorySource(folder))
    bench.ingest.start_at = datetime(2025, 1, 1, tzinfo=UTC)
    await bench.client("ana", minor=10**9, since=datetime(2025, 1, 1, tzinfo=UTC))
    await bench.poll()
    letters = len(await bench.letters())
    await bench.reopen()
    bench.ingest.start_at = datetime(2025, 1, 1, tzinfo=UTC)
    await bench.poll(2)
    states = "SELECT state, count(*) FROM cash_out GROUP BY state ORDER BY state"
    assert await bench.rows(states) == [("distributed", 243), ("held", 13), ("ignored", 44)]
    assert len(await bench.given()) == 243
    assert len(await bench.letters()) == letters == 13


# Order, and who takes part


async def test_oldest_by_the_time_the_cash_left_goes_first(make_bench):
    bench = await make_bench()
    await bench.client("ana", minor=80_000)
    redeemed = Action(1, "dispense", NOW - 3 * HOUR, ((100, 8),))
    bench.server.put(
        cash_out("created first", NOW - 4 * HOUR, actions=(redeemed,)),
        cash_out("confirmed first", NOW - 6 * HOUR, confirmed_at=NOW - 5 * HOUR),
        cash_out("created last", NOW - 2 * HOUR),
    )
    bench.server.rows = dict(reversed(bench.server.rows.items()))
    await bench.poll()
    assert await bench.distributed() == ["confirmed first", "created first", "created last"]
    assert await bench.given() == [("confirmed first", "ana", 80_000, 100_000)]


async def test_waiting_and_held_rows_block_nothing(make_bench):
    bench = await make_bench()
    await bench.client("ana", minor=10**9)
    bench.server.put(
        cash_out("waits", NOW - 20 * HOUR, **UNCONFIRMED),
        cash_out("held", NOW - 3 * DAY, **UNCONFIRMED),
        cash_out("ignored", NOW - 4 * DAY, **NEVER_PAID),
        cash_out("good", NOW - HOUR),
    )
    await bench.poll()
    assert await bench.distributed() == ["good"]
    states = [(await bench.state(name))[0] for name in ("waits", "held", "ignored")]
    assert states == ["waiting", "held", "ignored"]


async def test_row_that_cannot_be_recorded_is_told_by_its_id_and_blocks_nothing(make_bench):
    bench = await make_bench()
    trigger = "BEFORE INSERT ON cash_out WHEN NEW.id LIKE 'bad%' BEGIN SELECT RAISE(ABORT, ''); END"
    await bench.database.transact(lambda tx: tx.execute(f"CREATE TRIGGER broken {trigger}"))
    bench.server.put(
        *(cash_out(id_, NOW - HOUR, **UNCONFIRMED) for id_ in ("bad1", "good", "bad2"))
    )
    await bench.poll(2)
    assert await bench.state("good") == ("waiting", "not_final_yet")
    first, second = await bench.letters()
    assert "bad1" in first
    assert "bad2" in second


async def test_nobody_eligible_gives_all_to_the_operator_for_good(make_bench):
    bench = await make_bench()
    bench.server.put(cash_out("a", NOW - HOUR))
    await bench.poll()
    await bench.client("ana", minor=10**9)
    await bench.poll(2)
    assert await bench.rows("SELECT principal_sat, unallocated_sat FROM distribution") == [
        (100_000, 100_000)
    ]
    assert await bench.given() == []
    totals = "SELECT kind, balance FROM account WHERE kind IN ('operator', 'commission') ORDER BY 1"
    assert await bench.rows(totals) == [("commission", 25_000), ("operator", 100_000)]


async def test_disabled_flow_gives_all_to_the_operator(make_bench):
    bench = await make_bench(flow_enabled=False)
    await bench.client("ana", minor=10**9)
    bench.server.put(cash_out("a", NOW - HOUR))
    await bench.poll()
    assert await bench.rows("SELECT unallocated_sat FROM distribution") == [(100_000,)]
    assert await bench.given() == []


async def test_deposit_confirmed_after_the_cash_left_takes_no_part(make_bench):
    bench = await make_bench()
    await bench.client("early", minor=40_000)
    await bench.client("late", minor=10**9, since=NOW - HOUR + MINUTE)
    bench.server.put(cash_out("a", NOW - HOUR), cash_out("b", NOW - HOUR + 2 * MINUTE))
    await bench.poll()
    assert await bench.given() == [
        ("a", "early", 40_000, 50_000),
        ("b", "late", 80_000, 100_000),
    ]


async def test_open_hold_whose_row_becomes_a_success_is_distributed_and_closed(make_bench):
    bench = await make_bench()
    await bench.client("ana", minor=10**9)
    bench.server.put(cash_out("a", NOW - 3 * DAY, **UNCONFIRMED))
    await bench.poll(2)
    assert await bench.holds() == [("cash-out", "a", "dispense_not_complete", None)]
    bench.server.put(cash_out("a", NOW - 3 * DAY))
    await bench.poll(2)
    assert await bench.holds() == [("cash-out", "a", "dispense_not_complete", "by_itself")]
    assert await bench.given() == [("a", "ana", 80_000, 100_000)]
    assert len(await bench.letters()) == 1


async def test_held_row_with_other_amounts_is_recorded_anew_and_told_once(make_bench):
    bench = await make_bench()
    figures = []
    for part in (1, 2):
        sold = {"fiat": Decimal(800) / part, "crypto_atoms": Decimal(125_000) / part}
        bench.server.put(cash_out("a", NOW - 3 * DAY, **sold, **UNCONFIRMED))
        await bench.poll(2)
        held = await bench.database.read(lambda tx: cash_outs.by_id(tx, "a"))
        figures.append((held.amounts.principal_minor, held.amounts.principal_sat))
    assert figures == [(80_000, 100_000), (40_000, 50_000)]
    assert await bench.holds() == [("cash-out", "a", "dispense_not_complete", None)]
    assert len(await bench.letters()) == 1


async def test_poll_wakes_the_outbox_once_it_has_read_a_cash_out(make_bench):
    bench = await make_bench()
    await bench.poll()
    assert not bench.signals.outbox._rung.is_set()
    bench.server.put(cash_out("a", NOW - 3 * DAY, **UNCONFIRMED))
    await bench.poll()
    assert bench.signals.outbox._rung.is_set()


async def test_row_that_waits_becomes_a_hold_after_two_days(make_bench):
    bench = await make_bench()
    bench.server.put(cash_out("a", NOW - HOUR, **UNCONFIRMED))
    await bench.poll()
    assert await bench.state("a") == ("waiting", "not_final_yet")
    bench.clock.ahead += 2 * DAY
    await bench.poll(2)
    assert await bench.state("a") == ("held", "dispense_not_complete")
    assert len(await bench.letters()) == 1


# What is read


async def test_rows_before_start_at_are_never_touched(make_bench):
    bench = await make_bench()
    await bench.client("ana", minor=10**9, since=START_AT - 10 * DAY)
    redeemed = Action(1, "dispense", START_AT + HOUR, ((100, 8),))
    bench.server.put(
        cash_out("before", START_AT - MINUTE),
        cash_out("held before", START_AT - HOUR, **UNCONFIRMED),
        cash_out("at", START_AT),
        cash_out("redeemed after", START_AT - 20 * HOUR, actions=(redeemed,)),
    )
    await bench.poll()
    assert await bench.distributed() == ["at", "redeemed after"]
    assert len(await bench.rows("SELECT id FROM cash_out")) == 2
    assert await bench.holds() == []


async def test_everything_is_read_at_first_and_daily_else_the_lookback_only(make_bench):
    bench = await make_bench()
    steps = [timedelta(), MINUTE, DAY - 2 * MINUTE, MINUTE, MINUTE]
    whole, lately = "whole", "lately"
    kinds = []
    for step in steps:
        bench.clock.ahead += step
        await bench.poll()
        since = bench.server.asked[-1]
        assert since in (START_AT - 2 * DAY, bench.clock.now() - 14 * DAY)
        kinds.append(whole if since < START_AT else lately)
    assert kinds == [whole, lately, lately, whole, lately]
    await bench.reopen()
    await bench.poll()
    assert bench.server.asked[-1] == START_AT - 2 * DAY


async def test_old_row_that_becomes_final_is_found_by_the_daily_reading(make_bench):
    bench = await make_bench()
    bench.server.put(cash_out("a", NOW - 20 * DAY, **UNCONFIRMED))
    await bench.poll()
    bench.server.put(cash_out("a", NOW - 20 * DAY))
    await bench.poll()
    assert await bench.distributed() == []
    bench.clock.ahead += DAY
    await bench.poll()
    assert await bench.distributed() == ["a"]


@pytest.mark.parametrize(
    "fault",
    [
        ExportBroken("half a line", fault=SourceFault.NO_ANSWER),
        SourceUnavailable("no answer", fault=SourceFault.NO_ANSWER),
    ],
)
async def test_reading_that_fails_changes_nothing_and_is_made_up(make_bench, fault):
    bench = await make_bench()
    bench.server.put(cash_out("a", NOW - 20 * DAY))
    bench.server.fault = fault
    await bench.ingest._try_poll()
    part = bench.signals.parts[Part.LAMASSU]
    assert (part.reachable, part.detail) == (False, str(fault))
    assert await bench.rows("SELECT id FROM cash_out") == []
    assert await bench.database.read(lambda tx: bot_state.get(tx, bot_state.LAST_POLL_AT)) is None
    bench.server.fault = None
    await bench.ingest._try_poll()
    assert bench.signals.parts[Part.LAMASSU].reachable
    assert await bench.distributed() == ["a"]


async def test_file_that_breaks_off_changes_nothing(make_bench, tmp_path):
    folder = tmp_path / "export"
    shutil.copytree(SAMPLE, folder)
    actions = folder / "cash_out_actions.csv"
    whole = actions.read_bytes()
    actions.write_bytes(whole[:-40])
    bench = await make_bench(DirectorySource(folder))
    bench.ingest.start_at = datetime(2025, 1, 1, tzinfo=UTC)
    with pytest.raises(ExportBroken):
        await bench.poll()
    assert await bench.rows("SELECT id FROM cash_out") == []
    actions.write_bytes(whole)
    await bench.poll()
    assert len(await bench.distributed()) == 243


async def test_unreadable_rows_are_told_once(make_bench):
    bench = await make_bench()
    bench.server.unreadable = ("Row 1 is broken.", "Row 2 is broken.")
    await bench.poll(2)
    bench.server.unreadable += ("Row 3 is broken.",)
    await bench.poll(2)
    assert len(await bench.letters()) == 1, "the next waits for an hour"
    bench.clock.ahead += HOUR
    await bench.poll(2)
    bench.clock.ahead += DAY
    await bench.poll(2)
    first, second = await bench.letters()
    assert "2 things" in first
    assert "Row 1 is broken." in first
    assert "Row 3 is broken." in second


UNREADABLE = {
    "a table twice in one file": ("devices", lambda csv: csv + csv, "encabezado más de una vez"),
    "another file for the cash-ins": (
        "cash_in_txs",
        lambda _csv: b"What is this?\n",
        "no se puede usar la tabla cash_in_txs",
    ),
    "times without a zone": (
        "cash_out_txs",
        lambda csv: csv.replace(b"+00,", b","),
        "le falta la zona horaria",
    ),
}


@pytest.mark.parametrize(("table", "spoil", "said"), UNREADABLE.values(), ids=UNREADABLE)
async def test_spanish_operator_is_told_in_spanish_what_is_left_out(
    make_bench, tmp_path, table, spoil, said
):
    folder = tmp_path / "export"
    shutil.copytree(SAMPLE, folder)
    file = folder / f"{table}.csv"
    file.write_bytes(spoil(file.read_bytes() if file.exists() else b""))
    bench = await make_bench(DirectorySource(folder), language="es")
    bench.ingest.start_at = datetime(2025, 1, 1, tzinfo=UTC)
    await bench.poll()
    (told,) = [text for text in await bench.letters() if text.startswith("Lamassu envió")]
    assert said in told
    assert words(told) & {*ONLY_ENGLISH.split()} == set()


async def test_complaint_that_differs_at_each_poll_is_told_once_an_hour(make_bench):
    bench = await make_bench()
    for minute in range(120):
        bench.server.unreadable = (f"permission denied, {minute}", "Row 1 is broken.")
        await bench.poll()
        bench.clock.ahead += MINUTE
    first, second = await bench.letters()
    assert "permission denied, 0" in first
    assert "permission denied, 60" in second


async def test_complaints_without_end_are_kept_within_bounds(make_bench):
    bench = await make_bench()
    for hour in range(TOLD_MAX // 100 + 20):
        bench.server.unreadable = tuple(f"Row {hour}.{n} is broken." for n in range(100))
        await bench.poll()
        bench.clock.ahead += HOUR
    assert len(bench.ingest._told) < TOLD_MAX + 200


async def test_row_that_stays_unreadable_is_told_once_though_others_come_and_go(make_bench):
    bench = await make_bench()
    for hour in range(5):
        bench.server.unreadable = ("Row 1 is broken.",) * (hour != 2)
        await bench.poll()
        bench.clock.ahead += HOUR
    assert len(await bench.letters()) == 1


# What the operator is told, and has decided


@pytest.mark.parametrize(
    ("change", "later"),
    [
        ({"error": "double spend", "status": "insufficientFunds"}, "contradiction"),
        (UNCONFIRMED, "dispense_not_complete"),
        (
            {**NEVER_PAID, "error": "operator cancel", "error_code": "operatorCancel"},
            "closed",
        ),
    ],
)
async def test_distributed_row_that_stops_being_a_success_is_reported_once(
    make_bench, change, later
):
    bench = await make_bench()
    await bench.client("ana", minor=10**9)
    bench.server.put(cash_out("a", NOW - HOUR))
    await bench.poll()
    bench.server.put(cash_out("a", NOW - HOUR, **change))
    await bench.poll(2)
    assert await bench.holds() == [("changed", "a", later, None)]
    await bench.database.transact(
        lambda tx: holds.close(tx, "changed", "a", outcome="ignored", now=NOW)
    )
    bench.clock.ahead += 3 * DAY
    await bench.poll(2)
    assert await bench.holds() == [("changed", "a", later, "ignored")]
    assert len(await bench.letters()) == 1
    assert await bench.given() == [("a", "ana", 80_000, 100_000)]


async def test_success_that_falls_back_to_what_it_was_held_for_is_reported(make_bench):
    bench = await make_bench()
    held, good = cash_out("a", NOW - 3 * DAY, **UNCONFIRMED), cash_out("a", NOW - 3 * DAY)
    for row in (held, good, held):
        bench.server.put(row)
        await bench.poll(2)
    assert await bench.holds() == [
        ("cash-out", "a", "dispense_not_complete", "by_itself"),
        ("changed", "a", "dispense_not_complete", None),
    ]


async def test_ignored_hold_stays_ignored(make_bench):
    bench = await make_bench()
    await bench.client("ana", minor=10**9)
    bench.server.put(cash_out("a", NOW - 3 * DAY, **UNCONFIRMED))
    await bench.poll()

    def ignore(tx):
        cash_outs.ignore(tx, "a", now=NOW)
        holds.close(tx, "cash-out", "a", outcome="ignored", now=NOW)

    await bench.database.transact(ignore)
    for row in (
        cash_out("a", NOW - 3 * DAY, **UNCONFIRMED),
        cash_out("a", NOW - 3 * DAY, fiat=Decimal("1.23")),
        cash_out("a", NOW - 3 * DAY),
    ):
        bench.server.put(row)
        await bench.poll(2)
    assert await bench.distributed() == []
    assert await bench.state("a") == ("ignored", "ignored_by_the_operator")
    assert len(await bench.holds()) == len(await bench.letters()) == 1


async def test_accepted_part_of_a_hold_is_not_reported_as_changed(make_bench):
    bench = await make_bench()
    bench.server.put(cash_out("a", NOW - 3 * DAY, **UNCONFIRMED))
    await bench.poll()
    found = await bench.database.read(lambda tx: cash_outs.by_prefix(tx, "a"))

    def accept(tx):
        flow_mode.distribute(tx, "a", found[0].amounts, at=NOW, now=NOW, rules=FLOW)
        holds.close(tx, "cash-out", "a", outcome="accepted", now=NOW)

    await bench.database.transact(accept)
    await bench.poll(2)
    assert await bench.holds() == [("cash-out", "a", "dispense_not_complete", "accepted")]


async def test_commission_is_split_by_what_is_set_when_the_cash_out_is_processed(make_bench):
    bench = await make_bench()
    await bench.client("ana", minor=10**9)

    def set_part(percent_bp):
        def work(tx):
            rosa = client_names.payee(tx, "rosa") or commission.add_recipient(
                tx,
                name="rosa",
                destination=Destination(INVOICE_KEY, "rosa"),
                language="en",
                now=NOW,
            )
            commission.set_share(tx, rosa.id, percent_bp, now=NOW)

        return bench.database.transact(work)

    bench.server.put(cash_out("a", NOW - HOUR))
    await bench.poll(2)
    await set_part(4000)
    bench.server.put(cash_out("b", NOW - 3 * HOUR))
    await bench.poll(2)
    await set_part(1250)
    bench.server.put(cash_out("c", NOW - 2 * HOUR))
    await bench.poll(2)
    given = [row for row in await bench.given() if row[1] == "rosa"]
    assert given == [("commission:b", "rosa", 0, 10_000), ("commission:c", "rosa", 0, 3_125)]
    assert (await bench.database.read(audit_ledger)).findings == ()


@pytest.mark.parametrize("known", ["a", "commission:a"])
async def test_distribution_that_lnbits_knows_is_held_not_distributed(make_bench, known):
    bench = await make_bench()
    await bench.client("ana", minor=10**9)
    payment = Payment(
        payment_hash="ab" * 32,
        amount_msat=-100_000_000,
        fee_msat=0,
        status=PaymentStatus.SUCCESS,
        seen_at=None,
        external_id="payout",
        extra={"distributions": [known]},
    )
    await bench.database.transact(lambda tx: unknown_payments.remember(tx, payment, now=NOW))
    bench.server.put(cash_out("a", NOW - HOUR), cash_out("b", NOW - HOUR))
    await bench.poll(2)
    assert await bench.distributed() == ["b"]
    assert await bench.holds() == [("cash-out", "a", HoldReason.KNOWN_DISTRIBUTION, None)]
    assert len(await bench.letters()) == 1


async def test_client_is_asked_for_a_deposit_once_per_crossing(make_bench):
    bench = await make_bench(low_deposit_minor=20_000)
    await bench.client("ana", minor=180_000)
    (pubkey,) = (await bench.rows("SELECT pubkey FROM client"))[0]
    told = []
    for number in range(4):
        bench.server.put(cash_out(f"{number}", NOW - HOUR + number * MINUTE))
        await bench.poll(2)
        told.append([text.split(".")[0] for text in await bench.letters(pubkey)])
    low = "Your balance is down to Q200"
    used_up = (
        "The last of your cash has bought bitcoin; 225,000 sats have yet to arrive in your wallet"
    )
    assert [len(texts) for texts in told] == [0, 0, 1, 1], told
    assert told[3] == [used_up]
    await bench.client("ben", minor=95_000, since=NOW - 2 * HOUR)
    (pubkey,) = (await bench.rows("SELECT pubkey FROM client WHERE name = 'ben'"))[0]
    bench.server.put(cash_out("4", NOW - MINUTE))
    await bench.poll(2)
    assert [text.split(".")[0] for text in await bench.letters(pubkey)] == [
        low.replace("200", "150")
    ]


async def without_wallet(bench, name, *, minor=10**6, since=START_AT - DAY):
    """Add a client with a balance and no wallet; return her key."""
    await bench.client(name, minor=minor, since=since)
    await bench.database.transact(
        lambda tx: tx.execute(
            "UPDATE client SET destination = NULL, destination_kind = NULL WHERE name = ?", (name,)
        )
    )
    ((pubkey,),) = await bench.rows("SELECT pubkey FROM client WHERE name = ?", name)
    return pubkey


PASSED_BY = (
    "There was a sale at the machine, and nothing was bought for you."
    " Your balance of Q10,000.00 stays."
)


async def test_sale_that_passes_a_client_without_a_wallet_by_says_so_once_a_day(make_ingest):
    bench = await make_ingest()
    await bench.client("ana", minor=10**6)
    ben = await without_wallet(bench, "ben")
    for number in range(3):
        bench.server.put(cash_out(f"{number}", NOW - HOUR + number * MINUTE))
        await bench.poll()
    (told,) = await bench.letters(ben)
    assert told.startswith(f"{PASSED_BY}\nYou have no wallet set yet")
    assert "wallet DESTINATION" in told
    assert await bench.rows("SELECT distribution_id, client_id FROM missed_sale") == [
        ("0", 2),
        ("1", 2),
        ("2", 2),
    ]
    bench.clock.ahead += DAY
    bench.server.put(cash_out("next day", NOW + DAY - HOUR))
    await bench.poll()
    assert len(await bench.letters(ben)) == 2
    assert await bench.letters() == [], "operators see it where they look"


async def test_who_would_not_have_taken_part_is_not_passed_by(make_ingest):
    bench = await make_ingest()
    await bench.client("ana", minor=10**6)
    people = [await without_wallet(bench, name) for name in ("paused", "stopped", "fixed")]
    people.append(await without_wallet(bench, "late", since=NOW - MINUTE))
    people.append(await without_wallet(bench, "poor", minor=1))
    await bench.database.transact(
        lambda tx: tx.execute(
            "UPDATE client SET state = iif(name = 'paused', 'paused', iif(name = 'stopped',"
            " 'stopped', state)), mode = iif(name = 'fixed', 'fixed', mode)"
        )
    )
    bench.server.put(cash_out("one", NOW - HOUR))
    await bench.poll()
    assert await bench.rows(
        "SELECT name FROM missed_sale JOIN client ON client.id = client_id"
    ) == [("poor",)]
    assert [len(await bench.letters(pubkey)) for pubkey in people] == [0, 0, 0, 0, 1]


async def test_no_sale_passes_anybody_by_while_flow_mode_is_off(make_ingest):
    bench = await make_ingest(flow_enabled=False)
    ben = await without_wallet(bench, "ben")
    bench.server.put(cash_out("one", NOW - HOUR))
    await bench.poll()
    assert await bench.letters(ben) == []
    assert await bench.rows("SELECT * FROM missed_sale") == []


async def test_commission_that_waits_for_a_wallet_is_told_to_whom_it_belongs(make_ingest):
    bench = await make_ingest()
    await bench.client("ana", minor=10**6)
    ben = await without_wallet(bench, "ben")
    await bench.database.transact(
        lambda tx: tx.execute("UPDATE client SET mode = 'fixed' WHERE name = 'ben'")
    )
    await bench.database.transact(lambda tx: commission.set_share(tx, 2, 1000, now=NOW))
    for number in range(2):
        bench.server.put(cash_out(f"{number}", NOW - HOUR + number * MINUTE))
        await bench.poll()
    (told,) = await bench.letters(ben)
    assert told.startswith("2,500 sats wait until you have a wallet.\nYou have no wallet set yet")


# The loop


async def until(condition):
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 - the ledger sets no event
            await asyncio.sleep(0.005)


async def test_paused_programme_decides_nothing_and_catches_up_on_resume(make_bench):
    bench = await make_bench()
    await bench.client("ana", minor=10**9)
    await bench.database.transact(lambda tx: bot_state.put(tx, bot_state.PAUSED, "1"))
    bench.signals.reconciled.set()
    task = asyncio.create_task(bench.ingest.run())
    try:
        bench.server.put(cash_out("a", NOW - 20 * DAY), cash_out("b", NOW - HOUR))
        for _ in range(3):
            bench.signals.poll.ring()
            await bench.rows("SELECT 1")
            await asyncio.sleep(0.02)
        assert bench.server.asked == []
        await bench.database.transact(lambda tx: bot_state.drop(tx, bot_state.PAUSED))
        bench.signals.poll.ring()

        async def both():
            return await bench.distributed() == ["a", "b"]

        await until(both)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_first_poll_after_a_pause_is_a_full_reading(make_bench):
    bench = await make_bench()
    bench.signals.reconciled.set()
    asked = bench.server.asked

    async def ring_until(condition):
        async def rung():
            bench.signals.poll.ring()
            return condition()

        await until(rung)

    task = asyncio.create_task(bench.ingest.run())
    try:
        await ring_until(lambda: len(asked) >= 2)
        await bench.database.transact(lambda tx: bot_state.put(tx, bot_state.PAUSED, "1"))
        await ring_until(lambda: bench.ingest._full_read_at is None)
        before = len(asked)
        await bench.database.transact(lambda tx: bot_state.drop(tx, bot_state.PAUSED))
        await ring_until(lambda: len(asked) >= before + 2)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    is_full = [since == START_AT - 2 * DAY for since in asked]
    assert is_full[:2] == is_full[before : before + 2] == [True, False]


async def test_pausing_in_the_middle_of_a_poll_stops_it_there(make_bench):
    bench = await make_bench()
    await bench.database.transact(lambda tx: bot_state.put(tx, bot_state.PAUSED, "1"))
    bench.server.put(cash_out("a", NOW - HOUR))
    await bench.poll()
    assert await bench.distributed() == []
    await bench.database.transact(lambda tx: bot_state.drop(tx, bot_state.PAUSED))
    await bench.poll()
    assert await bench.distributed() == ["a"]


async def test_nothing_is_read_before_the_ledger_was_held_against_lnbits(make_bench):
    bench = await make_bench()
    task = asyncio.create_task(bench.ingest.run())
    try:
        bench.signals.poll.ring()
        for _ in range(50):
            await asyncio.sleep(0)
        assert bench.server.asked == []
        bench.signals.reconciled.set()

        async def read():
            return bool(bench.server.asked)

        await until(read)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# The price of a coin


async def test_newest_price_is_remembered_for_fixed_mode(make_bench):
    bench = await make_bench()
    bench.server.put(
        cash_out("a", NOW - HOUR, ticker=Decimal("800000.5")),
        cash_out("b", NOW - MINUTE, ticker=None),
        cash_out("c", NOW - 2 * HOUR, ticker=Decimal(1)),
        cash_out("d", NOW - MINUTE, ticker=Decimal(2), fiat_code="USD"),
    )
    await bench.poll()
    newest = await bench.database.read(tickers.newest)
    assert newest == Ticker(Decimal("800000.5"), NOW - HOUR)
    bench.server.put(cash_out("e", NOW - MINUTE, ticker=Decimal(3), **NEVER_PAID))
    await bench.poll()
    assert (await bench.database.read(tickers.newest)).price == 3


async def test_lost_cash_out_that_lamassu_brings_after_all_is_held_as_itself(make_ingest):
    bench = await make_ingest()
    await bench.client("ana", minor=80_000)
    paid = Payment(
        payment_hash="ab" * 32,
        amount_msat=-100_000_000,
        fee_msat=0,
        status=PaymentStatus.SUCCESS,
        seen_at=None,
        external_id="late",
        extra={"distributions": ["late"], "client": "ana", "fiat_minor": 80_000},
    )
    await bench.database.transact(lambda tx: unknown_payments.remember(tx, paid, now=NOW))
    await bench.poll()
    assert await bench.holds() == [("lost", "late", HoldReason.LOST, None)]
    bench.server.put(cash_out("late", NOW - HOUR))
    await bench.reopen()
    await bench.poll()
    assert await bench.holds() == [
        ("lost", "late", HoldReason.LOST, "by_itself"),
        ("cash-out", "late", HoldReason.KNOWN_DISTRIBUTION, None),
    ]


async def test_first_start_by_a_clock_that_was_ahead_ignores_nothing_once_the_clock_is_right(
    make_ingest,
):
    bench = await make_ingest()
    await bench.client("ana", minor=50_000)
    ahead = NOW + 400 * DAY
    bench.ingest.start_at, bench.ingest.from_first_start = ahead, True
    for work in (
        lambda tx: bot_state.put(tx, bot_state.START_AT, ahead.isoformat()),
        lambda tx: clock.see(tx, ahead),
    ):
        await bench.database.transact(work)
    bench.server.put(cash_out("sold", NOW + MINUTE))
    bench.clock.ahead = HOUR
    await bench.poll()
    assert await bench.distributed() == []
    await bench.database.transact(lambda tx: clock.note(tx, NOW))
    await bench.database.transact(lambda tx: clock.accept(tx, NOW))
    await bench.poll()
    assert await bench.distributed() == ["sold"]


async def test_start_that_is_configured_in_the_future_is_waited_for(make_ingest):
    bench = await make_ingest()
    bench.ingest.start_at = NOW + DAY
    bench.server.put(cash_out("sold", NOW - HOUR))
    await bench.database.transact(lambda tx: clock.note(tx, NOW))
    await bench.poll()
    assert await bench.distributed() == []
    assert bench.ingest.start_at == NOW + DAY
