"""Each check of the audit sees the damage that it is there for."""

import sqlite3
import threading
from contextlib import closing
from datetime import date, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from scaffold import without_triggers

from dca_bot.core.fixed_schedule import runs_of
from dca_bot.core.rate import Quote
from dca_bot.ledger.audit.audit import audit_beside, audit_ledger
from dca_bot.ledger.audit.findings import FindingCode
from dca_bot.ledger.distributions import distributions, fixed_mode
from dca_bot.ledger.programme import deposits
from dca_bot.ledger.store.instants import micros
from dca_bot.ledger.store.ledger_files import LEDGER_FILE


@pytest.fixture
def ledger(story):
    """Two clients: ana was paid, one payout of hers is cancelled; ben waits and has voided cash."""
    ana = story.client("ana", balance=6000)
    ben = story.client("ben", balance=4000)
    story.cash_out("d1", 100_000, 5000, commission_sat=77)
    story.bring(story.payouts(ana)[0].id, "DONE")
    story.cash_out("d2", 30_000, 900)
    story.step(story.payouts(ana)[0].id, "CANCELLED")
    story.do(lambda tx: tx.execute("UPDATE client SET destination_min_sat = 99999"))
    story.cash_out("d3", 20_000, 100)
    voided = story.deposit(ben, 55)
    story.do(deposits.void, voided, now=story.now)
    story.record("w1")
    story.names({"m1": "Market"})
    story.cash_in("i1", 700, machine="m1")
    story.withdraw(ana, 20)
    story.count("m1", 9000)
    story.later(hours=1)
    story.withdraw(ana, 30)
    story.count("m1", 8900)
    story.record("h1", state="held", reason="contradiction")
    return story


