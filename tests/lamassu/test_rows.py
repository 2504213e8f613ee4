import csv
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO

import pytest

from dca_bot.core.cash_out import Action, Reason, Verdict
from dca_bot.core.ports import CashIn
from dca_bot.core.verdict import decide
from dca_bot.errors import ExportBroken
from dca_bot.lamassu.directory import read_directory
from dca_bot.lamassu.row_models import ACTIONS, CASH_INS, CASH_OUTS
from dca_bot.lamassu.rows import read_export

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
LATER = datetime(2025, 12, 1, tzinfo=UTC)

CASH_OUT = {
    "id": "696b7071-d514-414e-8ec6-7adb2549fb78",
    "device_id": "m1",
    "created": "2025-05-01 16:04:43.096576+00",
    "confirmed_at": "2025-05-01 16:06:18.367+00",
    "status": "confirmed",
    "crypto_code": "BTC",
    "fiat_code": "GTQ",
    "crypto_atoms": "132300",
    "fiat": "1000.00000",
    "commission_percentage": "0.05500",
    "raw_ticker_price": "800000.00000",
    "discount": None,
    "received_crypto_atoms": None,
    "dispense": "t",
    "dispense_confirmed": "t",
    "error": None,
    "error_code": None,
}
ACTION = {
    "id": "7",
    "tx_id": CASH_OUT["id"],
    "action": "dispense",
    "created": "2025-05-01 16:07:00+00",
    "dispensed_1": "3",
    "denomination_1": "100",
    "dispensed_2": "0",
    "denomination_2": "200",
    "dispensed_recycler_6": "2",
    "denomination_recycler_6": "50",
}
DEVICE = {"device_id": "m1", "name": "Zona 10, entrance"}
CASH_IN = {
    "id": "2600cfce-df8c-4f5c-8ffd-d135ca52f9e0",
    "device_id": "m1",
    "created": "2025-05-01 21:57:35.411138+00",
    "fiat": "100.00000",
    "fiat_code": "GTQ",
    "send_confirmed": "t",
}


def write(rows, columns=None):
    """Write rows as PostgreSQL does; the columns are those of the first row."""
    columns = columns or list(rows[0])
    lines = [",".join(columns)]
    lines += [
        ",".join("" if row[name] is None else f'"{row[name]}"' for name in columns) for row in rows
    ]
    return BytesIO(("\n".join(lines) + "\n").encode())


def read(
    cash_outs=(CASH_OUT,),
    actions=(ACTION,),
    devices=(DEVICE,),
    cash_ins=(CASH_IN,),
    since=BEGINNING,
):
    return read_export(
        write(cash_outs, list(cash_outs[0])),
        write(actions, list(ACTION)),
        devices and write(devices),
        cash_ins=cash_ins and write(cash_ins, list(cash_ins[0])),
        since=since,
    )


def one(**changes):
    (cash_out,) = read([CASH_OUT | changes]).cash_outs
    return cash_out


def test_every_row_of_the_sample_gets_its_known_answer(sample):
    export = read_directory(sample / "export", BEGINNING)
    found = {}
    for cash_out in export.cash_outs:
        decision = decide(cash_out, currency="GTQ", now=LATER)
        given = decision.amounts if decision.verdict == Verdict.DISTRIBUTE else None
        found[cash_out.id] = {
            "id": cash_out.id,
            "decision": decision.verdict.value,
            "principal_sat": str(given.principal_sat) if given else "",
            "principal_minor": str(given.principal_minor) if given else "",
            "commission_sat": str(given.commission_sat) if given else "",
            "reason": decision.reason.value.replace("_", " "),
        }
    with (sample / "answers.csv").open(newline="") as file:
        answers = {row["id"]: row for row in csv.DictReader(file)}
    assert len(answers) == 300
    assert found == answers
    assert export.unreadable == ()
    assert sorted(export.machines.values()) == ["Antigua", "Zona 10"]


