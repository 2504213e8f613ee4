"""Brings about each outage on real parts, and tells when it is noticed from outside: `make outages`.

A bot for each outage, all at the same time, with a real LNbits, a relay, a heartbeat's receiver and a
collector of metrics. The receiver alarms as a service with a period and a grace of one minute each does.
"""

import argparse
import asyncio
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

TESTS = Path(__file__).parents[1]
if __name__ == "__main__":  # the rooms of the tests, as pytest finds them
    sys.path[:0] = [str(TESTS), str(TESTS / "nostr" / "relays")]

import httpx  # noqa: E402 - after the paths
from faulty_relays import Deaf  # noqa: E402 - after the paths
from gateway import Gateway  # noqa: E402 - after the paths

from dca_bot.demo.lnbits_process import (  # noqa: E402 - after the paths
    LnbitsProcess,
    fake_funding,
    find_lnbits,
    free_port,
    start_lnbits,
)
from dca_bot.demo.machine import SampleMachine  # noqa: E402 - after the paths
from dca_bot.demo.price_stub import PriceStub  # noqa: E402 - after the paths
from dca_bot.files.secret_files import write_secret  # noqa: E402 - after the paths
from dca_bot.ledger.programme import clients, deposits  # noqa: E402 - after the paths
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination  # noqa: E402 - after the paths
from dca_bot.ledger.store.database import open_database  # noqa: E402 - after the paths
from dca_bot.nostr.keys import generate  # noqa: E402 - after the paths

PERIOD_S, GRACE_S = 60, 60
GOAL_S = 300
START_LIMIT_S, OUTAGE_LIMIT_S = 240, 480
SCRAPED_EVERY_S = 5
DRY_SAT, RICH_SAT = 1_000, 10_000_000
CONFIG = """\
[nostr]
relays = ["{relay}"]
operators = ["{operator}"]
discovery_relays = []
[lamassu]
source = "directory"
[lnbits]
url = "{lnbits}"
[monitoring]
heartbeat_url_file = "heartbeat.url"
metrics_listen = "127.0.0.1:{port}"
"""


@dataclass
class World:
    """A bot in a folder, the parts around it, and what is seen of it from outside.

    `beats`: when the heartbeat's URL was called. `seen`: the last answer of the metrics, '' for none.
    """

    folder: Path
    gateway: Gateway
    port: int
    client_key: str
    relay: Deaf = field(default_factory=Deaf)
    beats: list[float] = field(default_factory=list)
    seen: str = ""
    process: subprocess.Popen[bytes] | None = None
    lock: sqlite3.Connection | None = None

    def __post_init__(self) -> None:
        self.relay.is_deaf = False
        self.machine = SampleMachine(self.folder / "export")

    @property
    def alive(self) -> subprocess.Popen[bytes]:
        assert self.process is not None
        return self.process

    def start(self) -> None:
        with (self.folder / "bot.log").open("wb") as log:
            words = [
                sys.executable,
                "-m",
                "dca_bot",
                "run",
                "--config",
                str(self.folder / "config.toml"),
            ]
            self.process = subprocess.Popen(words, stdout=log, stderr=log)

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.gateway.close()


def deafen(world: World) -> None:
    world.relay.is_deaf = True


def stop(world: World) -> None:
    world.alive.send_signal(signal.SIGSTOP)


def kill(world: World) -> None:
    world.alive.kill()


def lock_ledger(world: World) -> None:
    ledger = sqlite3.connect(world.folder / "data" / "ledger.sqlite3", isolation_level=None)
    ledger.execute("BEGIN IMMEDIATE")
    world.lock = ledger


def refuse_lnbits(world: World) -> None:
    world.gateway.instead = lambda *_: (502, b"bad gateway")


def hang_lnbits(world: World) -> None:
    def hang(*_):
        time.sleep(OUTAGE_LIMIT_S)

    world.gateway.instead = hang


