"""One simulated world, from a seed: the bot, the parts around it, the people, the faults."""

import asyncio
import gc
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from dca_bot.config import Config
from dca_bot.nostr.keys import SecretKey, generate
from dca_bot.outside import Outside
from simulation import fixed_rule
from simulation.addresses import AddressClient, AddressServers
from simulation.books import Books
from simulation.bot import Bot
from simulation.checker import Checker, People
from simulation.commands import Commands
from simulation.copies import Copies
from simulation.journal import Journal
from simulation.lamassu import MACHINES, Lamassu, LamassuClient
from simulation.lightning import Mischief
from simulation.lnbits import Lnbits
from simulation.lnbits_client import LnbitsClient
from simulation.network import Life, Line, Weather
from simulation.pay_requests import PayRequests
from simulation.people import Operator, Saver
from simulation.promise import Violation
from simulation.relays import RELAYS, RelayClient, Relays
from simulation.strangers import Stranger
from simulation.virtual_time import ComputerClock, VirtualLoop, WorldTime

_PAYOUT_MAX_SAT, _DAY_MAX_SAT = 80_000, 2_000_000
QUIET_MAX = timedelta(days=9)
"""The days without faults in which everything has to settle: a failed payment waits for a week at most."""
_RARELY = (100_000, 20, 100)
"""How often a world looks for garbage in circles, which few objects are part of."""
_NEVER = timedelta(days=9_999)
_ZONES = (timedelta(), timedelta(hours=-6), timedelta(hours=5, minutes=30))
"""The time zones of LNbits on PostgreSQL."""
_QUIET_LEAST = timedelta(days=1, hours=12)
"""After this a world ends as soon as all is settled; each client's digest has come."""


@dataclass(frozen=True)
class Plan:
    """What happens in a world: people, sales, and the odds of faults.

    `fault_rate`: of a request or message to be lost, late or answered in vain. `mischief_rate`: of a payment
    to go wrong at LNbits or beyond. `odd_rate`: of a sale that is no clean success. `kill_within`: the turns
    of the loop within which each process is killed. `restore_rate`: of an older copy to be put back after a
    kill. `clock_every`: the mean time between two wrong settings of the computer's clock, each of a kind of
    `clock_kinds`. `doing_every`: of people to do something out of the ordinary. `balance_sat`: what the
    source wallet has at first. `price_away`: the mean time for which LNbits tells no good price.
    `least_sats`: the least payments of Lightning addresses, each as often. `check_every`: the time
    between two checks of the whole ledger.
    """

    days: int = 3
    savers: int = 20
    sales_a_day: float = 10
    fault_rate: float = 0.02
    mischief_rate: float = 0.05
    odd_rate: float = 0.1
    kill_within: int = 8_000
    restore_rate: float = 0.03
    outage_every: timedelta = timedelta(hours=16)
    clock_every: timedelta = timedelta(days=2)
    clock_kinds: tuple[str, ...] = ("hours", "hours", "days", "drift", "boot")
    doing_every: timedelta = timedelta(hours=2)
    balance_sat: int = 2_000_000
    price_away: timedelta = timedelta(hours=3)
    least_sats: tuple[int, ...] = (1, 1, 1, 5_000)
    check_every: timedelta = timedelta(days=1)


@dataclass(frozen=True)
class Figures:
    """What a simulated world went through."""

    days: float
    turns: int
    kills: int
    restored: int
    sales: int
    distributions: int
    payouts: int
    letters: int
    digest: str


