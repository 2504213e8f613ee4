"""Makes folders of exported files as large as wanted, out of the small export of the tests."""

import csv
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

SAMPLE = Path(__file__).parents[2] / "data" / "lamassu" / "export"
_TXS, _ACTIONS = "cash_out_txs.csv", "cash_out_actions.csv"
_INSTANT = "%Y-%m-%d %H:%M:%S.%f+00"


def write_export(folder: Path, rows: int, *, until: datetime, step: timedelta) -> None:
    """Write so many cash-outs, the sample's over and over with other ids, one each `step` up to `until`.

    `until`: in UTC. Each cash-out has the dispense reports of the sample's.
    """
    sales = _read(SAMPLE / _TXS)
    reports: dict[str, list[dict[str, str]]] = {}
    for report in _read(SAMPLE / _ACTIONS):
        reports.setdefault(report["tx_id"], []).append(report)
    columns = list(next(iter(reports.values()))[0])
    random, number = Random(rows), 0
    folder.mkdir(parents=True)
    with (
        folder.joinpath(_TXS).open("w", newline="") as txs_file,
        folder.joinpath(_ACTIONS).open("w", newline="") as actions_file,
    ):
        txs = csv.DictWriter(txs_file, list(sales[0]), lineterminator="\n")
        actions = csv.DictWriter(actions_file, columns, lineterminator="\n")
        txs.writeheader()
        actions.writeheader()
        for place in range(rows):
            sale, id_ = sales[place % len(sales)], str(uuid.UUID(int=random.getrandbits(128)))
            at = until - step * (rows - place)
            done = {"confirmed_at": at.strftime(_INSTANT)} if sale["confirmed_at"] else {}
            txs.writerow(sale | {"id": id_, "created": at.strftime(_INSTANT)} | done)
            for report in reports.get(sale["id"], ()):
                number += 1
                own = {"id": str(number), "tx_id": id_, "created": at.strftime(_INSTANT)}
                actions.writerow(report | own)


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
