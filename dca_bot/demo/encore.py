"""After the story: the person at the terminal makes further sales, or is the operator for a while."""

import asyncio
import time

from dca_bot.commands.chat import talk
from dca_bot.core.money import sat_text
from dca_bot.core.names import short_id
from dca_bot.core.ports import DmProtocol
from dca_bot.demo.person import Person
from dca_bot.demo.stage import Stage
from dca_bot.demo.world import World
from dca_bot.ledger.store.database import Database, Tx

_QUESTION = (
    "\nEnter: somebody sells at the machine. y: try it yourself as the operator. Ctrl-D: the end. "
)
_ARRIVE_LIMIT_S = 30
_FILL_SAT = 10_000_000
_LEAST_MINOR = 100_000
"""What ana and ben must have together for the next sale, in minor units: the largest sale of the sample."""


async def encore(world: World, stage: Stage, operator: Person, database: Database) -> None:
    """Ask the person what comes next, until the person was the operator, or Ctrl-D."""
    await stage.forget_typed()
    stage.is_quiet = True
    while stage.lines is not None:
        print(_QUESTION, end="", flush=True)  # noqa: T201 - the line goes on with the answer
        typed = await stage.typed()
        if typed is None:
            return
        if typed.strip().lower() in ("y", "yes"):
            await _talk(world, stage)
            return
        await _sell(world, stage, operator, database)


async def _talk(world: World, stage: Stage) -> None:
    assert stage.lines is not None
    print("Try: status, clients, txs, deposit ana 500, help. End with Ctrl-D.")  # noqa: T201
    bot, protocol = world.bot.public_key, DmProtocol.NIP17
    await talk(world.operator, bot, [world.relay], stage.lines, protocol=protocol)


async def _sell(world: World, stage: Stage, operator: Person, database: Database) -> None:
    """Let a cash-out happen, and show in a second line who got what."""
    await _provide(world, stage, operator, database)
    tx_id, fiat, coin = world.machine.sell()
    stage.note(f"cash-out {short_id(tx_id)}: {fiat} GTQ ({coin})")
    begun = time.monotonic()
    try:
        async with asyncio.timeout(_ARRIVE_LIMIT_S):
            while not (arrived := await database.read(lambda tx: _arrived(tx, tx_id))):
                await asyncio.sleep(0.1)
    except TimeoutError:
        stage.note(f"→ nothing has arrived in {_ARRIVE_LIMIT_S} s; ask the bot: status")
        return
    stage.note(f"→ in the wallets after {time.monotonic() - begun:.1f} s: {arrived}")


async def _provide(world: World, stage: Stage, operator: Person, database: Database) -> None:
    """Have the clients hand in cash, and fill the source wallet, if a sale could use the balances up."""
    if await database.read(_flow_minor) >= _LEAST_MINOR:
        return
    world.lnbits.credit(world.source.id, _FILL_SAT)
    for name, fiat in (("ana", 30_000), ("ben", 10_000)):
        await operator.order(f"deposit {name} {fiat} in Antigua")
    stage.note("First ana hands in 30,000 GTQ more and ben 10,000, and the source wallet is filled")


def _flow_minor(tx: Tx) -> int:
    row = tx.execute("SELECT coalesce(sum(balance_minor), 0) FROM participant WHERE mode = 'flow'")
    return int(row.fetchone()[0])


def _arrived(tx: Tx, distribution_id: str) -> str:
    """Say who got what of a cash-out; empty until all of it has arrived."""
    rows = tx.execute(
        "SELECT name, sat, payout.state FROM share JOIN client ON client.id = share.client_id"
        " LEFT JOIN payout ON payout.id = payout_id WHERE distribution_id = ? ORDER BY sat DESC",
        (distribution_id,),
    ).fetchall()
    if any(row["state"] != "DONE" for row in rows):
        return ""
    return ", ".join(f"{row['name']} {sat_text(row['sat'])}" for row in rows)