class World:
    """A world of one seed; `run` plays it, and raises Violation if a promise is broken."""

    def __init__(self, seed: int, plan: Plan, folder: Path, loop: VirtualLoop) -> None:
        self.seed, self.plan, self.folder, self.loop = seed, plan, folder, loop
        self.time = WorldTime(loop)
        self.journal = Journal(self.time)
        self.clock = ComputerClock(self.time)
        self.random = self._random("people")
        self.weathers = {
            name: Weather(self._random(name), plan.fault_rate)
            for name in ("lnbits", "payees", "lamassu", "relays")
        }
        mischief = Mischief(self._random("mischief"), plan.mischief_rate)
        self.lnbits = Lnbits(
            self.time,
            self.journal,
            self._random("network"),
            mischief,
            balance_msat=plan.balance_sat * 1000,
            expiry_shift=self._random("zone").choice(_ZONES),
        )
        self.addresses = AddressServers(self.lnbits, self._random("addresses"), mischief)
        self.lnbits.invoice_made = self._invoice_made
        self.lamassu = Lamassu(self.time, self.journal, self._random("machines"), plan.odd_rate)
        self.bot_key = generate(self._random("bot's key"))
        self.relays = Relays(
            self.time,
            self.journal,
            self._random("letters"),
            self.weathers["relays"],
            self.bot_key,
        )
        self.operator = Operator(
            self._key(),
            self.relays,
            self.time,
            self.random,
            lnbits=self.lnbits,
            lamassu=self.lamassu,
            books=Books(self._read),
            clock=self.clock,
        )
        self.savers: list[Saver] = []
        self.stranger = Stranger(
            self._key(), self.relays, self.time, self.random, names=(self.operator.pubkey,)
        )
        self.weathers["payees"].most_s = 6
        requests = PayRequests(
            self.lnbits, self.operator, self.clock, _PAYOUT_MAX_SAT, _DAY_MAX_SAT
        )
        commands = Commands(self.relays, self.clock, self.operator.pubkey)
        people = People(self.operator, {}, commands, requests)
        self.checker = Checker(self.lamassu, self.lnbits, people, self.clock)
        self._bot_random = self._random("bot")
        self.bot = Bot(
            config=self._config(),
            journal=self.journal,
            loop=loop,
            random=self._random("kills"),
            outside_of=self._outside,
            after_change=self.checker.after,
            kill_within=plan.kill_within,
        )
        self.copies = Copies(self.bot.data_dir, self._random("copies"), folder)
        self._is_calm = False

    async def run(self) -> Figures:
        """Play the world to its end, and check everything."""
        lives = asyncio.ensure_future(self._lives())
        events = [self._join(), self._sales(), self._chatter(), self._reviews(), self._checks()]
        events += [
            self._copy(),
            self._meddling(),
            self._operating(),
            self._prices(),
            self._clocks(),
            *map(self._outages, self.weathers.values()),
        ]
        await self._during(timedelta(days=self.plan.days), lives, events)
        self._calm()
        await self._during(_QUIET_LEAST, lives, [self._reviews(), self._checks()])
        await self._during(QUIET_MAX, lives, [self._reviews()], self._settled())
        self.bot.stop()
        await lives
        self.checker.settled(self.bot.ledger, self.savers)
        return self._figures()

    async def end(self) -> None:
        """End all that still goes on, in the bot's process too."""
        self.bot.drop()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    # The parts

    def _outside(self, life: Life) -> Outside:
        line = {name: Line(life, weather) for name, weather in self.weathers.items()}
        return Outside(
            source=LamassuClient(self.lamassu, line["lamassu"]),
            wallet=LnbitsClient(self.lnbits, line["lnbits"]),
            addresses=AddressClient(self.addresses, line["payees"]),
            messenger=RelayClient(self.relays, life, self.weathers["relays"]),
            clock=self.clock,
            random=self._bot_random,
            bot=self.bot_key.public_key,
            host="simulated",
            connect=self.bot.connect_of(life),
        )

    def _config(self) -> Config:
        values = {
            "nostr": {"relays": RELAYS, "operators": [self.operator.key.npub]},
            "lamassu": {"source": "directory", "poll_seconds": 300},
            "lnbits": {"url": "https://lnbits.example"},
            "fixed": {"times": fixed_rule.TIMES, "margin_percent": fixed_rule.MARGIN_PERCENT},
            "limits": {"payout_max_sat": _PAYOUT_MAX_SAT, "day_max_sat": _DAY_MAX_SAT},
        }
        return Config.model_validate(values).model_copy(update={"base": self.folder})

    def _random(self, name: str) -> Random:
        return Random(f"{self.seed} {name}")

    def _key(self) -> SecretKey:
        return generate(self._random(f"key {len(self.relays.mailboxes)}"))

    def _read(self, query: str) -> Iterable[tuple[Any, ...]]:
        return self.bot.ledger.execute(query).fetchall()

    # What happens

    async def _lives(self) -> None:
        """Have the bot's process live, be killed, and live again, sometimes on an older copy."""
        while True:
            self.clock.begin_watch()
            await self.bot.live()
            self.clock.end_watch()
            if self.bot.is_stopped:
                return
            if not self._is_calm and self.copies.random.random() < self.plan.restore_rate:
                self._put_back()
            await self.time.sleep(self.random.uniform(1, 300))

    def _put_back(self) -> None:
        self.bot.close_ledger()
        copy = self.copies.put_one_back()
        if copy is None:
            return
        self.journal.note(f"an older copy is put back: {copy.name}")
        self.checker.go_on_with(self.bot.ledger)
        self.relays.must_show_all = True
        self.operator.drop_plans()
        self.operator.lose_stop()
        for saver in self.savers:
            saver.lose_wishes()
        delay_s = self.random.uniform(900, 3_600)
        self.loop.call_later(delay_s, lambda: self.operator.record_again(self.savers))

    async def _join(self) -> None:
        """Have the operator add the clients, the clients set wallets, and all hand cash in time and again."""
        for number in range(self.plan.savers):
            self._add_saver(f"saver{number}")
            await self.time.sleep(self.random.uniform(20, 120))
        self.operator.write_in(7_200, "commission set saver0 25")
        self.operator.write_in(7_900, "commission set saver1 10")
        while True:
            saver = self.random.choice(self.savers)
            self.operator.write(f"deposit {saver.name} {self.random.randint(1, 40) * 50}")
            await self.time.sleep(_a_moment(self.random, timedelta(minutes=80)))

    def _add_saver(self, name: str) -> None:
        random = self.random
        saver = Saver(self._key(), self.relays, self.time, random, name=name)
        self.savers.append(saver)
        self.checker.people.savers[saver.pubkey] = saver
        saver.destination = self._wallet(name) if random.random() < 0.6 else self._address(name)
        saver.destinations.add(saver.destination)
        self.operator.write(f"client add {name} {saver.key.npub}")
        saver.write_in(random.uniform(600, 7_200), f"wallet {saver.destination}")
        first = f"deposit {name} {random.randint(4, 60) * 50}"
        self.operator.write_in(random.uniform(3_600, 9_000), first)

    def _wallet(self, name: str) -> str:
        return self.lnbits.open_wallet(name)

    def _address(self, name: str) -> str:
        """Open a Lightning address; return it."""
        random = self.random
        address = f"{name}.{len(self.addresses.addresses)}@payee.example"
        min_sat, has_verify = random.choice(self.plan.least_sats), random.random() < 0.5
        self.addresses.add(address, min_sat=min_sat, has_verify=has_verify)
        return address

    async def _sales(self) -> None:
        mean = timedelta(days=1) / self.plan.sales_a_day
        while True:
            await self.time.sleep(_a_moment(self.random, mean))
            self.lamassu.sell(self.random.choice(list(MACHINES)))
            self.lnbits.price = self.lamassu.price

    async def _chatter(self) -> None:
        while True:
            await self.time.sleep(_a_moment(self.random, self.plan.doing_every))
            if self.savers:
                self.random.choice(self.savers).act()

    async def _meddling(self) -> None:
        while True:
            await self.time.sleep(_a_moment(self.random, 3 * self.plan.doing_every))
            self.stranger.act()

    async def _operating(self) -> None:
        """Have the operator and the clients do what happens seldom."""
        await self.time.sleep(timedelta(hours=4))
        while True:
            await self.time.sleep(_a_moment(self.random, self.plan.doing_every))
            if self.random.random() < 0.5:
                self.operator.act(self.savers)
                continue
            saver = self.random.choice(self.savers)
            is_inside = self.random.random() < 0.5
            saver.change_wallet(
                self._wallet(saver.name) if is_inside else self._address(saver.name)
            )

    async def _prices(self) -> None:
        """Have LNbits' sources of prices fail: no price, 0, or another currency's."""
        random, lnbits = self._random("prices"), self.lnbits
        while True:
            await self.time.sleep(_a_moment(random, timedelta(hours=12)))
            lnbits.price_factor = Decimal(random.choice(("0", "0", "0.13", "1.2")))
            await self.time.sleep(_a_moment(random, self.plan.price_away))
            lnbits.price_factor = Decimal(1)

    async def _clocks(self) -> None:
        """Have the computer's clock be wrong now and then, until somebody or the network sets it."""
        random, clock = self._random("clocks"), self.clock
        await self.time.sleep(timedelta(hours=3))
        while True:
            await self.time.sleep(_a_moment(random, self.plan.clock_every))
            sign, right_after = random.choice((-1, 1)), timedelta(minutes=random.uniform(10, 240))
            match random.choice(self.plan.clock_kinds):
                case "hours":
                    clock.set(sign * timedelta(hours=random.uniform(0.1, 20)))
                case "days":
                    clock.set(sign * timedelta(days=random.choice((1.5, 3, 40, 400))))
                case "drift":
                    clock.set(drift=sign * random.uniform(0.0002, 0.01))
                case _:
                    # A computer without a battery: the network tells the time a little later.
                    self.bot.kill()
                    clock.reboot(datetime(random.choice((1970, 2000)), 1, 1, tzinfo=UTC))
                    right_after = timedelta(seconds=random.uniform(5, 1_800))
            self.journal.note(f"the computer's clock is wrong by {clock.wrong()}")
            await self.time.sleep(right_after)
            if not clock.is_right():
                clock.set()
                self.journal.note("the computer's clock is right")

    def _invoice_made(self, payee: str) -> None:
        """Have a client who changes the wallet do that now, while an invoice for the old one is made."""
        for saver in self.savers:
            if saver.held_code and saver.wallet_before == payee:
                saver.move()

    async def _reviews(self) -> None:
        while True:
            await self.time.sleep(timedelta(hours=6))
            self.operator.decide()
            self.operator.remind(self.savers)

    async def _checks(self) -> None:
        while True:
            await self.time.sleep(self.plan.check_every)
            self.checker.whole(self.bot.ledger)

    async def _copy(self) -> None:
        while True:
            await self.time.sleep(_a_moment(self.copies.random, timedelta(hours=8)))
            self.copies.copy()

    async def _outages(self, weather: Weather) -> None:
        while True:
            await self.time.sleep(_a_moment(weather.random, self.plan.outage_every))
            weather.is_away = True
            await self.time.sleep(_a_moment(weather.random, timedelta(minutes=20)))
            weather.is_away = False

    async def _settled(self) -> None:
        """Return once nothing is open any more."""
        while True:
            try:
                self.checker.settled(self.bot.ledger, self.savers)
            except Violation:
                await self.time.sleep(timedelta(hours=12))
            else:
                return

    def _calm(self) -> None:
        """End all faults."""
        self._is_calm = True
        self.checker.calm_at = self.time.now()
        self.bot.spare()
        for weather in self.weathers.values():
            weather.fault_rate, weather.is_away = 0.0, False
        self.lnbits.mischief.rate = 0.0
        self.lnbits.price_factor = Decimal(1)
        self.clock.set()
        self.operator.write("resume all")
        for saver in self.savers:
            saver.write("resume")

    async def _during(
        self,
        span: timedelta,
        lives: "asyncio.Task[None]",
        events: Iterable[Coroutine[Any, Any, None]],
        until: Coroutine[Any, Any, None] | None = None,
    ) -> None:
        """Let events happen for a span of time, or until `until` returns; raise what an event raises."""
        ends = [asyncio.ensure_future(one) for one in (self.time.sleep(span), until) if one]
        going = [asyncio.ensure_future(one) for one in events]
        done, _ = await asyncio.wait({*ends, *going, lives}, return_when=asyncio.FIRST_COMPLETED)
        for task in (*ends, *going):
            task.cancel()
        for task in done:
            task.result()
        assert done & set(ends), "a part of the world has ended"

    def _figures(self) -> Figures:
        return Figures(
            days=self.loop.time() / 86_400,
            turns=self.loop.turns,
            kills=self.bot.kills,
            restored=self.copies.put_back,
            sales=len(self.lamassu.sales),
            distributions=self.checker.distributions,
            payouts=self.checker.payouts,
            letters=sum(len(box.letters) for box in self.relays.mailboxes.values()),
            digest=self.journal.digest(),
        )


