"""The cells of payouts: each fault of the way on each kind of request between the bot and LNbits."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path

from dca_bot.demo.lnbits_process import LnbitsProcess
from faults.cells import Cell
from faults.http_faults import AWAY, HttpFault
from faults.payouts import PayoutWorld, payout_world

ROOM = "LNbits and Lightning addresses"
KINDS = (
    "balance",
    "balance of a round",
    "one payment",
    "list of payments",
    "list of lease",
    "write lease",
    "make invoice",
    "decode",
    "list of payouts",
    "pay",
    "list of debits",
    "list of credits",
    "look at payment",
    "look at credit",
    "address",
    "callback",
    "verify",
)
_SKIPPED = {"balance of a round": ("balance", 2), "list of debits": ("list of payouts", 1)}
"""Requests that are asked for another purpose first: the kind by its form, and how many come before."""
_UNSEEN = 12
"""How often LNbits doesn't show a payment, until the payee's server is asked."""
LOOKS = 2
"""How often the bot looks while nothing sound is at the port."""
_AHEAD_MAX = timedelta(minutes=15)
"""How far the bot's clock may run ahead of LNbits', whose invoices live an hour, before a new world."""

_Strike = Callable[[PayoutWorld], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault to be played: `begin` makes the way faulty."""

    kind: str
    fault: str
    begin: _Strike


@dataclass(frozen=True, slots=True)
class Series:
    """Faults that one bot meets one after the other; `waits`: mostly for a time limit."""

    strikes: Sequence[Strike]
    waits: bool = False

    async def play(self, lnbits: LnbitsProcess, folder: Path) -> AsyncIterator[Cell]:
        """Yield each cell; one that is wrong is the last in its world."""
        left = list(self.strikes)
        for number in count():
            if not left:
                return
            async with payout_world(lnbits, folder / str(number)) as world:
                await pay_soundly(world)
                while left:
                    cell = await play_strike(world, left.pop(0))
                    yield cell
                    if not cell.is_right or world.bench.clock.ahead > _AHEAD_MAX:
                        break


def payout_series(kind: str, faults: Sequence[HttpFault]) -> Iterator[Series]:
    """Return the faults on a kind of request: one bot for all that are soon over, each other one its own."""
    strikes = [(fault.waits, of_kind(kind, fault)) for fault in faults]
    yield Series([strike for waits, strike in strikes if not waits])
    for waits, strike in strikes:
        if waits:
            yield Series([strike], waits=True)


async def refused_series(lnbits: LnbitsProcess, folder: Path) -> Series:
    """Return a strike for each request from a start of the bot until both clients are paid.

    LNbits goes away before the request, and comes back after two looks.
    """
    async with payout_world(lnbits, folder) as world:
        await pay_soundly(world)
        await world.bench.reopen()
        await world.distribute()
        world.proxy.order.clear()
        await world.settle()
        order = list(world.proxy.order)
    return Series([_refused(place, kind) for place, kind in enumerate(order)])


async def pay_soundly(world: PayoutWorld) -> None:
    """Pay each client for the first time, over a sound way."""
    await world.distribute()
    assert await world.settle(), f"the sound payouts: {world.bench.codes}"


def of_kind(kind: str, fault: HttpFault) -> Strike:
    asked, skip = _SKIPPED.get(kind, (kind, 0))

    async def begin(world: PayoutWorld) -> None:
        if kind in ("look at payment", "look at credit", "verify"):
            # What a list shows is looked up no more.
            world.proxy.arm(AWAY.play, "list of payouts", skip=1)
        if kind == "verify":
            world.proxy.arm(AWAY.play, "look at payment", times=_UNSEEN)
        world.proxy.arm(fault.play, asked, skip=skip, times=fault.times)

    return Strike(kind, fault.name, begin)


def _refused(place: int, kind: str) -> Strike:
    async def begin(world: PayoutWorld) -> None:
        world.proxy.refuse_after(place)
        for _ in range(LOOKS):
            await world.bench.look()
        await world.proxy.heal()

    return Strike(kind, f"refused from no. {place + 1} on", begin)


async def play_strike(world: PayoutWorld, strike: Strike, room: str = ROOM) -> Cell:
    """Start the bot again, pay each client once more over a faulty way, and look what became of it."""
    bench = world.bench
    bench.codes.clear()
    before = len(await bench.letters())
    await bench.reopen()
    await world.distribute()
    since = bench.clock.now()
    await strike.begin(world)
    is_paid = await world.settle(lambda: world.proxy.struck > 0)
    after = bench.clock.now() - since if is_paid else None
    codes = list(bench.codes)
    wrongs = [f"unexpected {code}" for code in codes if code.startswith("!")]
    if not world.proxy.struck:
        wrongs.append("the fault met no request")
    await world.proxy.heal()
    wrongs += await world.wrongs()
    return Cell(
        room, strike.kind, strike.fault, codes, after, wrongs, len(await bench.letters()) - before
    )
