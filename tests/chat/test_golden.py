"""What people read, word by word: stories on a real ledger, against `tests/data/golden`.

`make golden` writes the files anew after a text was changed; the difference in git is what people see of
the change.
"""

import os
import re
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from golden_alarms import ALARMS, happen, prepare, run_was_lost, sale_is_unusable
from golden_story import STORIES
from here import open_here
from scaffold import open_ledger
from talk import CODE, PEOPLE, Talk, code_in, height, make_programme
from test_notify import arrive, digests
from test_texts import TEXTS, templates

from dca_bot.chat.client.account import CLIENT_COMMANDS
from dca_bot.chat.operator.table import OPERATOR_COMMANDS
from dca_bot.messages.render import LANGUAGES

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
RENEW = "DCA_BOT_GOLDEN"
"""The environment variable that has the files written anew."""
LINES = 12
"""How many lines a phone shows at once."""
LISTS = re.compile(
    r"help|status$|txs|holds|history|export|knocks|deposits|clients|log|fixed$|funds|month"
    r"|earnings|today|payouts|audit|hold accept|commission$|chart|stats|receipt|client maria$|.*\n"
)
"""The commands whose replies are lists, and several commands in a message."""
TALL = {"client.card", "hold.payout_failed"}
"""A card is a list, and a payment in doubt wants all its facts at once."""


async def passes_by(talk):
    await talk.distribute("sale-0", fiat_minor=10_000, sat=12_000)

    def work(tx):
        talk.notices.clients.sale_missed(tx, "sale-0", talk.clock.now())

    await talk.database.transact(work)


async def is_held(talk):
    talk.held = getattr(talk, "held", 0) + 1
    await talk.hold_cash_out(f"held-one-{talk.held}")


async def is_used_up(talk):
    def work(tx):
        maria = next(iter(tx.execute("SELECT id FROM client WHERE name = 'maria'")))["id"]
        talk.notices.clients.note_low(tx, [maria], talk.clock.now())

    balance = (await talk.client("maria")).balance_minor
    await talk.distribute("sale-9", fiat_minor=balance, sat=balance)
    await talk.database.transact(work)


async def evening_comes(talk):
    talk.clock.at += timedelta(hours=14)
    await digests(talk).look_once()


async def month_is_over(talk):
    talk.clock.at += timedelta(days=31)
    await digests(talk).look_once()
    talk.clock.at -= timedelta(days=31)


HAPPENS = {
    "passes by": passes_by,
    "arrives": lambda talk: arrive(talk, 12_000),
    "evening comes": evening_comes,
    "a milestone is reached": lambda talk: arrive(talk, 100_000),
    "a month is over": month_is_over,
    "is held": is_held,
    "payout is held": lambda talk: talk.hold_payout("ceiling_payout"),
    "is used up": is_used_up,
    "settings are as before": lambda talk: talk.sql(
        "UPDATE client SET language = ?, notify = 'daily'", talk.programme.language
    ),
    "maria saves": prepare,
    "a sale is unusable": sale_is_unusable,
    "a run was lost": run_was_lost,
    **{what: partial(happen, what=what) for what in ALARMS},
}


async def played(talk, story):
    """Play a story and return (who, written, what was told to whom) for each step."""
    steps, asked, last = [], "", await talk.last_letter()
    for who, written in story:
        if not who:
            await HAPPENS[written](talk)
        else:
            text = f"confirm {code_in(asked)}" if written == "confirm" else written
            replies = await talk.tell_all(who, text)
            asked = next((reply for reply in replies if CODE.search(reply)), asked)
        told = await talk.sql("SELECT * FROM outbox WHERE id > ? ORDER BY id", last)
        steps.append((who, written, told))
        last = await talk.last_letter()
    return steps


def as_file(steps):
    """Write a story as people see it; each person under a name."""
    names = {key: name for name, key in PEOPLE.items()}
    lines = []
    for who, written, told in steps:
        lines.append(f"=== {who}: {written}" if who else f"=== {written}")
        readers = {}
        for row in told:
            readers.setdefault(row["text"], []).append(names[row["recipient"]])
        lines += [f"--- to {', '.join(to)}\n{text}" for text, to in readers.items()] or ["---"]
    return "\n".join(lines) + "\n"


@pytest.fixture(params=LANGUAGES)
def language(request):
    return request.param


@pytest.fixture
async def bot(tmp_path, language):
    """A bot of a programme in the language, on an empty ledger."""
    folder = tmp_path / "data"
    database = await open_ledger(folder, open_here)
    yield Talk(database, folder, make_programme(language=language))
    await database.aclose()


@pytest.mark.parametrize("story", STORIES)
async def test_people_read_what_the_golden_files_hold(bot, language, story):
    text = as_file(await played(bot, STORIES[story])).replace(str(bot.folder), "data")
    path = GOLDEN / language / f"{story}.txt"
    if os.environ.get(RENEW):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), "a text has changed: run `make golden`"


@pytest.mark.parametrize("story", STORIES)
async def test_each_reply_and_notice_of_a_story_fits_a_phone_unless_it_is_a_list(bot, story):
    tall = [
        (written, row["text"])
        for _, written, told in await played(bot, STORIES[story])
        for row in told
        if height(row["text"]) > LINES and not LISTS.match(written)
    ]
    assert tall == []


@pytest.mark.parametrize("key", [key for key in TEXTS.catalogues["en"] if key not in TALL])
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_text_alone_fits_a_phone(language, key):
    for template in templates(key, TEXTS.catalogues[language]):
        assert height(re.sub(r"\{\w+\}", "1,500.00 GTQ", template)) <= LINES


def test_stories_have_each_command():
    """A command that no story gives is read by nobody before somebody needs its answer."""
    for who, table in (("maria", CLIENT_COMMANDS), ("op", OPERATOR_COMMANDS)):
        written = [f"{text} " for steps in STORIES.values() for one, text in steps if one == who]
        lacks = [
            one.name
            for one in table
            if not any(text.startswith(f"{one.name} ") for text in written)
        ]
        assert lacks == [], who


def read_by_people(language):
    """Return each text of the golden files that somebody was told."""
    for path in sorted((GOLDEN / language).glob("*.txt")):
        for told in re.split(
            r"^--- to .*\n|^===.*\n|^---\n", path.read_text("utf-8"), flags=re.MULTILINE
        ):
            yield told.rstrip("\n")


def as_told(template):
    """Return a pattern of what people are told by a text of the catalogue, whatever its fields say."""
    fixed = [re.escape(part) for part in re.split(r"\{\w+\}", template)]
    return re.compile(".*".join(fixed), re.DOTALL)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_notice_stands_in_a_golden_file(language):
    """A notice that no story brings up is read by nobody before an operator reads it at night."""
    told = list(read_by_people(language))
    notices = {
        key: text for key, text in TEXTS.catalogues[language].items() if key.startswith("notice.")
    }
    assert len(notices) > 100
    unread = [key for key, text in notices.items() if not any(map(as_told(text).search, told))]
    assert unread == []
