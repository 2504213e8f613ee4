"""A Lamassu export that grows, and the SSH server that hands it out."""

import csv
import shlex
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import asyncssh

DATA = Path(__file__).parents[1] / "data" / "lamassu" / "export"
TICKER = Decimal("810000.00000")
COMMISSION = Decimal("0.05500")


class GrowingExport:
    """Writes cash-outs as a machine of version 8 or later would leave them in the database.

    `ids`: the ids of the cash-outs; random ones by default.
    """

    def __init__(self, folder: Path, *, ids: Iterator[uuid.UUID] | None = None) -> None:
        self.folder = folder
        self._ids = ids or iter(uuid.uuid4, None)
        folder.mkdir()
        self._columns = {}
        for table in ("cash_out_txs", "cash_out_actions", "devices", "cash_in_txs"):
            lines = (DATA / f"{table}.csv").read_text(encoding="utf-8").splitlines(keepends=True)
            self._columns[table] = lines[0].strip().split(",")
            keep = lines if table == "devices" else lines[:1]
            (folder / f"{table}.csv").write_text("".join(keep), encoding="utf-8")
        self._actions = 0

    def sell(
        self,
        fiat: int,
        *,
        dispensed: bool = True,
        error: str = "",
        device: str = "m1",
        stuck: int = 0,
        age: timedelta = timedelta(seconds=30),
    ) -> tuple[str, int]:
        """Add one cash-out of so much fiat; return its id and its principal in sats.

        `stuck`: so many of the notes of 50 stay in the machine, and the sale is never a success.
        """
        tx_id, now = str(next(self._ids)), datetime.now(UTC)
        principal = Decimal(fiat) * 10**8 / TICKER
        atoms = (principal / (1 - COMMISSION) / 100).to_integral_value(ROUND_HALF_UP) * 100
        if dispensed:
            self._actions += 1
            action = {"id": self._actions, "tx_id": tx_id, "action": "dispense", "redeem": "f"}
            notes = {
                "dispensed_1": fiat // 50 - stuck,
                "denomination_1": 50,
                "created": _stamp(now),
            }
            self._append("cash_out_actions", {**action, **notes, "device_id": device})
        self._append(
            "cash_out_txs",
            {
                "id": tx_id,
                "device_id": device,
                "to_address": "bc1qexample",
                "crypto_atoms": f"{atoms:f}",
                "crypto_code": "BTC",
                "fiat": f"{fiat}.00000",
                "fiat_code": "GTQ",
                "status": "confirmed",
                "dispense": "t",
                "notified": "f",
                "redeem": "f",
                "error": error,
                "created": _stamp(now - age),
                "confirmed_at": _stamp(now - timedelta(seconds=10)),
                "swept": "f",
                "timedout": "f",
                "dispense_confirmed": "t" if dispensed and not stuck else "f",
                "tx_version": "9",
                "terms_accepted": "f",
                "commission_percentage": str(COMMISSION),
                "raw_ticker_price": str(TICKER),
                "received_crypto_atoms": f"{atoms:f}",
            },
        )
        return tx_id, int(atoms * (1 - COMMISSION))

    def _append(self, table: str, row: dict[str, object]) -> None:
        with (self.folder / f"{table}.csv").open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, self._columns[table], lineterminator="\n").writerow(row)


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S.%f}+00"


@asynccontextmanager
async def ssh_server(export: GrowingExport, keys: Path) -> AsyncIterator[int]:
    """Serve `export TABLE SINCE` over SSH; the client's files are put into `keys`."""
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    client_key = asyncssh.generate_private_key("ssh-ed25519")
    (keys / "lamassu.key").write_bytes(client_key.export_private_key())
    (keys / "lamassu.key").chmod(0o600)
    (keys / "authorized").write_bytes(client_key.export_public_key())

    async def hand_out(process: asyncssh.SSHServerProcess) -> None:
        _, table, _since = shlex.split(process.command or "")
        process.stdout.write((export.folder / f"{table}.csv").read_text(encoding="utf-8"))
        process.exit(0)

    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[host_key],
        authorized_client_keys=str(keys / "authorized"),
        process_factory=hand_out,
    )
    port = server.sockets[0].getsockname()[1]
    public = host_key.export_public_key().decode().strip()
    (keys / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}\n", encoding="utf-8")
    try:
        yield port
    finally:
        server.close()
        await server.wait_closed()
