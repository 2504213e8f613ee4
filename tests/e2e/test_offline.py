"""Outside parts go and come back, one by one and together; the bot goes on with what it reaches."""

import asyncio
from contextlib import AsyncExitStack, suppress
from urllib.parse import urlsplit

import pytest

HOST = "127.0.0.1"


class Line:
    """A TCP line to a part of the outside that can be cut and mended; only the bot uses it."""

    def __init__(self, target_port):
        self.target_port = target_port
        self.port = 0
        self._server = None
        self._pipes = set()

    async def mend(self):
        self._server = await asyncio.start_server(self._serve, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self):
        """Refuse connections, and end those that there are."""
        self._server.close()
        for pipe in list(self._pipes):
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _serve(self, reader, writer):
        pipe, ends = asyncio.current_task(), [writer]
        self._pipes.add(pipe)
        try:
            back, forth = await asyncio.open_connection(HOST, self.target_port)
            ends.append(forth)
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, forth))
                group.create_task(_copy(back, writer))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            self._pipes.discard(pipe)
            for end in ends:
                end.transport.abort()
                with suppress(OSError):
                    await end.wait_closed()


async def _copy(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def port_of(url):
    return urlsplit(url).port


@pytest.fixture
async def make_lines(make_world):
    """Make a world whose bot reaches its parts by lines: `(world, {"lnbits": Line, …})`."""
    async with AsyncExitStack() as exits:

        async def make(*, relays=1):
            world = await make_world(relays=relays)
            parts = {
                "lamassu": Line(world.ssh_port),
                "lnbits": Line(port_of(world.gateway.url)),
                "relay": Line(port_of(world.relays[0])),
            }
            parts |= {url: Line(port_of(url)) for url in world.relays[1:]}
            await lay(world, parts, exits)
            return world, parts

        yield make


async def lay(world, parts, exits):
    """Have the bot's files lead to the lines."""
    for line in parts.values():
        await line.mend()
        exits.push_async_callback(line.cut)
    config = world.folder / "config.toml"
    text = config.read_text()
    for line in parts.values():
        text = text.replace(str(line.target_port), str(line.port))
    config.write_text(text)
    world.listed = [f"ws://{HOST}:{line.port}" for name, line in parts.items() if _is_relay(name)]
    for user in world.users:
        await user.list_relays(world.listed, later_s=1)
    hosts = world.folder / "known_hosts"
    new, old = (str(port) for port in (parts["lamassu"].port, world.ssh_port))
    hosts.write_text(hosts.read_text().replace(old, new))


def _is_relay(name):
    return name not in ("lamassu", "lnbits")


def distributed(world):
    return world.rows("SELECT count(*) FROM distribution")[0][0]


def paid(world):
    return world.rows("SELECT count(*) FROM payout WHERE state = 'DONE'")[0][0]


@pytest.mark.slow(100)
async def test_each_part_goes_and_comes_back_and_nothing_is_lost_or_doubled(make_lines, wallets):
    world, parts = await make_lines()
    world.start()
    ana = await world.user("nip17")
    wallet = wallets("ana", at=world.lnbits)
    await world.operator.order(f"client add ana {ana.npub} 9000")
    await ana.order(f"wallet {wallet.invoice_key}")
    await ana.ask("notify each")
    await world.operator.order("deposit confirm 1")
    principals = [world.export.sell(100)[1]]
    await world.until(lambda: world.is_settled(1))

    await parts["lnbits"].cut()
    principals.append(world.export.sell(100)[1])
    await world.until(lambda: distributed(world) == 2)
    assert "Source wallet: LNbits does not tell" in await world.operator.ask("status")
    assert await world.operator.ask("holds") == "Nothing is held."
    assert "LNbits does not answer right now" in await world.operator.ask("topup 1000")
    assert "Open payouts, in order:" in await world.operator.ask("payouts")
    assert "On the way to you" in await ana.ask("balance")
    assert paid(world) == 1
    await parts["lnbits"].mend()

    await parts["lamassu"].cut()
    await world.until(lambda: world.is_settled(2))
    principals.append(world.export.sell(100)[1])
    await world.until(lambda: "Lamassu reachable=False" in world.log())
    assert "Lamassu: OUT OF REACH" in await world.operator.ask("status all")
    assert distributed(world) == 2
    await parts["lamassu"].mend()
    await world.until(lambda: world.is_settled(3))

    before = len(await ana.received())
    await parts["relay"].cut()
    principals.append(world.export.sell(100)[1])
    await ana.send("settings")
    await world.until(lambda: paid(world) == 4)
    assert len(await ana.received()) == before, "the relay kept the question, not the answer"
    await parts["relay"].mend()
    await ana.wait(lambda texts: len(texts) == before + 2)

    for line in parts.values():
        await line.cut()
    principals.append(world.export.sell(100)[1])
    await ana.send("balance")
    world.kill()
    lost = world.log().count("LNbits reachable=False")
    world.start()
    await world.until(lambda: world.log().count("LNbits reachable=False") > lost)
    for line in parts.values():
        await line.mend()
    await world.until(lambda: world.is_settled(5))

    texts = await ana.wait(lambda texts: len(texts) == before + 4)
    assert sum("sats have arrived" in text for text in texts) == 5
    assert sum("Cash still to convert" in text for text in texts) == 2
    assert await world.balance_sat(wallet) == sum(principals) == world.paid_sat("ana")
    audit = await asyncio.to_thread(world.audit)
    assert (audit["findings"], audit["payments"]) == ([], 5)
    assert world.log().count("reachable=") <= 16, "one line for each change, none for each try"
    assert world.stop() == 0


NAMES = ("Lamassu", "LNbits", "All relays")
KINDS = ("out of reach since", "in reach again", "out of reach from")


def kinds_told(texts, name):
    """Return what was told of a part: the beginning of an outage, its end, or both as one."""
    about = [text for text in texts if text.startswith(name)]
    return [kind for text in about for kind in KINDS if f": {kind}" in text]


@pytest.mark.long
async def test_outage_of_everything_is_told_once_for_each_part_with_one_all_clear(make_lines):
    """Takes four minutes: one to raise the alarms, two until a part that is back counts as back.

    Several relays, so that one of them is tried again soon after they are back.
    """
    world, parts = await make_lines(relays=5)
    config = world.folder / "config.toml"
    every_minute = "[notifications]\noffline_alert_minutes = 1\n"
    config.write_text(config.read_text().replace("[notifications]\n", every_minute))
    world.start()
    await world.operator.ask("status")
    await world.until(lambda: world.rows("SELECT 1 FROM fact WHERE name = 'last_poll_at'"))
    before = world.log()

    for line in parts.values():
        await line.cut()
    told = "SELECT 1 FROM alarm WHERE told_at IS NOT NULL"
    await world.until(lambda: len(world.rows(told)) == len(NAMES), limit_s=150)
    for line in parts.values():
        await line.mend()
    unsent = "SELECT 1 FROM outbox WHERE sent_at IS NULL AND dropped_at IS NULL"
    await world.until(
        lambda: not world.rows("SELECT 1 FROM alarm") and not world.rows(unsent), limit_s=300
    )

    texts = await world.operator.received()
    for name in NAMES:
        assert kinds_told(texts, name) in ([*KINDS[:2]], [*KINDS[2:]]), texts
    assert not any("has not been read" in text for text in texts), "it is told already"
    lines = world.log().removeprefix(before).splitlines()
    assert sum("alarm name=" in line for line in lines) == len(NAMES)
    assert sum("all-clear name=" in line for line in lines) == len(NAMES)
    assert len(lines) < 40, "none for each of hundreds of tries"
    assert world.stop() == 0
