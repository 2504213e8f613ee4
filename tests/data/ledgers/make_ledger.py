"""Fill a ledger with the code of an earlier dca-bot: see README.md beside this file.

python make_ledger.py SOURCE TARGET: SOURCE is a checkout of that version, TARGET the new `.sql.gz`.
"""

import asyncio
import gzip
import os
import sqlite3
import sys
import tempfile
import traceback
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib import import_module
from inspect import signature
from pathlib import Path
from zoneinfo import ZoneInfo

source, target = Path(sys.argv[1]), Path(sys.argv[2])
sys.path[:0] = [str(source), str(source / "tests")]
version = len(list((source / "dca_bot" / "ledger" / "migrations").glob("*.sql")))

from dca_bot.ledger.database import open_database  # noqa: E402
from ledger.story import ADDRESS, START, Story, hex_of  # noqa: E402

from dca_bot.core.ports import DmProtocol, IncomingMessage  # noqa: E402
from dca_bot.ledger import clients, facts, holds, mail  # noqa: E402

PATHS = (
    "PLANNED",
    "INVOICED",
    "HELD",
    "SUBMITTED",
    "IN_DOUBT",
    "DONE",
    "ALERT",
    "VOID",
    "CANCELLED",
)


def first_days(story):
    """Take clients, deposits and withdrawals in."""
    for name, minor in (("ana", 900_000), ("ben", 100_000), ("maría", 55_555)):
        destination = {"destination": ADDRESS} if name == "ben" else {}
        story.client(name, balance=minor, **destination)
    story.client("waits", destination=None, balance=7_000)
    story.state(story.client("gone"), "closed")
    story.state(story.client("rests", balance=1_234), "paused")
    story.pending(1, 5_000)
    story.withdraw(1, 10_000)
    if hasattr(facts, "CURRENCY"):
        story.do(facts.put, facts.CURRENCY, "GTQ")
    story.do(facts.put, facts.START_AT, START.isoformat())
    story.do(facts.put, facts.LAST_POLL_AT, START.isoformat())


def cash_outs(story):
    """Share cash-outs out, with payouts in every state to both kinds of destination, and hold one."""
    for number, state in enumerate(PATHS):
        story.later(hours=1)
        given = story.cash_out(f"c{number}-{state.lower()}", 70_001, 10_003, commission_sat=3_500)
        for share in given.shares[:2]:
            story.bring(share.payout_id, state)
    for state in ("PLANNED", "INVOICED"):  # invoices that were given up, and made anew or not yet
        story.later(hours=1)
        given = story.cash_out(f"again-{state.lower()}", 50_000, 9_000)
        for share in given.shares[:2]:
            story.bring(share.payout_id, "VOID")
            story.step(share.payout_id, "PLANNED")
            if state == "INVOICED":
                story.step(share.payout_id, state)
    story.record("held", state="held", reason="dispense not complete")
    story.do(holds.open_hold, "cash-out", "held", "dispense not complete", now=story.now)
    story.record("waits")
    story.cash_out("nobody's", 100, 50, flow=False)


def letters(story):
    """Have people write and be answered."""
    message = IncomingMessage(
        hex_of("m1"), hex_of("ana"), "help", story.now, DmProtocol.NIP17, "wss://r"
    )
    story.do(mail.receive, message, command="help", now=story.now)
    story.do(mail.note_person, message, now=story.now)
    story.do(mail.write, hex_of("ana"), "You have 9,000.00 GTQ.", now=story.now)
    story.do(mail.write, hex_of("ben"), "¡Hola! Ünïcödé\n'quoted'", now=story.now)


