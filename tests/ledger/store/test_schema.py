"""Whatever the program does wrong, the schema itself refuses what may never happen."""

import itertools
import sqlite3

import pytest
from ledger.story import KEY, WAYS, hex_of

from dca_bot.core.payout import PayoutState
from dca_bot.core.witness import Outcome, Witness
from dca_bot.ledger.payouts import witnesses
from dca_bot.ledger.programme.clients import ADDRESS, LNURL, Destination
from dca_bot.ledger.store.accounts import MACHINE, OPERATOR, Cause, Move, post

OTHER = "a" * 64

# Each attack is written against a ledger with the clients ana (1) and ben (2), the distributed
# cash-out `d1`, its payouts DONE (ana) and PLANNED (ben), and a waiting cash-out `d2`.
ATTACKS = {
    "an entry is altered": (
        "UPDATE entry SET amount = amount + 1",
        "entries are never altered",
    ),
    "an entry is deleted": ("DELETE FROM entry", "entries are never deleted"),
    "an entry is replaced": (
        "INSERT OR REPLACE INTO entry SELECT id, posting_id, from_account, to_account, amount + 1"
        " FROM entry WHERE id = 1",
        "this posting is closed",
    ),
    "an entry is replaced by one of another posting": (
        "INSERT OR REPLACE INTO entry SELECT id, 99, from_account, to_account, amount + 1"
        " FROM entry WHERE id = 1",
        "entries are never deleted",
    ),
    "an entry of nothing": (
        "INSERT INTO entry (posting_id, from_account, to_account, amount) VALUES (99, 3, 4, 0)",
        "CHECK constraint failed: amount > 0",
    ),
    "an entry that takes backwards": (
        "INSERT INTO entry (posting_id, from_account, to_account, amount) VALUES (99, 3, 4, -5)",
        "CHECK constraint failed: amount > 0",
    ),
    "an entry to itself": (
        "INSERT INTO entry (posting_id, from_account, to_account, amount) VALUES (99, 3, 3, 5)",
        "CHECK constraint failed: from_account <> to_account",
    ),
    "an entry from nowhere": (
        "INSERT INTO entry (posting_id, from_account, to_account, amount) VALUES (99, 99, 3, 5)",
        "FOREIGN KEY constraint failed",
    ),
    "an entry to nowhere": (
        "INSERT INTO entry (posting_id, from_account, to_account, amount) VALUES (99, 3, 99, 5)",
        "FOREIGN KEY constraint failed",
    ),
    "an entry that never gets its posting": (
        "INSERT INTO entry (posting_id, from_account, to_account, amount) VALUES (99, 3, 4, 5)",
        "FOREIGN KEY constraint failed",
    ),
    "an entry is added after closing": (
        "INSERT INTO entry (posting_id, from_account, to_account, amount) VALUES (1, 3, 4, 5)",
        "this posting is closed",
    ),
    "a posting is replaced": (
        "INSERT OR REPLACE INTO posting SELECT * FROM posting WHERE id = 1",
        "postings are never deleted",
    ),
    "a posting is altered": ("UPDATE posting SET posted_at = 0", "postings are never altered"),
    "a posting is deleted": ("DELETE FROM posting", "postings are never deleted"),
    "a second posting of a distribution": (
        "INSERT INTO posting (kind, posted_at, distribution_id) VALUES ('distribution', 0, 'd1')",
        "UNIQUE constraint failed: posting.distribution_id",
    ),
    "a second posting of a payout": (
        "INSERT INTO posting (kind, posted_at, payout_id)"
        " SELECT 'cancel', 0, id FROM payout WHERE state = 'DONE'",
        "UNIQUE constraint failed: posting.payout_id",
    ),
    "a second posting of a deposit": (
        "INSERT INTO posting (kind, posted_at, deposit_id) VALUES ('deposit', 0, 1)",
        "UNIQUE constraint failed: posting.kind, posting.deposit_id",
    ),
    "an account changes its owner": (
        "UPDATE account SET client_id = 2 WHERE client_id = 1",
        "accounts are never altered",
    ),
    "an account changes its kind": (
        "UPDATE account SET kind = 'machine' WHERE kind = 'owed'",
        "accounts are never altered",
    ),
    "an account is deleted": ("DELETE FROM account WHERE id = 2", "accounts are never deleted"),
    "a second account of a kind": (
        "INSERT INTO account (kind, unit) VALUES ('operator', 'sat')",
        "UNIQUE constraint failed",
    ),
    "a client is deleted": ("DELETE FROM client WHERE id = 1", "FOREIGN KEY constraint failed"),
    "a share is altered": ("UPDATE share SET sat = sat + 1", "shares are never altered"),
    "a share changes its client": (
        "UPDATE share SET client_id = 3 - client_id",
        "shares are never altered",
    ),
    "a share is deleted": ("DELETE FROM share", "shares are never deleted"),
    "a share is added after closing": (
        "INSERT INTO share (distribution_id, client_id, minor, sat) VALUES ('d1', 3, 1, 1)",
        "this distribution is closed",
    ),
    "a share of 0 sats": (
        "INSERT INTO share (distribution_id, client_id, minor, sat) VALUES ('d2', 1, 1, 0)",
        "CHECK constraint failed: sat > 0",
    ),
    "a second share of one client": (
        "INSERT INTO share (distribution_id, client_id, minor, sat) VALUES ('d2', 1, 1, 1), ('d2', 1, 1, 1)",
        "UNIQUE constraint failed: share.distribution_id, share.client_id",
    ),
    "a share that never gets its distribution": (
        "INSERT INTO share (distribution_id, client_id, minor, sat) VALUES ('d2', 1, 1, 1)",
        "FOREIGN KEY constraint failed",
    ),
    "a share that starts as paid": (
        "INSERT INTO share (distribution_id, client_id, minor, sat, payout_id)"
        " SELECT 'd2', 1, 1, 1, id FROM payout WHERE state = 'DONE'",
        "a share starts without a payout",
    ),
    "a share leaves a live payout": (
        "UPDATE share SET payout_id = NULL WHERE client_id = 2",
        "a share belongs to one payout",
    ),
    "a share leaves a payout that is done": (
        "UPDATE share SET payout_id = NULL WHERE client_id = 1",
        "a share belongs to one payout",
    ),
    "a distribution is altered": (
        "UPDATE distribution SET unallocated_sat = 0",
        "distributions are never altered",
    ),
    "a distribution is deleted": (
        "DELETE FROM distribution",
        "distributions are never deleted",
    ),
    "a distribution of less than its principal": (
        "INSERT INTO distribution VALUES ('d2', 'flow', 0, 0, 100, 10, 0, 99, NULL, NULL)",
        "shares and rest must add up to the principal",
    ),
    "a distribution of more than its principal": (
        "INSERT INTO distribution VALUES ('d2', 'flow', 0, 0, 100, 10, 0, 101, NULL, NULL)",
        "shares and rest must add up to the principal",
    ),
    "a share of more than the balance that counts": (
        "INSERT INTO share (distribution_id, client_id, minor, sat, counted_minor) VALUES ('d2', 1, 5, 1, 4)",
        "CHECK constraint failed: counted_minor >= minor",
    ),
    "a share's balance is altered": (
        "UPDATE share SET counted_minor = 1000000",
        "shares are never altered",
    ),
    "a deposit that replaces one which stands": (
        "INSERT INTO deposit (client_id, amount_minor, created_at, replaces)"
        " SELECT client_id, 1, 0, id FROM deposit WHERE state <> 'voided' LIMIT 1",
        "a deposit replaces a voided pending one of the same client",
    ),
    "a deposit that replaces one of nobody": (
        "INSERT INTO deposit (client_id, amount_minor, created_at, replaces) VALUES (1, 1, 0, 999)",
        "a deposit replaces a voided pending one of the same client",
    ),
    "a distribution is replaced": (
        "INSERT OR REPLACE INTO distribution SELECT * FROM distribution WHERE id = 'd1'",
        "distributions are never deleted",
    ),
    "a second distribution of a cash-out": (
        "INSERT INTO distribution SELECT * FROM distribution WHERE id = 'd1'",
        "UNIQUE constraint failed: distribution.id",
    ),
    "a distributed cash-out waits again": (
        "UPDATE cash_out SET state = 'waiting' WHERE id = 'd1'",
        "a distributed cash-out stays distributed",
    ),
    "a distributed cash-out is ignored": (
        "UPDATE cash_out SET state = 'ignored' WHERE id = 'd1'",
        "a distributed cash-out stays distributed",
    ),
    "a cash-out is deleted": ("DELETE FROM cash_out", "cash-outs are never deleted"),
    "a sale that passed somebody by who has a share of it": (
        "INSERT INTO missed_sale VALUES ('d1', 1)",
        "whoever has a share was not passed by",
    ),
    "a deposit grows": (
        "UPDATE deposit SET amount_minor = amount_minor + 1",
        "a deposit keeps its client and amount",
    ),
    "a deposit changes its client": (
        "UPDATE deposit SET client_id = 3 - client_id",
        "a deposit keeps its client and amount",
    ),
    "a confirmed deposit is pending again": (
        "UPDATE deposit SET state = 'pending', confirmed_at = NULL",
        "a deposit cannot make this move",
    ),
    "a confirmed deposit is dated back": (
        "UPDATE deposit SET confirmed_at = confirmed_at - 1",
        "a deposit cannot make this move",
    ),
    "a confirmed deposit is voided with another date": (
        "UPDATE deposit SET state = 'voided', voided_at = 9, confirmed_at = confirmed_at - 1",
        "a deposit cannot make this move",
    ),
    "a deposit is deleted": ("DELETE FROM deposit", "deposits are never deleted"),
    "a deposit of nothing": (
        "INSERT INTO deposit (client_id, amount_minor, created_at) VALUES (1, 0, 0)",
        "CHECK constraint failed: amount_minor > 0",
    ),
    "a payout changes its amount": (
        "UPDATE payout SET amount_sat = amount_sat + 1",
        "a payout keeps its recipient and amount",
    ),
    "a payout changes its recipient": (
        "UPDATE payout SET client_id = 3 - client_id",
        "a payout keeps its recipient and amount",
    ),
    "a payout is deleted": ("DELETE FROM payout", "payouts are never deleted"),
    "a payout starts as paid": (
        "INSERT INTO payout (id, client_id, amount_sat, state, try_at, due_at)"
        " VALUES ('p9', 1, 5, 'DONE', 0, 0)",
        "a payout starts as PLANNED",
    ),
    "a payout goes somewhere else after it was submitted": (
        "UPDATE payout SET destination = 'mallory@evil.example' WHERE state = 'DONE'",
        "the destination is fixed since the payout was submitted",
    ),
    "a payout goes in another way after it was submitted": (
        "UPDATE payout SET destination_kind = 'address' WHERE state = 'DONE'",
        "the destination is fixed since the payout was submitted",
    ),
    "a payout goes in an unknown way": (
        "UPDATE payout SET destination = 'x', destination_kind = 'bolt12' WHERE state = 'PLANNED'",
        "a payout goes to a destination of a known kind",
    ),
    "a client is paid in an unknown way": (
        "UPDATE client SET destination = 'x', destination_kind = 'bolt12' WHERE id = 1",
        "CHECK constraint failed: destination_kind",
    ),
    "a payout forgets that it was submitted": (
        "UPDATE payout SET submitted_at = NULL WHERE state = 'DONE'",
        "what was sent stays sent",
    ),
    "a payout forgets that it was debited": (
        "UPDATE payout SET debited_at = NULL WHERE state = 'DONE'",
        "what was sent stays sent|CHECK constraint failed",
    ),
    "a payout is told of before it has arrived": (
        "UPDATE payout SET told = 'told' WHERE state = 'PLANNED'",
        "a payout is told once, when it has arrived",
    ),
    "a payout is told twice": (
        "UPDATE payout SET told = 'digest' WHERE state = 'DONE'",
        "a payout is told once, when it has arrived",
    ),
    "a contradictory report that nobody was told of": (
        "UPDATE cash_out SET reported_minor = 5 WHERE report_told_at IS NULL",
        "CHECK constraint failed",
    ),
    "the log is altered": ("UPDATE command_log SET done = 'nothing'", "the log is never altered"),
    "the log is deleted": ("DELETE FROM command_log", "the log is never deleted"),
    "whom a command was about is altered": (
        "UPDATE command_subject SET client_id = 2",
        "the log is never altered",
    ),
    "whom a command was about is deleted": (
        "DELETE FROM command_subject",
        "the log is never deleted",
    ),
    "a distribution's sum is altered": (
        "UPDATE distribution_sum SET shared_minor = 0",
        "sums of distributions are never altered",
    ),
    "a distribution's sum is deleted": (
        "DELETE FROM distribution_sum",
        "sums of distributions are never deleted",
    ),
    "an attempt is altered": (
        "UPDATE attempt SET payment_hash = 'x'",
        "attempts are never altered",
    ),
    "an attempt is deleted": ("DELETE FROM attempt", "attempts are never deleted"),
    "one invoice for two payouts": (
        "INSERT INTO attempt SELECT (SELECT id FROM payout WHERE state = 'PLANNED'), 1, bolt11,"
        " payment_hash, expires_at, created_at, verify_url, NULL FROM attempt",
        "UNIQUE constraint failed: attempt.payment_hash",
    ),
    "a look at the payee's server is altered": (
        "UPDATE verify_look SET said = 'unsettled'",
        "looks are never altered",
    ),
    "a look at the payee's server is deleted": (
        "DELETE FROM verify_look",
        "looks are never deleted",
    ),
    "a verdict is altered": ("UPDATE verdict SET outcome = 'unpaid'", "verdicts are never altered"),
    "a verdict is deleted": ("DELETE FROM verdict", "verdicts are never deleted"),
    "a verdict of another client": (
        "INSERT INTO verdict (payout_id, number, client_id, outcome, witness, at)"
        " SELECT payout_id, number + 1, client_id + 1, 'unpaid', 'verify', 1 FROM verdict",
        "a verdict is of the client of its payout",
    ),
    "two verdicts on one invoice": (
        "INSERT INTO verdict (payout_id, number, client_id, outcome, witness, at)"
        " SELECT payout_id, number, client_id, 'unpaid', 'verify', 1 FROM verdict",
        "UNIQUE constraint failed: verdict.payout_id, verdict.number",
    ),
    "an arrival that LNbits tells without a preimage": (
        "INSERT INTO verdict (payout_id, number, client_id, outcome, witness, at)"
        " SELECT payout_id, number + 1, client_id, 'arrived', 'lnbits', 1 FROM verdict",
        "CHECK constraint failed",
    ),
    "an operator's word without a message": (
        "INSERT INTO verdict (payout_id, number, client_id, outcome, witness, at)"
        " SELECT payout_id, number + 1, client_id, 'unpaid', 'operator', 1 FROM verdict",
        "CHECK constraint failed",
    ),
    "LNbits alone says unpaid": (
        "INSERT INTO verdict (payout_id, number, client_id, outcome, witness, at)"
        " SELECT payout_id, number + 1, client_id, 'unpaid', 'lnbits', 1 FROM verdict",
        "CHECK constraint failed",
    ),
    "a client closes with a balance": (
        "UPDATE client SET state = 'closed' WHERE id = 1",
        "a client who has or is owed something stays",
    ),
    "a name with a blank": (
        f"INSERT INTO client (name, pubkey, language, created_at) VALUES ('a b', '{OTHER}', 'en', 0)",
        "CHECK constraint failed: name",
    ),
    "a name in another case": (
        f"INSERT INTO client (name, pubkey, language, created_at) VALUES ('ANA', '{OTHER}', 'en', 0)",
        "UNIQUE constraint failed: index 'client_paid_as'",
    ),
    "another name in LNbits' payments": (
        "UPDATE client SET name = 'anna' WHERE name = 'ana'",
        "LNbits' payments name a client the same for ever",
    ),
    "a key of somebody else": (
        "INSERT INTO client (name, pubkey, language, created_at)"
        f" VALUES ('eva', '{hex_of('ana')}', 'en', 0)",
        "UNIQUE constraint failed: client.pubkey",
    ),
    "a second open hold on one thing": (
        "INSERT INTO hold (kind, ref, reason, opened_at)"
        " VALUES ('payout', 'x', '', 0), ('payout', 'x', '', 0)",
        "UNIQUE constraint failed: hold.kind, hold.ref",
    ),
    "an amount with decimals": (
        "INSERT INTO deposit (client_id, amount_minor, created_at) VALUES (1, 1.5, 0)",
        "cannot store REAL value",
    ),
}