def remove_lamassu(world: World) -> None:
    shutil.rmtree(world.folder / "export")


def sell(world: World) -> None:
    world.machine.sell()


def break_payments(world: World) -> None:
    """Have LNbits fail with each pay request, and answer everything else; then sell."""

    def fail(method, path, body):
        is_pay = method == "POST" and path == "/api/v1/payments" and json.loads(body).get("out")
        return (500, b"internal error") if is_pay else None

    world.gateway.instead = fail
    sell(world)


OUTAGES: dict[str, Callable[[World], None]] = {
    "deaf: the relay accepts, and passes nothing on": deafen,
    "stuck: the bot's process stands still": stop,
    "stuck: LNbits fails with each payment": break_payments,
    "dry: a payout finds no sats in the source wallet": sell,
    "dead: the bot is killed": kill,
    "dead: another program locks the ledger": lock_ledger,
    "LNbits answers 502": refuse_lnbits,
    "LNbits takes requests and doesn't answer": hang_lnbits,
    "Lamassu's export is gone": remove_lamassu,
}


def make_world(folder: Path, lnbits: LnbitsProcess, heartbeat: str, *, sat: int) -> World:
    """Make a bot's folder and wallets, and the parts around the bot."""
    folder.mkdir()
    source, ana = (lnbits.create_user_wallet(f"{folder.name} {name}") for name in ("source", "ana"))
    lnbits.credit(source.id, sat)
    secrets = {
        "bot.nsec": generate().nsec(),
        "lnbits.key": source.admin_key,
        "heartbeat.url": f"{heartbeat}/{folder.name}",
    }
    for name, secret in secrets.items():
        write_secret(folder / name, secret)
    return World(folder, Gateway(lnbits.url, lnbits.url), free_port(), ana.invoice_key)


async def add_client(world: World) -> None:
    """Add a client with a wallet and a balance to the ledger."""
    now = datetime.now(UTC)

    def work(tx):
        client = clients.add(tx, name="ana", pubkey=generate().public_key, language="en", now=now)
        clients.set_destination(tx, client.id, Destination(INVOICE_KEY, world.client_key))
        deposit = deposits.add(tx, client.id, amount_minor=10**7, note="", now=now)
        deposits.confirm(tx, deposit, machine=None, now=now)

    database = await open_database(world.folder / "data")
    await database.transact(work)
    await database.aclose()


async def watch(world: World) -> None:
    """Read the metrics again and again, as a collector does."""
    url = f"http://127.0.0.1:{world.port}/metrics"
    async with httpx.AsyncClient(timeout=3, trust_env=False) as http:
        while True:
            try:
                world.seen = (await http.get(url)).text
            except httpx.HTTPError:
                world.seen = ""
            await asyncio.sleep(SCRAPED_EVERY_S)


def trouble(world: World) -> str:
    """Return what the metrics say that is wrong; '' if all is well."""
    if "dca_bot_healthy" not in world.seen:
        return "no answer"
    if "dca_bot_healthy 1.0" in world.seen:
        return ""
    bad = set(re.findall(r'dca_bot_part_good\{part="(\w+)"\} 0\.0', world.seen))
    found = re.findall(r"dca_bot_part_condition\{(.*?)\}", world.seen)
    parts = [dict(re.findall(r'(\w+)="(\w+)"', labels)) for labels in found]
    return ", ".join(f"{one['part']} {one['condition']}" for one in parts if one["part"] in bad)


@dataclass(frozen=True)
class Figures:
    """Seconds from an outage to the alarm of the heartbeat's service, and to what the metrics show."""

    outage: str
    switch_s: float | None
    metrics_s: float | None
    shown: str


