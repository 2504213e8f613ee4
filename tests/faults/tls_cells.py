"""The cells of TLS: what may stand at the port of an LNbits that is used by https."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reach.certificates import DOMAIN, Authority, make_authority

from dca_bot.demo.lnbits_process import LnbitsProcess
from faults.cells import Cell
from faults.http_faults import HTTP_FAULTS
from faults.payout_cells import LOOKS, Strike, of_kind, pay_soundly, play_strike
from faults.payouts import PayoutWorld, payout_world
from faults.proxy import Serve

ROOM = "LNbits by https"
HOST = f"lnbits.{DOMAIN}"
ANY = "any request"
_CUT = ("reply lost, hung up", "reply cut in the body", "reply cut by a reset")
"""Over TLS these end a connection without TLS' own farewell."""


@dataclass(frozen=True, slots=True)
class TlsSeries:
    """Faults that one bot meets one after the other; HOST leads to loopback meanwhile."""

    authority: Authority
    strikes: Sequence[Strike]
    waits: bool = False

    async def play(self, lnbits: LnbitsProcess, folder: Path) -> AsyncIterator[Cell]:
        folder.mkdir()  # noqa: ASYNC240 - a folder in memory
        good = self.authority.contexts["good"]
        unknown = make_authority(folder).contexts["good"]
        async with payout_world(lnbits, folder / "bot", tls=good, host=HOST) as world:
            world.certificates.update(self.authority.contexts, unknown=unknown)
            await pay_soundly(world)
            for strike in self.strikes:
                yield await play_strike(world, strike, ROOM)


def tls_series(authority: Authority) -> Iterator[TlsSeries]:
    yield TlsSeries(
        authority,
        [
            _shown("certificate expired", "expired"),
            _shown("certificate of another name", "other"),
            _shown("certificate of nobody known", "unknown"),
            _standing("closed in the handshake", _close),
            _standing("garbage in place of TLS", _greet),
            _standing("HTTP in place of TLS", None),
            *(of_kind("pay", fault) for fault in HTTP_FAULTS if fault.name in _CUT),
        ],
    )
    yield TlsSeries(authority, [_standing("silent in the handshake", _say_nothing)], waits=True)


def _shown(fault: str, certificate: str) -> Strike:
    async def begin(world: PayoutWorld) -> None:
        await world.proxy.stand_in(None, tls=world.certificates[certificate])
        await _look(world)

    return Strike(ANY, fault, begin)


def _standing(fault: str, serve: Serve | None) -> Strike:
    async def begin(world: PayoutWorld) -> None:
        await world.proxy.stand_in(serve)
        await _look(world)

    return Strike(ANY, fault, begin)


async def _look(world: PayoutWorld) -> None:
    for _ in range(LOOKS):
        await world.bench.look()
    await world.proxy.heal()


async def _close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ESMTP\r\n")
    writer.close()


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while await reader.read(2**14):
            pass
    writer.close()
