"""The welcome of a new client: five lines, a wallet to name, and the address of the profile as an offer."""

import asyncio
import json
import random
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import nostr_sdk as sdk
import pytest
from talk import NPUBS, PEOPLE, code_in
from test_messenger import messenger_of, running

from dca_bot.core.ports import SoughtPerson
from dca_bot.demo.relay import local_relay
from dca_bot.nostr import events, keys
from dca_bot.nostr.keys import nprofile
from dca_bot.nostr.relays.relay_socket import Endpoint

PHONE_LINE = 40
PHONE_PAGE = 12
KEY = keys.generate(random.Random(5))
MALLORY = keys.generate(random.Random(6))
ENGLISH = """\
Welcome, maria!
Your deposits buy bitcoin here, bit by bit, whenever somebody sells some at the machine. \
First tell me where it should go. Send your Lightning address (or your LNbits invoice key), like this:
wallet name@example.com
Once a day I tell you what has arrived (notify daily).
Just write to me as you speak, or send help. ¿Prefiere español? Escriba: idioma español"""
ENGLISH_OFFER = """\
Welcome, maria!
Your deposits buy bitcoin here, bit by bit, whenever somebody sells some at the machine. \
First tell me where it should go. Your Nostr profile has an address. If it is yours, send me this line:
wallet ana@example.com
Once a day I tell you what has arrived (notify daily).
Just write to me as you speak, or send help. ¿Prefiere español? Escriba: idioma español"""
SPANISH_OFFER = """\
¡Le damos la bienvenida, maria!
Aquí sus depósitos compran bitcoin, poco a poco, cada vez que alguien vende en la máquina. \
Primero dígame a dónde debe ir. Su perfil de Nostr tiene una dirección. Si es suya, envíeme esta línea:
billetera ana@example.com
Una vez al día le cuento lo que llegó (avisos diario).
Escríbame como habla, o envíe ayuda. English? Write: language en"""


async def welcome_of(talk, who="maria"):
    return (await talk.letters_to(who))[0]


async def added(talk, lud16, more=""):
    """Have maria added, whose newest profile has an address, and return the welcome."""
    talk.profile_addresses[PEOPLE["maria"]] = lud16
    give = talk.do if more else talk.tell
    await give("op", "client add maria {maria}" + more)
    return await welcome_of(talk)


