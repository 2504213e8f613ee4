"""`dca-bot import`: tried on a copy, then carried out once, all or nothing."""

import asyncio
import csv
import json
import os
import re
import shutil
import sqlite3
import unicodedata
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ledger.old_ledgers import put_old_ledger
from satmachine_tables import Shop
from scaffold import ledger_of, open_ledger

from dca_bot.commands.check_lamassu import check_lamassu
from dca_bot.commands.import_clients import read_clients
from dca_bot.commands.import_satmachine import URL_VARIABLE, Place
from dca_bot.commands.imports import import_from_csv, import_from_satmachine
from dca_bot.config import load_config
from dca_bot.core.moving_in import Unit
from dca_bot.errors import ConfigError, DcaBotError, LedgerError
from dca_bot.files.secret_files import write_secret
from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.distributions import missed
from dca_bot.ledger.programme import clients, deposits, start
from dca_bot.ledger.store import bot_state, clock
from dca_bot.ledger.store.backups import copy_ledger
from dca_bot.nostr.keys import generate, parse_secret_key

EXPORT = Path(__file__).parents[1] / "data" / "lamassu" / "export"
CONFIG = """\
[bot]
rehearsal = {rehearsal}
[nostr]
relays = ["ws://127.0.0.1:9"]
discovery_relays = []
operators = ["{operator}"]
[lamassu]
source = "directory"
directory.path = "{export}"
{more}
[lnbits]
url = "{url}"
"""
MAJOR = (Unit.MAJOR, Unit.MAJOR)
OPERATOR, ANA, EVA = (parse_secret_key(f"{number:064x}").npub for number in (11, 12, 13))


class Folder:
    """A bot's folder, in which the commands run."""

    def __init__(self, path):
        self.path = path
        self.config = path / "config.toml"
        self.data = path / "data"
        # An export renewed just now, whenever this project's files were written.
        self.export = shutil.copytree(EXPORT, path / "export", copy_function=shutil.copyfile)
        write_secret(path / "bot.nsec", generate().nsec())
        self.bot = generate()
        self.configure()

    def configure(self, *, key="f" * 32, rehearsal="false", more="", url="http://127.0.0.1:9"):
        values = {"operator": OPERATOR, "export": self.export, "rehearsal": rehearsal, "more": more}
        self.config.write_text(CONFIG.format(**values, url=url), encoding="utf-8")
        (self.path / "lnbits.key").unlink(missing_ok=True)
        write_secret(self.path / "lnbits.key", key)

    def file(self, text, name="people.csv"):
        path = self.path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def clients(self, text, *, commit=True, json=False):
        import_from_csv(self.config, self.file(text), commit=commit, json=json)

    def satmachine(self, people, database, *, commit=False, json=True, units=MAJOR):
        place = database if isinstance(database, Place) else Place(database)
        people = self.file(people)
        import_from_satmachine(self.config, people, place, units, commit=commit, json=json)

    def change(self, work):
        async def run():
            async with ledger_of(self.path) as database:
                return await database.transact(work)

        return asyncio.run(run())

    def everyone(self):
        """(name, balance, state, mode, destination) of the clients, straight from the file."""
        with closing(sqlite3.connect(self.data / "ledger.sqlite3")) as ledger:
            return ledger.execute(
                "SELECT name, balance, state, mode, destination FROM client JOIN account"
                " ON account.client_id = client.id AND account.kind = 'balance' ORDER BY lower(name)"
            ).fetchall()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.chdir(home)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = Folder(home)
    found.change(lambda _tx: None)
    return found


# Lists that people make


