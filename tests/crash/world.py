"""A bot's whole world on real parts, in which the bot can be killed at a point; many run side by side."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import forked
from crash.parts import Parts, rows_of
from crash.points import VARIABLE
from crash.power import lose
from machine import GrowingExport
from people import AppUser
from scaffold import open_ledger

from dca_bot.demo.lnbits_process import WalletKeys
from dca_bot.demo.relay import local_relay
from dca_bot.ledger.programme import clients, commission, deposits
from dca_bot.ledger.programme.clients import ADDRESS, INVOICE_KEY, Destination
from dca_bot.nostr.keys import SecretKey, generate

PLANT = "DCA_BOT_CRASH_PLANT"
"""The variable that names a fault for each bot, of `planted.PLANTS`."""
LIMIT_S = 600
"""For a machine that has much else to do: an end that never comes is a rare fault."""
LEDGER = "ledger.sqlite3"
CONFIG = """\
[nostr]
relays = ["{relay}"]
operators = ["{operator}"]
discovery_relays = []

[lamassu]
source = "directory"
poll_seconds = 2
start_at = {start:%Y-%m-%dT%H:%M:%SZ}

[lamassu.directory]
path = "export"

[lnbits]
url = "{lnbits}"

[notifications]
summary_time = "{later:%H:%M}"
digest_time = "{later:%H:%M}"

[fixed]
times = {times}