@pytest.fixture
def ledger(story):
    ana = story.client("ana", balance=6000)
    story.client("ben", balance=4000)
    story.client("cam")
    story.cash_out("d1", 100_000, 5000)
    story.record("d2")
    paid = story.payouts(ana)[0]
    story.bring(paid.id, "DONE")
    story.sql(
        "INSERT INTO command_log (at, actor, message_id, command, done) VALUES (0, ?, 'm', 'c', 'd')",
        OTHER,
    )
    story.sql("INSERT INTO command_subject VALUES (?, 1)", ana)
    story.sql("UPDATE payout SET told = 'told' WHERE id = ?", paid.id)
    story.sql(
        "INSERT INTO verdict (payout_id, number, client_id, outcome, witness, preimage, at)"
        " VALUES (?, 1, ?, 'arrived', 'lnbits', '07', 1)",
        paid.id,
        ana,
    )
    story.sql(
        "INSERT INTO verify_look (payout_id, number, said, looked_at) VALUES (?, 1, 'settled', 1)",
        paid.id,
    )
    return story


@pytest.mark.parametrize("attack", ATTACKS)
def test_schema_refuses(ledger, attack):
    statement, refusal = ATTACKS[attack]
    with pytest.raises(sqlite3.IntegrityError) as refused:
        ledger.sql(statement)
    assert any(part in str(refused.value) for part in refusal.split("|"))
    assert ledger.findings() == ()


