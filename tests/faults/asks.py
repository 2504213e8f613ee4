"""What commands and `check` ask LNbits, over a faulty way: a code or the right answer comes back."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from dca_bot.demo.lnbits_process import LnbitsProcess
from dca_bot.errors import DcaBotError
from faults.cells import Cell
from faults.http_faults import HttpFault
from faults.payouts import PayoutWorld, payout_world

ROOM = "LNbits, asked by commands and by check"

Ask = Callable[[PayoutWorld], Awaitable[Any]]


async def _price(world: PayoutWorld) -> Any:
    return await world.bench.wallet.price("GTQ")


async def _version(world: PayoutWorld) -> Any:
    return await world.bench.wallet.version()


async def _key(world: PayoutWorld) -> Any:
    return await world.bench.wallet.identify(world.payees[0].wallet.invoice_key)


async def _top_up(world: PayoutWorld) -> Any:
    made = await world.bench.wallet.top_up_invoice(amount_sat=7, memo="top-up", expiry_s=3600)
    return made.amount_msat


async def _limits(world: PayoutWorld) -> Any:
    return await world.bench.addresses.limits(world.payees[1].destination.value)


ASKED: dict[str, tuple[str, Ask]] = {
    "price": ("price", _price),
    "version": ("version", _version),
    "whose key": ("balance", _key),
    "top-up invoice": ("top-up invoice", _top_up),
    "limits of address": ("address", _limits),
}
"""What is asked: the kind of the request that meets the fault, and how the bot asks."""


@dataclass(frozen=True, slots=True)
class AskStrike:
    """A fault on the request by which something is asked."""

    kind: str
    fault: str
    http: HttpFault


@dataclass(frozen=True, slots=True)
class AskSeries:
    """Faults that one bot meets one after the other; `waits`: mostly for a time limit."""

    strikes: Sequence[AskStrike]
    waits: bool = False

    async def play(self, lnbits: LnbitsProcess, folder: Path) -> AsyncIterator[Cell]:
        async with payout_world(lnbits, folder) as world:
            for strike in self.strikes:
                kind, ask = ASKED[strike.kind]
                sound = await ask(world)
                yield await _play(world, strike, kind, ask, sound)


def ask_series(faults: Sequence[HttpFault]) -> Iterator[AskSeries]:
    for kind in ASKED:
        quick = [AskStrike(kind, one.name, one) for one in faults if not one.waits]
        yield AskSeries(quick)
        for fault in faults:
            if fault.waits:
                yield AskSeries([AskStrike(kind, fault.name, fault)], waits=True)


async def _play(world: PayoutWorld, strike: AskStrike, kind: str, ask: Ask, sound: Any) -> Cell:
    world.bench.codes.clear()
    world.proxy.arm(strike.http.play, kind, times=1)
    wrongs = []
    try:
        found = await ask(world)
        if found != sound:
            wrongs.append(f"answered {found}")
    except DcaBotError:
        pass
    await world.proxy.heal()
    codes = list(world.bench.codes)
    wrongs += [f"unexpected {code}" for code in codes if code.startswith("!")]
    if not world.proxy.struck:
        wrongs.append("the fault met no request")
    if (again := await ask(world)) != sound:
        wrongs.append(f"answered {again} afterwards")
    return Cell(ROOM, strike.kind, strike.fault, codes, timedelta(), wrongs)
