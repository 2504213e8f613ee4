"""Clients' names: found as people type them, and never two that are taken for one."""

import re

import pytest
from scaffold import without_triggers
from talk import PEOPLE

from dca_bot.chat.command_sets import COMMAND_WORDS
from dca_bot.chat.operator.names import tell_of_unclear_names
from dca_bot.ledger.programme import clients, commission
from dca_bot.ledger.programme.clients import Destination

CYRILLIC = "mari\u0430"
FULLWIDTH = "\uff4d\uff41\uff52\uff49\uff41"
LOOK_ALIKES = (
    "maría",
    CYRILLIC,
    FULLWIDTH,
    "ma\u200bria",
    "MARÌA",
    "\u202emaria",
    "mari\u0301a",
    "mar\u0131a",
)
FOUND = (
    "client {}",
    "client pause {}",
    "client wallet {} a@b.example",
    "client npub {} {{fresh}}",
    "deposit {} 100",
    "withdraw {} 5",
    "commission set {} 10",
)
ROSA = Destination("address", "rosa@example.com")


async def old_client(talk, name, person, *, role="client"):
    """Have a client from before look-alike names were refused."""

    def work(tx):
        now = talk.clock.now()
        with without_triggers(tx, "client_has_own_name"):
            if role == "recipient":
                recipient = commission.add_recipient(
                    tx, name=name, destination=ROSA, language="en", now=now
                )
                commission.set_share(tx, recipient.id, 1000, now=now)
            else:
                clients.add(tx, name=name, pubkey=PEOPLE[person], language="en", now=now)

    await talk.database.transact(work)


@pytest.mark.parametrize("name", ["maria", "Maria", *LOOK_ALIKES])
@pytest.mark.parametrize("command", FOUND)
async def test_client_is_found_however_the_name_is_typed(talk, command, name):
    await talk.add_client("maria", balance="50")
    told = await talk.tell("op", command.format(name))
    assert "maria" in told
    assert "no client of that name" not in told
    assert "another" not in told or "npub" in command


@pytest.mark.parametrize("name", ["maria", "MARIA", *LOOK_ALIKES])
async def test_new_client_who_looks_like_another_is_refused(talk, name):
    await talk.add_client("maria", wallet="")
    told = await talk.tell("op", f"client add {name} {{juan}}")
    assert re.search("client maria already|looks like maria|different alphabets", told)
    assert await talk.count("client") == 1


@pytest.mark.parametrize("name", ["M\u0430ria", "an\u03b1", "x\u0585"])
async def test_new_name_that_mixes_scripts_is_refused(talk, name):
    for text in (f"client add {name} {{juan}}", f"commission set {name} 5 a@b.example"):
        assert "mixes letters of different alphabets" in await talk.tell("op", text)
    assert await talk.count("client") == 0


@pytest.mark.parametrize(
    "name", ["pausé", "P\u0430use", "\uff50ause", "pau\u200bse", "confïrm", "all"]
)
async def test_new_name_that_reads_like_a_command_is_refused(talk, name):
    for text in (f"client add {name} {{juan}}", f"commission set {name} 5 a@b.example"):
        assert "part of a command" in await talk.tell("op", text)
    assert await talk.count("client") == 0


async def test_name_is_kept_as_people_see_it(talk):
    await talk.tell("op", "client add \uff4d\uff41\u200bri\u0301a {maria}")
    assert [row["name"] for row in await talk.sql("SELECT name FROM client")] == ["maría"]


async def test_names_that_print_alike_are_refused_for_new_clients_only(talk):
    await talk.tell("op", "client add limes11 {maria}")
    assert "looks like limes11" in await talk.tell("op", "client add Iimes11 {juan}")
    assert "no client of that name" in await talk.tell("op", "client iimes11")


async def test_old_names_that_look_alike_are_told_apart_in_full(talk):
    await old_client(talk, "maria", "maria")
    await old_client(talk, "maría", "juan")
    await old_client(talk, CYRILLIC, "lena")
    for name in ("maria", "María", CYRILLIC, "mari\u0301a"):
        told = await talk.tell("op", f"deposit {name} 100")
        full = {"María": "maría", "mari\u0301a": "maría"}.get(name, name)
        assert f"Q100.00 for {full}." in told
    for command in (*FOUND, "client close {}", "commission remove {}"):
        told = await talk.tell("op", command.format(FULLWIDTH))
        assert (
            "Several names look like that one: maria, mari\u0430, maría. Copy the one you mean"
            in told
        )
    assert await talk.count("confirmation") == 4
    assert "Several names" not in await talk.tell("op", "client close maria")
    assert await talk.audit() == ()