PLAIN = f"name,npub,balance,wallet\nana,{ANA},1500.50,ana@example.com\neva,{EVA},,\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        b"\xef\xbb\xbf" + PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace(",", ";").replace("1500.50", '"Q1,500.50"').encode(),
        b"sep=;\r\n" + PLAIN.replace(",", ";").replace("1500.50", "1.500,50").encode(),
        PLAIN.replace(",", "\t").encode("utf-16"),
        (PLAIN + "\n,,,\n\n").replace("name,npub,balance", " Name ,NPUB,Opening balance").encode(),
    ],
    ids=["plain", "windows", "semicolons", "excel", "unicode text", "spread out"],
)
def test_list_reads_the_same_however_a_spreadsheet_has_saved_it(folder, content):
    source, problems = read_clients(folder.file(content), "GTQ")
    assert problems == []
    found = [(one.name, one.npub, one.opening.minor, one.wallet) for one in source.newcomers]
    assert found == [("ana", ANA, 150_050, "ana@example.com"), ("eva", EVA, 0, "")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("name,npub\n", "no clients"),
        ("name,balance\nana,5\n", "It lacks npub"),
        (f"name,npub,wallett\nana,{ANA},x\n", "'wallett', which is none"),
        (f"name,npub,name\nana,{ANA},x\n", "name twice"),
        (f"name,npub,balance\nana,{ANA},1,500\n", "line 2: more values"),
        (f'name,npub\n"ana,{ANA}\n', "no CSV file"),
        (f"name,npub\nJosé,{ANA}\n".encode("cp1252"), "CSV UTF-8"),
    ],
    ids=range(8),
)
def test_file_that_is_no_list_is_refused_whole(folder, text, said):
    with pytest.raises(DcaBotError, match=said):
        folder.clients(text)
    assert folder.everyone() == []


def test_each_bad_line_is_listed_and_nothing_is_imported(folder, capsys):
    lines = [
        f"good,{generate().npub},100,",
        f"help,{generate().npub},100,",
        f"Good,{generate().npub},100,",
        f"two words,{generate().npub},100,",
        f"dot,{generate().npub},1.500,",
        f"minus,{generate().npub},-5,",
        f"euro,{generate().npub},€5,",
        f"boss,{OPERATOR},5,",
        f"same,{ANA},5,",
        f"again,{ANA},5,",
        f"secret,{generate().nsec()},5,",
        "none,,5,",
        f"purse,{generate().npub},5,bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        f",{generate().npub},5,",
    ]
    with pytest.raises(DcaBotError, match="12 problem"):
        folder.clients("name,npub,balance,wallet\n" + "\n".join(lines) + "\n")
    printed = capsys.readouterr().out
    bad = {int(number) for number in re.findall(r"✗ line (\d+):", printed)}
    assert bad == {*range(2, 16)} - {2, 10}
    assert "nsec1" not in printed
    assert folder.everyone() == []


def test_import_counts_from_its_commit_and_asks_for_wallets(folder, capsys):
    shutil.rmtree(folder.data)
    folder.clients(PLAIN, commit=False)
    assert "nothing is changed" in capsys.readouterr().out
    assert not folder.data.exists()

    before = datetime.now(UTC)
    folder.clients(PLAIN)
    assert "cash count" in capsys.readouterr().out
    assert folder.everyone() == [
        ("ana", 150_050, "active", "flow", None),
        ("eva", 0, "active", "flow", None),
    ]

    def look(tx):
        ana = clients.by_name(tx, "ana")
        (deposit,) = deposits.recent_of(tx, ana.id, limit=9)
        told = [row["text"] for row in tx.execute("SELECT text FROM outbox ORDER BY id")]
        now = datetime.now(UTC)
        return deposit, told, missed.would_miss(tx, now), audit_ledger(tx).findings

    deposit, told, would_miss, findings = folder.change(look)
    assert before <= deposit.confirmed_at <= datetime.now(UTC)
    assert deposit.note == "From the programme before"
    assert [one.name for one in would_miss] == ["ana"]
    assert "wallet ana@example.com" in told[0]
    assert "Q1,500.50" in told[0]
    assert len(told) == 3
    assert told[2].startswith("2 clients were imported, with balances of Q1,500.50 in all.")
    assert findings == ()


def test_source_is_imported_once_however_it_is_saved(folder):
    folder.clients(PLAIN)
    for text in (PLAIN, PLAIN.replace(",", ";").replace("\n", "\r\n")):
        with pytest.raises(DcaBotError, match=r"was imported on \d{4}-\d\d-\d\d at"):
            folder.clients(text)
    with pytest.raises(DcaBotError, match="2 problem"):
        folder.clients(PLAIN.replace("1500.50", "1600"))
    assert len(folder.everyone()) == 2


def test_running_bot_is_in_the_way_of_the_import_not_of_the_trial(folder, capsys):
    with asyncio.Runner() as runner:
        bot = runner.run(open_ledger(folder.data))
        folder.clients(PLAIN, commit=False)
        with pytest.raises(LedgerError):
            folder.clients(PLAIN)
        runner.run(bot.aclose())
    assert folder.everyone() == []
    assert "nothing is changed" in capsys.readouterr().out