def test_errors_with_quotes_and_commas_arrive_as_they_are(sample):
    export = read_directory(sample / "export", BEGINNING)
    errors = {cash_out.error for cash_out in export.cash_outs}
    assert (
        'Dispensing, code: 2008, description: Jam at "exit", bills left in transport, check slot 3'
    ) in errors


def test_row_is_read_with_the_actions_that_tell_of_notes():
    other = ACTION | {"id": "8", "action": "provisionNotes"}
    foreign = ACTION | {"id": "9", "tx_id": "f04de793-bed5-4582-bb97-5e320c95538a"}
    export = read(actions=[ACTION, other, foreign])
    (cash_out,) = export.cash_outs
    assert cash_out.fiat == Decimal(1000)
    assert cash_out.created_at == datetime(2025, 5, 1, 16, 4, 43, 96576, tzinfo=UTC)
    assert (cash_out.dispense, cash_out.error, cash_out.fixed_fee) == (True, None, None)
    notes = ((100, 3), (200, 0), (50, 2))
    assert cash_out.actions == (
        Action(7, "dispense", datetime(2025, 5, 1, 16, 7, tzinfo=UTC), notes),
    )
    assert export.machines == {"m1": "Zona 10, entrance"}
    assert decide(cash_out, currency="GTQ", now=LATER).dispensed_minor == 40_000


def test_only_what_was_created_since_is_kept():
    created = one().created_at
    assert len(read(since=created).cash_outs) == 1
    later = read(since=created + timedelta(microseconds=1))
    assert later.cash_outs == ()


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2025-05-01 10:04:43-06", datetime(2025, 5, 1, 16, 4, 43, tzinfo=UTC)),
        ("2025-05-01 16:04:43+00", datetime(2025, 5, 1, 16, 4, 43, tzinfo=UTC)),
        ("2025-05-01 16:04:43.5+00", datetime(2025, 5, 1, 16, 4, 43, 500_000, tzinfo=UTC)),
        ("2025-05-01 16:04:43.0965+00", datetime(2025, 5, 1, 16, 4, 43, 96_500, tzinfo=UTC)),
        ("2025-05-01 21:49:43.096576+05:45", datetime(2025, 5, 1, 16, 4, 43, 96_576, tzinfo=UTC)),
        ("2025-05-01T16:04:43Z", datetime(2025, 5, 1, 16, 4, 43, tzinfo=UTC)),
    ],
)
def test_timestamps_are_read_in_any_zone_and_length(text, instant):
    cash_out = one(created=text)
    assert cash_out.created_at == instant
    assert cash_out.created_at.tzinfo is UTC


@pytest.mark.parametrize(("text", "flag"), [("t", True), ("f", False), ("true", True)])
def test_flags_are_read(text, flag):
    assert one(dispense=text).dispense is flag


def test_null_confirmation_means_not_confirmed_and_an_unreadable_one_means_unknown():
    assert one(dispense_confirmed=None).dispense_confirmed is False
    assert one(dispense_confirmed="maybe").dispense_confirmed is None
    assert one(dispense=None).dispense is None


def test_empty_error_is_an_error_and_null_is_none():
    assert one(error="").error == ""
    assert one(error=None).error is None
    assert decide(one(error=""), currency="GTQ", now=LATER).reason == Reason.CONTRADICTION


@pytest.mark.parametrize(
    "column",
    [
        *("crypto_atoms", "fiat", "commission_percentage", "raw_ticker_price"),
        *("discount", "received_crypto_atoms", "fixed_fee"),
    ],
)
@pytest.mark.parametrize("text", ["NaN", "", "12,5", "abc", "0x10", "--1"])
def test_unreadable_number_makes_a_hold_not_another_number(column, text):
    cash_out = one(**{column: text})
    decision = decide(cash_out, currency="GTQ", now=LATER)
    assert decision.verdict == Verdict.HOLD
    numbers = [cash_out.crypto_atoms, cash_out.fiat, cash_out.commission, cash_out.ticker]
    numbers += [cash_out.discount, cash_out.received_crypto_atoms, cash_out.fixed_fee]
    assert sum(number is not None and math.isnan(number) for number in numbers) == 1


