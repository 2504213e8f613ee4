"""Which machines there are, and which one is meant.

A machine is its device id, whatever it is called; where two have one name, both are shown with the
beginning of their ids.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from dca_bot.ledger.database import Tx

UNNAMED = ""
"""Stands for the place of cash that no machine was named for."""
ID_LENGTH_MIN = 4


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine; `label` is its name, told apart from others of the same name."""

    device_id: str
    name: str
    label: str


def everything(tx: Tx) -> list[Machine]:
    """Return all machines ever seen, by label."""
    rows = tx.execute("SELECT device_id, name, label FROM machine_label ORDER BY label, device_id")
    return [Machine(row["device_id"], row["name"], row["label"]) for row in rows]


def meant(tx: Tx, wanted: str) -> list[Machine]:
    """Return the machines that a text can stand for: its name, its id, or how one of them begins.

    A name of several words may be written as one: `Zona10` for `Zona 10`.
    """
    text, known = _plain(wanted), everything(tx)
    is_id = len(text) >= ID_LENGTH_MIN
    ways = (
        [one for one in known if text in (_plain(one.label), _plain(one.device_id))],
        [one for one in known if _plain(one.name) == text],
        [one for one in known if is_id and _plain(one.device_id).startswith(text)],
        [one for one in known if text and _plain(one.label).startswith(text)],
    )
    return next((found for found in ways if found), [])


def named(tx: Tx, text: str) -> Machine | None:
    """Return the one machine whose whole name or id a text is."""
    wanted = _plain(text)
    found = [
        one
        for one in everything(tx)
        if wanted in (_plain(one.label), _plain(one.name), _plain(one.device_id))
    ]
    return found[0] if len(found) == 1 else None


def place_of(tx: Tx, wanted: str | None) -> str:
    """Return the device id that cash belongs to: the machine named, or the only one that is known."""
    found = meant(tx, wanted) if wanted else []
    if len(found) == 1:
        return found[0].device_id
    known = everything(tx)
    return known[0].device_id if len(known) == 1 else UNNAMED


def record(tx: Tx, names: Mapping[str, str]) -> None:
    """Remember the machines' names by device id; those that are no longer listed stay."""
    tx.executemany(
        "INSERT INTO machine (device_id, name) VALUES (?, ?)"
        " ON CONFLICT (device_id) DO UPDATE SET name = excluded.name WHERE name <> excluded.name",
        sorted(names.items()),
    )


def note(tx: Tx, device_id: str) -> None:
    """Remember a machine that Lamassu doesn't list; the beginning of its id is its name."""
    if device_id != UNNAMED:
        tx.execute(
            "INSERT INTO machine (device_id, name) VALUES (?1, substr(?1, 1, 8))"
            " ON CONFLICT DO NOTHING",
            (device_id,),
        )


def _plain(text: str) -> str:
    return "".join(text.split()).casefold()
