"""Prints how operators find one thing among many: `python tests/lists_bench.py`.

A ledger of 1,003 clients, 5,000 cash-outs at three machines over 200 days and 60 holds; the messages that an
operator writes until one client, one sale and one held row is in sight, with the time of each answer. At the
end three answers after an outage that has left 150,000 payouts open. The figures are for comparing one
change with another on the same machine; nothing fails here.
"""

import asyncio
import random
import sys
import tempfile
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent / "chat"))

from scaffold import FLOW, cash_out_row, open_ledger, without_triggers
from talk import START, Talk, make_programme

from dca_bot.core.cash_out import Amounts, Decision, Reason, Verdict
from dca_bot.ledger.distributions import cash_outs, flow_mode
from dca_bot.ledger.payouts import holds
from dca_bot.ledger.programme import clients, deposits, machines
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination
from dca_bot.nostr.keys import generate

CLIENTS, SALES, HOLDS, SAVERS = 1003, 5000, 60, 10
OPEN = 150_000
FIRST_NAMES = ("María", "José", "Ana", "Luis", "Carmen", "Juan", "Rosa", "Pedro", "Lucía", "Óscar")
MACHINES = {"a" * 64: "Market", "b" * 64: "Plaza Norte", "c" * 64: "Zona 10"}
DAYS = 200
ROUNDS = 5
CONSOLE = Console(highlight=False, soft_wrap=True)
# What is looked for, by which messages, and the text that each answer must have.
SEARCHES = {
    "one client, by a part of the name": (["clients lucia77", "client Lucía778"], "Lucía778"),
    "one client, by the npub": (["client {npub}"], "Lucía778"),
    "one sale, by machine and day": (["txs plaza norte 2026-01-15"], "2026-01-15"),
    "one sale, by its id": (["tx sale3000"], "sale3000"),
    "one held row, by machine and day": (
        ["txs held market 2026-01-30", "hold accept held030"],
        "held030",
    ),
    "the oldest held rows, with what to type": (["holds"], "hold accept 5"),
    "what waits at one machine": (["txs held market"], "held057"),
    "a client's payouts": (["client María000 payouts"], "María000 payouts 2"),
    "who is low": (["clients low"], "clients low 2"),
    "all clients": (["clients"], "1003"),
    "the newest sales": (["txs"], "txs 2"),
    "the open payouts": (["payouts"], "payouts 2"),
    "what needs the operator": (["status"], "holds"),
}
AFTER_AN_OUTAGE = {
    "the open payouts, among many": (["payouts"], "payouts 2"),
    "what needs the operator, beside many": (["status"], "holds"),
    "the source wallet's need, by many": (["funds"], "To be paid"),
}


async def main() -> None:
    """Build the ledger, then answer each search."""
    with tempfile.TemporaryDirectory(prefix="dca-bot-lists-") as name:
        folder = Path(name) / "data"
        database = await open_ledger(folder)
        talk = Talk(database, folder, make_programme())
        await build(talk)
        npub = talk.services.npub((await talk.client("Lucía778")).pubkey)
        for what, (messages, found) in SEARCHES.items():
            await search(talk, what, [text.format(npub=npub) for text in messages], found)
        await database.transact(leave_payouts_open)
        for what, (messages, found) in AFTER_AN_OUTAGE.items():
            await search(talk, what, messages, found)
        await database.aclose()


async def search(talk: Talk, what: str, typed: list[str], found: str) -> None:
    """Print how long the answers to some messages take, and whether each has the text `found`."""
    took = [await seconds(talk, text) for text in typed]
    replies = [await talk.tell("op", text) for text in typed]
    in_sight = "found" if all(found in reply for reply in replies) else "NOT FOUND"
    each = ", ".join(f"{1000 * one:.0f} ms" for one in took)
    CONSOLE.print(f"{what:36} {len(typed)} ({each}), {in_sight}: {', then '.join(typed)}")


async def build(talk: Talk) -> None:
    """Have the clients, sales and holds in the ledger."""
    await talk.database.transact(lambda tx: machines.record(tx, MACHINES))
    await talk.database.transact(lambda tx: add_clients(tx, START - timedelta(days=DAYS + 1)))
    for start in range(0, SALES, 250):
        await talk.database.transact(lambda tx, start=start: add_sales(tx, start, start + 250))
    await talk.database.transact(add_holds)
    await talk.database.transact(pay_all_but_the_newest)


def add_clients(tx, at) -> None:
    source = random.Random(1)
    for number in range(CLIENTS):
        key = generate(source).public_key
        name = f"{FIRST_NAMES[number % len(FIRST_NAMES)]}{number:03}"
        one = clients.add(tx, name=name, pubkey=key, language="es", now=at)
        clients.set_destination(tx, one.id, Destination(INVOICE_KEY, f"{number:032x}"))
        if number < SAVERS:
            deposit = deposits.add(tx, one.id, amount_minor=10**8, note="", now=at)
            deposits.confirm(tx, deposit, machine=None, now=at)


def add_sales(tx, first: int, last: int) -> None:
    for number in range(first, last):
        at = START - timedelta(days=DAYS) + number * timedelta(days=DAYS) / SALES
        row = replace(cash_out_row(f"sale{number}", at), device_id=[*MACHINES][number % 3])
        wait = Decision(Verdict.WAIT, Reason.NOT_FINAL, at)
        cash_outs.record(tx, row, wait, state="waiting", reason="", now=at)
        amounts = Amounts(24_000, 20_000, 1_000)
        flow_mode.distribute(tx, row.id, amounts, at=at, now=at, rules=FLOW)


def add_holds(tx) -> None:
    for number in range(HOLDS):
        at = START - timedelta(days=HOLDS - number)
        row = replace(cash_out_row(f"held{number:03}", at), device_id=[*MACHINES][number % 3])
        why = Reason.NOT_COMPLETE
        hold = Decision(Verdict.HOLD, why, at, Amounts(24_000, 20_000, 1_000), 10_000)
        cash_outs.record(tx, row, hold, state="held", reason=str(why), now=at)
        holds.open_hold(tx, holds.HoldKind.CASH_OUT, row.id, str(why), now=at)


def pay_all_but_the_newest(tx) -> None:
    """Have all payouts done but those of the last two sales, without asking a node."""
    with without_triggers(tx):
        tx.execute(
            "UPDATE payout SET state = 'DONE', done_at = due_at, submitted_at = due_at, debited_at = due_at,"
            " fee_msat = 0"
            " WHERE id NOT IN (SELECT id FROM payout ORDER BY due_at DESC LIMIT ?)",
            (2 * SAVERS,),
        )


def leave_payouts_open(tx) -> None:
    """Have many more payouts like the newest one, none of them sent yet."""
    with without_triggers(tx):
        newest = dict(tx.execute("SELECT * FROM payout ORDER BY due_at DESC LIMIT 1").fetchone())
        marks = ", ".join(f":{column}" for column in newest)
        copies = ({**newest, "id": f"{number:032x}"} for number in range(OPEN))
        tx.executemany(f"INSERT INTO payout ({', '.join(newest)}) VALUES ({marks})", copies)


async def seconds(talk: Talk, text: str) -> float:
    """Return how long an answer takes: the shortest of some rounds."""
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        reply = await talk.tell("op", text)
        took.append(time.perf_counter() - began)
        assert reply
    return min(took)


if __name__ == "__main__":
    asyncio.run(main())
