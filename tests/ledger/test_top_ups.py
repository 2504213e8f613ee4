import sqlite3
from datetime import timedelta

import pytest

from dca_bot.core.funds import TopUp, Trouble
from dca_bot.core.payout import Waiting, needed_msat
from dca_bot.ledger import payout_moves, payouts, top_ups
from dca_bot.ledger.database import LEDGER_FILE, _scripts
from dca_bot.ledger.payouts import Need

from .story import ADDRESS, START, WAYS

FIRST = TopUp(Trouble.SHORT, START, balance_msat=1, asked_sat=2)


def test_only_what_was_told_last_is_kept(story):
    assert story.read(top_ups.told) is None
    story.do(top_ups.note, FIRST)
    assert story.read(top_ups.told) == FIRST
    second = TopUp(Trouble.LOW, START + timedelta(microseconds=1), balance_msat=0, asked_sat=0)
    story.do(top_ups.note, second)
    assert story.read(top_ups.told) == second
    assert story.do(top_ups.forget)
    assert story.read(top_ups.told) is None
    assert not story.do(top_ups.forget)


def test_shortage_of_the_first_version_is_still_known(story):
    story.close()
    (story.folder / LEDGER_FILE).unlink()
    old = sqlite3.connect(story.folder / LEDGER_FILE)
    old.executescript(f"{_scripts()[0]} PRAGMA user_version = 1;")
    with old:
        old.execute("INSERT INTO fact VALUES ('shortage', '1772366400000000 5000 70')")
    old.close()
    (story.folder / LEDGER_FILE).chmod(0o600)
    story.open()
    assert story.read(top_ups.told) == TopUp(Trouble.SHORT, START, 5000, 70)


@pytest.mark.parametrize(
    ("state", "counts"),
    [(state, state in ("PLANNED", "INVOICED", "IN_DOUBT", "VOID")) for state in WAYS],
)
def test_what_is_still_to_leave_the_wallet_needs_funds(story, state, counts):
    story.client("ana", balance=1_000_000)
    (share,) = story.cash_out("d1", 5_000, 400).shares
    story.bring(share.payout_id, state)
    expected = Need(1, 5_000, 5_000_000) if counts else Need(0, 0, 0)
    assert story.read(payouts.need) == expected


def test_payout_that_was_sent_needs_funds_again_once_it_is_known_to_lack_them(story):
    story.client("ana", balance=1_000_000)
    (share,) = story.cash_out("d1", 5_000, 400).shares
    sent = story.bring(share.payout_id, "SUBMITTED")
    assert not story.read(payouts.is_waiting_for_funds)
    story.do(payout_moves.defer, sent, waiting=Waiting.FUNDS, until=story.now)
    assert story.read(payouts.need).count == 1
    assert story.read(payouts.is_waiting_for_funds)


def test_what_may_leave_lnbits_needs_its_reserve(story):
    story.client("ana", balance=1_000_000)
    story.client("ben", balance=1_000_000, destination=ADDRESS)
    story.cash_out("d1", 101, 400)
    story.cash_out("d2", 100_001, 400)
    sats = [(p.amount_sat, p.client_name == "ana") for p in story.payouts()]
    assert len(sats) == 4
    assert story.read(payouts.need) == Need(
        4, 100_102, sum(needed_msat(sat, internal=internal) for sat, internal in sats)
    )


def test_held_payouts_are_counted_apart(story):
    story.client("ana", balance=1_000_000)
    (share,) = story.cash_out("d1", 5_000, 400).shares
    assert story.read(payouts.held) == (0, 0)
    story.bring(share.payout_id, "HELD")
    assert story.read(payouts.held) == (1, 5_000)


@pytest.mark.parametrize("work", [payouts.need, payouts.held, payouts.is_waiting_for_funds])
def test_finished_payouts_are_not_read(story, work):
    statements = []

    def explain(tx):
        tx.set_trace_callback(statements.append)
        work(tx)
        tx.set_trace_callback(None)
        (read,) = [statement for statement in statements if "payout" in statement]
        return [row["detail"] for row in tx.execute(f"EXPLAIN QUERY PLAN {read}")]

    assert "payout_open" in " ".join(story.do(explain))
