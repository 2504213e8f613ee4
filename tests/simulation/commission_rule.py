"""The rule of the commission (docs/money.md), written a second time."""

import sqlite3
from fractions import Fraction

from simulation.promise import hold


def check(ledger: sqlite3.Connection, id_: str) -> None:
    """Check the split of a commission that was just recorded; raise Violation."""
    sat, rest_sat = ledger.execute(
        "SELECT principal_sat, unallocated_sat FROM distribution WHERE id = ?", (id_,)
    ).fetchone()
    percents = ledger.execute(
        "SELECT client_id, name, percent_bp FROM commission_part JOIN client ON client.id = client_id"
        " WHERE terms_id = (SELECT max(id) FROM commission_terms)"
    ).fetchall()
    names = sorted(percents, key=lambda row: (row[1].casefold(), row[1]))
    weights = {client_id: percent for client_id, _, percent in names}
    rest = 10_000 - sum(weights.values())
    exact = {one: Fraction(sat * percent, 10_000) for one, percent in (*weights.items(), (0, rest))}
    parts = {one: int(value) for one, value in exact.items()}
    # A dict keeps the order of names, with the operator's rest as the last: so equal remainders go by name.
    ranked = sorted(exact, key=lambda one: parts[one] - exact[one])
    for one in ranked[: sat - sum(parts.values())]:
        parts[one] += 1
    found = dict(
        ledger.execute(
            "SELECT client_id, sat FROM share WHERE distribution_id = ?", (id_,)
        ).fetchall()
    )
    wanted = {one: part for one, part in parts.items() if one and part}
    hold(
        f"{id_}: {found} and {rest_sat}, not {parts}",
        is_kept=(found, rest_sat) == (wanted, parts[0]),
    )


def check_is_split(ledger: sqlite3.Connection, sale_id: str, commission_sat: int) -> None:
    """Check that the commission of a sale was split as soon as the sale was shared out; raise Violation."""
    (is_set,) = ledger.execute(
        "SELECT EXISTS (SELECT 1 FROM commission_part"
        " WHERE terms_id = (SELECT max(id) FROM commission_terms))"
    ).fetchone()
    (is_split,) = ledger.execute(
        "SELECT EXISTS (SELECT 1 FROM distribution WHERE id = ?)", (f"commission:{sale_id}",)
    ).fetchone()
    hold(
        f"{sale_id}: {commission_sat} sats of commission were not split",
        is_kept=is_split or not is_set or not commission_sat,
    )