def test_a_distribution_never_takes_more_fiat_than_its_principal(ledger):
    def steal(tx):
        tx.execute(
            "INSERT INTO share (distribution_id, client_id, minor, sat) VALUES ('d2', 1, 11, 5)"
        )
        tx.execute(
            "INSERT INTO distribution VALUES ('d2', 'flow', 0, 0, 100, 10, 0, 95, NULL, NULL)"
        )

    with pytest.raises(sqlite3.IntegrityError, match="no more fiat"):
        ledger.do(steal)


def test_balances_of_the_shares_are_among_all_that_count(ledger):
    def miscount(tx):
        tx.execute(
            "INSERT INTO share (distribution_id, client_id, minor, sat, counted_minor)"
            " VALUES ('d2', 1, 10, 5, 20)"
        )
        tx.execute("INSERT INTO distribution VALUES ('d2', 'flow', 0, 0, 100, 10, 0, 95, NULL, 19)")

    with pytest.raises(sqlite3.IntegrityError, match="balances of the shares count"):
        ledger.do(miscount)


def test_cash_out_that_another_program_has_shared_out_gives_nothing(ledger):
    def share_out(tx):
        tx.execute("INSERT INTO import_source VALUES ('old', 'satmachine', 0)")
        tx.execute("INSERT INTO imported_cash_out VALUES ('d2', 'old')")
        tx.execute(
            "INSERT INTO distribution VALUES ('d2', 'flow', 0, 0, 100, 10, 100, 0, NULL, NULL)"
        )

    with pytest.raises(sqlite3.IntegrityError, match="another program has shared out"):
        ledger.do(share_out)


