from pathlib import Path

import pytest
from lamassu_server import LamassuServer, login
from wire import Wire

from dca_bot.lamassu.postgres import PostgresSource
from dca_bot.lamassu.postgres_login import PostgresLimits

DATA = Path(__file__).parents[1] / "data" / "lamassu"


@pytest.fixture
def sample() -> Path:
    """Return the folder of the sample, exported from a real Lamassu schema."""
    return DATA


@pytest.fixture
async def server(postgres, tmp_path):
    server = LamassuServer(postgres, postgres.create_database(), tmp_path)
    server.options = f'restrict,port-forwarding,permitopen="127.0.0.1:{postgres.port}"'
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def make_source(server):
    """Make a source: `make_source("tunnel", limits…, login=…)`."""
    sources = []

    def make(way="direct", *, connect_s=20, **changes):
        limits = {"statement_s": 20} | {
            name: changes.pop(name) for name in ("statement_s", "table_bytes") if name in changes
        }
        known = login(server, **changes)
        tunnel = server.ssh() if way == "tunnel" else None
        sources.append(PostgresSource(known, tunnel, PostgresLimits(connect_s=connect_s, **limits)))
        return sources[-1]

    yield make
    for source in sources:
        await source.aclose()


@pytest.fixture
async def wire(server):
    wire = Wire(server.postgres.port)
    await wire.start()
    yield wire
    await wire.stop()
