"""Two or three bots on copies of one ledger, step by step: every order of looks, writes and payments.

The lease is the program's own, on a real ledger in memory. LNbits and time are a model: a request is
carried out, and its answer comes, whenever the test says so. Only what the lease assumes is granted: a
pay request is carried out less than 10 s after the check that let it leave.
"""

import random
import sqlite3
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from dca_bot.core.lease import LOOK_AGE_MAX_S, WAIT_S, LeaseReading, Party
from dca_bot.core.ports import Uptime
from dca_bot.errors import LnbitsUnavailable
from dca_bot.jobs.payouts.lease import Lease, NotHeld
from dca_bot.ledger.payouts import leases
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import migrate

S = 10**9
WALKS = (range(100), pytest.param(range(100, 1000), marks=pytest.mark.long))
PAY_WITHIN_NS = (WAIT_S - LOOK_AGE_MAX_S) * S - 1
ALL_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
PACES_S = (0,), (0, 0, 0, 1), (0, 0, 1, 4, 6, 9, 16)


@pytest.fixture(scope="module")
def template():
    """The ledger that each world's first bot begins with: what the lease reads and writes, no more.

    SQLite reads all of a schema anew for each of the 8,000 copies, and the whole one takes ten times as long.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as ledger:
        migrate(ledger)
        keep_only(ledger, ("fact", "lease", "lease_dispute"))
        ledger.execute("DROP TRIGGER rehearsal_begins_empty")  # It looks at what is left out here.
        yield ledger


def keep_only(ledger, tables):
    """Drop all other tables; these keep their rules, triggers and indexes."""
    rules = of_tables(ledger, tables)
    ledger.execute("PRAGMA foreign_keys = OFF")
    views = ledger.execute("SELECT name FROM sqlite_schema WHERE type = 'view'").fetchall()
    for (name,) in views:
        ledger.execute(f"DROP VIEW {name}")
    others = [name for (name,) in ledger.execute(ALL_TABLES) if name not in tables]
    for name in others:
        ledger.execute(f"DROP TABLE {name}")
    assert of_tables(ledger, tables) == rules
    assert len(rules) > len(tables)


def of_tables(ledger, tables):
    """Return the SQL of tables, and of their triggers and indexes."""
    rows = ledger.execute("SELECT tbl_name, name, sql FROM sqlite_schema WHERE type <> 'view'")
    return sorted((name, sql) for table, name, sql in rows if table in tables and sql)


class Step:
    """Lets everybody else go on; the answer is what the scheduler puts there."""

    def __await__(self):
        return (yield self)


@dataclass
class Request(Step):
    """A request on its way to LNbits; it has an answer once it was carried out."""

    work: object
    deadline_ns: int | None = None
    answer: object = None
    is_done: bool = False

    def carry_out(self):
        self.answer, self.is_done = self.work(), True


@dataclass
class Sleep(Step):
    until_ns: int


@dataclass
class Idle(Step):
    """Waits for a payout beyond so many."""

    count: int


class Copy:
    """A copy of the ledger; like `Database`, as far as the lease needs it."""

    def __init__(self, source):
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        source.backup(self.connection)

    async def transact(self, work):
        return work(self.connection)

    read = transact


class Silent:
    """Tells the operators nothing."""

    @property
    def alarms(self):
        return self

    def lease_disputed(self, *_):
        pass


@dataclass
class World:
    """LNbits and time; `frozen` bots may be late with a pay request."""

    now_ns: int = 0
    rows: list = field(default_factory=list)
    paid: list = field(default_factory=list)
    requests: list = field(default_factory=list)
    payouts: list = field(default_factory=lambda: ["p0", "p1", "p2"])
    bots: list = field(default_factory=list)
    starts: int = 0
    ledgers: ExitStack = field(default_factory=ExitStack)

    def copy_of(self, ledger):
        """Copy a ledger for another bot; the copy is closed with the world."""
        copy = Copy(ledger)
        self.ledgers.callback(copy.connection.close)
        return copy

    def uptime(self):
        return Uptime("first", timedelta(microseconds=self.now_ns // 1000))

    def now(self):
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.now_ns // 1000)

    async def sleep(self, delay_s):
        await Sleep(self.now_ns + delay_s * S)

    async def ask(self, work, *, within_ns=None):
        deadline = None if within_ns is None else self.now_ns + within_ns
        request = Request(work, deadline)
        self.requests.append(request)
        return await request

    async def pay(self, payout):
        await self.ask(lambda: self.paid.append(payout), within_ns=PAY_WITHIN_NS)

    async def write_lease(self, row):
        await self.ask(lambda: self.rows.append(row))

    async def lease_rows(self, **_about):
        return await self.ask(lambda: LeaseReading(tuple(self.rows), is_whole=True))

    def let_pass(self, ns):
        """Let time pass; no pay request is later than the lease assumes."""
        until_ns = self.now_ns + ns
        for request in self.requests:
            if request.deadline_ns is not None and request.deadline_ns <= until_ns:
                self.carry_out(request)
        self.now_ns = until_ns
        self.requests = [request for request in self.requests if not request.is_done]

    def carry_out(self, request):
        if not request.is_done:
            request.carry_out()


class Bot:
    """A bot process: it pays what it doesn't find paid, in the order of `jobs/payouts/send`."""

    def __init__(self, world, database, number):
        self.world, self.database, self.number = world, database, number
        self.start()

    def start(self):
        """Start a new process, as after a kill: nothing but the ledger is left of the one before."""
        self.world.starts += 1
        party = Party(f"{self.number}-{self.world.starts}", "ledger")
        self.lease = Lease(self.database, self.world, Silent(), self.world, party)
        self.waits_for, self.running = None, self.run()
        self.resume()

    async def run(self):
        world, known, done = self.world, set(), set()
        while not self.is_stopped():
            try:
                for payout in [one for one in world.payouts if one not in done]:
                    if not await self.lease.hold():
                        break
                    if self.lease.must_reconcile:
                        known |= await world.ask(lambda: set(world.paid))
                        self.lease.must_reconcile = False
                    is_paid = await world.ask(lambda payout=payout: payout in world.paid)
                    if not is_paid and payout not in known:
                        await self.lease.check()
                        await world.pay(payout)
                    done.add(payout)
                else:
                    await Idle(len(world.payouts))
            except (NotHeld, LnbitsUnavailable):
                pass

    def is_stopped(self):
        return leases.open_dispute(self.database.connection) is not None

    def is_ready(self):
        match self.waits_for:
            case Request(is_done=done):
                return done
            case Sleep(until_ns=until):
                return until <= self.world.now_ns
            case Idle(count=count):
                return count < len(self.world.payouts)
        return False

    def resume(self):
        answer = self.waits_for.answer if isinstance(self.waits_for, Request) else None
        try:
            self.waits_for = self.running.send(answer)
        except StopIteration:
            self.waits_for = None

    def take_over(self):
        """Have the operators say `resume all` with its code."""
        leases.accept(self.database.connection, now=self.world.now())
        bot_state.drop(self.database.connection, bot_state.PAUSED)
        self.running, self.waits_for = self.run(), None
        self.resume()


