"""How `check` takes its steps, and what it says of a start before there is one."""

import asyncio
import io
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ledger.old_ledgers import put_old_ledger
from scaffold import ledger_of

from dca_bot.commands.check import Step, _check_data_dir, _check_keys, take_all
from dca_bot.commands.check_lamassu import check_lamassu
from dca_bot.config import Config
from dca_bot.errors import DcaBotError, LnbitsUnavailable
from dca_bot.files.secret_files import write_secret
from dca_bot.ledger.distributions import cash_outs
from dca_bot.ledger.programme import start
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.schema import VERSION
from dca_bot.lnbits.client import LnbitsWallet
from dca_bot.nostr.keys import generate, npub

EXPORT = Path(__file__).parents[1] / "data" / "lamassu" / "export"
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def config(folder, start_at=None, url="http://127.0.0.1:9", **changes):
    values = {
        "nostr": {"relays": ["wss://relay.example.com"], "operators": [generate().npub]},
        "lamassu": {
            "source": "directory",
            "directory": {"path": str(EXPORT)},
            "start_at": start_at,
        },
        "lnbits": {"url": url},
        **changes,
    }
    return Config.model_validate(values).model_copy(update={"base": folder})


async def lamassu_line(folder, start_at=None):
    return await check_lamassu(config(folder, start_at), ledger=asyncio.Lock())


# The steps


async def test_steps_are_taken_at_the_same_time_and_told_in_their_order(tmp_path, capsys):
    last_began = asyncio.Event()

    async def first(_config):
        await last_began.wait()
        return "one"

    async def last(_config):
        last_began.set()
        return "two"

    steps = (Step("First", first), Step("Last", last))
    async with asyncio.timeout(10):
        assert await take_all(steps, config(tmp_path))
    assert capsys.readouterr().out == "✓ First: one\n✓ Last: two\n"


async def test_step_that_hangs_is_ended_and_the_others_are_told(tmp_path, capsys):
    async def hang(_config):
        await asyncio.Event().wait()

    async def work(_config):
        return "works"

    steps = (
        Step("Lamassu", hang, limit_s=0.01),
        Step("After", work, after=("Lamassu",)),
        Step("LNbits", work),
    )
    assert not await take_all(steps, config(tmp_path))
    assert capsys.readouterr().out.splitlines() == [
        "✗ Lamassu: not done within 0.01 s. Look at its load.",
        "· After: not tried; Lamassu comes first",
        "✓ LNbits: works",
    ]


@pytest.mark.parametrize("write", [str, str.upper, "nostr:{}".format])
async def test_operator_in_hex_is_taken_and_doubted_and_an_npub_is_not(tmp_path, write):
    write_secret(tmp_path / "bot.nsec", generate().nsec())
    key = generate().public_key
    told = {}
    for operator in (npub(key), write(key)):
        nostr = {"relays": ["wss://relay.example.com"], "operators": [operator]}
        told[operator] = await _check_keys(config(tmp_path, nostr=nostr))
    doubt = "; ONE IS WRITTEN IN HEX, which a secret key looks like too: write npub1…"
    assert told[write(key)] == told[npub(key)] + doubt
    assert "HEX" not in told[npub(key)]


async def test_steps_own_time_out_is_not_taken_for_the_limit_of_check(tmp_path):
    async def fail(_config):
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await take_all((Step("One", fail),), config(tmp_path))


async def test_steps_are_over_when_the_terminal_is_gone(tmp_path):
    hanging = asyncio.Event()

    async def fail(_config):
        raise DcaBotError("It failed.")

    async def hang(_config):
        try:
            await asyncio.Event().wait()
        finally:
            hanging.set()

    class Gone(io.StringIO):
        def write(self, _text):
            raise BrokenPipeError

    with redirect_stdout(Gone()), pytest.raises(BrokenPipeError):
        await take_all((Step("One", fail), Step("Two", hang)), config(tmp_path))
    assert hanging.is_set()


# LNbits that accepts, and never answers