REHEARSED = {
    "a payout gets an invoice": (
        "UPDATE payout SET state = 'INVOICED' WHERE state = 'PLANNED'",
        "pays nothing",
    ),
    "an invoice is recorded": (
        "INSERT INTO attempt (payout_id, number, payment_hash, bolt11, expires_at)"
        " SELECT id, 1, 'aa', 'lnbc', 0 FROM payout",
        "makes no invoice",
    ),
    "a lease is taken": ("INSERT INTO lease VALUES (99, 'i', 'claim', 0)", "takes no lease"),
    "a client is written to": (
        "INSERT INTO outbox (recipient, text, created_at, try_at)"
        " SELECT pubkey, 'hello', 0, 0 FROM client LIMIT 1",
        "writes to operators only",
    ),
    "it becomes a programme's": ("DELETE FROM fact WHERE name = 'rehearsal'", "stays one"),
    "its mark gets another name": (
        "UPDATE fact SET name = 'other' WHERE name = 'rehearsal'",
        "stays one",
    ),
}


@pytest.mark.parametrize("attack", REHEARSED)
def test_rehearsal_refuses(story, attack):
    story.sql("INSERT INTO fact VALUES ('rehearsal', '')")
    story.client("ana", balance=1_000)
    story.cash_out("d1", 50_000, 500)
    statement, refusal = REHEARSED[attack]
    with pytest.raises(sqlite3.IntegrityError, match=refusal):
        story.sql(statement)