@dataclass(frozen=True)
class Broken:
    """A world in which a promise was broken: what, and the world with its journal."""

    what: str
    world: World


def play(seed: int, plan: Plan, folder: Path) -> Figures | Broken:
    """Play the world of a seed in an empty folder."""
    loop, usual = VirtualLoop(), gc.get_threshold()
    gc.set_threshold(*_RARELY)
    try:
        return loop.run_until_complete(_played(seed, plan, folder, loop))
    finally:
        gc.set_threshold(*usual)


def simpler(plan: Plan) -> Iterable[Plan]:
    """Return simpler plans, to find what of a plan is needed to break a promise."""
    yield replace(plan, days=max(1, plan.days // 2))
    yield replace(plan, savers=max(2, plan.savers // 3))
    yield replace(plan, outage_every=_NEVER)
    yield replace(plan, clock_every=_NEVER)
    for name in ("fault_rate", "mischief_rate", "odd_rate", "kill_within", "restore_rate"):
        yield replace(plan, **{name: 0})


async def _played(seed: int, plan: Plan, folder: Path, loop: VirtualLoop) -> Figures | Broken:
    world = World(seed, plan, folder, loop)
    try:
        return await world.run()
    except (Violation, BaseExceptionGroup) as error:
        return Broken(_told(error), world)
    finally:
        await world.end()


def _told(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def _a_moment(random: Random, mean: timedelta) -> float:
    """Draw the seconds until something that happens by chance."""
    return random.expovariate(1 / mean.total_seconds())
