"""A copy is found, opened and judged before anything is put back; each refusal says what to do."""

import shutil
import sqlite3
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from ledger.old_ledgers import put_old_ledger
from scaffold import open_ledger
from test_check import config as plain_config

from dca_bot.commands.copies import (
    find_copy,
    open_copy,
    refuse_misdated,
    refuse_other_wallet,
    refuse_unfit,
)
from dca_bot.commands.former_bot import refuse_running
from dca_bot.commands.recovery_key import read_recovery_key
from dca_bot.commands.restore import _put_key_back, _refuse_other_bot
from dca_bot.config_sections import BackupConfig
from dca_bot.core.lease import LeaseKind, LeaseReading, LeaseRow, Party
from dca_bot.core.offsite import offsite_name
from dca_bot.core.ports import ListMark
from dca_bot.errors import (
    ConfigError,
    CopyRefused,
    DcaBotError,
    KeyRefused,
    LedgerError,
    OffsiteFailed,
)
from dca_bot.files.secret_files import write_secret
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.backups import copy_ledger, note_rehearsal, rehearsed_at
from dca_bot.ledger.store.ledger_files import lock_for_restore
from dca_bot.ledger.store.schema import VERSION
from dca_bot.nostr.keys import generate
from dca_bot.offsite.sealing import generate_key, seal

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
KEY, BOT, OTHER = generate_key(), generate(), generate()


def put_copy(place, ledger, *, days=0, key=BOT, is_rehearsal=False, now=NOW):
    """Seal a ledger's file into a place, as the bot `key`."""
    place.mkdir(exist_ok=True)
    made_at = now + timedelta(days=days)
    name = offsite_name(key.public_key, made_at, is_rehearsal=is_rehearsal)
    seal(ledger, place / name, recipients=[KEY.public], nsec=key.nsec())
    return name


def config_of(folder, *, to=(), **changes):
    return plain_config(folder, **changes).model_copy(update={"backup": BackupConfig(to=to)})


@pytest.fixture
async def ledger(tmp_path):
    """A copy of a programme's ledger."""
    database = await open_ledger(tmp_path / "data")
    await database.transact(lambda tx: bot_state.put(tx, bot_state.CURRENCY, "GTQ"))
    await database.aclose()
    copy_ledger(tmp_path / "data", tmp_path / "copy.sqlite3")
    return tmp_path / "copy.sqlite3"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "scratch"
    path.mkdir(0o700)
    return path


async def test_newest_copy_of_all_places_is_found_and_opened(tmp_path, ledger, folder):
    put_copy(tmp_path / "a", ledger, days=0)
    newest = put_copy(tmp_path / "b", ledger, days=2)
    put_copy(tmp_path / "a", ledger, days=1)
    found = await find_copy(config_of(tmp_path, to=["a", "b", "unplugged"]), None, None)
    assert (found.place.label, found.copy.name) == ("b", newest)
    opened = await open_copy(found, KEY, folder)
    assert (opened.key, opened.version) == (BOT, VERSION)
    assert opened.ledger.read_bytes() == ledger.read_bytes()
    assert [path.name for path in folder.iterdir()] == ["ledger.sqlite3"]
    refuse_unfit(opened, config_of(tmp_path))


async def test_copy_is_chosen_by_place_and_name(tmp_path, ledger):
    older = put_copy(tmp_path / "a", ledger, days=0)
    put_copy(tmp_path / "a", ledger, days=1)
    put_copy(tmp_path / "b", ledger, days=2)
    config = config_of(tmp_path, to=["b"])
    assert (await find_copy(config, "a", older)).copy.name == older
    assert (await find_copy(config, str(tmp_path / "a"), None)).copy.made_at.day == 25
    with pytest.raises(CopyRefused, match=f"no {older} in b"):
        await find_copy(config, None, older)


async def test_copies_of_several_programmes_are_not_mixed_up(tmp_path, ledger):
    mine = put_copy(tmp_path / "a", ledger, days=0)
    theirs = put_copy(tmp_path / "a", ledger, days=5, key=OTHER)
    with pytest.raises(CopyRefused, match=r"several programmes; choose one with --copy") as refused:
        await find_copy(config_of(tmp_path), "a", None)
    assert mine in str(refused.value)
    assert theirs in str(refused.value)
    assert (await find_copy(config_of(tmp_path), "a", mine)).copy.name == mine