@pytest.fixture
async def frozen_url():
    """An LNbits that takes connections and says nothing."""
    writers = []

    async def keep(_reader, writer):
        writers.append(writer)

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    for writer in writers:
        writer.close()
    await server.wait_closed()


async def test_lnbits_that_never_answers_is_given_up_soon(frozen_url):
    async with LnbitsWallet(frozen_url, admin_key="0" * 32) as wallet:
        with pytest.raises(LnbitsUnavailable, match="may hang"):
            await wallet.greet(limit_s=0.05)


# What a start would do


async def test_check_foretells_old_cash_outs_that_a_first_start_would_share_out(tmp_path):
    line = await lamassu_line(tmp_path, datetime(2025, 1, 1, tzinfo=UTC))
    assert (
        "since 2025-01-01 00:00 UTC 0 are in the ledger, and the next start shares out 243 ("
        in line
    )
    assert "holds 13, lets 0 wait and ignores 44." in line
    assert "all of it is recorded as yours" in line
    assert "Leave lamassu.start_at out" in line


async def test_check_without_start_at_foretells_that_nothing_old_counts(tmp_path):
    line = await lamassu_line(tmp_path)
    assert "none of them counts" in line
    assert "Antigua, Zona 10" in line
    assert not (tmp_path / "data").exists()


async def test_check_says_that_start_at_lies_ahead(tmp_path):
    line = await lamassu_line(tmp_path, NOW + 30 * DAY)
    assert f"NOTHING IS SHARED OUT BEFORE {NOW + 30 * DAY:%Y-%m-%d}" in line


async def test_check_of_a_running_programme_tells_what_is_new_alone(tmp_path):
    began = datetime(2025, 1, 1, tzinfo=UTC)
    async with ledger_of(tmp_path) as ledger:
        await ledger.transact(lambda tx: start.begin(tx, began, NOW))
    line = await lamassu_line(tmp_path, began)
    assert "the next start shares out 243" in line
    assert "yours" not in line, "clients may have balances by now"
    assert "MOVED BACK" not in line


async def test_check_of_a_ledger_from_before_warns_of_no_start_at_that_was_always_there(tmp_path):
    began = datetime(2025, 1, 1, tzinfo=UTC)
    async with ledger_of(tmp_path) as ledger:
        await ledger.transact(lambda tx: start.begin(tx, began, NOW))
        await ledger.transact(lambda tx: bot_state.drop(tx, bot_state.START_USED))
        line = await lamassu_line(tmp_path, began)
        assert not (await ledger.transact(lambda tx: start.begin(tx, began, NOW))).asks
    assert "MOVED BACK" not in line
    assert "the next start shares out 243" in line


async def test_check_says_that_a_start_at_moved_back_will_be_asked_about(tmp_path):
    async with ledger_of(tmp_path) as ledger:
        await ledger.transact(lambda tx: start.begin(tx, None, NOW))
        assert (
            await ledger.read(lambda tx: bot_state.get(tx, bot_state.START_USED)) == NOW.isoformat()
        )
        assert await ledger.read(lambda tx: cash_outs.states(tx, ["x"])) == {}
    line = await lamassu_line(tmp_path, datetime(2025, 1, 1, tzinfo=UTC))
    assert f"WAS MOVED BACK from {NOW:%Y-%m-%d %H:%M} UTC: the bot pauses and asks" in line
    line = await lamassu_line(tmp_path)
    assert f"count from {NOW:%Y-%m-%d %H:%M} UTC on: none yet, nothing is new" in line


# An earlier ledger


async def test_ledger_that_the_next_start_migrates_is_in_order(tmp_path):
    path = put_old_ledger("v2-64cd33b", tmp_path / "data")
    before = path.read_bytes()
    line = await _check_data_dir(config(tmp_path), ledger=asyncio.Lock())
    assert f"of version 2; the next start brings it to version {VERSION}" in line
    assert "what is to be shared out can be told once" in await lamassu_line(tmp_path)
    assert path.read_bytes() == before
    assert [one.name for one in (tmp_path / "data").iterdir()] == [path.name]
