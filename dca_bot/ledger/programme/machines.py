"""The machines that were ever seen, and the machines that typed words can mean.

The device id identifies a machine. Machines with the same name are labelled with the beginning of the id.
"""

import difflib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dca_bot.core.names import folded
from dca_bot.ledger.store.database import Tx

UNNAMED = ""
"""The device id for cash of no named machine."""
ID_LENGTH_MIN = 4
_LIKENESS_PERCENT_MIN = 75
"""The least likeness of a misspelt name."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine; `label`: the name, with the beginning of the id if other machines have the same name."""

    device_id: str
    name: str
    label: str


def everything(tx: Tx) -> list[Machine]:
    """Return all machines ever seen, by label."""
    rows = tx.execute("SELECT device_id, name, label FROM machine_label ORDER BY label, device_id")
    return [Machine(row["device_id"], row["name"], row["label"]) for row in rows]


def known_ids(tx: Tx, words: Iterable[str]) -> set[str]:
    """Return the words, given in lower case, that a machine's id begins with."""
    ids = [one.device_id.lower() for one in everything(tx)]
    return {word for word in words if any(id_.startswith(word) for id_ in ids)}


def complete(known: Sequence[Machine], words: Sequence[str]) -> tuple[list[Machine], int]:
    """Find the longest complete name or id that words begin with; return its machines and its word count.

    Case and accents don't count. If no name fits word by word, spaces don't count either. Several machines
    are returned for a name that all of them have.
    """
    typed = [folded(word) for word in words]
    for separator in (" ", ""):
        for count in range(len(words), 0, -1):
            wanted = separator.join(typed[:count])
            found = [one for one in known if wanted in _names(one, separator)]
            if wanted and found:
                return _exact(found, words[:count]) or found, count
    return [], 0


def beginnings(known: Sequence[Machine], words: Sequence[str]) -> list[tuple[Machine, int]]:
    """Find the machines whose name or id begins like words; return each machine with the number of words."""
    found = []
    for count in range(1, len(words) + 1):
        typed = folded("".join(words[:count]))
        is_id = len(typed) >= ID_LENGTH_MIN
        for one in known:
            name, _, device_id = _names(one, "")
            if typed and (name.startswith(typed) or (is_id and device_id.startswith(typed))):
                found.append((one, count))
    return found


def resembling(known: Sequence[Machine], words: Sequence[str], *, beyond: int = 0) -> list[Machine]:
    """Return the machines whose name, cut short or misspelt, words may begin with.

    A name counts only with more than `beyond` words.
    """
    cut = {
        one.device_id
        for one, count in beginnings(known, words)
        if count == len(words) or len("".join(words[:count])) >= ID_LENGTH_MIN
        if count > beyond
    }
    return [one for one in known if one.device_id in cut or _is_misspelt(one, words, beyond=beyond)]


def meant(tx: Tx, wanted: str) -> list[Machine]:
    """Return the machines that a whole text can mean: a name, an id, or the beginning of a name or id."""
    words, known = wanted.split(), everything(tx)
    found, count = complete(known, words)
    if found and count == len(words):
        return found
    return [one for one, count in beginnings(known, words) if count == len(words)]


def place_of(tx: Tx, wanted: str | None) -> str:
    """Return the device id of the named machine, or of the only known machine; else UNNAMED."""
    found = meant(tx, wanted) if wanted else []
    if len(found) == 1:
        return found[0].device_id
    known = everything(tx)
    return known[0].device_id if len(known) == 1 else UNNAMED


def record(tx: Tx, names: Mapping[str, str]) -> None:
    """Record the machines' names by device id; machines that Lamassu no longer lists stay."""
    tx.executemany(
        "INSERT INTO machine (device_id, name) VALUES (?, ?)"
        " ON CONFLICT (device_id) DO UPDATE SET name = excluded.name WHERE name <> excluded.name",
        sorted(names.items()),
    )


def note(tx: Tx, device_id: str) -> None:
    """Record a machine that Lamassu doesn't list, named by the beginning of the id."""
    if device_id != UNNAMED:
        tx.execute(
            "INSERT INTO machine (device_id, name) VALUES (?1, substr(?1, 1, 8))"
            " ON CONFLICT DO NOTHING",
            (device_id,),
        )


def _names(one: Machine, separator: str) -> tuple[str, str, str]:
    """Return a machine's label, name and id, the words joined for comparison."""
    label, name = (separator.join(folded(called).split()) for called in (one.label, one.name))
    return label, name, folded(one.device_id)


def _exact(found: Sequence[Machine], words: Sequence[str]) -> list[Machine]:
    """Return the machines whose label or name is written exactly, accents included."""
    wanted = _cased("".join(words))
    return [one for one in found if wanted in (_cased(one.label), _cased(one.name))]


def _cased(text: str) -> str:
    return unicodedata.normalize("NFC", "".join(text.split())).casefold()


def _is_misspelt(one: Machine, words: Sequence[str], *, beyond: int) -> bool:
    """Tell whether words begin with something much like a machine's name."""
    _, name, _ = _names(one, "")
    size = len(one.name.split())
    if len(name) < ID_LENGTH_MIN:
        return False
    counts = range(max(size - 1, beyond + 1), size + 2)
    typed = {folded("".join(words[:count])) for count in counts}
    return any(
        difflib.SequenceMatcher(None, name, text).ratio() * 100 >= _LIKENESS_PERCENT_MIN
        for text in typed
    )