def programme(story):
    """Split commission, buy in fixed mode, count machines, log commands: from version 2 on."""
    rate, schedule = import_module("dca_bot.core.rate"), import_module("dca_bot.core.schedule")
    alarms, command_log, fixed_runs = (
        import_module(f"dca_bot.ledger.{name}") for name in ("alarms", "command_log", "fixed_runs")
    )

    story.recipient("rosa", 1250)
    story.percent(1, 500)
    story.names({"d" * 64: "Market", "e" * 64: "Zona 10"})
    story.cash_in("in1", 20_000, machine="d" * 64)
    story.count("d" * 64, 1_000_000)
    for number in range(3):
        story.later(hours=1)
        given = story.cash_out(f"split{number}", 90_000, 12_000, commission_sat=4_444)
        story.bring(given.shares[0].payout_id, "DONE")
    fixed = story.client("fixed", balance=300_000, destination=ADDRESS)
    story.do(clients.set_mode, fixed, "fixed")
    story.do(clients.set_fixed_limit, fixed, 10_001)
    day, zone = date(2026, 3, 2), ZoneInfo("America/Guatemala")
    morning, evening = schedule.runs_of(day, (time(9), time(18)), zone)
    story.now = datetime(2026, 3, 2, 15, tzinfo=UTC)
    quote = rate.Quote(Decimal("800000.00"), "lnbits")
    named = {"ceiling_minor": 200_000, "currency": "GTQ"}
    story.do(fixed_runs.carry_out, morning, quote, **named, now=story.now)
    (payout,) = story.payouts(fixed)
    story.bring(payout.id, "DONE")
    story.later(hours=9, minutes=1)
    story.do(fixed_runs.carry_out, evening, quote, **named, now=story.now)
    began = {"now": story.now} if "now" in signature(alarms.start).parameters else {}
    story.do(alarms.start, "lnbits", story.now - timedelta(hours=1), **began)
    story.do(
        command_log.record,
        actor=hex_of("operator"),
        client_id=1,
        message_id=hex_of("m2"),
        command="withdraw ana 100",
        done="Withdrawn.",
        now=story.now,
    )


def sentences(story):
    """Have each reason, hold, wait and outcome that a ledger of version 3 keeps as words."""
    cash_out, ceilings, change, payout, rate = (
        import_module(f"dca_bot.core.{name}")
        for name in ("cash_out", "ceilings", "change", "payout", "rate")
    )
    cash_outs, fixed_runs, lost, moves = (
        import_module(f"dca_bot.ledger.{name}")
        for name in ("cash_outs", "fixed_runs", "lost", "payout_moves")
    )
    refusals, schedule = (
        import_module("dca_bot.errors").Refusal,
        import_module("dca_bot.core.schedule"),
    )
    story.later(days=1)
    for reason in (*cash_out.Reason, *change.Change, *holds.HoldReason):
        story.record(
            f"reason-{reason.name.lower()}-{type(reason).__name__}", state="ignored", reason=reason
        )
    story.record("unheard of", state="held", reason="a sentence of another build")
    story.do(
        holds.open_hold, "cash-out", "unheard of", "a sentence of another build", now=story.now
    )
    ended = ("accepted", "ignored", "by itself", None)
    for number, reason in enumerate((*cash_out.Reason, *change.Change)):
        kind = "changed" if isinstance(reason, change.Change) else "cash-out"
        ref = f"held-{reason.name.lower()}"
        if reason:
            story.record(ref, state="held", reason=reason)
            hold(story, kind, ref, reason, ended[number % 4])
    waits(story, [*payout.Waiting, *refusals], moves)
    payable = story.client("payable", balance=5_000_000)
    for number, reason in enumerate((*holds.HoldReason, *holds.HoldReason)):
        held = one_payout(story, payable, f"of-{number}")
        if reason is not holds.HoldReason.LOST:
            story.do(moves.hold, held, reason, now=story.now)
        if number < len(holds.HoldReason):
            story.do(holds.close, "payout", held.id, outcome="accepted", now=story.now)
    cancelled = one_payout(story, payable, "cancelled")
    story.do(moves.hold, cancelled, ceilings.Ceiling.DAY, now=story.now)
    story.do(moves.cancel, story.payout(cancelled.id), now=story.now)
    story.do(
        holds.open_hold, "lost", "fixed:2026-02-01T09:00", holds.HoldReason.LOST, now=story.now
    )
    days = (date(2026, 3, day) for day in range(10, 29))
    reasons = (*rate.RateProblem, *fixed_runs.RunReason, holds.HoldReason.KNOWN_DISTRIBUTION)
    for day, reason in zip(days, reasons, strict=False):
        runs = schedule.runs_of(day, (time(9), time(18), time(21)), ZoneInfo("America/Guatemala"))
        for run, state in zip(runs, ("waiting", "lapsed", "held"), strict=True):
            story.do(fixed_runs.put_off, run, state, reason, now=story.now)
    story.do(recover, lost, story.now)
    assert cash_outs.RECOVERED in {row["note"] for row in story.sql("SELECT note FROM cash_out")}


