"""What happens in the worlds of the sweep: each scenario makes a world, plays, and ends settled."""

import asyncio
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field

from crash.checker import NOT_YET, compare_payments
from crash.world import LEDGER
from ledger.old_ledgers import put_old_ledger
from people import CODE

KEPT = {
    "entry": "id, posting_id, from_account, to_account, amount",
    "account": "id, kind, client_id, unit, balance",
    "deposit": "id, client_id, amount_minor, state, confirmed_at, voided_at",
    "share": "id, distribution_id, client_id, minor, sat",
    "client": "id, name, pubkey, destination, destination_kind",
    "outbox": "id, recipient, text, created_at",
}
"""What a bot that has migrated a ledger, and can pay nothing, leaves as it was."""
POLLED = "SELECT 1 FROM fact WHERE name = 'last_poll_at'"
HELD = "SELECT id FROM hold WHERE closed_at IS NULL"
BALANCE = (
    "SELECT balance FROM account JOIN client ON client.id = client_id"
    " WHERE kind = 'balance' AND name = 'ana'"
)
TRIES = 10
BALANCES = {"ana": 900_000, "carla": 100_000}


@dataclass(frozen=True)
class Scenario:
    """`prepare` fills the world before the bot starts; `play` has people act and waits for the end.

    `cut`: no point from the first one of this kind on is struck. `tells`: people's messages are compared.
    """

    name: str
    prepare: Callable[..., Awaitable[None]]
    play: Callable[..., Awaitable[None]]
    settings: dict = field(default_factory=dict)
    check: Callable[..., None] = compare_payments
    cut: str = ""
    tells: bool = True


async def _two_clients(world):
    for name in BALANCES:
        await world.person(name)
    await world.fill(BALANCES)


async def _sale(world):
    await _two_clients(world)
    for fiat in (500, 300):
        world.sell(fiat)


async def _address(world):
    await world.person("ana", address=True)
    await world.fill({"ana": 900_000})
    world.sell(500)


async def _commission(world):
    for name in ("ana", "rosa"):
        await world.person(name)
    await world.fill({"ana": 900_000}, {"rosa": 5_000})
    world.sell(500)


async def _fixed(world):
    await _two_clients(world)
    world.change("UPDATE client SET mode = 'fixed', fixed_limit_minor = 20000 WHERE id = 2")


async def _restored(world):
    """Let the bot pay two sales, and put back the copy from between: the ledger knows one of them.

    Since then ana has another destination than the unknown payment went to.
    """
    await _two_clients(world)
    world.sell(500)
    async with world.earlier_life():
        await world.until(lambda: world.is_settled(1))
        assert world.run("backup", "copy.sqlite3").returncode == 0
        world.sell(300)
        await world.until(lambda: world.is_settled(2))
    for path in world.data.glob(f"{LEDGER}*"):
        path.unlink()
    (world.folder / "copy.sqlite3").rename(world.data / LEDGER)
    world.move_abroad("ana")
    world.sell(100)


def _settled(distributions):
    async def play(world):
        await world.until(lambda: world.is_settled(distributions))

    return play


async def _deposit(world):
    await order(world, "deposit ana 500")
    last = "SELECT id FROM deposit WHERE id > 2"
    await world.until(lambda: world.rows(last) and world.is_settled(0))
    ((number,),) = world.rows(last)
    await order(world, f"deposit confirm {number}")
    await world.until(lambda: world.rows(BALANCE) == [(950_000,)] and world.is_settled(0))


async def _withdrawal(world):
    await order(world, "withdraw ana 100")
    await world.until(lambda: world.rows(BALANCE) == [(890_000,)] and world.is_settled(0))


async def _fixed_by_hand(world):
    await order(world, "fixed run")
    await world.until(lambda: world.is_settled(1))


