"""Makes exports as each generation of Lamassu's servers and machines would have written the sample.

The sample is of 10.0. A generation drops and adds columns, and its machines sell by their own formula:
crypto_atoms is computed as lamassu-machine does, from fiat, fee, bid and commission, where the sample's
amounts fit each other; broken ones stay broken.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

SAMPLE = Path(__file__).parent / "data" / "lamassu"
TABLES = ("cash_out_txs", "cash_out_actions", "devices", "cash_in_txs")
CENTS = Decimal("0.00001")
FEES = ("0.00000", "5.00000", "10.50000", "0.33333")
_RECYCLERS = [f"recycler_{number}" for number in range(1, 7)]
_OLD_RECYCLERS = ["1f", "1r", "2f", "2r", "3f", "3r"]
_NOTES = ("provisioned", "dispensed", "rejected", "denomination")


def _places(*places: str) -> frozenset[str]:
    return frozenset(f"{what}_{place}" for what in _NOTES for place in places)


@dataclass(frozen=True)
class Generation:
    """What a version lacks beside the sample, by table, and what it adds with an empty value.

    `is_newer` for machines since v8.0, which sell at bid * (1 - commission).
    """

    lacks: dict[str, frozenset[str]]
    adds: dict[str, tuple[str, ...]]
    is_newer: bool = True
    has_fee: bool = False
    renames: bool = False
    scoring_error: str = "walletScoringError"


_PHOTO = frozenset({"tx_customer_photo_at", "tx_customer_photo_path"})
_BEFORE_10 = _places(*_RECYCLERS)
_BEFORE_8 = _BEFORE_10 | _places("3", "4") | {"discount_source", "wallet_score", "email"}
_BEFORE_7_5 = _BEFORE_8 | {"discount", "received_crypto_atoms"}
_CASSETTES = frozenset({"cassette3", "cassette4", "number_of_cassettes"})


def _everywhere(columns: Iterable[str]) -> dict[str, frozenset[str]]:
    return dict.fromkeys(TABLES, frozenset(columns))


_NO_BATCH = {"batch_id", "batched", "batch_time"}
GENERATIONS = {
    "7.4": Generation(
        _everywhere(_BEFORE_7_5 | _NO_BATCH | _CASSETTES),
        {"cash_in_txs": ("cash_in_fee_crypto",), "devices": ("cashbox",)},
        is_newer=False,
        scoring_error="ciphertraceError",
    ),
    "7.5": Generation(
        _everywhere(_BEFORE_8 | _NO_BATCH | _CASSETTES),
        {"cash_in_txs": ("cash_in_fee_crypto",), "devices": ("cashbox",)},
        is_newer=False,
        scoring_error="ciphertraceError",
    ),
    "8.0": Generation(
        _everywhere(_BEFORE_10 | {"email"}),
        {"cash_in_txs": ("cash_in_fee_crypto",), "devices": ("cashbox",)},
        scoring_error="ciphertraceError",
    ),
    "8.1": Generation(
        _everywhere(_BEFORE_10 | {"email"}),
        {"devices": ("cashbox",)},
        scoring_error="ciphertraceError",
    ),
    "9.0": Generation(
        _everywhere(_BEFORE_10), {"devices": ("cashbox",)}, scoring_error="ciphertraceError"
    ),
    "10.0.0-beta.0": Generation(_everywhere(()), {}, renames=True),
    "10.0": Generation(_everywhere(()), {}),
    "10.2": Generation(_everywhere(()), {"cash_out_txs": ("fixed_fee",)}, has_fee=True),
    "12.0.0-beta.2": Generation(
        _everywhere(()),
        {
            "cash_out_txs": ("fixed_fee", "coupon_id"),
            "cash_in_txs": ("coupon_id",),
            "devices": ("machine_group_id",),
        },
        has_fee=True,
    ),
}


def make_export(name: str, folder: Path) -> dict[str, dict[str, str]]:
    """Write the sample's four tables as a generation has them; return the cash-outs by id."""
    generation = GENERATIONS[name]
    with (SAMPLE / "answers.csv").open(newline="", encoding="utf-8") as file:
        good = {row["id"] for row in csv.DictReader(file) if row["decision"] == "distribute"}
    folder.mkdir()
    written: dict[str, dict[str, str]] = {}
    for table in TABLES:
        columns, rows = _read(table)
        if table == "cash_out_txs":
            for number, row in enumerate(rows):
                _sell(row, generation, number, is_good=row["id"] in good)
            written = {row["id"]: row for row in rows}
        if table == "cash_out_actions":
            for row in rows:
                _move_notes(row, generation)
        _write(folder / f"{table}.csv", table, columns, rows, generation)
    return written