def test_programme_never_becomes_a_rehearsal(ledger):
    with pytest.raises(sqlite3.IntegrityError, match="begins with an empty ledger"):
        ledger.sql("INSERT INTO fact VALUES ('rehearsal', '')")


POSTINGS = {
    "between two units": ("1, 3, 5", "an entry moves one unit"),
    "between two units, the other way round": ("3, 1, 5", "an entry moves one unit"),
    "of more than a client has": (
        "(SELECT id FROM account WHERE kind = 'balance' AND client_id = 1), 1, 999999",
        "CHECK constraint failed: kind IN ('cash', 'machine', 'treasury')",
    ),
    "of more than is owed": (
        "(SELECT id FROM account WHERE kind = 'owed' AND client_id = 2), 6, 999999",
        "CHECK constraint failed: kind IN ('cash', 'machine', 'treasury')",
    ),
    "of more than SQLite counts": ("3, 4, 9223372036854775807", "cannot store REAL value|overflow"),
}


@pytest.mark.parametrize("posting_id", ["(SELECT max(id) + 1 FROM posting)", "NULL"])
@pytest.mark.parametrize("case", POSTINGS)
def test_a_posting_is_refused_with_an_entry(ledger, case, posting_id):
    """Before the entry comes one that is right; a posting without an id gets the next one."""
    entry, refusal = POSTINGS[case]

    def write(tx):
        for amounts in ("3, 4, 7", entry):
            tx.execute(
                "INSERT INTO entry (posting_id, from_account, to_account, amount)"
                f" SELECT max(id) + 1, {amounts} FROM posting"
            )
        tx.execute(
            f"INSERT INTO posting (id, kind, posted_at) VALUES ({posting_id}, 'withdrawal', 0)"
        )

    before = ledger.sql("SELECT * FROM account")
    with pytest.raises(sqlite3.Error) as refused:
        ledger.do(write)
    assert any(part in str(refused.value) for part in refusal.split("|"))
    assert ledger.sql("SELECT * FROM account") == before
    assert ledger.findings() == ()