async def _accept(world):
    """Have the operator accept what LNbits has paid and the restored ledger doesn't know."""
    await world.until(lambda: world.is_settled(2) and world.rows(HELD))
    for (number,) in world.rows(HELD):
        await order(world, f"hold accept {number}")
    await world.until(lambda: world.is_settled(3))


async def order(world, text, *, has_code=True, is_polled=True):
    """Have the operator write a command, again while the bot has just started, and confirm it."""
    await world.until(
        lambda: not is_polled or ("reconciled with LNbits" in world.log() and world.rows(POLLED))
    )
    asked = await _answered(world.operator, text, CODE.search if has_code else bool)
    if has_code:
        code = next(CODE.search(one) for one in asked if CODE.search(one))[1]
        await _answered(world.operator, f"confirm {code}", bool)


async def _answered(operator, text, is_answer):
    """Return the messages after a command, among them its answer."""
    for _ in range(TRIES):
        before = len(await operator.received())
        await operator.send(text)
        texts = await operator.wait(
            lambda texts, before=before: any(
                is_answer(one) or NOT_YET in one for one in texts[before:]
            )
        )
        if not any(NOT_YET in one for one in texts[before:]):
            return texts[before:]
        await asyncio.sleep(1)
    raise AssertionError(f"no answer to {text}: {texts[-1]}")


def _old(name):
    async def prepare(world):
        put_old_ledger(name, world.data)
        shutil.copyfile(world.data / LEDGER, world.folder / "old.sqlite3")

    return prepare


async def _migrated(world):
    await world.until(lambda: "reconciled with LNbits" in world.log_of_life())


def _compare_copies(world, outcome):
    """Hold the copy that the bot has made against the books, beside the payments."""
    compare_payments(world, outcome)
    copies = list((world.data / "backups").iterdir())
    outcome.faults += [f"{len(copies)} copies"] if len(copies) != 1 else []
    books = _table_rows(world.data / LEDGER)
    for path in copies:
        rows = _table_rows(path)
        outcome.faults += [
            f"{t} of {path.name}" for t in ("client", "deposit") if rows[t] != books[t]
        ]


def _compare_migrated(world, outcome):
    """Hold a migrated ledger, and the copies from before, against the ledger that was migrated."""
    old = _table_rows(world.folder / "old.sqlite3")
    copies = list(world.data.glob("before-version-*"))
    outcome.faults += [] if copies else ["no copy from before"]
    for path in (world.data / LEDGER, *copies):
        new = _table_rows(path)
        outcome.faults += [f"{path.name}: {old[t] - new[t]} of {t}" for t in old if old[t] - new[t]]


def _table_rows(path):
    with closing(sqlite3.connect(path)) as ledger:
        assert ledger.execute("PRAGMA integrity_check").fetchall() == [("ok",)], path
        assert ledger.execute("PRAGMA foreign_key_check").fetchall() == [], path
        return {
            table: set(ledger.execute(f"SELECT {columns} FROM {table}").fetchall())
            for table, columns in KEPT.items()
        }


def _migration(name):
    return Scenario(
        f"migration from {name[:2]}",
        _old(name),
        _migrated,
        check=_compare_migrated,
        cut="request",
        tells=False,
    )


SCENARIOS = {
    one.name: one
    for one in (
        Scenario("sale", _sale, _settled(2)),
        Scenario("address", _address, _settled(1), {"by_gateway": True}),
        Scenario("commission", _commission, _settled(2)),
        Scenario("deposit", _two_clients, _deposit),
        Scenario("withdrawal", _two_clients, _withdrawal),
        Scenario("fixed", _fixed, _settled(1), {"times": '["00:00"]'}),
        Scenario("fixed run", _fixed, _fixed_by_hand),
        Scenario("backup", _sale, _settled(2), {"backup_hours": 24}, _compare_copies, cut="lease"),
        Scenario("restore", _restored, _accept, {"by_gateway": True}),
        _migration("v1-c6d83de"),
        _migration("v6-e5b61c5"),
    )
}