def test_clock_behind_the_ledger_is_refused_because_balances_count_from_now(folder):
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    folder.change(lambda tx: clock.see(tx, tomorrow))
    with pytest.raises(DcaBotError, match="clock of this computer is behind"):
        folder.clients(PLAIN)
    assert folder.everyone() == []


def test_rehearsal_takes_wallets_as_they_are_and_writes_to_nobody(folder, capsys):
    folder.configure(rehearsal="true")
    folder.clients(PLAIN)
    assert "nobody is written to" in capsys.readouterr().out
    assert folder.everyone()[0] == ("ana", 150_050, "active", "flow", "ana@example.com")
    with closing(sqlite3.connect(folder.data / "ledger.sqlite3")) as ledger:
        assert ledger.execute("SELECT count(*) FROM outbox").fetchone() == (0,)


def test_rehearsals_import_leaves_an_older_programmes_ledger_as_it_is(folder):
    shutil.rmtree(folder.data)
    before = put_old_ledger("v9-5c1439a", folder.data).read_bytes()
    folder.configure(rehearsal="true")
    with pytest.raises(LedgerError, match="rehearsal"):
        folder.clients(PLAIN)
    assert (folder.data / "ledger.sqlite3").read_bytes() == before
    assert not list(folder.data.glob("before-version-*"))


def test_admin_key_never_reaches_the_ledger(folder, lnbits, wallets, capsys):
    source, hers, other = wallets("source", balance_sat=1000), wallets("hers"), wallets("other")
    folder.configure(key=source.admin_key, url=lnbits.url)
    lines = [
        f"ana,{ANA},5,{hers.invoice_key}",
        f"eva,{EVA},5,{other.admin_key}",
        f"mia,{generate().npub},5,{source.invoice_key}",
        f"lea,{generate().npub},5,{'d' * 32}",
    ]
    text = "name,npub,balance,wallet\n" + "\n".join(lines)
    with pytest.raises(DcaBotError, match="3 problem"):
        folder.clients(text)
    assert other.admin_key not in capsys.readouterr().out
    folder.clients(text.splitlines()[0] + "\n" + lines[0])
    content = b"".join(one.read_bytes() for one in folder.data.iterdir() if one.is_file())
    assert hers.invoice_key.encode() in content
    assert other.admin_key.encode() not in content
    assert folder.everyone() == [("ana", 500, "active", "flow", None)]


# satmachineadmin


@pytest.fixture(scope="module")
def sold():
    """Clean sales of the sample: id and time, the oldest first."""
    with (EXPORT / "cash_out_txs.csv").open(newline="", encoding="utf-8") as file:
        rows = [
            (datetime.fromisoformat(row["confirmed_at"]), row["id"])
            for row in csv.DictReader(file)
            if row["status"] == "confirmed" and row["dispense_confirmed"] == "t"
        ]
    return [(id_, at if at.tzinfo else at.replace(tzinfo=UTC)) for at, id_ in sorted(rows)]


@pytest.fixture
def shop(sold):
    """maria is well, jose overspent, pedro's payment failed; the third sale was missed."""
    shop = Shop()
    for name in ("maria", "jose", "pedro"):
        shop.client(name)
        shop.deposit(name, 1000)
    shop.deposit("maria", 250, "pending")
    for number, (id_, at) in enumerate(sold[10:16]):
        if number != 2:
            shop.cash_out(id_, at)
            shop.payment("maria", 100, cash_out=id_)
            shop.payment("jose", 300, cash_out=id_)
    shop.payment("pedro", 40, "failed", cash_out=sold[10][0])
    shop.payment("gone", 10, cash_out=sold[11][0])
    return shop


PEOPLE = f"username,npub,name\nmaria,{ANA},\njose,{EVA},Pepe\npedro,skip,\n"