def test_a_posting_moves_the_sum_of_its_entries(ledger):
    """Entries of one posting may pass an account on the way: what is left counts."""
    kinds = "SELECT kind, balance FROM account WHERE kind IN ('machine', 'operator', 'commission')"

    def write(tx):
        for source, target, amount in ((3, 4, 7), (4, 5, 5), (3, 4, 1)):
            tx.execute(
                "INSERT INTO entry (posting_id, from_account, to_account, amount)"
                " SELECT max(id) + 1, ?, ?, ? FROM posting",
                (source, target, amount),
            )
        tx.execute("INSERT INTO posting (kind, posted_at) VALUES ('withdrawal', 0)")

    before = dict(map(tuple, ledger.sql(kinds)))
    ledger.do(write)
    after = dict(map(tuple, ledger.sql(kinds)))
    moved = {kind: after[kind] - before[kind] for kind in before}
    assert moved == {"machine": -8, "operator": 3, "commission": 5}


def test_entries_that_another_has_left_without_a_posting_are_not_taken_into_the_next(ledger):
    """Transactions can share a COMMIT: the faulty one must fail alone."""

    def write(tx):
        tx.execute(
            "INSERT INTO entry (posting_id, from_account, to_account, amount)"
            " SELECT max(id) + 1, 3, 4, 5 FROM posting"
        )
        move = Move(MACHINE, OPERATOR, 7)
        id_ = post(tx, "withdrawal", [move], cause=Cause(), now=ledger.now)
        found = tx.execute("SELECT amount FROM entry WHERE posting_id = ?", (id_,)).fetchall()
        assert [row["amount"] for row in found] == [7]

    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        ledger.do(write)


ALTERED = {
    "another invoice": "bolt11 = 'lnbc1'",
    "another hash": "bolt11 = '', payment_hash = 'x'",
    "another number": "bolt11 = '', number = 2",
    "another expiry": "bolt11 = '', expires_at = expires_at + 1",
    "another time": "bolt11 = '', created_at = created_at + 1",
    "another address to ask": "bolt11 = '', verify_url = 'https://x.example'",
    "another end": "bolt11 = '', witnessed_end = 1",
}


@pytest.mark.parametrize("change", ALTERED.values(), ids=ALTERED)
def test_an_attempt_that_is_done_loses_its_invoice_and_nothing_else(ledger, change):
    with pytest.raises(sqlite3.IntegrityError, match="attempts are never altered"):
        ledger.sql(f"UPDATE attempt SET {change}")
    ledger.sql("UPDATE attempt SET bolt11 = ''")
    assert ledger.findings() == ()