[backup]
every_hours = {backup_hours}
"""


@dataclass(frozen=True)
class Strike:
    """Where a life of the bot ends: the point's name, and `before`, `sent` or `after`; nowhere by default.

    `power`: which writes of a commit are lost with the power, of `power.LOSSES`. `lnbits_delay_s`: LNbits is
    killed instead of the bot, so many seconds after the point.
    """

    at: str = ""
    side: str = ""
    power: str = ""
    lnbits_delay_s: float | None = None


NONE = Strike()


@dataclass
class Person:
    """A client, or somebody with a part of the commission.

    `homes`, `abroad`: the wallets so far at the bot's LNbits, and with Lightning addresses at the other.
    """

    user: AppUser
    destination: Destination
    homes: list[WalletKeys] = field(default_factory=list)
    abroad: list[WalletKeys] = field(default_factory=list)


@dataclass
class CrashWorld:
    """One bot with its files, its people and its lives: `strikes[n]` ends life n.

    `has_other`: sats are paid that no client has bought, as commission.
    """

    parts: Parts
    folder: Path
    relay: str
    source: WalletKeys
    export: GrowingExport
    operator: AppUser
    strikes: list[Strike]
    bot: SecretKey
    people: dict[str, Person] = field(default_factory=dict)
    sold: list[tuple[str, int]] = field(default_factory=list)
    lives: int = 0
    kills: int = 0
    process: forked.Forked | None = None
    stopping: bool = False
    log_chars: int = 0
    has_other: bool = False

    @property
    def data(self) -> Path:
        return self.folder / "data"

    async def person(self, name: str, *, address: bool = False) -> None:
        """Make somebody with a Nostr app and a wallet."""
        user = AppUser([self.relay], self.bot.npub, protocol="nip17")
        await user.join()
        lnbits = self.parts.abroad if address else self.parts.lnbits
        wallet = lnbits.create_user_wallet(name)
        if address:
            destination = self._address_of(wallet, name)
            self.people[name] = Person(user, destination, abroad=[wallet])
        else:
            destination = Destination(INVOICE_KEY, wallet.invoice_key)
            self.people[name] = Person(user, destination, homes=[wallet])

    def move_abroad(self, name: str) -> None:
        """Have somebody's payouts go to a Lightning address from now on."""
        person, wallet = self.people[name], self.parts.abroad.create_user_wallet(name)
        person.destination = self._address_of(wallet, name)
        person.abroad.append(wallet)
        self.change(
            "UPDATE client SET destination_kind = ?, destination = ? WHERE name = ?",
            *(person.destination.kind, person.destination.value, name),
        )

    async def fill(self, balances: dict[str, int], recipients: dict[str, int] | None = None):
        """Make the ledger: clients with balances in minor units, recipients with hundredths of a percent."""
        before = datetime.now(UTC) - timedelta(hours=2)
        self.has_other = bool(recipients)
        database = await open_ledger(self.data)

        def work(tx):
            for name, minor in balances.items():
                one = self.people[name]
                pubkey = one.user.keys.public_key().to_hex()
                client = clients.add(tx, name=name, pubkey=pubkey, language="en", now=before)
                clients.set_destination(tx, client.id, one.destination)
                made = deposits.add(tx, client.id, amount_minor=minor, note="", now=before)
                deposits.confirm(tx, made, machine=None, now=before)
            for name, percent_bp in (recipients or {}).items():
                payee = commission.add_recipient(
                    tx,
                    name=name,
                    destination=self.people[name].destination,
                    language="en",
                    now=before,
                )
                commission.set_share(tx, payee.id, percent_bp, now=before)

        await database.transact(work)
        await database.aclose()

    def change(self, statement: str, *values: object) -> None:
        """Change the ledger before the bot starts."""
        path = self.data / LEDGER
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as ledger:
            ledger.execute(statement, values)

    def sell(self, fiat: int) -> None:
        self.sold.append(self.export.sell(fiat))

    def start(self) -> None:
        """Start the next life of the bot."""
        strike = self._strike(self.lives)
        self.lives += 1
        self.log_chars = len(self.log())
        with (self.folder / "bot.log").open("ab") as log, Path(os.devnull).open("rb") as nothing:
            self.process = forked.start(
                ["run", "--config", str(self.folder / "config.toml")],
                folder=self.folder,
                environment=self._environment(strike),
                streams=[nothing, log, log],
            )

    async def keep_alive(self) -> None:
        """Start bot and LNbits again whenever one was killed, as a supervisor does, until `stop`."""
        while not self.stopping:
            code = self.process.poll()
            if code == -signal.SIGKILL:
                self._start_again()
            elif code is not None:
                raise AssertionError(f"the bot ended with {code}: {self.log()[-2000:]}")
            lnbits = self.parts.lnbits
            if lnbits._process is not None and lnbits._process.poll() is not None:
                self.kills += 1
                await asyncio.sleep(0.3)
                await asyncio.to_thread(lnbits.start)
            await asyncio.sleep(0.03)

    async def stop(self) -> None:
        """Ask the bot to stop, once it hears signals; a bot that was killed meanwhile starts again first."""
        code = -signal.SIGKILL
        while code == -signal.SIGKILL:
            await self.until(lambda: "running start_at" in self.log_of_life())
            self.stopping = True
            self.process.send_signal(signal.SIGTERM)
            code = self.process.wait(timeout=30)
            if code == -signal.SIGKILL:
                self._start_again()
        assert code == 0, f"the bot stopped with {code}: {self.log()[-2000:]}"

    @asynccontextmanager
    async def earlier_life(self):
        """Have the bot run and stop before the lives that are counted."""
        strikes, self.strikes = self.strikes, []
        self.start()
        alive = asyncio.create_task(self.keep_alive())
        yield
        await self.stop()
        await alive
        for journal in self.folder.glob("points.*"):
            journal.unlink()
        self.strikes, self.lives, self.stopping = strikes, 0, False

    def run(self, *words: str):
        """Run another command of dca-bot on this folder."""
        return forked.run(
            [*words, "--config", "config.toml"], folder=self.folder, environment=dict(os.environ)
        )

    def points(self) -> list[str]:
        """Return the journal of the first life: the name of each point."""
        return (self.folder / "points.1").read_text(encoding="utf-8").splitlines()

    def log(self) -> str:
        path = self.folder / "bot.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def log_of_life(self) -> str:
        """Return what the bot has logged since its last start."""
        return self.log()[self.log_chars :]

    def rows(self, query: str, *values: object) -> list[tuple]:
        return rows_of(self.data / LEDGER, query, *values)

    async def until(self, condition) -> None:
        """Wait until something has come true; the bot's log is shown if it doesn't."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while True:
                    with contextlib.suppress(sqlite3.OperationalError):
                        if condition():
                            return
                    await asyncio.sleep(0.15)
        except TimeoutError:
            payouts = self.rows("SELECT state, waiting, count(*) FROM payout GROUP BY 1, 2")
            raise AssertionError(
                f"it did not come true; payouts {payouts}; the log ends: {self.log()[-1500:]}"
            ) from None

    def is_settled(self, distributions: int) -> bool:
        """Tell whether so many distributions are paid, and every message has left."""
        found = self.rows(
            "SELECT (SELECT count(*) FROM distribution), (SELECT count(*) FROM payout"
            " WHERE state NOT IN ('DONE', 'CANCELLED', 'MERGED')),"
            " (SELECT count(*) FROM outbox WHERE sent_at IS NULL)"
        )
        return found == [(distributions, 0, 0)]

    def _address_of(self, wallet: WalletKeys, name: str) -> Destination:
        """Give a wallet abroad a Lightning address that the gateway knows."""
        address = self.parts.abroad.lightning_address(wallet, f"{name}{wallet.id[:8]}")
        user = address.partition("@")[0]
        self.parts.gateway.abroad.add(user)
        return Destination(ADDRESS, f"{user}@{self.parts.gateway.netloc}")

    def _start_again(self) -> None:
        self.kills += 1
        self._lose_power()
        self.start()

    def _strike(self, life: int) -> Strike:
        return self.strikes[life] if life < len(self.strikes) else NONE

    def _environment(self, strike: Strike) -> dict[str, str]:
        plan = {
            "folder": str(self.folder),
            "journal": str(self.folder / f"points.{self.lives}"),
            "at": strike.at,
            "side": strike.side,
            # The reference, a run without a strike, has no fault.
            "plant": os.environ.get(PLANT) if self.strikes else None,
        }
        if strike.power:
            plan["snapshot"] = str(self.folder / "snapshot")
        if strike.lnbits_delay_s is not None:
            plan |= {"lnbits": self.parts.lnbits._process.pid, "delay_s": strike.lnbits_delay_s}
        return {**os.environ, forked.HOOK: "crash.points", VARIABLE: json.dumps(plan)}

    def _lose_power(self) -> None:
        strike = self._strike(self.lives - 1)
        if strike.power:
            journal = (self.folder / f"points.{self.lives}").read_text(encoding="utf-8")
            lose(self.data, self.folder / "snapshot", strike.power, journal)


@asynccontextmanager
async def crash_world(
    shared: Parts,
    strikes: list[Strike],
    *,
    by_gateway: bool = False,
    times: str = '["23:59"]',
    backup_hours: int = 0,
):
    """Make a world with an operator and no ledger yet; end everything in it at the end.

    `by_gateway`: the bot reaches LNbits by the gateway, which knows Lightning addresses abroad.
    """
    shared.made += 1
    folder = shared.folder / f"world-{shared.made}"
    folder.mkdir()
    async with local_relay() as relay:
        bot, source = generate(), shared.lnbits.create_user_wallet("source")
        shared.lnbits.credit(source.id, 5_000_000)
        operator = await AppUser([relay], bot.npub, protocol="nip17").join()
        export = GrowingExport(folder / "export", ids=map(_uuid, count(1)))
        world = CrashWorld(shared, folder, relay, source, export, operator, strikes, bot)
        now = datetime.now(UTC)
        config = CONFIG.format(
            relay=relay,
            operator=operator.npub,
            start=now - timedelta(days=1),
            lnbits=shared.gateway.url if by_gateway else shared.lnbits.url,
            # Far away, so that neither comes into a conversation.
            later=now.astimezone(ZoneInfo("America/Guatemala")) + timedelta(hours=12),
            times=times,
            backup_hours=backup_hours,
        )
        (folder / "config.toml").write_text(config, encoding="utf-8")
        for name, secret in (("bot.nsec", bot.nsec()), ("lnbits.key", source.admin_key)):
            (folder / name).write_text(secret, encoding="utf-8")
            (folder / name).chmod(0o600)
        try:
            yield world
        finally:
            if world.process is not None and world.process.poll() is None:
                world.process.kill()
                world.process.wait()
            for user in (operator, *(one.user for one in world.people.values())):
                await user.leave()
    shutil.rmtree(folder)


def _uuid(number: int) -> uuid.UUID:
    """Return the id of a cash-out; each world has the same, so that messages can be compared."""
    return uuid.UUID(int=number << 96 | number)
