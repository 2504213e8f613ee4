"""No mixture of words, codes, answers and junk changes anything without an exact command, a code or a yes.

The model reads the messages' parts, which the test has put together; it knows nothing of the lexicons.
"""

import asyncio
import random
import re
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from here import open_here
from scaffold import open_ledger
from talk import Talk, make_programme

SETTINGS = {
    "maria": ("pause", "resume", "notify off", "notify daily", "mode fixed", "withdraw 0"),
    "op": ("client pause maria", "client resume maria", "withdraw maria 0", "message maria hi"),
}
CODED = {
    "maria": ("withdraw 5", "wallet m@example.com", "wallet n@example.com"),
    "op": ("deposit maria 5", "withdraw maria 3", "deposit confirm 2", "tx add Market 9 900"),
}
PLAIN = {
    "maria": (
        "quiero pausar",
        "balance",
        "cuánto tengo",
        "retirar 5",
        "mi wallet es m@example.com",
    ),
    "op": ("pausa a maria", "status", "deposite 5 a maria", "cierre a maria", "pausar todo"),
}
YES = ("yes", "sí", "ok", "dale")
LOOSE = (
    *("no", "?", "if", "mañana", "don't", "dijo", '"', "when", "nunca", "maybe", "cancel", "hi"),
    *("que es", "es que", "de que es", "lo de", "is it", "what is"),
)
JUNK = (
    "xyzzy",
    "2222",
    "ABCD",
    "👍",
    "gracias",
    "100",
    "@maria",
    "<pause>",
    "{code}",
    "%s",
    "> yes",
)
JOINS = (" ", " ", ", ", "\n", "; ", " y ")
MONEY = ("deposit", "entry", "share", "payout", "commission_part")


def part_of(chance, who, codes):
    kinds = (SETTINGS[who], CODED[who], PLAIN[who], YES, LOOSE, JUNK, codes or ("7K2Q",))
    return chance.choice(chance.choice(kinds))


async def seen(talk):
    people = [tuple(row) for row in await talk.sql("SELECT * FROM client ORDER BY id")]
    tasks = [tuple(row) for row in await talk.sql("SELECT * FROM task ORDER BY id")]
    return people, tasks, [await talk.count(table) for table in MONEY]


async def open_of(talk, who):
    sender = talk.message(who, "").sender
    now = int(talk.clock.now().timestamp()) * 1_000_000
    codes = await talk.sql(
        "SELECT code FROM confirmation WHERE pubkey = ? AND used_at IS NULL AND expires_at >= ?",
        sender,
        now,
    )
    asked = await talk.sql(
        "SELECT command FROM question WHERE pubkey = ? AND expires_at >= ?", sender, now
    )
    return {row["code"] for row in codes}, [row["command"] for row in asked]


def allowed(text, who, codes, asked):
    """Return whether a message may change people's settings, and whether it may move money."""
    bare = re.sub(r"\b(?:gracias|hi)\b|[^\w\s@.,;]", " ", text)
    words = set(re.findall(r"\w+", bare))
    has_code = bool(codes & words) and not words & {word for one in LOOSE for word in one.split()}
    parts = [part.strip(" ,;.") for part in re.split(r"\n|, |; | y ", bare)]
    is_exact = any(part.startswith(SETTINGS[who]) for part in parts)
    is_yes = bool(asked) and bool(words) and words <= {*YES, "y"}
    return has_code or is_exact or is_yes, has_code


async def talk_at_random(folder, seed):
    chance = random.Random(seed)
    database = await open_ledger(folder, open_here)
    talk = Talk(database, folder, make_programme())
    try:
        await talk.add_client("maria", balance="500")
        await talk.do("maria", "withdraw 100")
        await talk.do("op", "deposit maria 25")
        old = []
        for _ in range(40):
            who = chance.choice(("maria", "op"))
            codes, asked = await open_of(talk, who)
            others = await open_of(talk, "op" if who == "maria" else "maria")
            known = (*codes, *codes, *others[0], *old[-2:])
            parts = [part_of(chance, who, known) for _ in range(chance.randint(1, 3))]
            text = chance.choice(JOINS).join(parts)
            talk.clock.at += timedelta(seconds=chance.choice((3, 3, 3, 200, 700)))
            codes, asked = await open_of(talk, who)
            is_old = chance.random() < 0.1
            message = talk.message(
                who,
                text.replace("{", "{{").replace("}", "}}"),
                age=timedelta(hours=7 if is_old else 0),
            )
            before = await seen(talk)
            await talk.conversation.handle(message)
            after = await seen(talk)
            may_set, may_pay = allowed(text, who, codes, asked)
            told = (seed, who, text, codes, asked)
            assert before == after or (may_set and not is_old), told
            assert before[2] == after[2] or may_pay, told
            if chance.random() < 0.2:
                talk.start()
            await talk.conversation.handle(message)
            assert await seen(talk) == after, told
            old.extend(codes)
        assert not await talk.audit()
    finally:
        await database.aclose()


@pytest.mark.parametrize("seed", range(int(__import__("os").environ.get("SEEDS", "12"))))
def test_nothing_changes_without_a_command_a_code_or_a_yes(seed):
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(talk_at_random(Path(folder) / "data", seed))