def test_an_attempt_keeps_its_invoice_while_it_is_paid_or_asked_about(ledger):
    done = ledger.sql("SELECT payout_id FROM attempt")[0]["payout_id"]
    (open_,) = (one.id for one in ledger.payouts() if one.id != done)
    ledger.bring(open_, "SUBMITTED")
    ledger.sql("INSERT INTO verify_due (payout_id, number, try_at) VALUES (?, 1, 0)", done)
    for id_ in (done, open_):
        with pytest.raises(sqlite3.IntegrityError, match="attempts are never altered"):
            ledger.sql("UPDATE attempt SET bolt11 = '' WHERE payout_id = ?", id_)


def test_a_share_joins_only_a_planned_payout_of_its_own_client(ledger):
    ledger.do(lambda tx: tx.execute("UPDATE client SET destination_min_sat = 99999"))
    ledger.cash_out("d3", 10, 100)
    for state in ("DONE", "PLANNED"):
        with pytest.raises(sqlite3.IntegrityError, match="of its own client"):
            ledger.sql(
                "UPDATE share SET payout_id = (SELECT id FROM payout WHERE state = ?)"
                " WHERE payout_id IS NULL AND client_id = 1",
                state,
            )


def test_a_payout_of_more_than_its_shares_is_never_invoiced(ledger):
    ledger.sql(
        "INSERT INTO payout (id, client_id, amount_sat, try_at, due_at) VALUES ('p9', 1, 5, 0, 0)"
    )
    with pytest.raises(sqlite3.IntegrityError, match="pays exactly its shares"):
        ledger.step("p9", "INVOICED")


@pytest.mark.parametrize("change", ["report_told_at = 2", "report_told_at = NULL"])
def test_a_contradictory_report_is_told_once(ledger, change):
    ledger.sql("UPDATE cash_out SET report_told_at = 1, reported_minor = 5 WHERE id = 'd1'")
    for statement in (change, "reported_minor = 6", "reported_minor = NULL"):
        with pytest.raises(sqlite3.IntegrityError, match="is told once"):
            ledger.sql(f"UPDATE cash_out SET {statement} WHERE id = 'd1'")


ALLOWED = {
    "PLANNED": {"INVOICED", "HELD", "CANCELLED", "MERGED"},
    "INVOICED": {"PLANNED", "HELD", "SUBMITTED", "CANCELLED"},
    "HELD": {"PLANNED", "DEBITED", "CANCELLED"},
    "SUBMITTED": {"DEBITED", "IN_DOUBT", "ALERT", "VOID"},
    "IN_DOUBT": {"DEBITED", "SUBMITTED", "ALERT", "VOID"},
    "DEBITED": {"DONE", "ALERT"},
    "DONE": set(),
    "ALERT": {"DONE", "DEBITED", "CANCELLED"},
    "VOID": {"PLANNED", "CANCELLED"},
    "CANCELLED": set(),
    "MERGED": {"PLANNED"},
}
FORBIDDEN = [
    (was, to)
    for was, to in itertools.permutations(map(str, PayoutState), 2)
    if to not in ALLOWED[was]
]


def test_the_table_of_moves_is_the_one_written_here(story):
    rows = story.sql("SELECT from_state, to_state FROM payout_move")
    found = {state: set() for state in PayoutState}
    for row in rows:
        found[row["from_state"]].add(row["to_state"])
    assert found == ALLOWED


def test_every_other_move_is_refused(story):
    ana = story.client("ana", balance=len(PayoutState) * 100)
    ids = {}
    for state in WAYS:
        made = story.cash_out(f"cash-out {state}", 1000, 100)
        ids[state] = made.shares[0].payout_id
    for state, id_ in ids.items():
        assert story.bring(id_, state).state == state
    assert {payout.client_id for payout in story.payouts()} == {ana}
    for was, to in FORBIDDEN:
        with pytest.raises(
            sqlite3.IntegrityError, match=r"this move|exactly its shares|what was paid"
        ):
            story.sql("UPDATE payout SET state = ? WHERE id = ?", to, ids[was])
    with pytest.raises(sqlite3.IntegrityError, match="cannot make this move"):
        story.sql("UPDATE payout SET state = 'PAID' WHERE id = ?", ids["PLANNED"])


