"""The whole outside of a bot, on real parts, and the bot as a process of its own."""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import forked
from gateway import Gateway
from machine import GrowingExport
from people import AppUser

from dca_bot.demo.lnbits_process import LnbitsProcess, WalletKeys
from dca_bot.lnbits.client import LnbitsWallet
from dca_bot.nostr.keys import SecretKey, generate

CONFIG = """\
[nostr]
relays = {relays}
operators = [{operator}]
discovery_relays = []

[lamassu]
source = "ssh-csv"
poll_seconds = 1

[lamassu.ssh]
host = "127.0.0.1"
port = {port}
username = "dca"
private_key_file = "lamassu.key"
known_hosts_file = "known_hosts"

[lamassu.csv]
command = "export {{table}} '{{since}}'"

[lnbits]
url = {url}
source_admin_key_file = "lnbits.key"

[notifications]
summary_time = "{summary:%H:%M}"

[limits]
payout_max_sat = 2000000
day_max_sat = 100000000
"""


@dataclass
class World:
    """A folder with the bot's files, the parts around it, and the process when it runs."""

    folder: Path
    relays: list[str]
    lnbits: LnbitsProcess
    gateway: Gateway
    source: WalletKeys
    export: GrowingExport
    ssh_port: int
    bot: SecretKey = field(default_factory=generate)
    operator: AppUser | None = None
    users: list[AppUser] = field(default_factory=list)
    listed: list[str] | None = None
    """What people's lists call the relays, if the bot calls them otherwise than people do."""
    process: subprocess.Popen[bytes] | forked.Forked | None = None

    async def user(self, protocol: str) -> AppUser:
        user = AppUser(self.relays, self.bot.npub, protocol=protocol, listed=self.listed)
        await user.join()
        self.users.append(user)
        return user

    async def prepare(self) -> None:
        """Write the bot's files; the operator has an app with NIP-17."""
        self.operator = await self.user("nip17")
        text = CONFIG.format(
            relays=json.dumps(self.relays),
            operator=json.dumps(self.operator.npub),
            port=self.ssh_port,
            url=json.dumps(self.gateway.url),
            # Far away, so that it comes into nobody's conversation.
            summary=datetime.now(ZoneInfo("America/Guatemala")) + timedelta(hours=12),
        )
        (self.folder / "config.toml").write_text(text, encoding="utf-8")
        for name, secret in (("bot.nsec", self.bot.nsec()), ("lnbits.key", self.source.admin_key)):
            (self.folder / name).write_text(secret, encoding="utf-8")
            (self.folder / name).chmod(0o600)

    def start(self, *, is_forked: bool = True) -> None:
        """Start the bot; its log goes on in the same file."""
        words = ["run", "--config", str(self.folder / "config.toml")]
        with (self.folder / "bot.log").open("ab") as log, Path(os.devnull).open("rb") as nothing:
            if is_forked:
                streams = [nothing, log, log]
                self.process = forked.start(
                    words, folder=Path.cwd(), environment=dict(os.environ), streams=streams
                )
            else:
                command = [sys.executable, "-m", "dca_bot", *words]
                self.process = subprocess.Popen(command, stdin=nothing, stdout=log, stderr=log)

    def kill(self) -> None:
        """End the bot in the middle of whatever it does."""
        assert self.process is not None
        assert self.process.poll() is None, self.log()[-3000:]
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask the bot to stop, and return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)

    def log(self) -> str:
        return (self.folder / "bot.log").read_text(encoding="utf-8")

    def rows(self, query: str, *values: object) -> list[tuple]:
        """Ask the ledger, whether the bot runs or not."""
        path = self.folder / "data" / "ledger.sqlite3"
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as ledger:
            return ledger.execute(query, values).fetchall()

    async def until(self, condition, *, limit_s: float = 60) -> None:
        """Wait until something has come true; the bot's log is shown if it doesn't."""
        try:
            async with asyncio.timeout(limit_s):
                while True:
                    with contextlib.suppress(sqlite3.OperationalError):
                        if condition():
                            return
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise AssertionError(
                f"it did not come true; the log ends: {self.log()[-3000:]}"
            ) from None

    def is_settled(self, cash_outs: int) -> bool:
        """Tell whether so many cash-outs are distributed and paid, and every message has left."""
        # Each connection reads the whole schema first: one does for all three.
        found = self.rows(
            "SELECT (SELECT count(*) FROM distribution), (SELECT count(*) FROM payout"
            " WHERE state NOT IN ('DONE', 'CANCELLED', 'MERGED')),"
            " (SELECT count(*) FROM outbox WHERE sent_at IS NULL)"
        )
        return found == [(cash_outs, 0, 0)]

    def paid_sat(self, name: str) -> int:
        """Return what the ledger says a client was paid."""
        return self.rows(
            "SELECT coalesce(sum(amount_sat), 0) FROM payout JOIN client ON client.id = client_id"
            " WHERE name = ? AND debited_at IS NOT NULL",
            name,
        )[0][0]

    async def balance_sat(self, wallet: WalletKeys, *, at: LnbitsProcess | None = None) -> int:
        url = (at or self.lnbits).url
        async with LnbitsWallet(url, admin_key=wallet.invoice_key) as client:
            whole, rest = divmod(await client.balance_msat(), 1000)
            assert rest == 0
            return whole

    def audit(self) -> dict:
        """Run `dca-bot audit` as an operator would."""
        words = ["audit", "--json", "--config", "config.toml"]
        done = forked.run(words, folder=self.folder, environment=dict(os.environ))
        return json.loads(done.stdout)
