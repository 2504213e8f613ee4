"""Copies are sent away: encrypted, to each place, whatever another place does; trouble is told once."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from payout_bench import OPERATOR, HandClock, programme
from scaffold import open_ledger

from dca_bot.core.offsite import offsite_name
from dca_bot.errors import OffsiteFailed
from dca_bot.faults import OffsiteFault
from dca_bot.jobs.offsite import Offsite
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.store import bot_state, offsite_states
from dca_bot.ledger.store.backups import copy_ledger, copy_name
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts
from dca_bot.offsite.folder import FolderPlace
from dca_bot.offsite.sealing import generate_key, seal, unseal

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
DAY = timedelta(days=1)
BOT, OTHER = "ab" * 32, "cd" * 32
KEY = generate_key()


class Sender:
    """A ledger with copies, and two places for them."""

    def __init__(self, database, folder):
        self.database = database
        self.folder = folder
        self.copies = folder / "copies"
        self.stick, self.share = (folder / name for name in ("stick", "share"))
        for path in (self.copies, self.stick, self.share):
            path.mkdir(0o700)
        self.clock = HandClock(NOW)
        self.seals = 0
        self.start()

    def start(self, *, language="en", keep=3):
        rules = programme(language=language)
        self.job = Offsite(
            database=self.database,
            notices=Notices(rules, load_texts(rules)),
            clock=self.clock,
            signals=Signals(),
            folder=self.copies,
            places=[FolderPlace(path.name, path) for path in (self.stick, self.share)],
            seal=self.seal,
            keep=keep,
            bot=BOT,
            is_rehearsal=False,
        )

    def seal(self, copy, target):
        self.seals += 1
        return seal(copy, target, recipients=[KEY.public], nsec="nsec1secret")

    def copy(self):
        copy_ledger(self.folder / "data", self.copies / copy_name(self.clock.now()))

    async def day(self, days=1):
        self.clock.ahead += days * DAY
        self.copy()
        return await self.job.look_once()

    async def letters(self):
        query = "SELECT text FROM outbox WHERE recipient = ? ORDER BY id"
        return await self.database.read(
            lambda tx: [row["text"] for row in tx.execute(query, (OPERATOR,))]
        )

    async def state(self, label):
        return await self.database.read(lambda tx: offsite_states.state(tx, label))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def made(days):
    return offsite_name(BOT, NOW + days * DAY)


@pytest.fixture
async def sender(tmp_path):
    database = await open_ledger(tmp_path / "data")
    yield Sender(database, tmp_path)
    await database.aclose()


async def test_each_copy_goes_to_each_place_and_opens_with_the_recovery_key_alone(sender):
    await sender.day()
    assert names(sender.stick) == names(sender.share) == [made(1)]
    assert sender.seals == 1
    assert (sender.stick / made(1)).read_bytes() == (sender.share / made(1)).read_bytes()
    with (sender.stick / made(1)).open("rb") as file:
        assert unseal(file, sender.folder / "ledger", KEY) == "nsec1secret"
    (copy,) = sender.copies.iterdir()
    assert (sender.folder / "ledger").read_bytes() == copy.read_bytes(), "nothing else is left here"
    await sender.job.look_once()
    assert sender.seals == 1
    assert await sender.letters() == []


async def test_newest_copies_stay_and_those_of_others_too(sender):
    rehearsed = [offsite_name(BOT, NOW + day * DAY, is_rehearsal=True) for day in (1, 9)]
    theirs = [
        *rehearsed,
        offsite_name(OTHER, NOW),
        "holiday.jpg",
        f"{offsite_name(OTHER, NOW)}.part",
    ]
    for name in (*theirs, f"{made(-9)}.part"):
        (sender.stick / name).touch()
    for _ in range(5):
        await sender.day()
    assert names(sender.stick) == sorted([*theirs, made(3), made(4), made(5)])
    assert names(sender.share) == [made(3), made(4), made(5)]


async def test_place_that_fails_is_told_once_and_stops_no_other(sender):
    sender.stick.rename(sender.folder / "unplugged")
    await sender.day()
    (told,) = await sender.letters()
    assert told.startswith("stick has not got the newest copy of the ledger: ")
    assert "plugged in and mounted?" in told
    sender.start()
    await sender.day()
    assert names(sender.share) == [made(1), made(2)]
    assert await sender.letters() == [told], "also across a restart"
    assert not sender.stick.exists(), "a folder that is missing is never made"
    (sender.folder / "unplugged").rename(sender.stick)
    await sender.job.look_once()
    _, works = await sender.letters()
    assert works == "stick has the newest copy of the ledger again (it failed since 25 Nov 02:00)."
    assert names(sender.stick) == [made(2)]


async def test_operators_are_told_in_their_language(sender):
    sender.start(language="es")
    sender.stick.rmdir()
    await sender.day()
    (told,) = await sender.letters()
    assert told.startswith("stick no tiene la copia más nueva del libro. No está la carpeta")


async def test_place_that_keeps_everything_does_its_part(sender, monkeypatch):
    async def refuse(_place, _name):
        raise OffsiteFailed("no", fault=OffsiteFault.NO_RIGHTS, place="stick")

    for _ in range(3):
        await sender.day()
    monkeypatch.setattr(FolderPlace, "remove", refuse)
    await sender.day()
    assert names(sender.stick) == [made(1), made(2), made(3), made(4)]
    assert await sender.letters() == []


async def test_copy_that_cannot_be_encrypted_is_told(sender):
    sender.copies.joinpath(f"{made(1)}.part").mkdir()
    await sender.day()
    assert len(await sender.letters()) == 2
    assert "could not be encrypted" in (await sender.letters())[0]
    assert names(sender.stick) == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "isn't what was sent"),
        (lambda path: path.write_bytes(bytes(path.stat().st_size)), "isn't what was sent"),
        (lambda path: path.unlink(), "isn't there any more"),
    ],
    ids=["shorter", "other bytes", "gone"],
)
async def test_copy_that_a_place_has_spoilt_is_noticed_and_sent_again(sender, spoil, said):
    await sender.day()
    spoil(sender.stick / made(1))
    sender.clock.ahead += 29 * DAY
    await sender.job.look_once()
    assert await sender.letters() == []
    sender.clock.ahead += DAY
    await sender.job.look_once()
    (told,) = await sender.letters()
    assert said in told
    assert (await sender.state("share")).compared_at == NOW + 31 * DAY
    await sender.job.look_once()
    assert (sender.stick / made(1)).read_bytes()
    assert len(await sender.letters()) == 2
    with (sender.stick / made(1)).open("rb") as file:
        assert unseal(file, sender.folder / "ledger", KEY) == "nsec1secret"


async def test_what_a_killed_bot_left_is_removed(sender):
    (sender.copies / f"{made(0)}.part").write_bytes(b"half")
    (sender.stick / f"{made(1)}.part").write_bytes(b"half")
    await sender.day()
    assert names(sender.stick) == [made(1)]
    assert names(sender.copies) == [copy_name(NOW + DAY)]


async def test_copy_of_a_clock_that_was_ahead_is_not_sent(sender):
    await sender.day()
    copy_ledger(sender.folder / "data", sender.copies / copy_name(NOW + 900 * DAY))
    await sender.job.look_once()
    assert names(sender.stick) == [made(1)]


async def test_job_forgets_places_that_are_configured_no_more(sender):
    await sender.day()
    stored = await sender.database.read(lambda tx: bot_state.get(tx, bot_state.OFFSITE))
    assert set(json.loads(stored)) == {"stick", "share"}
    sender.job.places = ()
    await sender.job.run()
    assert await sender.database.read(lambda tx: bot_state.get(tx, bot_state.OFFSITE)) is None


class Broken(FolderPlace):
    async def put(self, sealed, name):
        raise RuntimeError(f"a fault of the program: {sealed} {name}")


async def test_fault_of_the_program_at_one_place_stops_no_other_and_is_told_once(sender):
    sender.job.places = [Broken("broken", sender.folder), *sender.job.places]
    for _ in range(2):
        await sender.day()
    assert names(sender.stick) == [made(1), made(2)]
    (told,) = await sender.letters()
    assert told.startswith("The copies of the ledger could not be done because of an error")