@pytest.mark.parametrize("column", sorted(CASH_OUTS.required))
def test_missing_column_of_cash_outs_is_named(column):
    row = {name: value for name, value in CASH_OUT.items() if name != column}
    with pytest.raises(ExportBroken, match=rf"cash_out_txs lacks {column};"):
        read([row])


@pytest.mark.parametrize("column", sorted(ACTIONS.required))
def test_missing_column_of_actions_is_named(column):
    columns = [name for name in ACTION if name != column]
    with pytest.raises(ExportBroken, match=rf"cash_out_actions lacks {column};"):
        read_export(
            write([CASH_OUT]), write([ACTION], columns), None, cash_ins=None, since=BEGINNING
        )


def test_columns_of_newer_servers_are_read_where_known_and_passed_over_else():
    cash_out = one(fixed_fee="2.00000", invented_later="x")
    assert cash_out.fixed_fee == 2


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"id": None}, "id"),
        ({"id": ""}, "id"),
        ({"id": "a b"}, "id"),
        ({"created": None}, "created"),
        ({"created": "infinity"}, "created"),
        ({"created": "2025-05-01 16:04:43"}, "created"),
        ({"created": "0001-01-01 00:00:00+14"}, "created"),
        ({"confirmed_at": "yesterday"}, "confirmed_at"),
        ({"device_id": None}, "device_id"),
    ],
)
def test_row_without_usable_id_or_time_is_told_and_stops_no_other(changes, column):
    export = read([CASH_OUT | changes, CASH_OUT])
    assert len(export.cash_outs) == 1
    (sentence,) = export.unreadable
    assert "cash_out_txs" in sentence
    assert f"its {column} can't be read" in sentence


@pytest.mark.parametrize("changes", [{"tx_id": None}, {"id": "x"}, {"created": ""}])
def test_broken_action_is_told(changes):
    export = read(actions=[ACTION | changes, ACTION | {"id": "9"}])
    assert [action.id for action in export.cash_outs[0].actions] == [9]
    assert "cash_out_actions" in export.unreadable[0]


@pytest.mark.parametrize(
    "changes",
    [{"denomination_1": None}, {"dispensed_1": "-1"}, {"dispensed_1": "x"}, {"dispensed_1": ""}],
)
def test_notes_that_cannot_be_understood_are_unknown(changes):
    (cash_out,) = read(actions=[ACTION | changes]).cash_outs
    assert cash_out.actions[0].notes is None


def test_places_that_reported_nothing_count_for_nothing():
    silent = dict.fromkeys(("dispensed_1", "dispensed_2", "dispensed_recycler_6"))
    (cash_out,) = read(actions=[ACTION | silent]).cash_outs
    assert cash_out.actions[0].notes == ()


@pytest.mark.parametrize("changes", [{"error": "x" * 2**21}, {"customer": "x" * 2**21}])
def test_long_text_keeps_no_row_back(changes):
    export = read([CASH_OUT | changes, CASH_OUT | {"id": "another"} | dict.fromkeys(changes)])
    assert {cash_out.id for cash_out in export.cash_outs} == {CASH_OUT["id"], "another"}
    assert export.unreadable == ()


@pytest.mark.parametrize("table", ["cash_out_txs", "cash_out_actions", "devices", "cash_in_txs"])
def test_row_that_is_too_long_is_told_and_stops_no_other(table):
    files = {
        "cash_out_txs": [CASH_OUT],
        "cash_out_actions": [ACTION],
        "devices": [DEVICE],
        "cash_in_txs": [CASH_IN],
    }
    long = dict.fromkeys(files[table][0]) | {list(files[table][0])[-1]: "x" * 2**24}
    files[table] = [files[table][0], long, files[table][0]]
    *first, cash_ins = [write(rows) for rows in files.values()]
    export = read_export(*first, cash_ins=cash_ins, since=BEGINNING)
    (sentence,) = export.unreadable
    assert f"A row of {table} (no id) was left out" in sentence
    assert (len(export.cash_outs), len(export.cash_ins)) == (1, 1)


