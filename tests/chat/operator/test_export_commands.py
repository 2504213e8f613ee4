"""`export` in the chat: a client's own account in a few messages, an operator's files beside the bot."""

import csv
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from test_half_translated import ONLY_ENGLISH, words

from dca_bot.chat.client.exports import MESSAGE_ROWS, MESSAGES_MAX
from dca_bot.core.money import FIAT_MINOR_MAX, SAT_MAX, plain_decimal
from dca_bot.core.payout import PayoutState
from dca_bot.ledger.programme import deposits
from dca_bot.messages.render import LANGUAGES, TEXT_BYTES_MAX
from dca_bot.messages.say import Say, Typed, Word

HEADER = "date,what,fiat (GTQ),sats,price of 1 BTC (GTQ),state,receipt,payment hash"
DAY = timedelta(days=1)


def rows_of(*texts):
    """Read what a client would paste together from the messages."""
    text = "\n".join(texts).split("\n\n")[0]
    return list(csv.DictReader(text.splitlines()))


async def buy(talk, count, *, fiat_minor=1_000, sat=1_200):
    """Let so many cash-outs happen, one an hour."""
    for n in range(count):
        talk.clock.at += timedelta(hours=1)
        await talk.distribute(f"{talk.clock.at:%y%m%d%H} {n}", fiat_minor=fiat_minor, sat=sat)


async def test_client_gets_what_came_in_was_bought_and_went_back(talk):
    await talk.add_client("maria", balance="1500")
    await buy(talk, 2, fiat_minor=20_000, sat=24_000)
    await talk.do("op", "withdraw maria 100.50 asked for it")
    text = await talk.tell("maria", "export")
    assert text.splitlines()[0] == HEADER
    rows = rows_of(text)
    assert [row["what"] for row in rows] == ["withdrawal", "bought", "bought", "deposit"]
    assert rows[1] == {
        "date": "2026-03-01T08:00:21-06:00",
        "what": "bought",
        "fiat (GTQ)": "200.00",
        "sats": "24000",
        "price of 1 BTC (GTQ)": "833333.33",
        "state": "on its way",
        "receipt": "2",
        "payment hash": "",
    }
    assert rows[0] | {"date": ""} == {
        "date": "",
        "what": "withdrawal",
        "fiat (GTQ)": "100.50",
        "sats": "",
        "price of 1 BTC (GTQ)": "",
        "state": "paid back in cash",
        "receipt": "",
        "payment hash": "",
    }
    assert (await talk.client("maria")).balance_minor == 150_000 - 40_000 - 10_050


async def test_client_sees_nothing_of_others(talk):
    await talk.add_client("juan", balance="700")
    await talk.add_client("maria")
    await buy(talk, 1)
    assert "nothing in that time" in await talk.tell("maria", "export all")
    assert len(rows_of(await talk.tell("juan", "export all"))) == 2


@pytest.mark.parametrize(
    ("words", "count"),
    [("", 3), ("7d", 1), ("30d", 2), ("90D", 3), ("1y", 4), ("all", 5)],
)
async def test_range_counts_back_from_now(talk, words, count):
    await talk.add_client("maria")
    now = talk.clock.at
    client_id = (await talk.client("maria")).id
    for days in (6, 20, 80, 300, 900):
        at = now - days * DAY
        await talk.database.transact(
            lambda tx, at=at: deposits.add(tx, client_id, amount_minor=1, note="=1+1", now=at)
        )
    assert len(rows_of(await talk.tell("maria", f"export {words}"))) == count


async def test_unknown_range_is_explained(talk):
    await talk.add_client("maria")
    answer = await talk.tell("maria", "export 2w")
    assert "7d, 30d, 90d, 1y or all" in answer
    assert "export [RANGE]" in answer