async def test_copies_of_the_other_kind_and_of_the_future_are_never_the_newest(tmp_path, ledger):
    """The clock was years ahead for a while; a rehearsal with the same key sends to the same place."""
    now, place = datetime.now(UTC), tmp_path / "a"
    put_copy(place, ledger, days=-2, now=now)
    newest = put_copy(place, ledger, days=-1, now=now)
    put_copy(place, ledger, days=1600, now=now)
    rehearsed = put_copy(place, ledger, days=-0.5, now=now, is_rehearsal=True)
    config = config_of(tmp_path, to=["a"])
    assert (await find_copy(config, None, None)).copy.name == newest
    assert (await find_copy(config, None, rehearsed)).copy.is_rehearsal
    rehearsing = config_of(tmp_path, to=["a"], bot={"rehearsal": True})
    assert (await find_copy(rehearsing, None, None)).copy.name == rehearsed


async def test_renamed_copy_is_as_old_as_its_ledger(tmp_path, ledger, folder):
    made_at = NOW - timedelta(days=200)
    with closing(sqlite3.connect(ledger, isolation_level=None)) as tx:
        bot_state.put(tx, bot_state.CLOCK_AT, made_at.isoformat())
    put_copy(tmp_path / "a", ledger)
    found = await find_copy(config_of(tmp_path), str(tmp_path / "a"), None)
    opened = await open_copy(found, KEY, folder)
    assert opened.made_at == made_at
    with pytest.raises(CopyRefused, match=r"made 2026-05-08 08:00 UTC.* renamed"):
        refuse_misdated(opened, found)
    refuse_misdated(replace(opened, made_at=NOW - timedelta(days=1)), found)


async def test_copy_with_another_bots_key_under_the_bots_name_is_refused(tmp_path, ledger, folder):
    theirs = put_copy(tmp_path / "a", ledger, key=OTHER)
    (tmp_path / "a" / theirs).rename(tmp_path / "a" / offsite_name(BOT.public_key, NOW))
    with pytest.raises(CopyRefused, match=f"the key in it is {OTHER.npub}"):
        await opened_from(tmp_path / "a", tmp_path, folder)


