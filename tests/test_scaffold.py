import sqlite3
from contextlib import closing

from scaffold import open_ledger

from dca_bot.ledger.store.database import open_database
from dca_bot.ledger.store.ledger_files import LEDGER_FILE


async def test_copy_of_a_new_ledger_is_what_the_migrations_make(tmp_path):
    found = []
    for way in (open_database, open_ledger):
        folder = tmp_path / way.__name__
        await (await way(folder)).aclose()
        with closing(sqlite3.connect(folder / LEDGER_FILE)) as ledger:
            found.append(list(ledger.iterdump()))
        rights = {path.name: path.stat().st_mode for path in folder.iterdir()}
        found.append((folder.stat().st_mode, rights))
    assert found[:2] == found[2:]
    assert any(line.startswith("CREATE TABLE") for line in found[0])
