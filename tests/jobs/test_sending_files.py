"""Files for people: uploaded encrypted, sent after the text, opened by others' code, deleted in the end."""

import json
import random
from datetime import UTC, datetime, timedelta

import nostr_sdk
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from file_server import serving
from payout_bench import HandClock, programme
from scaffold import open_ledger

from dca_bot.blossom.server import BlossomServer
from dca_bot.core.clients import ClientState
from dca_bot.core.files import SIZES, FileForm, FilesWish
from dca_bot.core.ports import DmProtocol, IncomingMessage, OutgoingMessage
from dca_bot.errors import ChartFailed
from dca_bot.jobs.files import Files
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.correspondence import files, inbox, outbox
from dca_bot.ledger.correspondence.outbox import Urgency
from dca_bot.ledger.programme import clients
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts
from dca_bot.nostr import dm
from dca_bot.nostr.events import sign
from dca_bot.nostr.keys import generate
from dca_bot.system_clock import SystemClock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOT, ANA = generate(), generate()
TABLE = "fecha,qué\n2026-03-01,depósito\n".encode()
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(4) + b"IEND\xaeB`\x82"


def token(kind, created_at, tags, content):
    return sign(BOT, kind=kind, created_at=created_at, tags=tags, content=content).to_json()


def add_ana(tx):
    ana = clients.add(tx, name="ana", pubkey=ANA.public_key, language="es", now=NOW)
    written = IncomingMessage("m", ana.pubkey, "files on", NOW, DmProtocol.NIP17, "wss://r")
    inbox.note_person(tx, written, now=NOW)
    files.set_wish(tx, ana.id, FilesWish.LIGHT)


class Bench:
    """The job on a ledger and a file server; `draw` answers with `drawn`."""

    def __init__(self, database, site):
        self.database, self.site, self.clock = database, site, HandClock(NOW)
        self.drawn, self.pictures = PICTURE, []
        rules = programme()
        self.notices = Notices(rules, load_texts(rules), "npub-{}".format)
        self.server = BlossomServer(
            site.url, token, clock=SystemClock(), random=random.SystemRandom(), limit_s=0.5
        )

    def job(self):
        return Files(self.database, self.server, self.draw, self.notices, self.clock, Signals())

    async def draw(self, picture):
        self.pictures.append(picture)
        if isinstance(self.drawn, Exception):
            raise self.drawn
        return self.drawn

    async def add(self, form=FileForm.TABLE, content=TABLE):
        now = self.clock.now()
        await self.database.transact(
            lambda tx: files.add(tx, ANA.public_key, form, content, now=now, relay="wss://r")
        )

    async def look(self, passed=timedelta()):
        self.clock.ahead += passed
        await self.job().look_once()

    async def rows(self, table):
        return await self.database.read(lambda tx: tx.execute(f"SELECT * FROM {table}").fetchall())

    async def letter(self):
        def find(tx):
            (letter,) = outbox.due(tx, self.clock.now(), urgency=Urgency.NOTICE)
            return letter

        return await self.database.read(find)


@pytest.fixture
async def bench(tmp_path):
    async with serving() as site:
        database = await open_ledger(tmp_path / "data")
        await database.transact(add_ana)
        bench = Bench(database, site)
        yield bench
        await bench.server.aclose()
        await database.aclose()


def opened_by_others(letter, pem=ANA):
    """Open a letter as another program does; return the rumor's kind, tags and content."""
    message = OutgoingMessage(
        letter.recipient, letter.text, letter.created_at, letter.protocol, file=letter.file
    )
    event = dm.seal_message(message, BOT, now=NOW, random=random.Random(1))
    gift = nostr_sdk.UnwrappedGift.from_gift_wrap(
        nostr_sdk.Keys.parse(pem.nsec()), nostr_sdk.Event.from_json(event.to_json())
    )
    rumor = json.loads(gift.rumor().as_json())
    return rumor["kind"], {tag[0]: tag[1] for tag in rumor["tags"]}, rumor["content"]