def test_many_broken_rows_are_told_within_bounds_and_all_known_by_id():
    ids = [f"row-{number}" for number in range(500)]
    export = read([CASH_OUT, *(CASH_OUT | {"id": id_, "created": None} for id_ in ids)])
    assert len(export.unreadable) == 100
    assert export.unreadable_ids == set(ids)


# Cash-ins


def test_cash_ins_of_the_sample_are_read_with_their_cash(sample):
    export = read_directory(sample / "export", BEGINNING)
    assert len(export.cash_ins) == 200
    assert len({cash_in.id for cash_in in export.cash_ins}) == 200
    confirmed = [cash_in for cash_in in export.cash_ins if cash_in.send_confirmed]
    with (sample / "export" / "cash_in_txs.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["send_confirmed"] == "t"]
    assert 0 < len(rows) < 200
    assert sum(cash_in.fiat for cash_in in confirmed) == sum(Decimal(row["fiat"]) for row in rows)
    assert {cash_in.device_id for cash_in in confirmed} <= export.machines.keys()


def test_cash_in_is_read_exactly():
    (cash_in,) = read().cash_ins
    at = datetime(2025, 5, 1, 21, 57, 35, 411138, tzinfo=UTC)
    assert cash_in == CashIn(CASH_IN["id"], "m1", at, Decimal(100), "GTQ", send_confirmed=True)


def test_only_cash_ins_created_since_are_kept():
    created = read().cash_ins[0].created_at
    assert len(read(since=created).cash_ins) == 1
    assert read(since=created + timedelta(microseconds=1)).cash_ins == ()


@pytest.mark.parametrize("fiat", [None, "", "NaN", "Infinity", "12,5", "abc"])
def test_cash_in_with_an_unreadable_amount_is_kept_without_one(fiat):
    export = read(cash_ins=[CASH_IN | {"fiat": fiat}])
    assert [cash_in.fiat for cash_in in export.cash_ins] == [None]
    assert export.unreadable == ()


def test_cash_in_that_nobody_confirmed_does_not_count():
    found = read(cash_ins=[CASH_IN | {"send_confirmed": None}]).cash_ins
    assert [cash_in.send_confirmed for cash_in in found] == [False]


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"id": "a b"}, "id"),
        ({"id": None}, "id"),
        ({"created": "infinity"}, "created"),
        ({"device_id": None}, "device_id"),
        ({"send_confirmed": "maybe"}, "send_confirmed"),
    ],
)
def test_broken_cash_in_is_told_and_stops_no_other(changes, column):
    export = read(cash_ins=[CASH_IN | changes, CASH_IN])
    assert (len(export.cash_ins), len(export.cash_outs)) == (1, 1)
    (sentence,) = export.unreadable
    assert "cash_in_txs" in sentence
    assert f"its {column} can't be read" in sentence


@pytest.mark.parametrize("column", sorted(CASH_INS.required))
def test_cash_ins_that_lack_a_column_are_told_first_and_stop_no_cash_out(column):
    cash_ins = [{name: value for name, value in CASH_IN.items() if name != column}]
    export = read([CASH_OUT, CASH_OUT | {"id": None}], cash_ins=cash_ins)
    assert (len(export.cash_outs), export.cash_ins) == (1, ())
    assert f"cash_in_txs lacks {column};" in export.unreadable[0]
    assert "Cash-outs are read all the same" in export.unreadable[0]
    assert len(export.unreadable) == 2