def sold_atoms(row: dict[str, str], *, is_newer: bool) -> Decimal:
    """What the machine sells: round100(1e8 * (fiat + fee) / round5(bid * (1 - c)))."""
    discount = Decimal(row.get("discount") or 0)
    rate = Decimal(row["commission_percentage"]) * (100 - discount) / 100
    bid = Decimal(row["raw_ticker_price"])
    price = (bid * (1 - rate) if is_newer else bid / (1 + rate)).quantize(CENTS, ROUND_HALF_UP)
    cash = Decimal(row["fiat"]) + Decimal(row.get("fixed_fee") or 0)
    lots = (cash * 10**8 / price / 100).quantize(Decimal(1), ROUND_HALF_UP)
    return lots * 100


def _sell(row: dict[str, str], generation: Generation, number: int, *, is_good: bool) -> None:
    if "discount" in generation.lacks["cash_out_txs"]:
        row["discount"] = ""
    if generation.has_fee:
        row["fixed_fee"] = FEES[number % len(FEES)]
    if row["error_code"] == "walletScoringError":
        row["error_code"] = generation.scoring_error
    # What isn't good by other things than its amounts is sold by the same formula.
    if is_good or _is_sound(row):
        atoms = sold_atoms(row, is_newer=generation.is_newer)
        if row["received_crypto_atoms"]:
            beyond = Decimal(row["received_crypto_atoms"]) - Decimal(row["crypto_atoms"])
            row["received_crypto_atoms"] = str(atoms + beyond)
        row["crypto_atoms"] = str(atoms)


def _is_sound(row: dict[str, str]) -> bool:
    numbers = ("fiat", "commission_percentage", "raw_ticker_price")
    is_bitcoin = row["crypto_code"] in ("BTC", "LN") and row["crypto_atoms"] != "0"
    return is_bitcoin and all(row[name] and Decimal(row[name]).is_finite() for name in numbers)


def _move_notes(row: dict[str, str], generation: Generation) -> None:
    """Put notes of places that a version doesn't have into its first cassette, one note for all."""
    if generation.renames:
        for what in _NOTES:
            for new, old in zip(_RECYCLERS, _OLD_RECYCLERS, strict=True):
                row[f"{what}_{old}"] = row.pop(f"{what}_{new}")
        return
    lost = [place for place in ("3", "4", *_RECYCLERS) if _lacks(generation, f"dispensed_{place}")]
    if not lost or not any(row[f"dispensed_{place}"] for place in ("1", "2", *lost)):
        return
    places = ("1", "2", *lost)
    total = sum(
        int(row[f"dispensed_{place}"] or 0) * int(row[f"denomination_{place}"] or 0)
        for place in places
    )
    row |= {"dispensed_1": "1", "denomination_1": str(total)} if total else {"dispensed_1": "0"}
    row |= {"dispensed_2": "0"}


def _lacks(generation: Generation, column: str) -> bool:
    return column in generation.lacks["cash_out_actions"]


def _read(table: str) -> tuple[list[str], list[dict[str, str]]]:
    with (SAMPLE / "export" / f"{table}.csv").open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        return list(rows.fieldnames or ()), list(rows)


def _write(
    path: Path, table: str, columns: list[str], rows: list[dict[str, str]], generation: Generation
) -> None:
    kept = [name for name in columns if name not in generation.lacks[table]]
    if generation.renames:
        kept = [_renamed(name) for name in kept]
    names = [*kept, *generation.adds.get(table, ())]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _renamed(column: str) -> str:
    what, _, place = column.partition("_recycler_")
    return f"{what}_{_OLD_RECYCLERS[int(place) - 1]}" if place else column