def test_satmachine_moves_in_with_each_difference_explained(folder, shop, sold, capsys):
    database = shop.write(folder.path)
    folder.satmachine(PEOPLE, database)
    tried = json.loads(capsys.readouterr().out)
    folder.satmachine(PEOPLE, database, commit=True)
    done = json.loads(capsys.readouterr().out)
    assert (tried.pop("committed"), done.pop("committed")) == (False, True)
    assert tried == done
    assert done["problems"] == []
    balances = [
        (one["name"], one["theirs_minor"], one["opening_minor"], one["differences"])
        for one in done["clients"]
    ]
    assert balances == [
        ("maria", "50000", 50_000, {}),
        ("Pepe", "-50000", 0, {"balance_below_zero": "50000"}),
    ]
    assert [(one["ref"], one["why"], one["theirs_minor"]) for one in done["left_out"]] == [
        ("client-pedro", "client_skipped", "100000"),
        ("client-gone", "client_removed_there", "-1000"),
    ]
    assert done["left_out"][0]["marks"] == {"failed_payments": [1, "4000"]}
    assert done["clients"][0]["pending_minor"] == [25_000]
    assert (done["processed"], done["not_at_lamassu"]) == (5, 0)
    assert done["to_be_held"] > len(sold) - 16
    assert folder.everyone() == [
        ("maria", 50_000, "active", "flow", None),
        ("Pepe", 0, "active", "flow", None),
    ]
    begun = folder.change(start.imported)
    # Sales before the first processed one never counted; a later one may be in a later reading only.
    assert sold[9][1] < begun <= sold[10][1]
    assert begun.isoformat() == done["start_at"]
    with pytest.raises(DcaBotError, match="was imported on"):
        folder.satmachine(PEOPLE, database, commit=True)


def test_same_satmachine_is_known_again_from_another_copy(folder, shop):
    folder.satmachine(PEOPLE, shop.write(folder.path), commit=True)
    shop.client("new")
    shop.rows["dca_clients"].pop(0)
    later = folder.path / "later"
    later.mkdir()
    people = f"user_id,npub\nuser-jose,skip\nuser-pedro,skip\nuser-new,{generate().npub}\n"
    with pytest.raises(DcaBotError, match="was imported on"):
        folder.satmachine(people, shop.write(later), commit=True)


def test_people_that_match_nobody_or_are_missing_are_listed(folder, shop, capsys):
    shop.client("odd", dca_mode="weekly")
    people = (
        f"username,user_id,npub\nmaria,,{ANA}\nMaria,user-maria,{EVA}\n,,x\nodd,,{EVA}\njuan,,x\n"
    )
    with pytest.raises(DcaBotError, match="6 problem"):
        folder.satmachine(people, shop.write(folder.path), commit=True, json=False)
    printed = capsys.readouterr().out
    for line in (
        "line 3: no client is meant by user-maria Maria",
        "line 4: it names nobody",
        "line 5: odd: the mode 'weekly'",
        "line 6: no client is meant by juan",
        "has no line for jose (user_id user-jose)",
        "has no line for pedro",
    ):
        assert line in printed


def test_check_tells_what_is_held_and_refuses_a_later_start(folder, shop):
    folder.satmachine(PEOPLE, shop.write(folder.path), commit=True)
    found = asyncio.run(check_lamassu(load_config(folder.config), ledger=asyncio.Lock()))
    assert re.search(r"the next start shares out 0, holds \d{2,}, .* and ignores \d", found)
    folder.configure(more="start_at = 2026-01-01T00:00:00Z")
    with pytest.raises(LedgerError, match=r"Remove lamassu\.start_at"):
        asyncio.run(check_lamassu(load_config(folder.config), ledger=asyncio.Lock()))


def test_later_configured_start_is_refused(folder, shop):
    folder.configure(more="start_at = 2026-01-01T00:00:00Z")
    with pytest.raises(LedgerError, match=r"Remove lamassu\.start_at"):
        folder.satmachine(PEOPLE, shop.write(folder.path), commit=True)
    assert folder.everyone() == []


def test_lamassu_that_cannot_be_read_refuses_the_import(folder, shop):
    folder.configure()
    text = folder.config.read_text().replace(str(folder.export), str(folder.path / "nowhere"))
    folder.config.write_text(text)
    with pytest.raises(DcaBotError, match="nowhere"):
        folder.satmachine(PEOPLE, shop.write(folder.path), commit=True)
    assert folder.everyone() == []


def test_stale_export_refuses_the_import(folder, shop, capsys):
    day_before = (datetime.now(UTC) - timedelta(hours=27)).timestamp()
    os.utime(folder.export / "cash_out_txs.csv", (day_before, day_before))
    with pytest.raises(DcaBotError, match="1 problem"):
        folder.satmachine(PEOPLE, shop.write(folder.path), commit=True, json=False)
    assert "✗ Lamassu: NOT RENEWED" in capsys.readouterr().out
    assert folder.everyone() == []


