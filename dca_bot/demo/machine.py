"""A Lamassu export that grows: real rows of a sample, dated now."""

import csv
import io
import re
import uuid
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

_TABLES = ("cash_out_txs", "cash_out_actions", "devices")
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?\+00")
_FIRST = re.compile(r"^\d+")
_ROUND_IDS = 1_000
"""How far the ids of a sale's actions are from those of the same sale in the round before."""


class SampleMachine:
    """Writes an export into a folder, empty at first; each `sell` adds a cash-out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._headers, self._rows = {}, {}
        for table in _TABLES:
            lines = _sample(table).splitlines(keepends=True)
            self._headers[table], self._rows[table] = lines[0], lines[1:]
        for table in _TABLES:
            rows = self._rows[table] if table == "devices" else []
            (folder / f"{table}.csv").write_text(
                self._headers[table] + "".join(rows), encoding="utf-8"
            )
        self.sold: list[str] = []
        self._waiting = [
            _column(self._headers[_TABLES[0]], row, "id") for row in self._rows[_TABLES[0]]
        ]

    @property
    def left(self) -> int:
        """Return how many cash-outs of the sample have not happened yet."""
        return len(self._waiting)

    def sell(self, *, received_sat: int | None = None) -> tuple[str, str, str]:
        """Let the next cash-out happen now; return (id, fiat, crypto code).

        After the last one of the sample they happen again, as new cash-outs.
        `received_sat`: the sats that came in, instead of the sats sold.
        """
        if not self._waiting:
            self._begin_again()
        tx_id = self._waiting.pop(0)
        self.sold.append(tx_id)
        row = next(line for line in self._rows["cash_out_txs"] if line.startswith(tx_id))
        if received_sat is not None:
            row = self._with_received(row, received_sat)
        actions = [line for line in self._rows["cash_out_actions"] if f",{tx_id}," in line]
        stamps = [_parse(stamp) for line in [row, *actions] for stamp in _STAMP.findall(line)]
        shift = datetime.now(UTC) - max(stamps)

        def moved(line: str) -> str:
            return _STAMP.sub(lambda m: f"{_parse(m[0]) + shift:%Y-%m-%d %H:%M:%S.%f}+00", line)

        # The reader takes cash-outs first: the actions must be written before.
        self._append("cash_out_actions", "".join(moved(line) for line in actions))
        self._append("cash_out_txs", moved(row))
        header = self._headers["cash_out_txs"]
        fiat = _column(header, row, "fiat").rstrip("0").rstrip(".")
        return tx_id, fiat, _column(header, row, "crypto_code")

    def _begin_again(self) -> None:
        """Give the sample's rows new ids: the same sales happen once more."""
        rows, actions = self._rows["cash_out_txs"], self._rows["cash_out_actions"]
        for number, row in enumerate(rows):
            old, new = row.partition(",")[0], str(uuid.uuid4())
            rows[number] = row.replace(old, new)
            actions[:] = [line.replace(f",{old},", f",{new},") for line in actions]
            self._waiting.append(new)
        actions[:] = [_FIRST.sub(lambda m: str(int(m[0]) + _ROUND_IDS), line) for line in actions]

    def _with_received(self, row: str, received_sat: int) -> str:
        names, values = next(csv.reader([self._headers["cash_out_txs"]])), next(csv.reader([row]))
        values[names.index("received_crypto_atoms")] = str(received_sat)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(values)
        return text.getvalue()

    def _append(self, table: str, text: str) -> None:
        with (self._folder / f"{table}.csv").open("a", encoding="utf-8") as file:
            file.write(text)


def _sample(table: str) -> str:
    return (resources.files("dca_bot.demo") / "sample" / f"{table}.csv").read_text("utf-8")


def _column(header: str, row: str, name: str) -> str:
    return next(csv.DictReader(io.StringIO(header + row)))[name]


def _parse(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp.replace("+00", "+00:00"))