def damage(story, statements):
    """Change the ledger as nothing but another program could: no triggers, no checks."""
    connection = sqlite3.connect(story.folder / LEDGER_FILE, isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    with without_triggers(connection):
        for statement in statements.split(";"):
            connection.execute(statement)
    connection.close()


# What is done to the ledger, and the beginnings of the findings, in any order.
DAMAGES = {
    "nothing": ("SELECT 1", []),
    "a balance from nowhere": (
        "UPDATE account SET balance = balance + 1 WHERE kind = 'balance' AND client_id = 1",
        ["The accounts in minor don't add up", "Account 7's balance isn't the sum"],
    ),
    "a balance moved without an entry": (
        "UPDATE account SET balance = balance - 1 WHERE kind = 'balance' AND client_id = 1;"
        "UPDATE account SET balance = balance + 1 WHERE kind = 'balance' AND client_id = 2",
        ["Account 7's balance isn't the sum", "Account 9's balance isn't the sum"],
    ),
    "a client below zero": (
        "INSERT INTO entry (posting_id, from_account, to_account, amount) SELECT 1, id, 1, balance + 5"
        "  FROM account WHERE kind = 'balance' AND client_id = 2;"
        "UPDATE account SET balance = balance + (SELECT balance + 5 FROM account WHERE id = 9) WHERE id = 1;"
        "UPDATE account SET balance = -5 WHERE id = 9",
        [
            "Account 9 is below zero",
            "Deposit 1 has entries of another amount",
            "Deposit 1's entries don't move its client's balance",
            "The file is damaged: CHECK constraint failed in account",
        ],
    ),
    "an entry that was altered": (
        "UPDATE entry SET amount = amount + 1 WHERE id = (SELECT max(e.id) FROM entry e"
        " JOIN account a ON a.id = to_account WHERE a.kind = 'paid')",
        ["Account 8's balance", "Account 6's balance", "Payout .* has entries of another amount"],
    ),
    "an entry that is gone": (
        "DELETE FROM entry WHERE posting_id = (SELECT id FROM posting WHERE kind = 'cancel')"
        " AND to_account = 4",
        ["Account 8's balance", "Account 4's balance"],
    ),
    "fiat of one client taken from another": (
        "UPDATE entry SET from_account = 16 - from_account WHERE from_account IN (7, 9) AND posting_id ="
        " (SELECT id FROM posting WHERE distribution_id = 'd1')",
        [
            "Account 7's balance",
            "Account 9's balance",
            "Distribution d1's entries aren't its shares",
            "What client 1 has given",
            "What client 2 has given",
        ],
    ),
    "a share that grew": (
        "UPDATE share SET sat = sat + 1 WHERE distribution_id = 'd1' AND client_id = 1",
        [
            "Distribution d1's shares don't add up",
            "Distribution d1's entries aren't its shares",
            "Payout .*'s amount isn't the sum of its shares",
            "What client 1 is owed isn't the sum",
            "What client 1 has got isn't the sum",
        ],
    ),
    "a share that waits grew": (
        "UPDATE share SET sat = sat + 1 WHERE distribution_id = 'd3' AND client_id = 2",
        [
            "Distribution d3's shares don't add up",
            "Distribution d3's entries aren't its shares",
            "What client 2 is owed isn't the sum",
            "What client 2 has got isn't the sum",
        ],
    ),
    "a sum of what was got that drifts": (
        "UPDATE client_sum SET bought_sat = bought_sat - 1, earned_sat = earned_sat + 1"
        " WHERE client_id = 1",
        ["What client 1 has got isn't the sum"],
    ),
    "sums of what was got that are gone": (
        "DELETE FROM client_sum WHERE client_id = 2",
        ["What client 2 has got isn't the sum"],
    ),
    "a share that took too much": (
        "UPDATE share SET minor = minor + 5000 WHERE distribution_id = 'd1' AND client_id = 1",
        [
            "Distribution d1's kept sum of fiat",
            "Distribution d1 has given more fiat",
            "Distribution d1's entries aren't its shares",
            "What client 1 has given isn't the fiat",
            "What client 1 has got isn't the sum",
            "The file is damaged: CHECK constraint failed in share",
        ],
    ),
    "a share that left its payout": (
        "UPDATE share SET payout_id = NULL WHERE distribution_id = 'd1' AND client_id = 1",
        ["Payout .*'s amount isn't the sum of its shares"],
    ),
    "a sum of fiat that was altered": (
        "UPDATE distribution_sum SET shared_minor = shared_minor + 1 WHERE distribution_id = 'd1'",
        ["Distribution d1's kept sum of fiat"],
    ),
    "a sum of fiat that is gone": (
        "DELETE FROM distribution_sum WHERE distribution_id = 'd1'",
        ["Distribution d1's kept sum of fiat"],
    ),
    "a distribution that says more": (
        "UPDATE distribution SET unallocated_sat = 1, principal_sat = principal_sat + 1 WHERE id = 'd1'",
        ["Distribution d1's entries aren't its shares", "Distribution d1's cash-out is"],
    ),
    "a commission that was altered": (
        "UPDATE distribution SET commission_sat = 78 WHERE id = 'd1'",
        ["Distribution d1's entries aren't its shares", "Distribution d1's cash-out is"],
    ),
    "commission that went to the operator": (
        "UPDATE entry SET to_account = 4 WHERE to_account = 5;"
        "UPDATE account SET balance = balance + 77 WHERE id = 4;"
        "UPDATE account SET balance = 0 WHERE id = 5",
        ["Distribution d1's entries aren't its shares"],
    ),
    "a cash-out's sats taken from the treasury": (
        "UPDATE entry SET from_account = 0 WHERE to_account = 5;"
        "UPDATE account SET balance = balance + 77 WHERE id = 3;"
        "UPDATE account SET balance = -77 WHERE id = 0",
        ["Distribution d1's entries aren't its shares"],
    ),
    "a share of another client": (
        "UPDATE share SET client_id = 3 - client_id, distribution_id = distribution_id || '.'"
        " WHERE distribution_id = 'd1';"
        "UPDATE share SET distribution_id = 'd1' WHERE distribution_id = 'd1.'",
        [
            "Distribution d1's entries aren't its shares",
            "Payout .* has shares of another client",
            "Payout .* has shares of another client",
            "What client 1 is owed isn't",
            "What client 2 is owed isn't",
            "What client 1 has given isn't",
            "What client 2 has given isn't",
            "What client 1 has got isn't",
            "What client 2 has got isn't",
        ],
    ),
    "a distribution from nowhere": (
        "INSERT INTO distribution (id, kind, at, processed_at, principal_sat, principal_minor,"
        " commission_sat, unallocated_sat) VALUES ('x1', 'flow', 0, 0, 9, 9, 0, 9)",
        [
            "Distribution x1's kept sum of fiat",
            "Distribution x1 has no entries",
            "Distribution x1's entries aren't its shares",
            "Distribution x1's cash-out is missing",
        ],
    ),
    "a cash-out distributed by its word only": (
        "UPDATE cash_out SET state = 'distributed' WHERE id = 'h1'",
        ["Cash-out h1 is distributed without a distribution"],
    ),
    "a distributed cash-out that waits": (
        "UPDATE cash_out SET state = 'waiting' WHERE id = 'd2'",
        ["Cash-out d2 is distributed without a distribution, or the other way"],
    ),
    "a cash-out that is gone": (
        "DELETE FROM cash_out WHERE id = 'd2'",
        ["Distribution d2's cash-out is missing, or of other amounts"],
    ),
    **{
        f"a cash-out that changed its {column}": (
            f"UPDATE cash_out SET {column} = {column} + 1 WHERE id = 'd2'",
            ["Distribution d2's cash-out is missing, or of other amounts"],
        )
        for column in ("principal_sat", "principal_minor", "commission_sat")
    },
    "a payout that changed its amount": (
        "UPDATE payout SET amount_sat = amount_sat + 1 WHERE state = 'DONE'",
        [
            "Payout .*'s amount isn't the sum of its shares",
            "Payout .* has entries of another amount",
            "What client 1 is owed isn't",
        ],
    ),
    "a payout said to be done": (
        "UPDATE payout SET state = 'DONE', debited_at = 1, done_at = 1, fee_msat = 0"
        " WHERE id = (SELECT min(id) FROM payout WHERE state = 'PLANNED')",
        ["Payout .*'s state and its entries contradict", "What client 2 is owed isn't"],
    ),
    "a payout said to be unpaid": (
        "UPDATE payout SET state = 'PLANNED', debited_at = NULL, done_at = NULL WHERE state = 'DONE'",
        ["Payout .*'s state and its entries contradict", "What client 1 is owed isn't"],
    ),
    "a cancelled payout that lives again": (
        "UPDATE payout SET state = 'PLANNED' WHERE state = 'CANCELLED'",
        [
            "Payout .*'s state and its entries contradict",
            "What client 1 is owed isn't",
            "What client 1 has given isn't",
            "What client 1 has got isn't",
        ],
    ),
    "a payout cancelled by its word only": (
        "UPDATE payout SET state = 'CANCELLED' WHERE id = (SELECT min(id) FROM payout"
        " WHERE state = 'PLANNED')",
        [
            "Payout .*'s state and its entries contradict",
            "What client 2 is owed isn't",
            "What client 2 has given isn't",
            "What client 2 has got isn't",
        ],
    ),
    "a paid payout that is planned again": (
        "UPDATE payout SET state = 'PLANNED', done_at = NULL WHERE state = 'DONE'",
        ["Payout .*'s state and its entries contradict"],
    ),
    "a paid payout said to be cancelled": (
        "UPDATE payout SET state = 'CANCELLED', done_at = NULL WHERE state = 'DONE'",
        [
            "Payout .*'s state and its entries contradict",
            "What client 1 has given isn't",
            "What client 1 has got isn't",
        ],
    ),
    "a paid payout said to be alerted": (
        "UPDATE payout SET state = 'ALERT', done_at = NULL WHERE state = 'DONE'",
        [],
    ),
    "a payout merged by its word only": (
        "UPDATE payout SET state = 'MERGED' WHERE id = (SELECT min(id) FROM payout"
        " WHERE state = 'PLANNED')",
        ["Payout .* is merged into others, but still has shares"],
    ),
    "a payout of another client": (
        "UPDATE payout SET client_id = 2 WHERE state = 'DONE'",
        [
            "Payout .* has shares of another client",
            "What client 1 is owed isn't",
            "What client 2 is owed isn't",
        ],
    ),
    "a confirmed deposit that is pending": (
        "UPDATE deposit SET state = 'pending', confirmed_at = NULL WHERE id = 1",
        ["Deposit 1's state and its entries contradict", "The cash of deposit 1 isn't"],
    ),
    "a voided deposit that stands": (
        "UPDATE deposit SET state = 'confirmed', voided_at = NULL WHERE id = 3",
        ["Deposit 3's state and its entries contradict", "The cash of deposit 3 isn't"],
    ),
    "a confirmed deposit said to be voided": (
        "UPDATE deposit SET state = 'voided', voided_at = 1 WHERE id = 2",
        ["Deposit 2's state and its entries contradict", "The cash of deposit 2 isn't"],
    ),
    "a deposit that grew": (
        "UPDATE deposit SET amount_minor = amount_minor + 1 WHERE id = 1",
        ["Deposit 1 has entries of another amount", "The cash of deposit 1 isn't"],
    ),
    "a deposit of another client": (
        "UPDATE deposit SET client_id = 2 WHERE id = 1",
        ["Deposit 1's entries don't move its client's balance"],
    ),
    "a voided deposit of another client": (
        "UPDATE deposit SET client_id = 1 WHERE id = 3",
        ["Deposit 3's entries don't move its client's balance"],
    ),
    "a withdrawal that no machine gave": (
        "DELETE FROM cash_move WHERE kind = 'withdrawal'",
        [
            "The cash of withdrawal 10",
            "The cash of withdrawal 11",
            "What should be in machine m1",
            "Count 1 of a machine's cash isn't",
            "Count 3 of a machine's cash isn't",
        ],
    ),
    "a sum of cash that was altered": (
        "UPDATE cash_sum SET total_minor = total_minor + 1 WHERE kind = 'cash-in'",
        ["What should be in machine m1 isn't the sum"],
    ),
    "cash since the count that was altered": (
        "UPDATE cash_sum SET since_minor = 1 WHERE kind = 'cash-in'",
        ["What should be in machine m1 isn't the sum"],
    ),
    "a sum of cash that is gone": (
        "DELETE FROM cash_sum WHERE kind = 'cash-in'",
        ["What should be in machine m1 isn't the sum"],
    ),
    "a sum of cash from nowhere": (
        "INSERT INTO cash_sum VALUES ('m9', 'cash-in', 5, 0)",
        ["What should be in machine m9 isn't the sum"],
    ),
    "a move of cash that was altered": (
        "UPDATE cash_move SET amount_minor = amount_minor + 1 WHERE kind = 'cash-in'",
        ["What should be in machine m1 isn't the sum", "Count 1 of a machine's cash isn't"],
    ),
    "a count that says more": (
        "UPDATE cash_count SET counted_minor = counted_minor + 1 WHERE id = 1",
        ["Count 1 of a machine's cash isn't", "Count 3 of a machine's cash isn't"],
    ),
    "a row that refers to nothing": (
        "DELETE FROM attempt; DELETE FROM deposit WHERE id = 2",
        ["A row of posting refers to a missing row of deposit"],
    ),
    "a verdict on another attempt than the payout has": (
        "INSERT INTO attempt SELECT payout_id || 'x', 2, bolt11, payment_hash || 'x', expires_at, created_at,"
        "  '', NULL FROM attempt;"
        "INSERT INTO verdict (payout_id, number, client_id, outcome, witness, at)"
        " SELECT payout_id, 2, 1, 'unpaid', 'verify', 0 FROM attempt WHERE number = 1",
        [
            "A row of attempt refers to a missing row of payout",
            "A row of verdict refers to a missing row of attempt",
        ],
    ),
    "shares that refer to no client": (
        "UPDATE share SET client_id = 77 WHERE distribution_id = 'd3' AND client_id = 2",
        [
            "A row of share refers to a missing row of client",
            "Distribution d3's entries aren't its shares",
            "What client 2 is owed isn't",
            "What client 2 has given isn't",
            "What client 2 has got isn't",
            "What client 77 is owed isn't",
            "What client 77 has given isn't",
            "What client 77 has got isn't",
        ],
    ),
}


# The same, on a ledger where rosa (3) gets 40 % and ana (1) 25 %, split of d4's 100 sats.
COMMISSION_DAMAGES = {
    "nothing": ("SELECT 1", []),
    "terms that give more than everything": (
        "INSERT INTO commission_part VALUES (1, 1, 8000)",
        ["Version 1 of the commission's terms gives more than all of it"],
    ),
    "terms altered afterwards": (
        "UPDATE commission_part SET percent_bp = 4100 WHERE terms_id = 2 AND client_id = 3",
        ["Distribution commission:d4 isn't split as its terms say"],
    ),
    "a part taken out of the terms": (
        "DELETE FROM commission_part WHERE terms_id = 2 AND client_id = 1",
        ["Distribution commission:d4 isn't split as its terms say"],
    ),
    "a split without terms": (
        "UPDATE distribution SET terms_id = NULL WHERE id = 'commission:d4'",
        ["Distribution commission:d4 names no version"],
    ),
    "a flow with terms": (
        "UPDATE distribution SET terms_id = 1 WHERE id = 'd1'",
        ["Distribution d1 names no version of the commission's terms, or needs none"],
    ),
    "one payee's sats given to the other": (
        "UPDATE share SET sat = 41 WHERE distribution_id = 'commission:d4' AND client_id = 3;"
        "UPDATE share SET sat = 24 WHERE distribution_id = 'commission:d4' AND client_id = 1;"
        "UPDATE payout SET amount_sat = 41 WHERE client_id = 3;"
        "UPDATE payout SET amount_sat = 24 WHERE amount_sat = 25",
        [
            "What client 1 is owed isn't the sum",
            "What client 3 is owed isn't the sum",
            "Distribution commission:d4's entries aren't its shares",
            "What client 1 has got isn't the sum",
            "What client 3 has got isn't the sum",
            "Distribution commission:d4 isn't split as its terms say",
        ],
    ),
    "a split of another amount": (
        "UPDATE distribution SET commission_sat = 101 WHERE id = 'd4'",
        [
            "Distribution d4's entries aren't its shares",
            "Distribution d4's cash-out is missing, or of other amounts",
            "Distribution commission:d4 splits no cash-out's commission, or another amount",
        ],
    ),
    "a split that charges fiat": (
        "UPDATE share SET minor = 1 WHERE distribution_id = 'commission:d4' AND client_id = 3",
        [
            "Distribution commission:d4's kept sum of fiat",
            "Distribution commission:d4 has given more fiat",
            "Distribution commission:d4's entries aren't its shares",
            "What client 3 has given",
            "Distribution commission:d4 charges fiat",
        ],
    ),
    "a split taken from the operator": (
        "UPDATE entry SET from_account = 4 WHERE from_account = 5 AND amount = 40",
        [
            "Account 4's balance",
            "Account 5's balance",
            "Distribution commission:d4's entries aren't its shares",
        ],
    ),
    "a recipient with fiat": (
        "UPDATE account SET balance = 5 WHERE kind = 'balance' AND client_id = 3;"
        "UPDATE account SET balance = balance - 5 WHERE kind = 'cash'",
        ["Account 1's balance", "Account 11's balance", "Recipient 3 has fiat"],
    ),
}


@pytest.mark.parametrize("case", COMMISSION_DAMAGES)
def test_the_audit_sees_in_the_commission(ledger, case):
    ledger.recipient("rosa", 4000)
    ledger.percent(1, 2500)
    ledger.cash_out("d4", 0, 1, commission_sat=100)
    look_for(ledger, *COMMISSION_DAMAGES[case])


# When the terms above are said to have been set, of d1 that was processed before, and split by none.
UNSPLIT = ["The commission of cash-out d1 isn't split, although terms were in force"]
BY_HAND = (
    "INSERT INTO foreign_payment (payment_hash, external_id, distribution_id, amount_msat, fee_msat,"
    " status, seen_at, settled_at) VALUES ('h', 'x', 'commission:d1', -1, 0, 'success', 1, {})"
)
D1 = "(SELECT id FROM posting WHERE distribution_id = 'd1')"
TAKEN_BACK = "INSERT INTO commission_terms (id, set_at, after_posting) VALUES (3, 1, {})"
TERMS_ORDERS = {
    "before it": (f"UPDATE commission_terms SET after_posting = {D1} - 1", UNSPLIT),
    "after it": (f"UPDATE commission_terms SET after_posting = {D1}", []),
    "after it, by a clock that was behind": (
        f"UPDATE commission_terms SET set_at = 0, after_posting = {D1}",
        [],
    ),
    "before it, by a clock that was ahead": (
        f"UPDATE commission_terms SET set_at = 1 << 60, after_posting = {D1} - 1",
        UNSPLIT,
    ),
    "before it and after it": (
        f"UPDATE commission_terms SET after_posting = {D1} - (id = 1)",
        UNSPLIT,
    ),
    "before it, and taken back before it": (
        f"UPDATE commission_terms SET after_posting = 0; {TAKEN_BACK.format(D1 + ' - 1')}",
        [],
    ),
    "before it, and taken back after it": (
        f"UPDATE commission_terms SET after_posting = 0; {TAKEN_BACK.format(D1)}",
        UNSPLIT,
    ),
    "before it, and settled by hand": (
        f"UPDATE commission_terms SET after_posting = 0; {BY_HAND.format(1)}",
        [],
    ),
    "before it, and paid by LNbits only": (
        f"UPDATE commission_terms SET after_posting = 0; {BY_HAND.format('NULL')}",
        UNSPLIT,
    ),
}


@pytest.mark.parametrize("case", TERMS_ORDERS)
def test_the_audit_misses_the_split_of_terms_set(ledger, case):
    ledger.recipient("rosa", 4000)
    ledger.percent(1, 2500)
    ledger.cash_out("d4", 0, 1, commission_sat=100)
    look_for(ledger, *TERMS_ORDERS[case])


def test_the_audit_misses_no_split_that_gives_nobody_a_sat(ledger):
    ledger.recipient("rosa", 4000)
    ledger.later(minutes=1)
    ledger.cash_out("d4", 0, 1, commission_sat=1)
    assert ledger.shares("commission:d4") == {}
    assert ledger.findings() == ()


@pytest.mark.parametrize("status", ["success", "pending", "failed"])
def test_the_audit_misses_no_split_that_lnbits_payments_forbade(ledger, status):
    ledger.recipient("rosa", 4000)
    now = micros(ledger.later(minutes=1))
    ledger.sql(
        "INSERT INTO foreign_payment (payment_hash, external_id, distribution_id, client_name,"
        " amount_msat, fee_msat, status, seen_at)"
        " VALUES ('h', 'x', 'commission:d4', 'rosa', -39000, 0, ?, ?)",
        status,
        now,
    )
    ledger.cash_out("d4", 0, 1, commission_sat=100)
    assert ledger.read(distributions.by_id, "commission:d4") is None
    assert ledger.findings() == ()


def audits_after(story, statements):
    """Damage the tables themselves, beside a ledger that is closed; return the whole audit and the chat's."""
    story.close()
    damage(story, statements)
    with closing(sqlite3.connect(story.folder / LEDGER_FILE)) as connection:
        connection.row_factory = sqlite3.Row
        whole = audit_ledger(connection).findings
    return [one.code for one in whole], audit_beside(story.folder, threading.Event()).findings


def test_damaged_index_is_seen_by_the_whole_audit_and_left_to_the_copy_by_the_chats(ledger):
    text = "UPDATE sqlite_schema SET sql = replace(sql, '{}', '{}') WHERE name = 'payout_open'"
    other_rows = [text.format("state NOT IN", "state IN")]
    as_it_was = ["REINDEX payout_open", text.format("state IN", "state NOT IN")]
    ledger.close()
    for statements in (other_rows, as_it_was):
        with closing(sqlite3.connect(ledger.folder / LEDGER_FILE, isolation_level=None)) as opened:
            opened.execute("PRAGMA writable_schema = ON")
            for statement in statements:
                opened.execute(statement)
    ledger.open()
    whole, by_chat = audits_after(ledger, "SELECT 1")
    assert set(whole) == {FindingCode.FILE_DAMAGED}
    assert by_chat == ()


def test_second_posting_of_a_paid_payout_is_seen(ledger):
    whole, by_chat = audits_after(
        ledger,
        "DROP INDEX posting_payout;"
        "INSERT INTO posting (kind, posted_at, payout_id) SELECT 'cancel', 0, id FROM payout"
        "  WHERE state = 'DONE'",
    )
    assert whole == [one.code for one in by_chat] == [FindingCode.PAYOUT_NOT_ENTRIES]


@pytest.mark.parametrize("case", DAMAGES)
def test_the_audit_sees(ledger, case):
    look_for(ledger, *DAMAGES[case])


def look_for(ledger, statements, expected):
    assert ledger.findings() == ()
    ledger.close()
    damage(ledger, statements)
    ledger.open()
    findings = list(ledger.findings())
    for beginning in expected:
        with pytest.raises(AssertionError, match=beginning):
            assert not findings, "\n".join(findings)
    assert len(findings) == len(expected), findings


RUN = "fixed:2026-11-24T09:00"
RUN_DAMAGES = {
    "a run that forgot whom it gave to": (
        "UPDATE fixed_run SET clients = 2",
        [f"Fixed run {RUN} and its distribution contradict"],
    ),
    "a run that is gone": (
        "DELETE FROM fixed_run",
        [
            f"Fixed run {RUN} and its distribution contradict",
            f"A share of distribution {RUN} counts for another day",
        ],
    ),
    "a run said to have lapsed": (
        "UPDATE fixed_run SET state = 'lapsed', clients = NULL",
        [f"Fixed run {RUN} and its distribution contradict"],
    ),
    "a share that counts for another day": (
        "UPDATE share SET day = '2026-11-25' WHERE day IS NOT NULL",
        [f"A share of distribution {RUN} counts for another day"],
    ),
    "a share that counts for no day": (
        "UPDATE share SET day = NULL WHERE day IS NOT NULL",
        [f"A share of distribution {RUN} counts for another day"],
    ),
    "a cash-out's share that counts for a day": (
        "UPDATE share SET day = '2026-11-24' WHERE distribution_id = 'd3' AND client_id = 2",
        ["A share of distribution d3 counts for another day"],
    ),
    "a run that says more fiat": (
        "UPDATE distribution SET principal_minor = principal_minor + 1 WHERE kind = 'fixed'",
        [f"Fixed run {RUN}'s principal isn't the fiat of its shares"],
    ),
    "a run that keeps sats back": (
        "UPDATE distribution SET principal_sat = principal_sat + 1, unallocated_sat = 1"
        " WHERE kind = 'fixed'",
        [f"Distribution {RUN}'s entries aren't its shares"],
    ),
    "a day that took too much": (
        "UPDATE fixed_run SET ceiling_minor = 99",
        ["On 2026-11-24 fixed mode has taken more of a client"],
    ),
    "a day that took too much beside what was settled": (
        "UPDATE fixed_run SET ceiling_minor = 99;"
        " INSERT INTO fixed_run (id, day, due_at, state, changed_at, clients, settles_client)"
        " VALUES ('settled', '2026-11-24', 0, 'done', 0, 0, 1)",
        ["On 2026-11-24 fixed mode has taken more of a client"],
    ),
    "a day that LNbits alone tells of": ("UPDATE fixed_run SET ceiling_minor = NULL", []),
}


@pytest.mark.parametrize("case", RUN_DAMAGES)
def test_the_audit_sees_what_is_wrong_with_a_run(ledger, case):
    ledger.sql("UPDATE client SET mode = 'fixed', fixed_limit_minor = 100 WHERE id = 1")
    (run,) = runs_of(date(2026, 11, 24), (time(9),), ZoneInfo("America/Guatemala"))
    quote, named = Quote(Decimal(800_000), "lnbits"), {"ceiling_minor": 100, "currency": "GTQ"}
    ledger.do(fixed_mode.carry_out, run, quote, now=ledger.now, **named)
    assert ledger.findings() == ()
    statement, expected = RUN_DAMAGES[case]
    ledger.close()
    damage(ledger, statement)
    ledger.open()
    assert [
        finding[: len(text)] for finding, text in zip(ledger.findings(), expected, strict=True)
    ] == (expected)


def test_the_audit_sees_a_damaged_file(ledger):
    ledger.close()
    path = ledger.folder / LEDGER_FILE
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA writable_schema = ON")
    (page,) = connection.execute(
        "SELECT rootpage FROM sqlite_schema WHERE name = 'entry_from'"
    ).fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size + 3)
        file.write(b"\x00\x01")
    ledger.open()
    assert any("The file is damaged" in finding for finding in ledger.findings())


