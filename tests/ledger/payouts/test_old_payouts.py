"""Payouts of an older ledger, whose invoices to addresses were given up on LNbits' word alone."""

import sqlite3
from contextlib import closing

import pytest
from scaffold import without_triggers

from dca_bot.ledger.payouts import holds, payouts
from dca_bot.ledger.payouts.holds import HoldReason
from dca_bot.ledger.store.database import open_database
from dca_bot.ledger.store.ledger_files import LEDGER_FILE
from dca_bot.ledger.store.schema import run_script

SENT = 1_760_000_000_000_000


def make_old_ledger(folder, *, state, kind, submitted_at):
    """Make a ledger of the version before with one payout whose first invoice was given up."""
    folder.mkdir(mode=0o700)
    (folder / LEDGER_FILE).touch(mode=0o600)
    with closing(sqlite3.connect(folder / LEDGER_FILE, isolation_level=None)) as old:
        for number in (1, 2):
            run_script(old, number)
        old.execute(
            "INSERT INTO client (name, pubkey, language, created_at) VALUES ('ana', ?, 'en', 1)",
            ("a" * 64,),
        )
        with without_triggers(old, "payout_starts"):
            old.execute(
                "INSERT INTO payout (id, client_id, amount_sat, state, attempt, destination,"
                " destination_kind, try_at, due_at, submitted_at)"
                " VALUES ('p1', 1, 500, ?, 1, 'ana@example.com', ?, 1, 1, ?)",
                (state, kind, submitted_at),
            )


@pytest.mark.parametrize("state", ["PLANNED", "INVOICED"])
@pytest.mark.parametrize(
    ("kind", "submitted_at", "is_held"),
    [("address", SENT, True), ("address", None, False), ("invoice_key", SENT, False)],
)
async def test_payout_whose_invoice_was_given_up_on_one_word_is_held(
    tmp_path, state, kind, submitted_at, is_held
):
    folder = tmp_path / "data"
    make_old_ledger(folder, state=state, kind=kind, submitted_at=submitted_at)
    database = await open_database(folder)
    try:
        payout = await database.read(lambda tx: payouts.by_id(tx, "p1"))
        found = await database.read(holds.still_open)
    finally:
        await database.aclose()
    assert payout.state == ("HELD" if is_held else state)
    assert [hold.reason for hold in found] == ([HoldReason.KNOWN_PAYOUT] if is_held else [])
