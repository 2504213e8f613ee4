"""Sentences of an earlier ledger become codes, and a sentence is no reason any more."""

import sqlite3
from contextlib import closing

import pytest
from ledger.old_ledgers import put_old_ledger
from talk import make_programme

from dca_bot.core.cash_out import Reason
from dca_bot.core.ceilings import Ceiling, Ceilings, broken
from dca_bot.core.change import Change
from dca_bot.core.payout import Wait, Waiting
from dca_bot.core.rate import RateProblem
from dca_bot.errors import Refusal
from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.distributions import cash_outs, fixed_runs
from dca_bot.ledger.distributions.fixed_runs import RunReason
from dca_bot.ledger.payouts import (
    holds,
    queue,
)
from dca_bot.ledger.payouts.holds import HoldReason
from dca_bot.ledger.store.database import open_database
from dca_bot.messages import describe
from dca_bot.messages.render import load_texts

LEDGER = "v3-4374afb"
OF_CASH_OUTS = {
    "other coin": Reason.OTHER_COIN,
    "other currency": Reason.OTHER_CURRENCY,
    "no coins": Reason.NO_COINS,
    "closed": Reason.CLOSED,
    "no cash left": Reason.NO_CASH_LEFT,
    "not final yet": Reason.NOT_FINAL,
    "dispense not complete": Reason.NOT_COMPLETE,
    "contradiction": Reason.CONTRADICTION,
    "coin or currency missing": Reason.CODES,
    "amount of coins missing or impossible": Reason.COINS,
    "amount of cash missing or impossible": Reason.FIAT,
    "commission missing or impossible": Reason.COMMISSION,
    "discount impossible": Reason.DISCOUNT,
    "price missing or impossible": Reason.TICKER,
    "amounts do not fit each other": Reason.NO_FIT,
    "fixed fee": Reason.FIXED_FEE,
    "dispense not reported": Reason.NO_REPORT,
    "read with different contents": Reason.TWICE,
    "fewer coins received than sold": Reason.SHORT,
    "ignored by the operator": Reason.BY_OPERATOR,
    "amounts changed": Change.AMOUNTS,
    "missing": Change.MISSING,
}
OF_HOLDS = {
    "above payout_max_sat": HoldReason.CEILING_PAYOUT,
    "above day_max_sat in 24 hours": HoldReason.CEILING_DAY,
    "may have left without arriving": HoldReason.ALERTED,
    "LNbits knows this payout already": HoldReason.KNOWN_PAYOUT,
    "LNbits has paid this distribution already": HoldReason.KNOWN_DISTRIBUTION,
    "failed_to_address": HoldReason.FAILED_TO_ADDRESS,
    "arrived_after_all": HoldReason.ARRIVED_AFTER_ALL,
    "LNbits has paid this distribution, and nothing else tells of it": HoldReason.LOST,
}
OF_RUNS = {
    "LNbits tells no price": RateProblem.NO_PRICE,
    "no price from Lamassu yet": RateProblem.NO_TICKER,
    "the price from Lamassu is too old": RateProblem.TOO_OLD,
    "the prices are too far apart": RateProblem.TOO_FAR,
    "everything was paused": RunReason.PAUSED,
    "the bot was not at work": RunReason.MISSED,
    "LNbits has paid runs of this day that the ledger does not know": RunReason.UNKNOWN_PAID,
}
OF_PAYOUTS = {
    "not enough funds": Waiting.FUNDS,
    "no destination": Waiting.NO_DESTINATION,
    "LNbits gave no clear answer": Waiting.NO_ANSWER,
    "an unexpected error; see the log": Waiting.ERROR,
    "on its way": Waiting.ON_ITS_WAY,
    "sent again": Waiting.SENT_AGAIN,
    "was not sent in time; waits until it can't be paid": Waiting.NOT_SENT,
    "LNbits says failed": Waiting.FAILED,
    "the invoice is not void yet": Waiting.NOT_VOID,
    "row_vanished": Waiting.VANISHED,
    "no_usable_answer": Waiting.NO_USABLE_ANSWER,
    "arriving": Waiting.ARRIVING,
    "LNbits shows another amount than was asked for": Waiting.OTHER_AMOUNT,
    "the client has the sats, the source wallet doesn't know": Waiting.UNKNOWN_DEBIT,
    "other_credit": Waiting.OTHER_CREDIT,
    "debited, but the client's wallet doesn't have it": Waiting.NOT_ARRIVED,
    "That is not a Lightning address: one looks like name@example.com.": Refusal.NO_ADDRESS,
    "The server doesn't know this Lightning address.": Refusal.UNKNOWN,
    "The server doesn't answer as those of Lightning addresses do.": Refusal.NO_SERVICE,
    "The server refuses without a reason.": Refusal.NO_REASON,
    "The Lightning address takes no payments.": Refusal.NO_PAYMENTS,
    "limits_unusable": Refusal.LIMITS,
    "other_service": Refusal.OTHER_SERVICE,
    "payer_data": Refusal.PAYER_DATA,
    "The server is not on the public internet; it is not asked.": Refusal.NOT_PUBLIC,
    "The Lightning address leads to a web address that is not asked.": Refusal.ASTRAY,
    "key_refused": Refusal.KEY,
    "That is not a Lightning invoice.": Refusal.NO_INVOICE,
    "other_network": Refusal.OTHER_NETWORK,
    "The invoice names no amount; only one that does is paid.": Refusal.NO_AMOUNT,
    "The invoice's date or expiry can't be read; it is not paid.": Refusal.NO_TIMES,
    "The invoice is for another amount than was asked for.": Refusal.OTHER_AMOUNT,
    "The invoice expires too soon to be paid safely.": Refusal.EXPIRES_SOON,
    "The invoice lives for more than a week; it is not paid.": Refusal.LIVES_LONG,
    "The destination has handed out the same invoice twice.": Refusal.SAME_INVOICE,
    "wallet.example answered HTTP 503. Try again later.": Refusal.SERVER_FAULT,
    "wallet.example did not answer as it should (too slow). Try again later.": Refusal.UNREACHABLE,
    "There is no host wallet.example at present. Check the spelling, or try again later.": (
        Refusal.NO_HOST
    ),
    **OF_HOLDS,
}
WITH_MORE = {
    "The address takes at most 21000 sats.": Wait(Refusal.ABOVE_MAXIMUM, limit_sat=21_000),
    "The address takes at least 999 sats.": Wait(Refusal.BELOW_MINIMUM, limit_sat=999),
}
UNKNOWN_TO_PAYOUTS = ("full", "minSendable is 100 sats, says the server", "¿Qué? Ünïcödé 'quoted'")
OF_ALL = {**OF_CASH_OUTS, **OF_HOLDS, **OF_RUNS}