async def until(condition: Callable[[], object], limit_s: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            while not condition():  # noqa: ASYNC110 - what is seen from outside sets no event
                await asyncio.sleep(0.2)
            return True
    return False


async def play(outage: str, world: World, number: int) -> Figures:
    """Start a bot, wait until it is well, bring the outage about, and watch."""
    world.start()
    if not await until(lambda: len(world.beats) > 1 and not trouble(world), START_LIMIT_S):
        log = (world.folder / "bot.log").read_text("utf-8")[-2000:]
        raise SystemExit(f"{outage}: the bot was never well: {trouble(world)}\n{log}")
    await asyncio.sleep(7 * number % PERIOD_S)  # not all at the same moment of the minute
    OUTAGES[outage](world)
    began = time.monotonic()
    alarm_after = PERIOD_S + GRACE_S
    metrics: list[tuple[float, str]] = []

    def look() -> bool:
        if not metrics and trouble(world):
            metrics.append((time.monotonic() - began, trouble(world)))
        return time.monotonic() - max(world.beats[-1], began - PERIOD_S) >= alarm_after

    is_noticed = await until(lambda: look() and metrics, OUTAGE_LIMIT_S)
    switch_s = max(world.beats[-1] + alarm_after - began, 0) if look() else None
    shown_s, shown = metrics[0] if metrics else (None, "")
    said = "noticed" if is_noticed else "NOT NOTICED"
    print(f"· {outage}: {said}", file=sys.stderr, flush=True)  # noqa: T201 - a program that prints
    return Figures(outage, switch_s, shown_s, shown)


async def receive(worlds: dict[str, World]) -> asyncio.Server:
    """Serve the heartbeats' URLs: the last part of the path names the bot."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            worlds[head.split(" ")[1].strip("/")].beats.append(time.monotonic())
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK")
            await writer.drain()
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


async def run(folder: Path, only: str) -> list[Figures]:
    worlds: dict[str, World] = {}
    price = PriceStub()
    async with AsyncExitStack() as exits:
        exits.callback(price.close)
        lnbits = exits.enter_context(
            start_lnbits(find_lnbits(), folder / "lnbits", price=price, funding=fake_funding())
        )
        server = await receive(worlds)
        exits.callback(server.close)
        heartbeat = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        plays, watches = [], []
        wanted = {outage: strike for outage, strike in OUTAGES.items() if only in outage}
        for number, (outage, strike) in enumerate(wanted.items()):
            name = f"bot{number}"
            sat = DRY_SAT if strike is sell else RICH_SAT
            world = worlds[name] = make_world(folder / name, lnbits, heartbeat, sat=sat)
            exits.callback(world.end)
            await add_client(world)
            relay = await exits.enter_async_context(world.relay.serving())
            config = CONFIG.format(
                relay=relay, operator=generate().npub, lnbits=world.gateway.url, port=world.port
            )
            (world.folder / "config.toml").write_text(config, "utf-8")
            watches.append(asyncio.create_task(watch(world)))
            plays.append(play(outage, world, number))
        try:
            return await asyncio.gather(*plays)
        finally:
            for task in watches:
                task.cancel()


def table(figures: list[Figures]) -> str:
    def seconds(value: float | None) -> str:
        return "never" if value is None else f"{value:.0f} s"

    heads = ("outage", "the switch alarms after", "the metrics show it after", "as")
    rows = [
        (one.outage, seconds(one.switch_s), seconds(one.metrics_s), one.shown) for one in figures
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ("---",) * len(heads), *rows))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", default="", help="play the outages whose names have this")
    only = options.parse_args().only
    with tempfile.TemporaryDirectory(
        prefix="dca-bot-outages-", dir=os.environ.get("TMPDIR")
    ) as name:
        figures = asyncio.run(run(Path(name), only))
    print(table(figures))  # noqa: T201 - a program that prints
    late = [one.outage for one in figures if one.switch_s is None or one.switch_s > GOAL_S]
    if late:
        sys.exit(f"Not noticed within {GOAL_S} s: {'; '.join(late)}")


if __name__ == "__main__":
    main()
