import pytest
from talk import Talk, make_programme

from dca_bot.ledger.database import open_database


@pytest.fixture
async def talk(tmp_path):
    """A bot that can be talked to, on an empty ledger."""
    folder = tmp_path / "data"
    database = await open_database(folder)
    yield Talk(database, folder, make_programme())
    await database.aclose()