def wait_of(sentence):
    """Return why a payout waits, of what stood in `waiting`."""
    if sentence in WITH_MORE:
        return WITH_MORE[sentence]
    if sentence in ("", *OF_PAYOUTS):
        return Wait(OF_PAYOUTS.get(sentence, ""))
    return Wait(Refusal.SAID, sentence)


def reason_of(sentence):
    """Return (reason, reason_said) of what stood in `reason`."""
    if sentence in ("", *OF_ALL):
        return OF_ALL.get(sentence, ""), ""
    return "said", sentence


def rows_of(path, query):
    with closing(sqlite3.connect(path)) as ledger:
        return ledger.execute(query).fetchall()


@pytest.fixture
async def migrated(tmp_path):
    """An earlier ledger before and after: its file as it was, and the database."""
    before = put_old_ledger(LEDGER, tmp_path / "before")
    put_old_ledger(LEDGER, tmp_path / "data")
    database = await open_database(tmp_path / "data")
    yield before, tmp_path / "data" / before.name, database
    await database.aclose()


def test_each_code_that_a_sentence_was_turned_into_is_listed():
    younger = {Reason.NONE, Reason.BEFORE_IMPORT, Reason.ELSEWHERE}
    assert {*OF_CASH_OUTS.values()} == {*Reason, *Change} - younger
    assert {*OF_HOLDS.values()} == {*HoldReason}
    assert {*OF_RUNS.values()} == {*RateProblem, *RunReason}
    new = {Refusal.SAID, Refusal.ABOVE_MAXIMUM, Refusal.BELOW_MINIMUM, Refusal.NO_OWN_INVOICE}
    new |= {Refusal.UNKNOWN_CODE, Refusal.WITHDRAW_CODE, Refusal.NO_CODE_SERVICE}
    assert {*OF_PAYOUTS.values()} == {*Waiting, *HoldReason, *Refusal} - new


