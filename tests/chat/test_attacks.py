"""Attacks on the conversation: words that are no wish change nothing, prepare nothing, and reach nobody."""

from dataclasses import replace
from datetime import timedelta

import pytest
from talk import ADMIN_KEY, OTHER_KEY, code_in

from dca_bot.chat.ask import sharing_time
from dca_bot.chat.client.requests import REQUESTS_MAX
from dca_bot.chat.understanding.meaning import NOTHING
from dca_bot.chat.understanding.normaliser import plain_text
from dca_bot.chat.understanding.reading import understand, vocabulary_of


@pytest.fixture
async def people(talk):
    """maria has 500 GTQ and asks for 100 in cash; juan has nothing; a deposit is pending."""
    await talk.add_client("maria", balance="500")
    await talk.add_client("juan")
    await talk.do("maria", "withdraw 100")
    await talk.do("op", "deposit maria 25")
    return talk


async def everything(talk):
    """Return all that people can change, and the questions that wait; without the replies."""
    statements = (
        "SELECT * FROM client ORDER BY id",
        "SELECT * FROM deposit ORDER BY id",
        "SELECT * FROM entry ORDER BY id",
        "SELECT * FROM task ORDER BY id",
        "SELECT * FROM confirmation WHERE used_at IS NULL",
        "SELECT text FROM outbox WHERE protocol IS NULL ORDER BY id",
    )
    return [[tuple(row) for row in await talk.sql(statement)] for statement in statements]


QUOTES = (
    '"{}" 👍',
    '"{}",',
    '""{}""',
    "''{}''",
    '“{}"',
    "“{}“",
    "\u2018{}\u2019!",
    "«{}».",
    "~{}~",
    "~~{}~~",
)


@pytest.mark.parametrize("quotes", QUOTES)
@pytest.mark.parametrize("text", ["pause", "notify off", "withdraw 5", "wallet a@example.com"])
async def test_client_who_quotes_changes_nothing(people, quotes, text):
    before = await everything(people)
    await people.tell_all("maria", quotes.format(text))
    assert await everything(people) == before


@pytest.mark.parametrize("quotes", QUOTES)
@pytest.mark.parametrize(
    "text", ["client pause maria", "deposit maria 5", "message maria hello", "withdraw maria 0"]
)
async def test_operator_who_quotes_changes_nothing_and_writes_to_nobody(people, quotes, text):
    before = await everything(people)
    await people.tell_all("op", quotes.format(text))
    assert await everything(people) == before


@pytest.mark.parametrize(
    ("who", "text", "asked"),
    [
        ("maria", "quiero retirar 0", "withdraw 0.00"),
        ("op", "maria retiro 0", "withdraw maria 0.00"),
        ("op", "retirar 0 de maria", "withdraw maria 0.00"),
        ("op", "quiero cerrar a juan", "client close juan"),
    ],
)
async def test_what_has_no_code_is_asked_back_from_plain_words(people, who, text, asked):
    before = await everything(people)
    assert f"Did you mean: {asked}" in await people.tell(who, text)
    assert await everything(people) == before
    await people.tell(who, "yes")
    assert await everything(people) != before


@pytest.mark.parametrize("more", [", wait", ", jk", ", oops", " and nobody", "; hmm"])
async def test_words_behind_a_command_are_no_further_client(people, more):
    before = await everything(people)
    await people.tell_all("op", f"client pause maria{more}")
    assert await everything(people) == before


@pytest.mark.parametrize(
    "text", ["{}, cancel", "sí y {} y cancel", "confirm {}; cancel", "{}\ncancel", "cancel\n{}"]
)
async def test_code_beside_a_cancel_confirms_nothing(people, text):
    code = code_in(await people.tell("op", "deposit maria 5"))
    before = await everything(people)
    await people.tell_all("op", text.format(code))
    assert await everything(people) == before


async def test_further_clients_behind_a_command_are_meant(people):
    await people.tell_all("op", "client pause maria, juan")
    assert {(await people.client(name)).state for name in ("maria", "juan")} == {"stopped"}


@pytest.mark.parametrize(
    "text", ["{} \U0001f44e", "\u274c {}", "\U0001f6ab {}", "{} \U0001f645\u200d\u2640\ufe0f"]
)
async def test_sign_of_refusal_beside_words_is_a_no(people, text):
    code = code_in(await people.tell("op", "deposit maria 5"))
    before = await everything(people)
    await people.tell_all("op", text.format(code))
    await people.tell_all("op", text.format("client pause maria"))
    await people.tell_all("maria", text.format("pause"))
    await people.tell("maria", "quiero pausar mis compras")
    await people.tell_all("maria", text.format("yes"))
    assert await everything(people) == before


async def test_sign_of_refusal_alone_answers_nothing(people):
    code = code_in(await people.tell("op", "deposit maria 5"))
    await people.tell_all("op", "\U0001f44e")
    assert "is pending" in await people.tell("op", f"confirm {code}")


def test_signs_for_whole_sentences_make_a_message_no_longer():
    assert len(plain_text("\ufdfa" * 2000)) == 2000


def test_message_of_very_many_lines_is_not_read_line_by_line():
    clients = vocabulary_of("client", ("en", "es"))
    assert understand("balance\n" * 200, clients) is NOTHING
    assert understand("contact\n" + "hello\n" * 200, clients).first.intent == "contact"