def test_satmachine_that_still_runs_is_told_in_the_trial_and_refuses_the_commit(
    folder, shop, capsys
):
    shop.polled_at = datetime.now(UTC) - timedelta(minutes=50)
    for is_on, said in ((True, "switched on"), (None, "seems to run")):
        shop.is_on = is_on
        place = folder.path / f"lnbits-{is_on}"
        place.mkdir()
        database = shop.write(place)
        folder.satmachine(PEOPLE, database, json=False)
        assert f"· satmachineadmin {'is ' if is_on else 'has'}" in (out := capsys.readouterr().out)
        assert said in out
        with pytest.raises(DcaBotError, match="1 problem"):
            folder.satmachine(PEOPLE, database, commit=True)
        assert json.loads(capsys.readouterr().out)["still_runs"]
        assert folder.everyone() == []
    shop.is_on = False
    folder.satmachine(PEOPLE, shop.write(folder.path), commit=True)
    assert len(folder.everyone()) == 2


def test_rehearsal_imports_beside_a_satmachine_that_runs(folder, shop, capsys):
    shop.is_on = True
    folder.configure(rehearsal="true")
    folder.satmachine(PEOPLE, shop.write(folder.path), commit=True, json=False)
    assert "switched on" not in capsys.readouterr().out
    assert len(folder.everyone()) == 2


def test_ledger_put_back_is_refused_until_a_bot_has_compared_it_with_lnbits(folder):
    copy_ledger(folder.data, folder.path / "before.sqlite3")
    folder.clients(PLAIN)
    for one in folder.data.glob("ledger.sqlite3*"):
        one.unlink()
    (folder.path / "before.sqlite3").rename(folder.data / "ledger.sqlite3")
    with pytest.raises(DcaBotError, match="put back from a copy"):
        folder.clients(PLAIN)

    def begin(tx):
        bot_state.note_poll(tx, datetime.now(UTC))
        bot_state.drop(tx, bot_state.COPIED)
        clock.begin_copy(tx, datetime.now(UTC))

    folder.change(begin)
    for commit in (False, True):
        with pytest.raises(DcaBotError, match="put back from a copy"):
            folder.clients(PLAIN, commit=commit)
    folder.change(lambda tx: bot_state.note_poll(tx, datetime.now(UTC)))
    folder.clients(PLAIN)
    assert len(folder.everyone()) == 2


def test_terminal_gets_no_commands_from_tables_or_lists(folder, shop, capsys):
    shop.client("evil")
    shop.rows["dca_clients"][-1]["user_id"] = "u\x1b[31m"
    shop.payment("gone\x1b[2J", 10)
    people = f'username,npub\n"\x1b]0;x\x07maria",{ANA}\n'
    with pytest.raises(DcaBotError):
        folder.satmachine(people, shop.write(folder.path), json=False)
    printed = capsys.readouterr().out
    assert "gone" in printed
    assert not {char for char in printed if unicodedata.category(char) == "Cc"} - {"\n"}


@pytest.mark.parametrize(("amount", "said"), [(10**14, "--deposits-in"), (10**17, "should be")])
def test_more_than_a_ledger_counts_is_a_sentence(folder, shop, capsys, amount, said):
    shop.deposit("maria", amount)
    with pytest.raises(DcaBotError) as refused:
        folder.satmachine(PEOPLE, shop.write(folder.path), commit=True, json=False)
    assert said in capsys.readouterr().out + str(refused.value)
    assert folder.everyone() == []


def test_url_comes_from_a_private_file_or_the_environment(folder, monkeypatch):
    place = folder.path / "url"
    write_secret(place, "postgres://lnbits:secret@127.0.0.1:9/lnbits")
    for where in (Place(place), Place(None)):
        with pytest.raises(DcaBotError, match="can't be read") as refused:
            folder.satmachine(PEOPLE, where)
        assert "secret" not in str(refused.value)
        monkeypatch.setenv(URL_VARIABLE, place.read_text())
    monkeypatch.delenv(URL_VARIABLE)
    place.chmod(0o644)
    for where, said in ((Place(place), "chmod"), (Place(None), URL_VARIABLE)):
        with pytest.raises(ConfigError, match=said):
            folder.satmachine(PEOPLE, where)
