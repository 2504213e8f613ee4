import pytest
from here import open_here
from scaffold import open_ledger
from talk import Talk, make_programme


@pytest.fixture
async def talk(tmp_path):
    """A bot that can be talked to, on an empty ledger."""
    folder = tmp_path / "data"
    database = await open_ledger(folder, open_here)
    yield Talk(database, folder, make_programme())
    await database.aclose()


@pytest.fixture
async def spanish(tmp_path):
    """A bot of a Spanish programme that can be talked to, on an empty ledger."""
    folder = tmp_path / "data"
    database = await open_ledger(folder, open_here)
    yield Talk(database, folder, make_programme(language="es"))
    await database.aclose()


@pytest.fixture
async def scene(talk):
    """maria with a balance, lena with nothing, and a held cash-out; two deeds each can be undone."""
    await talk.add_client("maria", balance="1000")
    await talk.add_client("lena", wallet="")
    await talk.hold_cash_out("held-one")
    return talk