# Floods


async def test_each_command_of_a_message_counts_for_the_pace(people):
    lines = "\n".join(["balance", "settings"] * 4)
    answers = []
    for _ in range(10):
        answers += await people.replies_to(people.message("maria", lines))
    assert 0 < "".join(answers).count("Language:") <= 24
    assert (await people.tell("juan", lines)).count("Language:") == 4


async def test_commands_of_a_message_wait_for_lnbits_no_longer_than_one_would(talk):
    assert sharing_time(talk.services, 8).answer_limit_s * 8 == talk.services.answer_limit_s
    talk.be_impatient()
    talk.wallet.hanging = {"balance", "price"}
    told = await talk.tell_all("op", "\n".join(["funds", "clients"] * 4))
    assert len(told) == 8


async def test_operators_are_told_of_few_requests_for_cash_a_day(people):
    for amount in range(1, REQUESTS_MAX):
        await people.do("maria", f"withdraw {amount}")
    before = await everything(people)
    assert "tomorrow" in await people.tell("maria", "withdraw 99")
    assert await everything(people) == before
    people.clock.at += timedelta(days=1)
    assert "99.00" in await people.do("maria", "withdraw 99")


async def test_codes_of_eight_commands_in_one_message_are_all_good(people):
    lines = "\n".join(f"deposit maria {amount}" for amount in range(1, 9))
    codes = [code_in(told) for told in await people.tell_all("op", lines)]
    before = await people.count("deposit")
    await people.tell_all("op", "\n".join(codes))
    assert await people.count("deposit") == before + 8


# Answers


@pytest.mark.parametrize(
    "between", ["nsec1" + "q" * 58, "https://files.example/a.jpg", "w " * 1500]
)
async def test_message_that_was_refused_ends_the_question_too(people, between):
    await people.tell("maria", "quiero pausar mis compras")
    await people.tell("maria", between)
    before = await everything(people)
    await people.tell("maria", "yes")
    assert await everything(people) == before


async def test_late_message_that_was_refused_leaves_the_question_open(people):
    await people.tell("maria", "quiero pausar mis compras")
    await people.tell("maria", "nsec1" + "q" * 58, age=timedelta(hours=7))
    await people.tell("maria", "yes")
    assert (await people.client("maria")).state == "paused"


async def test_yes_that_was_written_before_the_question_is_no_answer(people):
    await people.tell("maria", "quiero pausar mis compras")
    written = replace(
        people.message("maria", "yes", age=timedelta(minutes=1)), arrived_at=people.clock.now()
    )
    before = await everything(people)
    await people.deliver(written)
    assert await everything(people) == before


async def test_no_client_is_named_like_the_readers_of_a_message(people):
    told = await people.tell("op", "client add low {fresh}")
    assert "confirm" not in told
    assert await people.client("low") is None


# Secrets

SEED = "abandon ability able about above absent absorb abstract absurd abuse access accident"
SECRETS = {
    ADMIN_KEY: ADMIN_KEY,
    ADMIN_KEY.upper(): ADMIN_KEY,
    "".join(chr(0xFEE0 + ord(char)) for char in ADMIN_KEY): ADMIN_KEY,
    SEED: "absurd abuse",
    SEED.replace(" ", "\n"): "absurd",
    SEED.replace(" ", ", "): "absurd",
    "nsec1" + "q" * 58: "qqqqq",
    "https://lnbits.example/wallet?usr=" + "9f" * 16: "9f9f9f",
}
AROUND = {
    "maria": (
        "wallet {}",
        "mi billetera es {}",
        "quiero cambiar mi billetera a {} por favor",
        "si cambia, wallet {}",
        "¿mi wallet es {}?",
        "wallet {}\nbalance",
        "contact\n{}",
        "pausar {}",
        "confirm {}",
        "yes {}",
        "> {}\nbalance",
    ),
    "op": (
        "client wallet maria {}",
        "cambiar la billetera de maria a {}",
        "what if client wallet maria {}",
        "client wallet maria {}\nreply maria {}",
        "dile a maria {}",
        "message all {}",
        "deposit maria 5 {}",
        "deposit maria 5\n{}",
        "commission set rosa 10 {}",
        "client add rosa {}",
        "log {}",
    ),
}


async def kept(talk, shown):
    """Return the tables that have `shown` in some row."""
    names = (
        "question",
        "confirmation",
        "outbox",
        "task",
        "inbox",
        "command_log",
        "deposit",
        "client",
    )
    rows = [(name, row) for name in names for row in await talk.sql(f"SELECT * FROM {name}")]
    return [name for name, row in rows if shown in " ".join(map(str, tuple(row))).lower()]


@pytest.mark.parametrize("is_down", [False, True])
@pytest.mark.parametrize("secret", SECRETS)
async def test_secret_is_neither_kept_nor_passed_on_in_any_wording(people, secret, is_down):
    people.wallet.down = is_down
    for who, contexts in AROUND.items():
        for context in contexts:
            assert await people.tell_all(who, context.replace("{}", secret)), context
            assert await kept(people, SECRETS[secret]) == [], context


async def test_search_for_what_is_kept_finds_an_invoice_key(people):
    await people.tell("maria", f"wallet {OTHER_KEY}")
    assert await kept(people, OTHER_KEY[-16:])