async def test_closed_client_makes_the_name_free_and_is_found_last(talk):
    await talk.tell("op", "client add maria {maria}")
    await talk.tell("op", "client close maria")
    assert "maria is closed" in await talk.tell("op", "deposit MARIA 5")
    assert "maría is added" in await talk.tell("op", "client add maría {juan}")
    assert "Q5.00 for maría." in await talk.tell("op", "deposit maria 5")


async def test_name_of_a_recipient_is_found_and_refused_alike(talk):
    await talk.do("op", "commission set rosa 5 rosa@example.com")
    assert "That name looks like rosa" in await talk.tell("op", "client add rosá {juan}")
    assert "rosa would get 10%" in await talk.tell("op", "commission set RÓSA 10")
    assert "rosa" in await talk.do("op", "commission remove ro\u0301sa")
    assert "rosá is added" in await talk.tell("op", "client add rosá {juan}")


async def test_client_and_recipient_who_look_alike_are_told_apart(talk):
    await old_client(talk, "rosa", "maria")
    await old_client(talk, "rosá", "", role="recipient")
    assert "rosa, active" in await talk.tell("op", "client rosa")
    assert "no client of that name" in await talk.tell("op", "deposit rosá 5")
    assert "Several names look like that one: rosa, rosá" in await talk.tell("op", "deposit ròsa 5")
    assert "rosá" in await talk.tell("op", "commission remove rosá")


async def test_old_name_that_is_a_commands_word_keeps_working(talk):
    for name, person in (("pause", "maria"), ("edit", "juan"), ("daily", "lena")):
        await old_client(talk, name, person)
    assert "pause, active" in await talk.tell("op", "client pause")
    assert "daily, active" in await talk.tell("op", "client DAILY")
    assert "pause is paused" in await talk.tell("op", "client pause pause")
    assert "Q5.00 for pause." in await talk.tell("op", "deposit pause 5")
    await talk.do("op", "deposit daily 5")
    await talk.do("op", "deposit confirm 1")
    assert (await talk.client("daily")).balance_minor == 500
    assert "Write: client resume NAME" in await talk.tell("op", "client resume")
    assert "Write: client pause NAME" not in await talk.tell("op", "client pause")


async def test_clients_lists_the_names_that_can_be_taken_for_another(talk):
    await talk.add_client("maria", wallet="")
    assert "alike" not in await talk.tell("op", "clients")
    await old_client(talk, "maría", "juan")
    await old_client(talk, "daily", "lena")
    told = await talk.tell("op", "clients")
    assert "\nLook alike, so write them exactly: maria, maría\n" in told
    assert told.endswith("\nNamed like a part of a command: daily")


async def test_operators_are_told_of_unclear_names_once(talk):
    async def start():
        await talk.database.transact(
            lambda tx: tell_of_unclear_names(tx, talk.notices, COMMAND_WORDS, talk.clock.now())
        )
        return await talk.letters_to("op2")

    await talk.add_client("maria", wallet="")
    before = len(await talk.letters_to("op2"))
    assert len(await start()) == before
    await old_client(talk, "maría", "juan")
    for _ in range(2):
        letters = await start()
        assert len(letters) == before + 1
    assert letters[-1].endswith("see them again.\nLook alike, so write them exactly: maria, maría")
    await old_client(talk, "daily", "lena")
    for _ in range(2):
        letters = await start()
        assert len(letters) == before + 2
    assert letters[-1].endswith("Named like a part of a command: daily")


@pytest.mark.parametrize("word", ["saldo", "Saldo", "ayuda", "historial"])
async def test_other_word_for_a_command_is_nobodys_new_name(talk, word):
    told = await talk.tell("op", f"client add {word} {{maria}}")
    assert "command" in told
    assert await talk.client(word) is None