@contextmanager
def world_of(template, bots, *, used):
    """Make so many bots on copies of one ledger, whose bot has paid before where it was `used`.

    That bot is the first of them; it runs on.
    """
    world = World()
    with world.ledgers:
        world.bots = [Bot(world, world.copy_of(template), 0)]
        if used:
            finish(world)
            assert sorted(world.paid) == world.payouts
            world.payouts.append("p3")
        world.bots += [copy_of(world.bots[0], number) for number in range(1, bots)]
        yield world


def copy_of(bot, number):
    """Start another bot on a copy of a bot's ledger as it is now."""
    return Bot(bot.world, bot.world.copy_of(bot.database.connection), number)


def actions_of(world, bots):
    """Return what can happen now: these bots go on, and LNbits carries out their requests.

    Those of a process that was killed are carried out too, with all of the bots.
    """
    mine = [bot.waits_for for bot in bots]
    asked = world.requests if len(bots) == len(world.bots) else mine
    actions = [one.carry_out for one in asked if isinstance(one, Request) and not one.is_done]
    return actions + [bot.resume for bot in bots if bot.is_ready()]


def is_at_rest(bot):
    return not bot.is_ready() and isinstance(bot.waits_for, Idle | None)


def finish(world):
    """Let all that is under way come to its end, in turn."""
    for _ in range(2_000):
        world.let_pass(S)
        actions = actions_of(world, world.bots)
        if not actions and all(is_at_rest(bot) for bot in world.bots):
            return
        for action in actions:
            action()
    raise AssertionError("it goes on for ever")


def take_over(_world, bot):
    if bot.is_stopped() and bot.waits_for is None:
        bot.take_over()


def replace_by_copy(world, bot):
    """Stop a bot in mid-air, and start it on a copy of another one's ledger."""
    bot.running.close()
    place, other = world.bots.index(bot), world.bots[(bot.number + 1) % len(world.bots)]
    world.bots[place] = copy_of(other, bot.number)


def kill(_world, bot):
    bot.running.close()
    bot.start()


EVENTS = (take_over, replace_by_copy, kill)