async def test_sentences_of_payouts_become_codes_row_by_row(migrated):
    before, after, database = migrated
    old = rows_of(before, "SELECT id, waiting, state, tries, try_at FROM payout ORDER BY id")
    rows = rows_of(
        after,
        "SELECT waiting, waiting_said, waiting_sat, id, state, tries, try_at FROM payout ORDER BY id",
    )
    new = [
        (id_, Wait(*wait), *rest)
        for *wait, id_, state, tries, at in rows
        if (rest := (state, tries, at))
    ]
    assert new == [(id_, wait_of(waiting), *rest) for id_, waiting, *rest in old]
    assert {waiting for _, waiting, *_ in old} >= {
        *(sentence for sentence, code in OF_PAYOUTS.items() if code is not HoldReason.LOST),
        *WITH_MORE,
        *UNKNOWN_TO_PAYOUTS,
    }
    assert (await database.read(audit_ledger)).findings == ()


async def test_reasons_of_cash_outs_become_codes_row_by_row(migrated):
    before, after, _ = migrated
    columns = "id, state, device_id, at, principal_sat, first_seen_at, changed_at"
    old = rows_of(before, f"SELECT reason, note, {columns} FROM cash_out ORDER BY id")
    new = rows_of(
        after, f"SELECT reason, reason_said, recovered, note, {columns} FROM cash_out ORDER BY id"
    )
    found = "recorded as LNbits had paid it"
    assert new == [
        (*reason_of(reason), note == found, "" if note == found else note, *rest)
        for reason, note, *rest in old
    ]
    assert {reason for reason, *_ in old} >= {
        *OF_CASH_OUTS,
        *OF_HOLDS,
        "a sentence of another build",
    }
    assert [row[2] for row in new].count(1) == 1


async def test_holds_become_codes_row_by_row(migrated):
    before, after, _ = migrated
    columns = "id, kind, ref, opened_at, closed_at"
    old = rows_of(before, f"SELECT reason, outcome, {columns} FROM hold ORDER BY id")
    new = rows_of(after, f"SELECT reason, reason_said, outcome, {columns} FROM hold ORDER BY id")
    assert new == [
        (*reason_of(reason), outcome and outcome.replace(" ", "_"), *rest)
        for reason, outcome, *rest in old
    ]
    assert {outcome for _, outcome, *_ in old} == {
        *("accepted", "ignored", "cancelled", "by itself", None)
    }


async def test_reasons_of_fixed_runs_become_codes_row_by_row(migrated):
    before, after, _ = migrated
    columns = "id, day, due_at, state, changed_at, told_at, price, clients"
    old = rows_of(before, f"SELECT reason, {columns} FROM fixed_run ORDER BY id")
    new = rows_of(after, f"SELECT reason, reason_said, {columns} FROM fixed_run ORDER BY id")
    assert new == [(*reason_of(reason), *rest) for reason, *rest in old]
    assert {reason for reason, *_ in old} >= {*OF_RUNS}
    assert {row[4] for row in old} == {"done", "waiting", "lapsed", "held"}