@pytest.mark.parametrize(
    ("form", "content", "media_type"),
    [(FileForm.TABLE, TABLE, "text/csv"), (FileForm.CHART, b"{}", "image/png")],
)
async def test_file_message_is_opened_by_an_independent_client(bench, form, content, media_type):
    await bench.add(form, content)
    await bench.look()
    kind, tags, url = opened_by_others(await bench.letter())
    assert (kind, tags["p"], tags["file-type"]) == (15, ANA.public_key, media_type)
    assert tags["encryption-algorithm"] == "aes-gcm"
    assert url == f"{bench.site.url}/{tags['x']}"
    sealed = bench.site.blobs[tags["x"]]
    key, nonce = bytes.fromhex(tags["decryption-key"]), bytes.fromhex(tags["decryption-nonce"])
    file = AESGCM(key).decrypt(nonce, sealed, None)
    assert int(tags["size"]) == len(sealed) == SIZES[0] + 16
    assert len(file) == SIZES[0]
    if form is FileForm.TABLE:
        assert file.rstrip(b"\n") + b"\n" == TABLE
    else:
        assert file.startswith(b"\x89PNG")
        assert bench.pictures == [content]


async def test_key_is_kept_nowhere_once_the_file_is_deleted(bench):
    await bench.add()
    await bench.look()
    assert len(bench.site.blobs) == 1
    await bench.look(timedelta(days=29, hours=23))
    assert len(bench.site.blobs) == 1
    await bench.look(timedelta(hours=1, minutes=1))
    assert bench.site.blobs == {}
    for table in ("outbox", "uploaded_file", "file_waiting"):
        assert await bench.rows(table) == []


@pytest.mark.parametrize("fault", ["hang", "cut", (500, {}), (413, {}), (201, {"sha256": "no"})])
async def test_failed_upload_is_tried_again_with_another_key(bench, fault):
    bench.site.faults.append(fault)
    await bench.add()
    await bench.look()
    assert await bench.rows("outbox") == []
    await bench.look(timedelta(seconds=6))
    hashes = [headers["x-sha-256"] for _, path, headers in bench.site.asked if path == "/upload"]
    assert len(set(hashes)) == len(hashes) == 2
    assert [row["sha256"] for row in await bench.rows("uploaded_file") if row["message_id"]] == [
        hashes[1]
    ]
    # What the failed try may have left there is deleted soon.
    await bench.look(files.UNSENT_LIFE)
    assert [path for method, path, _ in bench.site.asked if method == "DELETE"] == [f"/{hashes[0]}"]
    assert len(await bench.rows("uploaded_file")) == 1


async def test_file_that_never_gets_up_is_given_up(bench):
    bench.site.faults = [(503, {})] * 100
    await bench.add()
    for _ in range(files.TRIES_MAX + 2):
        await bench.look(timedelta(minutes=11))
    uploads = [path for _, path, _ in bench.site.asked if path == "/upload"]
    assert len(uploads) == files.TRIES_MAX
    assert await bench.rows("file_waiting") == await bench.rows("outbox") == []


@pytest.mark.parametrize("is_uploaded", [False, True])
@pytest.mark.parametrize("change", ["off", "key", "closed"])
async def test_file_reaches_nobody_who_wants_none_any_more(bench, change, is_uploaded):
    def unwanted(tx):
        ana = clients.by_name(tx, "ana")
        if change == "off":
            files.set_wish(tx, ana.id, FilesWish.OFF)
        elif change == "key":
            clients.set_pubkey(tx, ana.id, generate().public_key, now=NOW)
        else:
            clients.set_state(tx, ana, ClientState.CLOSED)

    real = bench.server.upload

    async def meanwhile(sealed):
        await bench.database.transact(unwanted)
        return await real(sealed)

    await bench.add()
    if is_uploaded:
        bench.server.upload = meanwhile
    else:
        await bench.database.transact(unwanted)
    await bench.look()
    assert (len(bench.site.blobs), await bench.rows("outbox")) == (int(is_uploaded), [])
    await bench.look(files.UNSENT_LIFE)
    assert bench.site.blobs == {}
    assert await bench.rows("file_waiting") == await bench.rows("uploaded_file") == []