def test_a_void_payout_cannot_forget_its_destination_by_way_of_a_new_attempt(story):
    story.client("ana", balance=100)
    id_ = story.cash_out("d1", 1000, 100).shares[0].payout_id
    story.bring(id_, "VOID")
    story.step(id_, "PLANNED")
    for change in ("submitted_at = NULL", "destination = 'other'", "destination = NULL"):
        with pytest.raises(sqlite3.IntegrityError):
            story.sql(f"UPDATE payout SET {change}")
    assert story.payout(id_).destination.value == KEY.value


def test_a_closed_client_can_come_back_as_another(story):
    first = story.client("Ana")
    story.state(first, "closed")
    second = story.client("ana", pubkey=hex_of("Ana"))
    assert second != first
    with pytest.raises(sqlite3.IntegrityError):
        story.state(first, "active")


def test_an_owed_client_cannot_be_closed(story):
    ana = story.client("ana", balance=100)
    id_ = story.cash_out("d1", 1000, 100).shares[0].payout_id
    assert (story.balance(ana), story.owed(ana)) == (0, 1000)
    with pytest.raises(sqlite3.IntegrityError, match="stays"):
        story.state(ana, "closed")
    story.bring(id_, "DONE")
    story.state(ana, "closed")


# A failed payment to an address: one witness is no proof


@pytest.fixture(params=[ADDRESS, LNURL])
def doubted(story, request):
    """Two payouts to ana's address or LNURL-pay code: one in doubt, one planned."""
    place = Destination(request.param, "ana@example.com")
    ana = story.client("ana", balance=100_000, destination=place)
    story.cash_out("d1", 600, 60)
    story.cash_out("d2", 700, 70)
    first, second = story.payouts(ana)
    story.bring(first.id, "IN_DOUBT")
    return story, first.id, second.id


def verdict(story, payout_id, outcome, witness, *, preimage="", message_id=None):
    told = {"preimage": preimage, "message_id": message_id, "now": story.now}
    story.do(
        witnesses.record_verdict,
        story.payout(payout_id),
        Outcome(outcome),
        Witness(witness),
        **told,
    )


def test_failed_payment_to_an_address_is_not_given_up_without_a_second_witness(doubted):
    story, first, _ = doubted
    with pytest.raises(sqlite3.IntegrityError, match="one witness is no proof"):
        story.step(first, "VOID")
    verdict(story, first, "arrived", "verify", preimage="07")
    with pytest.raises(sqlite3.IntegrityError, match="one witness is no proof"):
        story.step(first, "VOID")
    assert story.payout(first).state == "IN_DOUBT"


@pytest.mark.parametrize("status", ["pending", "failed", "success"])
def test_payment_to_an_address_that_was_seen_is_not_given_up_by_a_404(doubted, status):
    story, _, second = doubted
    story.bring(second, "SUBMITTED")
    story.sql("UPDATE payout SET source_status = ? WHERE id = ?", status, second)
    with pytest.raises(sqlite3.IntegrityError, match="one witness is no proof"):
        story.step(second, "VOID")


def test_payment_to_an_address_that_lnbits_has_never_shown_is_given_up(doubted):
    story, _, second = doubted
    story.bring(second, "SUBMITTED")
    assert story.step(second, "VOID").state == "VOID"


def test_payee_alone_gives_up_one_invoice_until_lnbits_proves_a_payment(doubted):
    story, first, second = doubted
    story.bring(second, "IN_DOUBT")
    refused = pytest.raises(sqlite3.IntegrityError, match="too often")
    with refused:
        verdict(story, first, "unpaid", "verify")
    verdict(story, second, "unpaid", "operator", message_id="m1")
    story.step(second, "VOID")
    verdict(story, first, "unpaid", "verify")
    story.step(first, "VOID")
    for step in ("PLANNED", "INVOICED", "SUBMITTED", "IN_DOUBT"):
        story.step(second, step)
    with refused:
        verdict(story, second, "unpaid", "verify")
    for step in ("PLANNED", "INVOICED", "SUBMITTED", "DEBITED"):
        story.step(first, step)
    with refused:
        verdict(story, second, "unpaid", "verify")
    verdict(story, first, "arrived", "lnbits", preimage="07")
    verdict(story, second, "unpaid", "verify")
    assert story.step(second, "VOID").state == "VOID"
    assert story.findings() == ()