@pytest.mark.parametrize(
    ("end", "words"),
    [(b"1,2\n", "a row has 2 fields"), (b"\xff,\n", "it is not UTF-8"), (b'1"2",\n', "a quote")],
)
def test_cash_ins_that_came_whole_and_are_broken_stop_no_cash_out(end, words):
    tables = [write([row]) for row in (CASH_OUT, ACTION, DEVICE)]
    cash_ins = BytesIO(write([CASH_IN]).getvalue() + end)
    export = read_export(*tables, cash_ins=cash_ins, since=BEGINNING)
    assert (len(export.cash_outs), export.cash_ins) == (1, ())
    (sentence,) = export.unreadable
    assert f"cash_in_txs is broken: {words}" in sentence
    assert "Cash-outs are read all the same" in sentence


@pytest.mark.parametrize(
    ("created", "words"),
    [
        ("20/11/2026 10:00:00.123 UTC", "the session's DateStyle is not ISO (20/11/2026 10:00:00"),
        ("11/20/2026 10:00:00 CST", "the session's DateStyle is not ISO"),
        ("20.11.2026 10:00:00 CET", "the session's DateStyle is not ISO"),
        ("20-11-2026 10:00:00 CET", "the session's DateStyle is not ISO"),
        ("Fri Nov 20 10:00:00 2026 CST", "the session's DateStyle is not ISO"),
        ("Fri 20 Nov 10:00:00 2026 CST", "the session's DateStyle is not ISO"),
        ("20/11/2026 10:00", "the session's DateStyle is not ISO"),
        ("2026-11-20 10:00:00", "it lacks its time zone (2026-11-20 10:00:00)"),
        ("2026-11-20 10:00", "it lacks its time zone"),
        ("infinity", "can't be read; look at it in Lamassu's database"),
        ("2026-13-20 10:00:00+00", "can't be read; look at it in Lamassu's database"),
        (None, "can't be read; look at it in Lamassu's database"),
    ],
)
@pytest.mark.parametrize("table", ["cash_outs", "cash_ins"])
def test_row_with_a_time_of_another_style_says_so(table, created, words):
    row = {"cash_outs": CASH_OUT, "cash_ins": CASH_IN}[table]
    export = read(**{table: [row | {"created": created}]})
    assert getattr(export, table) == ()
    (sentence,) = export.unreadable
    assert words in sentence


def test_action_with_a_time_of_another_style_leaves_its_sale_without_a_report():
    export = read(actions=[ACTION, ACTION | {"id": "8", "created": "11/20/2026 10:00:00 CST"}])
    (cash_out,) = export.cash_outs
    found = decide(cash_out, currency="GTQ", now=cash_out.created_at)
    assert (found.verdict, found.reason) == (Verdict.WAIT, Reason.NO_REPORT)
    assert "DateStyle" in export.unreadable[0]
    held = decide(cash_out, currency="GTQ", now=LATER)
    assert (held.verdict, held.reason) == (Verdict.HOLD, Reason.NO_REPORT)


@pytest.mark.parametrize("action", ["", "dispense"])
def test_sale_with_an_unreadable_action_may_have_given_cash(action):
    """It was never dispensed, as far as the rest tells: held, not ignored."""
    never = {"dispense": "f", "dispense_confirmed": "f"}
    report = ACTION | {"created": "yesterday", "action": action or None}
    (cash_out,) = read([CASH_OUT | never], [report]).cash_outs
    found = decide(cash_out, currency="GTQ", now=LATER)
    assert (found.verdict, found.reason) == (Verdict.HOLD, Reason.NOT_COMPLETE)


def test_wallet_scoring_errors_of_every_version_close_a_row_without_cash():
    """12.0 scores confirmed rows as well; before 10.0 the error was called ciphertraceError."""
    for code in ("walletScoringError", "ciphertraceError", "scoreThresholdReached"):
        scored = {"dispense_confirmed": "f", "error": "score 9", "error_code": code}
        (cash_out,) = read([CASH_OUT | scored], [ACTION | {"action": "error"}]).cash_outs
        found = decide(cash_out, currency="GTQ", now=LATER)
        assert (found.verdict, found.reason) == (Verdict.IGNORE, Reason.CLOSED)