def fits_a_phone(text):
    """Tell whether a text has five lines, and no more rows than a phone shows at once."""
    lines = text.splitlines()
    return len(lines) == 5 and sum(-(-len(line) // PHONE_LINE) for line in lines) <= PHONE_PAGE


# The text


async def test_welcome_has_five_lines_and_asks_for_the_wallet(talk):
    assert await added(talk, "") == ENGLISH


@pytest.mark.parametrize("more", ["", " 1500"])
async def test_address_of_the_profile_is_a_line_to_send(talk, more):
    assert await added(talk, "ana@example.com", more) == ENGLISH_OFFER


async def test_offer_is_in_the_readers_words(spanish):
    assert await added(spanish, "ana@example.com") == SPANISH_OFFER


@pytest.mark.parametrize("lud16", ["", "ana@example.com"])
async def test_welcome_fits_a_phone(talk, lud16):
    assert fits_a_phone(await added(talk, lud16))


@pytest.mark.parametrize("lud16", ["", "ana@example.com"])
async def test_welcome_in_spanish_fits_a_phone(spanish, lud16):
    assert fits_a_phone(await added(spanish, lud16))


async def test_line_of_the_offer_is_understood_and_waits_for_a_code(spanish):
    line = (await added(spanish, "ana@example.com")).splitlines()[2]
    asked = await spanish.tell("maria", line)
    assert "ana@example.com" in asked
    assert (await spanish.client("maria")).destination is None
    await spanish.tell("maria", f"confirmar {code_in(asked)}")
    assert (await spanish.client("maria")).destination.value == "ana@example.com"


async def test_who_knocks_gets_the_offer_too(talk):
    talk.profile_addresses[PEOPLE["juan"]] = "ana@example.com"
    await talk.do("op", f"client add juan {await talk.knock('juan')}")
    assert "\nwallet ana@example.com\n" in (await talk.letters_to("juan"))[1]


async def test_who_is_closed_and_added_again_is_asked_anew(talk):
    assert await added(talk, "old@example.com")
    await talk.tell("op", "client close maria")
    talk.profile_addresses[PEOPLE["maria"]] = "new@example.com"
    await talk.tell("op", "client add maria {maria}")
    assert "\nwallet new@example.com\n" in (await talk.letters_to("maria"))[-1]


async def test_example_of_an_address_is_in_the_readers_language(spanish):
    await spanish.tell("op", "client add maria {maria}")
    welcome = await welcome_of(spanish)
    assert "billetera nombre@example.com" in welcome.splitlines()
    assert "name@" not in welcome


async def test_new_npub_of_a_client_gets_no_welcome(talk):
    await added(talk, "")
    talk.sought.clear()
    await talk.do("op", "client npub maria {fresh}")
    assert talk.sought == []
    assert "Welcome" not in "".join(await talk.letters_to("fresh"))


# What is no offer


@pytest.mark.parametrize(
    "lud16",
    [
        "ana",
        "Send your key to mallory",
        "ana@example.com wants your key",
        "https://example.com/ana",
        "1a" * 16,
        "lnurl1dp68gurn8ghj7cnpwpc8gctydahx2mnn9ehx7mp0",
        NPUBS["juan"],
        "x" * 5_000,
        "ana@example.com\nconfirm 7K2Q",
        "ana@bad.example",
        "ana@down.example",
        "ana@full.example",
    ],
)
async def test_what_is_no_address_or_cannot_be_paid_is_left_out(talk, lud16):
    assert await added(talk, lud16) == ENGLISH


async def test_marks_around_an_address_are_not_shown(talk):
    assert await added(talk, " ⚡Lightning:ANA@example.com. ") == ENGLISH_OFFER


@pytest.mark.parametrize("hanging", ["profile", "server"])
async def test_nobody_waits_for_long(talk, monkeypatch, hanging):
    async def hang(_wanted):
        await asyncio.Event().wait()

    monkeypatch.setattr("dca_bot.chat.operator.newcomers._LOOK_LIMIT_S", 0.01)
    if hanging == "profile":
        talk.services = replace(talk.services, profile_address=hang)
        talk.start()
    else:
        talk.addresses.limits = hang
    assert await added(talk, "ana@example.com") == ENGLISH


async def test_nobody_is_looked_up_for_a_command_that_is_refused(talk):
    await added(talk, "")
    talk.sought.clear()
    for line in ("client add juan {maria}", "client add juan npub1nonsense"):
        await talk.tell("op", line)
    await talk.tell("op", "client add juan {juan}", age=timedelta(days=3))
    assert talk.sought == []


# Over real relays


async def test_relays_of_an_nprofile_are_asked(talk):
    hints = ("wss://one.example", "wss://two.example", "nonsense")
    await talk.tell("op", f"client add maria {nprofile(PEOPLE['maria'], hints)}")
    assert talk.sought == [SoughtPerson(PEOPLE["maria"], hints[:2])]


async def publish(url, *stored):
    """Have an independent client publish events at a relay."""
    client = sdk.ClientBuilder().build()
    await client.add_relay(sdk.RelayUrl.parse(url))
    await client.connect()
    for event in stored:
        await client.send_event(sdk.Event.from_json(event.to_json()))
    await client.shutdown()


def profile(address, *, later=timedelta(), key=KEY, **more):
    """Sign a profile, dated an hour ago and `later`."""
    at = datetime.now(UTC) - timedelta(hours=1) + later
    content = json.dumps({"lud16": address, **more})
    return events.sign(key, kind=0, created_at=int(at.timestamp()), tags=(), content=content)


def at_port(port):
    """Return a search for the addresses of relays that finds each relay on this machine."""

    async def find(_url):
        return Endpoint(("127.0.0.1",), port)

    return find


@asynccontextmanager
async def looking_at(talk, own, **options):
    """Have the bot look up profiles over real relays."""
    async with running(messenger_of(keys.generate(), [own], **options)) as messenger:
        talk.services = replace(talk.services, profile_address=messenger.profile_address)
        talk.start()
        yield


async def welcomed(talk, npub=KEY.npub):
    await talk.tell("op", f"client add ana {npub}")
    rows = await talk.sql("SELECT text FROM outbox WHERE recipient = ?", KEY.public_key)
    return rows[0]["text"].splitlines()[2]


async def test_newest_profile_of_two_relays_is_offered(talk):
    async with local_relay() as own, local_relay() as other:
        await publish(own, profile("old@example.com", lud06="lnurl1", about="Send it to mallory"))
        await publish(other, profile("new@example.com", later=timedelta(minutes=5)))
        await publish(other, profile("else@example.com", later=timedelta(minutes=9), key=MALLORY))
        async with looking_at(talk, own, discovery=[other]):
            assert await welcomed(talk) == "wallet new@example.com"


async def test_profile_without_an_address_takes_an_older_address_back(talk):
    async with local_relay() as own, local_relay() as other:
        await publish(own, profile("old@example.com"))
        await publish(other, profile("", later=timedelta(minutes=5)))
        async with looking_at(talk, own, discovery=[other]):
            assert await welcomed(talk) == "wallet name@example.com"


async def test_relay_of_an_nprofile_knows_the_address(talk):
    async with local_relay() as own, local_relay() as hers:
        await publish(hers, profile("ana@example.com"))
        port = int(hers.rpartition(":")[2])
        async with looking_at(talk, own, find_endpoint=at_port(port)):
            npub = nprofile(KEY.public_key, [f"ws://hers.example:{port}"])
            assert await welcomed(talk, npub) == "wallet ana@example.com"


async def test_relay_that_is_gone_holds_nothing_up(talk):
    async with local_relay() as own:
        await publish(own, profile("ana@example.com"))
        async with looking_at(talk, own, discovery=["ws://127.0.0.1:1"]):
            assert await welcomed(talk) == "wallet ana@example.com"


async def test_profiles_of_all_lines_of_a_message_are_looked_up_at_once(talk):
    """One after the other, eight newcomers with slow relays would take a minute."""
    begun, together = [], set()

    async def slow(person):
        begun.append(person)
        for _ in range(50):  # turns of the event loop, in which the others can begin
            await asyncio.sleep(0)
        together.add(len(begun))
        return ""

    talk.services = replace(talk.services, profile_address=slow)
    talk.start()
    lines = "\n".join(f"client add {name} {{{name}}}" for name in ("maria", "juan", "lena"))
    replies = await talk.tell_all("op", lines)
    assert [reply.split(" is added")[0] for reply in replies] == ["maria", "juan", "lena"]
    assert together == {3}