async def test_what_operators_have_accepted_stays_accepted(migrated):
    before, _, database = migrated
    accepted = rows_of(before, "SELECT ref, reason FROM hold WHERE outcome = 'accepted'")
    assert {OF_ALL[reason] for _, reason in accepted} >= {*HoldReason} - {HoldReason.LOST}
    for ref, reason in accepted:
        assert await database.read(lambda tx, ref=ref: holds.accepted_reasons(tx, ref)) == {
            OF_ALL[reason]
        }
    for ceiling in Ceiling:
        (ref,) = (ref for ref, reason in accepted if OF_ALL[reason] == ceiling)
        reasons = await database.read(lambda tx, ref=ref: holds.accepted_reasons(tx, ref))
        ceilings = Ceilings(
            payout_max_sat=1 if ceiling is Ceiling.PAYOUT else 10**9,
            day_max_sat=1 if ceiling is Ceiling.DAY else 10**9,
        )
        assert broken(1_000, sent_sat=0, ceilings=ceilings, accepted=()) is ceiling
        assert broken(1_000, sent_sat=0, ceilings=ceilings, accepted=reasons) is None


@pytest.mark.parametrize("language", ["en", "es"])
async def test_everything_of_a_migrated_ledger_is_told_in_words(migrated, language):
    _, _, database = migrated
    texts = load_texts(make_programme())

    def told(tx):
        yield from (describe.payout(one) for one in queue.open_payouts(tx))
        yield from (describe.hold(tx, one) for one in holds.still_open(tx, limit=999))
        yield from (describe.cash_out(one) for one in cash_outs.recent(tx, limit=999))
        yield from (describe.fixed_run(one) for one in fixed_runs.recent(tx, limit=999))

    said = await database.read(lambda tx: [texts.render(one, language) for one in told(tx)])
    codes = {code for code in (*OF_ALL.values(), *OF_PAYOUTS.values()) if "_" in code}
    assert len(said) > 200
    assert [text for text in said for code in codes if code in text] == []
    (limit,) = (text for text in said if "21,000 sats" in text)
    assert ("at most" if language == "en" else "como máximo") in limit
    assert sum("minSendable is 100 sats, says the server"[:30] in text for text in said) == 1


SENTENCES = (
    "UPDATE payout SET waiting = 'not enough funds'",
    "UPDATE cash_out SET reason = 'Other'",
    "UPDATE hold SET reason = 'Other'",
    "UPDATE hold SET reason_said = 'a word beside a code' WHERE reason <> 'said'",
    "UPDATE fixed_run SET reason = 'so it is' WHERE state = 'waiting'",
    "INSERT INTO hold (kind, ref, reason, opened_at) VALUES ('payout', 'x', 'a sentence', 1)",
    "INSERT INTO fixed_run (id, day, due_at, state, reason, changed_at)"
    " VALUES ('x', 'x', 1, 'waiting', 'a sentence', 1)",
    "INSERT INTO cash_out (id, device_id, state, reason, created_at, at, fiat_code, crypto_code,"
    " first_seen_at, changed_at) VALUES ('x', '', 'ignored', 'a sentence', 1, 1, '', '', 1, 1)",
    "INSERT INTO payout (id, client_id, amount_sat, waiting, try_at, due_at)"
    " VALUES ('x', 1, 1, 'a sentence', 1, 1)",
)


@pytest.mark.parametrize("statement", SENTENCES)
async def test_sentence_is_no_reason_any_more(migrated, statement):
    _, _, database = migrated
    with pytest.raises(sqlite3.IntegrityError):
        await database.transact(lambda tx: tx.execute(statement))


async def test_words_and_limit_of_a_wait_end_with_its_code(migrated):
    _, after, database = migrated
    await database.transact(lambda tx: tx.execute("UPDATE payout SET waiting = 'arriving'"))
    assert rows_of(after, "SELECT DISTINCT waiting, waiting_said, waiting_sat FROM payout") == [
        ("arriving", "", None)
    ]