def walk(world, chance, *, stretches=60):
    """Let things happen in any order: for a stretch only some bots go on, the others are slow."""
    for _ in range(stretches):
        quick = chance.sample(world.bots, chance.randint(1, len(world.bots)))
        if chance.random() < 0.25:
            chance.choice(EVENTS)(world, quick[0])
        if chance.random() < 0.3:
            world.payouts.append(f"p{len(world.payouts)}")
        numbers, delays_s = {bot.number for bot in quick}, chance.choice(PACES_S)
        for _ in range(chance.randint(1, 40)):
            world.let_pass(chance.choice(delays_s) * S)
            actions = actions_of(world, [bot for bot in world.bots if bot.number in numbers])
            if actions:
                chance.choice(actions)()
            elif all(
                isinstance(bot.waits_for, Sleep) for bot in world.bots if bot.number in numbers
            ):
                world.let_pass(S)


@pytest.mark.parametrize("seeds", WALKS, ids=len)
@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("bots", [2, 3])
def test_no_order_of_steps_pays_a_payout_twice(template, bots, used, seeds):
    for seed in seeds:
        with world_of(template, bots, used=used) as world:
            walk(world, random.Random(seed))
            finish(world)
            assert len(world.paid) == len(set(world.paid)), f"with seed {seed}"


@pytest.mark.parametrize("seeds", WALKS, ids=len)
@pytest.mark.parametrize("used", [False, True])
def test_bots_that_go_on_side_by_side_stop_all_but_one(template, used, seeds):
    """Requests and answers in any order, hardly any time in between: as two bots polling in step."""
    stopped = 0
    for seed in seeds:
        with world_of(template, 2, used=used) as world:
            run_side_by_side(world, random.Random(seed))
            assert len(world.paid) == len(set(world.paid)), f"with seed {seed}"
            running = sum(not bot.is_stopped() for bot in world.bots)
            assert running <= 1, f"with seed {seed}"
            stopped += not running
    assert stopped > len(seeds) // 4, "where one has seen the other's claim, both have stopped"


def run_side_by_side(world, chance):
    for number in range(200):
        world.let_pass(chance.choice([0, 0, 0, S // 10]))
        if actions := actions_of(world, world.bots):
            chance.choice(actions)()
        else:
            world.let_pass(S)
        if number % 50 == 0:
            world.payouts.append(f"p{len(world.payouts)}")
    for _ in range(3):
        world.let_pass(6 * S)
        world.payouts.append(f"p{len(world.payouts)}")
        finish(world)


def test_single_bot_pays_everything_also_after_kills(template):
    with world_of(template, 1, used=True) as world:
        for number in range(12):
            world.payouts.append(f"p{len(world.payouts)}")
            run_steps(world, number)
            kill(world, world.bots[0])
        finish(world)
        assert sorted(world.paid) == sorted(world.payouts)
        assert not world.bots[0].is_stopped()


def run_steps(world, count):
    for _ in range(count):
        world.let_pass(S)
        for action in actions_of(world, world.bots)[:1]:
            action()


def run_until(world, bot, is_there):
    """Let one bot go on alone until something has come true."""
    for _ in range(200):
        if is_there():
            return
        request = bot.waits_for
        if isinstance(request, Request):
            request.carry_out()
        elif isinstance(request, Sleep):
            world.let_pass(request.until_ns - world.now_ns)
        bot.resume()
    raise AssertionError("it never came true")


@pytest.mark.parametrize(("late_s", "times"), [(9, 1), (60, 2)])
def test_frozen_process_can_pay_one_payout_twice_and_no_second_one(template, late_s, times):
    """The documented limit: between the check and the payment lies more than the wait allows."""
    with world_of(template, 1, used=True) as world:
        (frozen,) = world.bots
        world.payouts += ["p4", "p5"]
        run_until(world, frozen, lambda: is_payment(frozen))
        request, begun_ns = frozen.waits_for, world.now_ns
        world.requests.remove(request)  # nobody sees to its deadline
        other = copy_of(frozen, 1)
        world.bots.append(other)
        run_until(world, other, lambda: "p3" in world.paid or isinstance(other.waits_for, Sleep))
        world.let_pass(late_s * S)
        if times == 2:
            run_until(world, other, lambda: "p3" in world.paid)
            assert world.now_ns - begun_ns >= WAIT_S * S
        request.carry_out()
        frozen.resume()
        finish(world)
        assert world.paid.count("p3") == times
        assert max(world.paid.count("p4"), world.paid.count("p5")) <= 1
        assert frozen.is_stopped()


def is_payment(bot):
    return isinstance(bot.waits_for, Request) and bot.waits_for.deadline_ns is not None
