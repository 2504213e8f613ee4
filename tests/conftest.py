"""Real parts that several folders of tests share; each starts when a test first asks for it."""

import contextlib
import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest
from conformance.node import Node
from hypothesis import settings
from lnbits_servers import (
    SQLITE,
    ZONES,
    Server,
    databases,
    lnbits_with,
    server_on,
    shared_parts,
)
from postgres_process import PostgresProcess, postgres_process
from typist import Typist

from dca_bot.demo.lnbits_process import LnbitsProcess, WalletKeys
from dca_bot.demo.price_stub import PriceStub

MakeWallet = Callable[..., WalletKeys]
OUTSIDE = frozenset({"lnbits", "lnbits_server", "remote_lnbits", "postgres", "terminal"})
"""The fixtures of real parts; `make quick` leaves out the tests that have one."""
OWN_DATABASE = databases(SQLITE)[0]
ON_POSTGRES_S = 150
"""How long about the tests on PostgreSQL take, one after the other."""
MEMORY = Path("/dev/shm")  # noqa: S108 - a file system; pytest makes a folder of its own there
MEMORY_MIN = 4 * 2**30
# Where cores are shared, the time that an example takes says nothing.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


def pytest_configure(config):
    """Have tests' programs hear Ctrl-C though a shell has started the tests in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _write_to_memory()
    if not hasattr(config, "workerinput"):
        shared = contextlib.ExitStack()
        shared.enter_context(shared_parts())
        config.add_cleanup(shared.close)


def pytest_itemcollected(item):
    """Mark a test as `outside` if a fixture of a real part is among its fixtures."""
    if OUTSIDE.intersection(item.fixturenames):
        item.add_marker("outside")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Begin with what takes long, so that no worker is left alone with a long test in the end.

    Each worker gets the next part of the list, and at its end takes from the ends of others' parts. The
    slow tests are dealt out to the parts' beginnings, the longest first, each to the part with the least
    to do. The tests on PostgreSQL are dealt out as one: each worker that has one of them would start a
    PostgreSQL, and an LNbits for each time zone.
    """
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    slow, together, others = [], [], []
    for item in items:
        marker = item.get_closest_marker("slow")
        if _is_on_postgres(item):
            together.append(item)
        elif marker:
            slow.append((marker.args[0], [item]))
        else:
            others.append(item)
    begun = [(0, []) for _ in range(workers)]
    for seconds, dealt in sorted([*slow, (ON_POSTGRES_S, together)], key=lambda one: -one[0]):
        least = begun.index(min(begun, key=lambda one: one[0]))
        begun[least] = (begun[least][0] + seconds, begun[least][1] + dealt)
    parts, quick, left = [], iter(others), len(items)
    for number, (_, first) in enumerate(begun):
        size = left // (workers - number)
        parts += [*first, *islice(quick, max(size - len(first), 0))]
        left -= size
    items[:] = [*parts, *quick]


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Have Python look for garbage neither while the tests are collected, nor among them afterwards."""
    gc.disable()
    collected = yield
    gc.freeze()
    gc.enable()
    return collected


@pytest.fixture(scope="session")
def price_stub() -> Iterator[PriceStub]:
    """The price service of every LNbits here."""
    stub = PriceStub()
    yield stub
    stub.close()


@pytest.fixture(scope="session")
def own_server(request, price_stub, tmp_path_factory) -> Iterator[Server]:
    """An LNbits of this worker's own, and its database."""
    with _server(OWN_DATABASE, request, price_stub, tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session")
def lnbits(own_server) -> LnbitsProcess:
    """An LNbits of this worker's own: payments inside it only."""
    return own_server.process


@pytest.fixture(scope="session")
def remote_node(lnbits) -> Iterator[Node]:
    """The node of the second LNbits: a wallet of the first."""
    node = Node(lnbits, "node of the second")
    yield node
    node.close()


@pytest.fixture(scope="session")
def remote_lnbits(remote_node, price_stub, tmp_path_factory) -> Iterator[LnbitsProcess]:
    """A second LNbits whose node is a wallet of the first: what it pays there is external."""
    data_dir = tmp_path_factory.mktemp("remote_lnbits")
    with lnbits_with(remote_node.funding, data_dir, price=price_stub) as remote:
        yield remote


@pytest.fixture(scope="module")
def lnbits_server(request, price_stub, tmp_path_factory) -> Iterator[Server]:
    """An LNbits on the database of the parameter: this worker's own LNbits, or one for the module."""
    if request.param == OWN_DATABASE:
        yield request.getfixturevalue("own_server")
        return
    with _server(request.param, request, price_stub, tmp_path_factory) as server:
        yield server


def _is_on_postgres(item):
    server = item.callspec.params.get("lnbits_server") if hasattr(item, "callspec") else None
    return "postgres" in item.fixturenames or server in ZONES


def _write_to_memory():
    """Have the tests' folders in memory: each ledger waits for the disk after each transaction.

    A kill of a process loses nothing either way. TMPDIR says otherwise.
    """
    is_free = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_MIN
    if "TMPDIR" not in os.environ and is_free and os.access(MEMORY, os.W_OK):
        # For the processes that the tests start, too.
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None


def _server(database, request, price_stub, tmp_path_factory):
    postgres = None if database == SQLITE else request.getfixturevalue("postgres")
    folder = tmp_path_factory.mktemp("lnbits")
    return server_on(database, folder, price=price_stub, postgres=postgres)


@pytest.fixture
def wallets(lnbits) -> MakeWallet:
    """Make fresh wallets: `wallets("alice", balance_sat=1000)`."""

    def make(name: str, *, balance_sat: int = 0, at: LnbitsProcess = lnbits) -> WalletKeys:
        keys = at.create_user_wallet(name)
        if balance_sat:
            at.credit(keys.id, balance_sat)
        return keys

    return make


@pytest.fixture
def terminal() -> Iterator[Callable[..., Typist]]:
    """Start a command at a terminal of its own; it is ended in the end."""
    opened: list[Typist] = []

    def start(*args, **named) -> Typist:
        opened.append(Typist(*args, **named))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresProcess]:
    """A PostgreSQL of this worker's own, with Lamassu's tables."""
    with postgres_process() as process:
        yield process