async def test_places_without_a_copy_are_named(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(CopyRefused, match="There is no copy in a"):
        await find_copy(config_of(tmp_path, to=["a"]), None, None)
    with pytest.raises(OffsiteFailed, match="plugged in and mounted"):
        await find_copy(config_of(tmp_path, to=["gone"]), None, None)
    with pytest.raises(ConfigError, match="name one with --from"):
        await find_copy(config_of(tmp_path), None, None)


async def opened_from(place, tmp_path, folder, key=KEY):
    found = await find_copy(config_of(tmp_path), str(place), None)
    return await open_copy(found, key, folder)


async def test_older_version_is_taken_and_newer_refused(tmp_path, folder):
    put_old_ledger("v6-e5b61c5", tmp_path / "old")
    put_copy(tmp_path / "a", tmp_path / "old" / "ledger.sqlite3")
    opened = await opened_from(tmp_path / "a", tmp_path, folder)
    assert opened.version == 6
    refuse_unfit(opened, config_of(tmp_path))
    with closing(sqlite3.connect(opened.ledger)) as ledger:
        ledger.execute(f"PRAGMA user_version = {VERSION + 1}")
    shutil.copy(opened.ledger, tmp_path / "newer")
    put_copy(tmp_path / "b", tmp_path / "newer")
    newer_folder = folder / "newer"
    newer_folder.mkdir()
    with pytest.raises(CopyRefused, match="Install the newer program"):
        refuse_unfit(await opened_from(tmp_path / "b", tmp_path, newer_folder), config_of(tmp_path))


async def test_other_currency_and_a_rehearsals_ledger_are_refused(tmp_path, ledger, folder):
    put_copy(tmp_path / "a", ledger)
    opened = await opened_from(tmp_path / "a", tmp_path, folder)
    with pytest.raises(LedgerError, match=r"counts GTQ, but bot\.currency is USD"):
        refuse_unfit(opened, config_of(tmp_path, bot={"currency": "USD"}))
    with closing(sqlite3.connect(opened.ledger, isolation_level=None)) as tx:
        bot_state.put(tx, bot_state.REHEARSAL, "yes")
    with pytest.raises(LedgerError, match="rehearsal's"):
        refuse_unfit(opened, config_of(tmp_path))


async def test_damaged_ledger_and_other_content_are_refused(tmp_path, ledger, folder):
    damaged = bytearray(ledger.read_bytes())
    damaged[4096:4196] = b"\xff" * 100
    (tmp_path / "damaged").write_bytes(damaged)
    (tmp_path / "other").write_bytes(b"no ledger at all")
    for name, said in (("damaged", "damaged|no ledger"), ("other", "no ledger")):
        put_copy(tmp_path / f"place-{name}", tmp_path / name)
        inner = folder / name
        inner.mkdir()
        with pytest.raises(CopyRefused, match=said):
            await opened_from(tmp_path / f"place-{name}", tmp_path, inner)


async def test_copy_that_cannot_be_written_says_that_room_is_missing(tmp_path, ledger, folder):
    put_copy(tmp_path / "a", ledger)
    (folder / "ledger.sqlite3").touch()
    with pytest.raises(CopyRefused, match="free some space there"):
        await opened_from(tmp_path / "a", tmp_path, folder)


# The place of the ledger, and the bot's key


def test_restore_overwrites_no_ledger_and_keeps_other_bots_out(tmp_path):
    data = tmp_path / "data"
    with ExitStack() as exits:
        assert lock_for_restore(data, exits) == data / "ledger.sqlite3"
        with pytest.raises(LedgerError, match="Another bot is running"), ExitStack() as others:
            lock_for_restore(data, others)
    for name in ("ledger.sqlite3", "ledger.sqlite3-wal"):
        (data / name).touch()
        with pytest.raises(LedgerError, match="overwrites nothing"), ExitStack() as exits:
            lock_for_restore(data, exits)
        (data / name).unlink()


class Opened:
    key = BOT


def test_key_is_put_back_and_another_one_goes_aside(tmp_path, monkeypatch):
    config, path = config_of(tmp_path), tmp_path / "bot.nsec"
    _put_key_back(config, Opened)
    assert path.read_text().strip() == BOT.nsec()
    assert path.stat().st_mode & 0o777 == 0o600
    _put_key_back(config, Opened)
    assert not (tmp_path / "bot.nsec.before-restore").exists()
    path.unlink()
    write_secret(path, OTHER.nsec())
    _put_key_back(config, Opened)
    assert path.read_text().strip() == BOT.nsec()
    assert (tmp_path / "bot.nsec.before-restore").read_text().strip() == OTHER.nsec()
    monkeypatch.setenv("DCA_BOT_NOSTR_KEY", OTHER.nsec())
    with pytest.raises(ConfigError, match="DCA_BOT_NOSTR_KEY has another key"):
        _put_key_back(config, Opened)
    monkeypatch.setenv("DCA_BOT_NOSTR_KEY", BOT.nsec())
    _put_key_back(config, Opened)


@pytest.mark.parametrize("here", [None, OTHER])
def test_copy_of_a_bot_that_is_not_here_takes_its_npub_or_a_persons_yes(
    tmp_path, monkeypatch, here
):
    """Whoever can write to the place can put a ledger and a key of their own there."""
    config = config_of(tmp_path)
    if here:
        write_secret(tmp_path / "bot.nsec", here.nsec())
    _refuse_other_bot(config, Opened, BOT.public_key)
    with pytest.raises(CopyRefused, match=f"another bot than --bot names: {BOT.npub}"):
        _refuse_other_bot(config, Opened, OTHER.public_key)
    monkeypatch.setattr("sys.stdin", StringIO("yes\n"))
    with pytest.raises(CopyRefused, match=f"--bot {BOT.npub}") as refused:
        _refuse_other_bot(config, Opened, "")
    assert (OTHER.npub if here else "There is no key in") in str(refused.value)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    for typed in ("y", "no"):
        monkeypatch.setattr("typer.prompt", lambda _asked, typed=typed: typed)
        with pytest.raises(CopyRefused, match="Nothing was put back"):
            _refuse_other_bot(config, Opened, "")
    monkeypatch.setattr("typer.prompt", lambda asked: "yes" if BOT.npub in asked else "no")
    _refuse_other_bot(config, Opened, "")


def test_copy_of_the_bot_whose_key_is_here_asks_nothing(tmp_path, monkeypatch):
    write_secret(tmp_path / "bot.nsec", BOT.nsec())
    monkeypatch.delattr("typer.prompt")
    _refuse_other_bot(config_of(tmp_path), Opened, "")


class Wallet:
    async def wallet_id(self):
        return "wallet"


async def test_copy_that_was_paid_from_another_wallet_is_refused(tmp_path):
    """The other wallet doesn't know what was paid since the copy, and would pay it again."""
    database = await open_ledger(tmp_path / "data")
    config = config_of(tmp_path)
    await refuse_other_wallet(config, database, Wallet())
    await database.transact(lambda tx: bot_state.put(tx, bot_state.SOURCE_WALLET, "wallet"))
    await refuse_other_wallet(config, database, Wallet())
    await database.transact(lambda tx: bot_state.put(tx, bot_state.SOURCE_WALLET, "former wallet"))
    with pytest.raises(CopyRefused, match=r"lnbits\.key .*begins with former w"):
        await refuse_other_wallet(config, database, Wallet())
    await database.aclose()


# The recovery key


def test_recovery_key_comes_from_a_private_file_and_never_from_the_words(tmp_path):
    write_secret(tmp_path / "key", f"# public key: {KEY.public}\n{KEY.secret}")
    assert read_recovery_key(tmp_path / "key") == KEY
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(ConfigError, match="Other users can read"):
        read_recovery_key(tmp_path / "key")
    with pytest.raises(ConfigError, match="not the key itself") as refused:
        read_recovery_key(tmp_path / KEY.secret)
    assert KEY.secret not in str(refused.value)
    with pytest.raises(DcaBotError, match="There is no"):
        read_recovery_key(tmp_path / "nothing")
    write_secret(tmp_path / "public", KEY.public)
    with pytest.raises((ConfigError, KeyRefused), match="public half"):
        read_recovery_key(tmp_path / "public")


def test_rehearsal_is_noted_beside_the_ledger(tmp_path):
    assert rehearsed_at(tmp_path) is None
    note_rehearsal(tmp_path, NOW)
    assert rehearsed_at(tmp_path) == NOW
    (tmp_path / "restore-rehearsed").write_text("soon")
    assert rehearsed_at(tmp_path) is None


# The former bot

PARTY = Party("", "ledger", "bot")


def row(generation, *, ledger="ledger", bot="bot"):
    return LeaseRow(generation, f"{generation:016x}", LeaseKind.CLAIM, ledger, bot)


class Looks:
    """A source wallet that shows something new at each look, and the clock of who looks."""

    def __init__(self, *looks):
        self.looks = list(looks)
        self.slept = []

    async def sleep(self, delay_s):
        self.slept.append(delay_s)

    async def list_mark(self):
        return ListMark(self.looks[0][1], frozenset({self.looks[0][1]}))

    async def lease_rows(self, *, down_to, look_id):
        assert (down_to, bool(look_id)) == (0, True)
        rows, _ = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return LeaseReading(tuple(rows), is_whole=True)


async def test_former_bot_that_shows_nothing_new_is_taken_over():
    looks = Looks(([row(3), row(5), row(9, ledger="x", bot="y")], 7))
    assert await refuse_running(looks, PARTY, looks) == row(5)
    assert looks.slept == [15, 15]
    assert await refuse_running(Looks(([], 0)), PARTY, Looks()) is None


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize(
    ("new", "said"), [(([row(5), row(6)], 7), "started to pay"), (([row(5)], 8), "just paid")]
)
async def test_former_bot_that_moves_stops_the_restore(at, new, said):
    looks = Looks(*[([row(5)], 7)] * at, new)
    with pytest.raises(CopyRefused, match=said):
        await refuse_running(looks, PARTY, looks)


async def test_another_programme_on_the_wallet_does_not_count_as_a_start():
    looks = Looks(([row(5)], 7), ([row(5), row(8, ledger="x", bot="y")], 7))
    assert await refuse_running(looks, PARTY, looks) == row(5)