def test_the_audit_counts_what_it_looked_at(ledger):
    found = ledger.read(audit_ledger)
    assert (found.distributions, found.payouts) == (3, 4)
    assert found.entries == ledger.sql("SELECT count(*) AS n FROM entry")[0]["n"]


def test_audit_beside_holds_nobody_up_and_proves_one_state(ledger):
    before = ledger.read(audit_ledger)
    ledger.do(_many_deposits, 20_000)

    class Writes(threading.Event):
        """Takes part in the bot's work whenever the audit comes to breathe."""

        times = 0

        def is_set(self):
            self.times += 1
            ledger.deposit(1, 5)
            return False

    busy = Writes()
    assert audit_beside(ledger.folder, busy) == before
    assert busy.times > 0
    after = audit_beside(ledger.folder, threading.Event())
    assert (after.entries, after.findings) == (before.entries + busy.times, ())


def test_audit_that_nobody_waits_for_breaks_off(ledger):
    ledger.do(_many_deposits, 20_000)
    stop = threading.Event()
    stop.set()
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        audit_beside(ledger.folder, stop)


def _many_deposits(tx, count):
    tx.executemany(
        "INSERT INTO deposit (client_id, amount_minor, created_at) VALUES (1, ?, 0)",
        ((n + 1,) for n in range(count)),
    )
