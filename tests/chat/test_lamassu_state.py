"""What `status`, `poll` and the daily summary say of how Lamassu is read, in the reader's language."""

from dataclasses import replace
from datetime import timedelta

import pytest
from scaffold import open_ledger
from talk import START, Talk, make_programme

from dca_bot.core.freshness import STANDBY
from dca_bot.core.ports import Copy
from dca_bot.core.reach import Part, Reach
from dca_bot.ledger.distributions import readings
from dca_bot.messages.daily_summary import daily_summary
from dca_bot.messages.surroundings import Surroundings

HOUR = timedelta(hours=1)
WHY = (
    "The export of cash_out_txs has fields that are separated by ;, not by commas. It begins: id;x."
    " Nothing of it was used."
)
REFUSED = Reach(Part.LAMASSU, reachable=False, since=START, detail=WHY)
UNREADABLE = {
    "en": ("Lamassu: OUT OF REACH since 1 Mar 06:00", f"  Why: {WHY}"),
    "es": ("Lamassu: SIN CONEXIÓN desde 1 mar 06:00", f"  Motivo: {WHY}"),
}
FRESH = "Read from cash_out_txs.csv, of 1 Mar 05:00"
STALE = "Read from cash_out_txs.csv, NOT RENEWED since 27 Feb 06:00: newer sales are not seen"
NEWEST = "Newest transaction read: 28 Feb 06:00"


@pytest.fixture(params=["en", "es"])
async def operator(request, tmp_path):
    database = await open_ledger(tmp_path / "data")
    yield Talk(database, tmp_path / "data", make_programme(language=request.param))
    await database.aclose()


async def read(talk, copy):
    await talk.database.transact(lambda tx: readings.note(tx, copy, START - 24 * HOUR))


async def summary(talk):
    found = Surroundings(None, talk.parts)
    say = await talk.database.read(
        lambda tx: daily_summary(tx, talk.programme, found, talk.clock.now())
    )
    return talk.texts.render(say, talk.programme.language, now=talk.clock.now())


async def test_status_poll_and_summary_name_the_reason_why_lamassu_cannot_be_read(operator):
    operator.parts = [REFUSED]
    for text in (
        await operator.tell("op", "status all"),
        await operator.tell("op", "poll"),
        await summary(operator),
    ):
        lines = text.splitlines()
        lost, why = UNREADABLE[operator.programme.language]
        assert lines[lines.index(lost) + 1] == why


async def test_poll_is_silent_of_what_works_and_of_other_parts(talk):
    talk.parts = [
        replace(REFUSED, part=Part.LNBITS),
        Reach(Part.LAMASSU, reachable=True, since=START),
    ]
    await read(talk, Copy("cash_out_txs.csv", START - HOUR))
    assert await talk.tell("op", "poll") == "Lamassu is read now. Send status in a moment."


async def test_copy_that_is_read_is_shown_with_its_time(talk):
    await read(talk, Copy("cash_out_txs.csv", START - HOUR))
    for text in (await talk.tell("op", "status all"), await summary(talk)):
        lines = text.splitlines()
        assert lines[lines.index(FRESH) + 1] == NEWEST


async def test_stale_copy_is_warned_of_in_status_poll_and_summary(talk):
    await read(talk, Copy("cash_out_txs.csv", START - 48 * HOUR))
    for text in (
        await talk.tell("op", "status all"),
        await summary(talk),
        await talk.tell("op", "poll"),
    ):
        assert STALE in text.splitlines()


async def test_lamassu_itself_has_no_age_but_its_newest_transaction(talk):
    await read(talk, Copy("cash_out_txs.csv", START))
    await read(talk, None)
    text = await talk.tell("op", "status all")
    assert NEWEST in text
    assert "Read from" not in text


async def test_standby_is_named_in_the_readers_language(operator):
    await read(operator, Copy(STANDBY, START))
    names = {"en": "Read from the standby database, of", "es": "Leído: el servidor de réplica, de"}
    assert names[operator.programme.language] in await operator.tell("op", "status all")