def hold(story, kind, ref, reason, outcome):
    """Hold a thing, and end that if it has an outcome."""
    story.do(holds.open_hold, kind, ref, reason, now=story.now)
    if outcome:
        story.do(holds.close, kind, ref, outcome=outcome, now=story.now)


def one_payout(story, client_id, name):
    """Give one client all of a cash-out; return the payout."""
    story.later(minutes=1)
    story.sql("UPDATE client SET state = 'paused' WHERE state = 'active' AND id <> ?", client_id)
    given = story.cash_out(name, 1_000, 1_000)
    return story.payout(given.shares[0].payout_id)


def waits(story, reasons, moves):
    """Let payouts wait for every reason, and in the words of a destination, or of its server's silence."""
    client_id = story.client("slow", balance=5_000_000, destination=ADDRESS)
    said = (
        "full",
        "minSendable is 100 sats, says the server",
        "The address takes at most 21000 sats.",
        "The address takes at least 999 sats.",
        "wallet.example answered HTTP 503. Try again later.",
        "wallet.example did not answer as it should (too slow). Try again later.",
        "There is no host wallet.example at present. Check the spelling, or try again later.",
        "¿Qué? Ünïcödé 'quoted'",
    )
    for number, reason in enumerate((*reasons, *said)):
        payout = one_payout(story, client_id, f"waits-{number}")
        story.do(moves.defer, payout, waiting=reason, until=story.now + timedelta(hours=1))
    alerted = one_payout(story, client_id, "alerted")
    for state in ("INVOICED", "SUBMITTED", "DEBITED"):
        story.step(alerted.id, state)
    story.do(moves.alert, story.payout(alerted.id), reasons[-1], look_at=story.now)


def recover(tx, lost, now):
    """Record a cash-out that LNbits alone knows."""
    tx.execute(
        "INSERT INTO foreign_payment (payment_hash, external_id, distribution_id, client_name, amount_msat,"
        " fee_msat, status, seen_at, fiat_minor) VALUES (?, ?, 'lost-cash-out', 'payable', -900000, 0,"
        " 'success', ?, 1000)",
        (hex_of("lost hash"), hex_of("lost payout")[:32], 1_772_000_000_000_000),
    )
    lost.record(tx, "lost-cash-out", now=now, message_id=hex_of("m3"))


def main():
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        story = Story(data)
        first_days(story)
        cash_outs(story)
        letters(story)
        if version > 1:
            programme(story)
        if version > 2:
            sentences(story)
        assert story.findings() == (), story.findings()
        story.end()
        database = asyncio.run(open_and_close(data))
        with closing(sqlite3.connect(database)) as ledger:
            ledger.execute("PRAGMA journal_mode = DELETE")
            ledger.execute("VACUUM")
        target.write_bytes(gzip.compress(database.read_bytes(), mtime=0))


async def open_and_close(data):
    await (await open_database(data)).aclose()
    return data / "ledger.sqlite3"


try:
    main()
except Exception:  # noqa: BLE001 - the ledger's thread would wait for ever
    traceback.print_exc()
    os._exit(1)
