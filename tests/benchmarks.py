"""Prints what the program does in a second, on real parts: `python tests/benchmarks.py`.

The figures are for comparing one change with another on the same machine; nothing fails here.
"""

import asyncio
import logging
import random
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jobs.payouts.payout_bench import Bench, HandClock, programme
from rich.console import Console

from dca_bot.core.allotment import allot
from dca_bot.core.ports import DmProtocol, IncomingMessage, OutgoingMessage
from dca_bot.core.verdict import decide
from dca_bot.demo.lnbits_process import LnbitsProcess, find_lnbits, start_lnbits
from dca_bot.demo.price_stub import PriceStub
from dca_bot.lamassu.directory import read_directory
from dca_bot.ledger.correspondence import inbox, outbox
from dca_bot.ledger.correspondence.outbox import Urgency
from dca_bot.ledger.programme import clients, deposits
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination
from dca_bot.ledger.store.database import Database, open_database
from dca_bot.lnbits.client import LnbitsWallet
from dca_bot.lnbits.lnurl import LightningAddresses
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts
from dca_bot.nostr.dm import open_message, seal_message
from dca_bot.nostr.keys import generate

EXPORT = Path(__file__).parent / "data" / "lamassu" / "export"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
SPAN_S = 2.0
"""So long each figure is taken."""
PAYOUTS = 100
CONSOLE = Console(highlight=False, soft_wrap=True)


async def main() -> None:
    """Take every figure, the quick ones first."""
    with tempfile.TemporaryDirectory(prefix="dca-bot-benchmarks-") as name:
        folder = Path(name)
        bench_allot()
        bench_decide()
        bench_unwrap()
        await bench_commands(folder / "commands")
        await bench_outbox(folder / "outbox")
        for count in (10, 100, 1000):
            await bench_distribution(folder / f"distribution-{count}", count)
        await bench_payouts(folder)


def bench_allot() -> None:
    balances = {number: 10_000 + 37 * number for number in range(1000)}
    tell("allot() among 1,000 clients", measure(lambda: allot(1_234_567, 987_600, balances)))


def bench_decide() -> None:
    cash_outs = read_directory(EXPORT, datetime(1970, 1, 1, tzinfo=UTC)).cash_outs

    def whole_sample() -> None:
        for cash_out in cash_outs:
            decide(cash_out, currency="GTQ", now=NOW)

    tell("decide() on rows of the sample", measure(whole_sample) * len(cash_outs))


def bench_unwrap() -> None:
    sender, bot = generate(), generate()
    message = OutgoingMessage(bot.public_key, "balance", NOW, DmProtocol.NIP17)
    source = random.Random(1)
    # Each wrap has a key of its own, so that no shared key is known from before.
    wraps = [seal_message(message, sender, now=NOW, random=source) for _ in range(1000)]

    def open_all() -> None:
        for wrap in wraps:
            open_message(wrap, bot, now=NOW, relay="wss://relay")

    tell("NIP-17 messages verified and decrypted", measure(open_all) * len(wraps))


async def bench_commands(folder: Path) -> None:
    """Record messages and deposits, each in a durable transaction of its own."""
    database = await open_database(folder)
    numbers = iter(range(10**9))

    async def receive() -> None:
        message = IncomingMessage(
            str(next(numbers)), "a" * 64, "", NOW, DmProtocol.NIP17, "wss://r"
        )
        await database.transact(lambda tx: inbox.receive(tx, message, command="balance", now=NOW))

    async def confirm_deposit() -> None:
        def work(tx):
            deposit = deposits.add(tx, 1, amount_minor=100, note="", now=NOW)
            deposits.confirm(tx, deposit, machine=None, now=NOW)

        await database.transact(work)

    await add_clients(database, 1)
    tell("durable transactions of the ledger (a message)", await measure_async(receive))
    tell("durable transactions of the ledger (a deposit)", await measure_async(confirm_deposit))
    await database.aclose()


async def bench_outbox(folder: Path) -> None:
    """Write to 1,000 clients at once, and find the next letters while all of that waits."""
    rules = programme()
    notices = Notices(rules, load_texts(rules))
    database = await open_database(folder)
    await add_clients(database, 1000)

    async def broadcast() -> None:
        await database.transact(lambda tx: notices.clients.broadcast(tx, "hello", NOW))

    def look(tx):
        return [outbox.due(tx, NOW, urgency=urgency, limit=4) for urgency in Urgency]

    tell("broadcasts to 1,000 clients written", await measure_async(broadcast))
    waiting = await database.read(outbox.unsent)
    found = await measure_async(lambda: database.read(look))
    tell(f"next letters found among {waiting:,}", found)
    await database.aclose()


async def bench_distribution(folder: Path, count: int) -> None:
    """Share cash-outs out, each in one transaction with all shares, entries and payouts."""
    bench = Bench(folder, None, None, programme(), HandClock(NOW))
    await bench.open()
    await add_clients(bench.database, count)
    rate = await measure_async(lambda: bench.distribute(10_000_000, 8_000_000))
    tell(f"cash-outs shared out among {count:,} clients", rate)
    await bench.database.aclose()


async def bench_payouts(folder: Path) -> None:
    """Pay into wallets of a real LNbits, from the plan to the verified credit."""
    price = PriceStub()
    try:
        with start_lnbits(find_lnbits(), folder / "lnbits", price=price) as lnbits:
            await bench_payouts_at(lnbits, folder / "payouts")
    finally:
        price.close()


async def bench_payouts_at(lnbits: LnbitsProcess, folder: Path) -> None:
    source, ana = lnbits.create_user_wallet("source"), lnbits.create_user_wallet("ana")
    lnbits.credit(source.id, 100_000_000)
    async with (
        LnbitsWallet(lnbits.url, admin_key=source.admin_key) as wallet,
        LightningAddresses(lnbits.url) as addresses,
    ):
        bench = Bench(folder, wallet, addresses, programme(day_max_sat=10**9))
        await bench.open()
        await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=10**10)
        for _ in range(PAYOUTS):
            await bench.distribute(100_000, 80_000)
        began = time.perf_counter()
        await bench.settle()
        took_s = time.perf_counter() - began
        assert set(await bench.states()) == {"DONE"}
        await bench.database.aclose()
    tell("payouts at a real LNbits, planned to verified", PAYOUTS / took_s)


async def add_clients(database: Database, count: int) -> None:
    earlier = NOW - timedelta(days=1)

    def work(tx):
        for number in range(count):
            client = clients.add(
                tx, name=f"c{number}", pubkey=f"{number:064x}", language="en", now=earlier
            )
            clients.set_destination(tx, client.id, Destination(INVOICE_KEY, f"key{number}"))
            deposit = deposits.add(tx, client.id, amount_minor=10**10, note="", now=earlier)
            deposits.confirm(tx, deposit, machine=None, now=earlier)

    await database.transact(work)


def measure(work: Callable[[], object]) -> float:
    """Return how often `work` can be done in a second."""
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < SPAN_S:
        work()
        done += 1
    return done / (time.perf_counter() - began)


async def measure_async(work: Callable[[], object]) -> float:
    """Return how often `work` can be done in a second, one after the other."""
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < SPAN_S:
        await work()
        done += 1
    return done / (time.perf_counter() - began)


def tell(what: str, per_second: float) -> None:
    CONSOLE.print(f"{what:50} {per_second:12,.1f} a second {1000 / per_second:10,.2f} ms each")


if __name__ == "__main__":
    logging.disable(logging.INFO)
    asyncio.run(main())