async def test_much_comes_in_several_messages_and_the_rest_on_further_pages(talk):
    await talk.add_client("maria", balance="9000")
    page = MESSAGE_ROWS * MESSAGES_MAX
    await buy(talk, page + 9)
    before = len(await talk.letters_to("maria"))
    first = await talk.tell("maria", "export all")
    letters = (await talk.letters_to("maria"))[before:]
    unasked = await talk.sql("SELECT text FROM outbox WHERE text LIKE '%bought%' AND urgency > 0")
    assert unasked == [], "all of it is the answer"
    assert len(letters) == MESSAGES_MAX
    assert letters[-1] == first, "the reply is the last of them"
    assert first.endswith("\n\nMore, further back: export all 2")
    assert all(len(text.encode()) <= TEXT_BYTES_MAX for text in letters)
    second = await talk.tell("maria", "export all 2")
    rows = rows_of(*letters) + rows_of(second)
    assert len(rows) == page + 9 + 1
    assert len(rows_of(*letters)) == page
    assert rows[-1]["what"] == "deposit"
    assert sum(Decimal(row["fiat (GTQ)"]) for row in rows[:-1]) == 10 * (page + 9)
    assert [row["date"] for row in rows] == sorted((row["date"] for row in rows), reverse=True)
    assert "no more pages" in await talk.tell("maria", "export all 3")


@pytest.mark.parametrize("language", LANGUAGES)
def test_message_of_the_longest_rows_is_not_cut(talk, language):
    words = talk.texts.catalogues[language]
    longest = max(PayoutState, key=lambda state: len(words[f"word.own_payout.{state}"].encode()))
    line = Say(
        "export.line",
        at="2026-03-01T06:00:00-06:00",
        what=Word("statement", "withdrawal"),
        fiat=plain_decimal(FIAT_MINOR_MAX, 2),
        sats=SAT_MAX,
        price=plain_decimal(FIAT_MINOR_MAX, 2),
        state=Word("own_payout", longest),
        receipt=10**9,
        hash="f" * 64,
    )
    more = Say("export.more", command=Typed("export cointracker november 999"))
    header = Say("export.header", currency="GTQ")
    text = talk.texts.render(Say("lines", lines=(header, *[line] * MESSAGE_ROWS, more)), language)
    assert "…" not in text


async def test_operator_is_told_where_the_files_are(talk):
    await talk.add_client("maria", balance="1500")
    answer = await talk.tell("op", "export")
    folder = talk.folder / "exports" / re.search(r"exports/(\S+) on", answer)[1]
    assert str(folder) in answer
    assert "1500.00" in (folder / "clients.csv").read_text("utf-8-sig")
    assert folder.stat().st_mode & 0o777 == 0o700


async def test_newest_exports_stay_and_nothing_that_somebody_put_there_is_lost(talk):
    for n in range(7):
        await talk.tell("op", "export")
        shelf = talk.folder / "exports"
        if n == 0:
            (first,) = shelf.iterdir()
            (first / "notes.ods").touch()
            (shelf / "letters").mkdir()
    assert [path.name for path in first.iterdir()] == ["notes.ods"]
    names = sorted(path.name for path in shelf.iterdir())
    assert names[0] == first.name
    assert names[-1] == "letters"
    assert len(names) == 1 + 5 + 1


async def test_export_that_fails_is_told_with_the_reason_and_leaves_nothing(talk):
    (talk.folder / "exports").touch()
    answer = await talk.tell("op", "export")
    assert "The tables could not be written. " in answer
    assert "exports is a file, not a folder; move it away" in answer
    (talk.folder / "exports").unlink()
    (talk.folder / "exports").mkdir(mode=0o755)
    (talk.folder / "exports").chmod(0o755)
    assert "Run: chmod 700" in await talk.tell("op", "export")
    assert list((talk.folder / "exports").iterdir()) == []


async def test_spanish_operator_is_told_in_spanish_why_an_export_fails(spanish):
    shelf = spanish.folder / "exports"
    shelf.touch()
    await expect_in_spanish(spanish, f"No se puede usar {shelf}: ahí hay otra cosa")
    shelf.unlink()
    shelf.mkdir(mode=0o755)
    shelf.chmod(0o755)
    await expect_in_spanish(spanish, f"Otros usuarios pueden leer {shelf}. Ejecute: chmod 700")


async def expect_in_spanish(spanish, said):
    """Order an export, which fails; expect words in the answer, and no English."""
    answer = await spanish.tell("op", "export")
    assert said in answer
    assert words(answer.replace(str(spanish.folder), "")) & {*ONLY_ENGLISH.split()} == set()


async def test_client_cannot_have_the_operators_files(talk):
    await talk.add_client("maria")
    await talk.tell("maria", "export")
    assert not (talk.folder / "exports").exists()