async def test_upload_waits_for_one_deletion_at_most(bench):
    for _ in range(3):
        await bench.add()
    await bench.look()
    bench.site.faults = [(503, {})]
    await bench.look(timedelta(days=30))
    assert [method for method, _, _ in bench.site.asked].count("DELETE") == 1
    await bench.add()
    await bench.look()
    assert [method for method, _, _ in bench.site.asked][-3:] == ["PUT", "DELETE", "DELETE"]


async def test_few_files_of_one_person_wait_at_a_time(bench):
    for _ in range(files.WAITING_MAX + 2):
        await bench.add()
    assert len(await bench.rows("file_waiting")) == files.WAITING_MAX
    await bench.look()
    assert len(bench.site.blobs) == files.WAITING_MAX


async def test_upload_that_a_crash_cuts_off_leaves_nothing_behind(bench):
    class Killed(BaseException):
        pass

    real = bench.server.upload

    async def dies(sealed):
        await real(sealed)
        raise Killed

    bench.server.upload = dies
    await bench.add()
    with pytest.raises(Killed):
        await bench.look()
    assert len(bench.site.blobs) == 1
    bench.server.upload = real
    await bench.look(timedelta(seconds=6))
    assert len(bench.site.blobs) == 2
    await bench.look(files.UNSENT_LIFE)
    assert list(bench.site.blobs) == [(await bench.letter()).text.rpartition("/")[2]]


@pytest.mark.parametrize("drawn", [ChartFailed("no font"), b"x" * (SIZES[-1] + 1)])
async def test_chart_that_cant_be_drawn_or_is_too_large_is_given_up_at_once(bench, drawn):
    bench.drawn = drawn
    await bench.add(FileForm.CHART)
    await bench.look()
    assert await bench.rows("file_waiting") == await bench.rows("outbox") == []
    assert bench.site.asked == []


async def test_chart_without_matplotlib_is_given_up_at_once(bench):
    bench.draw = None
    await bench.add(FileForm.CHART)
    await bench.look()
    assert await bench.rows("file_waiting") == bench.site.asked == []


async def test_file_that_the_server_keeps_is_deleted_later(bench):
    await bench.add()
    await bench.look()
    bench.site.faults = [(403, {}), "cut"]
    await bench.look(timedelta(days=30))
    await bench.look(timedelta(days=1))
    assert len(bench.site.blobs) == 1
    await bench.look(timedelta(days=1))
    assert bench.site.blobs == {}


async def test_file_of_a_former_server_is_deleted_there(bench):
    await bench.add()
    await bench.look()
    async with serving() as other:
        former, bench.server._url = bench.server.url, other.url
        await bench.look(timedelta(days=31))
        assert (bench.site.blobs, other.asked) == ({}, [])
        bench.server._url = former


async def test_file_at_a_server_that_is_gone_is_forgotten_in_the_end(bench):
    await bench.add()
    await bench.look()
    bench.site.faults = [(500, {})] * 1000
    await bench.look(timedelta(days=30))
    for _ in range(files.DELETE_TRIES_MAX):
        await bench.look(timedelta(days=1))
    assert await bench.rows("uploaded_file") == await bench.rows("outbox") == []
    assert len(bench.site.asked) == 1 + files.DELETE_TRIES_MAX


async def test_job_sleeps_until_the_next_file_is_due(bench):
    assert await bench.database.read(files.next_at) is None
    await bench.add()
    assert await bench.database.read(files.next_at) == NOW
    await bench.look()
    assert await bench.database.read(files.next_at) == NOW + timedelta(days=30)
