"""A stranger knocks, and an operator lets the stranger in without typing an npub."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from talk import KNOCK, NPUBS, PEOPLE, code_in, make_programme
from test_outbox import Relays

from dca_bot.chat.senders import SLOW_CLOCK_MAX
from dca_bot.core import knock
from dca_bot.core.ports import DmProtocol
from dca_bot.jobs.outbox import Outbox
from dca_bot.jobs.relay_lists import RelayListWatch
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.correspondence import inbox, knocks
from dca_bot.ledger.store.clock import KNOCK_LIFE
from dca_bot.ledger.store.instants import instant
from dca_bot.messages.daily_summary import daily_summary
from dca_bot.messages.surroundings import Surroundings
from dca_bot.nostr.keys import npub

TRICKY = '\u202eanA\u2066\r\n"»' + "x" * 99


def stranger(number):
    return f"{number:064x}"


async def summary(talk):
    def work(tx):
        found = Surroundings(None, [])
        return daily_summary(tx, talk.programme, found, talk.clock.now(), npub=npub)

    return talk.texts.render(
        await talk.database.read(work), talk.programme.language, now=talk.clock.now()
    )


# What the stranger gets


async def test_answer_has_a_code_and_is_worthless_when_the_code_is(talk):
    reply = await talk.tell("stranger", "hello")
    assert reply.startswith("Hello! This account only talks with people it already knows.")
    assert "show this to the operator: KNOCK-" in reply
    assert len(reply) < 200
    ((at,),) = await talk.sql("SELECT expires_at FROM outbox")
    assert instant(at) == talk.clock.now() + KNOCK_LIFE


async def test_knocking_again_gives_the_same_code_for_a_day(talk):
    code = await talk.knock("stranger")
    assert await talk.tell("stranger", "hello?") is None
    talk.clock.at += timedelta(hours=1)
    talk.start()
    assert await talk.knock("stranger") == code
    talk.clock.at += timedelta(hours=23)
    assert await talk.knock("stranger") != code
    assert await talk.count("knock") == 2


async def test_stranger_whom_an_older_version_has_answered_can_knock(talk):
    await talk.sql(
        "INSERT INTO inbox (sender, message_id, received_at, command) VALUES (?, ?, ?, 'stranger')",
        PEOPLE["stranger"],
        "ab" * 32,
        1_700_000_000_000_000,
    )
    assert knock.read(await talk.knock("stranger"))


async def test_answers_to_all_are_alike_but_for_the_code(talk):
    await talk.add_client("maria")
    texts = [
        "hello",
        "balance",
        "client add juan",
        "KNOCK-7K2QXM",
        "maria",
        "status",
        "confirm 7K2Q",
    ]
    people = [*map(stranger, range(len(texts))), "juan"]
    replies = [await talk.tell(who, text) for who, text in zip(people, [*texts, "hi"], strict=True)]
    await talk.tell("op", "client close maria")
    replies.append(await talk.tell("maria", "balance"))
    assert len({KNOCK.sub("", reply) for reply in replies}) == 1
    assert len({KNOCK.search(reply)[0] for reply in replies}) == len(replies)


@pytest.mark.parametrize("age", [timedelta(hours=30), -timedelta(hours=2)])
async def test_phone_with_a_wrong_clock_can_knock_if_its_message_has_just_arrived(talk, age):
    assert await talk.tell("stranger", "hello", age=age) is None, "stored by a relay"
    live = replace(talk.message("stranger", "hello", age=age), arrived_at=talk.clock.now())
    assert "KNOCK-" in await talk.deliver(live)


async def test_secret_of_a_stranger_gets_a_warning_and_no_code(talk):
    assert "KNOCK" not in await talk.tell("stranger", "nsec1" + "q9x8gf2tvdw0s3jn54khce6mua7l" * 2)
    assert await talk.count("knock") == 0


async def test_under_a_flood_nobody_gets_a_code_and_operators_see_so(talk):
    for number in range(30):
        await talk.tell(stranger(number), "hi")
    assert await talk.count("knock") == knocks.ANSWERS_MAX
    assert (await talk.tell("op", "knocks")).startswith("So many strangers write")
    talk.clock.at += timedelta(hours=1)
    assert (await talk.tell("op", "knocks")).startswith("New people who wrote to me, newest first")


async def test_hundred_open_codes_are_the_most(talk):
    for number in range(knocks.OPEN_MAX):
        talk.clock.at += timedelta(minutes=10)
        await talk.knock(stranger(number))
    talk.clock.at += timedelta(minutes=10)
    reply = await talk.tell("stranger", "hello")
    assert reply == "Hello! This account only talks with people it already knows."
    assert (await talk.tell("op", "knocks")).startswith("So many strangers write")
    assert await talk.count("knock") == knocks.OPEN_MAX
    talk.clock.at += timedelta(hours=8)
    assert knock.read(await talk.knock("stranger"))


# What the operator does


async def test_client_is_added_by_a_code_with_a_first_deposit(talk):
    talk.profiles[PEOPLE["juan"]] = "Juan P."
    code = await talk.knock("juan")
    talk.clock.at += timedelta(minutes=5)
    asked = await talk.tell("op", f"client add juan {code.lower()} 1500")
    assert asked.splitlines()[:3] == [
        "Add the client juan with a pending deposit of Q1,500.00.",
        f"nostr:{NPUBS['juan']}",
        'Wrote to me 1 Mar 06:00. Profile: "Juan P." (anybody can choose any name)',
    ]
    done = await talk.tell("op", f"confirm {code_in(asked)}")
    assert "juan is added, with deposit 1 of Q1,500.00 pending" in done
    assert (await talk.client("juan")).pubkey == PEOPLE["juan"]
    assert [line.split("!")[0] for line in (await talk.letters_to("juan"))[1:2]] == [
        "Welcome, juan"
    ]
    assert "Cash still" in await talk.tell("juan", "balance")


async def test_client_is_added_by_a_code_alone_after_a_question_too(talk):
    code = await talk.knock("juan")
    asked = await talk.tell("op", f"client add juan {code}")
    assert asked.startswith(
        f"Add the client juan.\nnostr:{NPUBS['juan']}\nWrote to me 1 Mar 06:00."
    )
    assert "Profile: no name found" in asked
    assert await talk.count("client") == 0
    assert "juan is added" in await talk.tell("op", f"confirm {code_in(asked)}")


async def test_profile_is_looked_up_once_and_kept(talk):
    talk.profiles[PEOPLE["juan"]] = TRICKY
    asked = await talk.tell("op", f"client add juan {await talk.knock('juan')}")
    name = "anA ''" + "x" * 23 + "…"
    assert f'Profile: "{name}" (anybody' in asked
    talk.profiles.clear()
    assert "juan is added" in await talk.tell("op", f"confirm {code_in(asked)}")
    assert talk.looked_up == [[PEOPLE["juan"]]]


async def test_name_that_is_found_only_later_changes_the_question(talk):
    asked = await talk.tell("op", f"client add juan {await talk.knock('juan')}")
    talk.profiles[PEOPLE["juan"]] = "Juan"
    again = await talk.tell("op", f"confirm {code_in(asked)}")
    assert 'Profile: "Juan"' in again
    assert await talk.count("client") == 0
    assert "juan is added" in await talk.tell("op", f"confirm {code_in(again)}")


async def test_relays_that_tell_nothing_hold_nobody_up(talk, monkeypatch):
    async def hang(_pubkeys):
        await asyncio.Event().wait()

    monkeypatch.setattr("dca_bot.chat.operator.knocks._LOOK_LIMIT_S", 0.01)
    talk.services = replace(talk.services, profile_names=hang)
    talk.start()
    code = await talk.knock("juan")
    assert code in await talk.tell("op", "knocks")
    assert "no name found" in await talk.tell("op", f"client add juan {code} 5")


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("KNOCK-7K2QXM", "Nobody waits with that code"),
        ("KNOCK-7K2QXN", "That code is mistyped"),
        ("KNOCK-K72QXM", "That code is mistyped"),
        ("KNOCK-7K2QX", "That code is mistyped"),
        ("KNOCK", "That code is mistyped"),
        ("7K2QXM", "not a Nostr public key"),
    ],
)
async def test_code_that_is_wrong_adds_nobody_and_is_not_put_right(talk, typed, told):
    await talk.knock("juan")
    for amount in ("", " 1500"):
        assert told in await talk.tell("op", f"client add juan {typed}{amount}")
    assert await talk.count("client") == await talk.count("confirmation") == 0


async def test_code_is_used_once_and_dies_after_a_day(talk):
    code = await talk.knock("juan")
    await talk.do("op", f"client add juan {code} 100")
    assert "Nobody waits" in await talk.tell("op", f"client add lena {code} 100")
    late = await talk.knock("lena")
    asked = await talk.tell("op", f"client add lena {late} 100")
    talk.clock.at += KNOCK_LIFE - timedelta(minutes=1)
    asked = await talk.tell("op", f"client add lena {late} 100")
    talk.clock.at += timedelta(minutes=2)
    assert "Nobody waits" in await talk.tell("op", f"confirm {code_in(asked)}")
    assert await talk.client("lena") is None


async def test_two_operators_with_one_code_add_one_client(talk):
    code = await talk.knock("juan")
    first, second = [
        await talk.tell(who, f"client add {name} {code} 100")
        for who, name in (("op", "juan"), ("op2", "juanito"))
    ]
    assert "is added" in await talk.tell("op", f"confirm {code_in(first)}")
    assert "Nobody waits" in await talk.tell("op2", f"confirm {code_in(second)}")
    assert await talk.count("client") == 1


async def test_client_who_is_added_by_npub_no_longer_waits(talk):
    code = await talk.knock("juan")
    await talk.add_client("juan", wallet="")
    assert "Nobody new has written" in await talk.tell("op", "knocks")
    assert "Nobody waits" in await talk.tell("op", f"client add lena {code}")


async def test_client_whose_new_key_has_knocked_no_longer_waits(talk):
    await talk.add_client("maria")
    code = await talk.knock("fresh")
    await talk.do("op", "client npub maria {fresh}")
    assert code not in await talk.tell("op", "knocks")
    assert "wrote to me" not in await summary(talk)


async def test_operator_of_tomorrow_is_not_added_as_a_client(talk):
    code = await talk.knock("juan")
    talk.programme = make_programme(operators=frozenset({PEOPLE["op"], PEOPLE["juan"]}))
    talk.start()
    assert "belongs to an operator" in await talk.tell("op", f"client add juan {code}")


async def test_clients_have_no_knocks(talk):
    await talk.add_client("maria")
    code = await talk.knock("juan")
    for text in ("knocks", f"client add juan {code}"):
        assert (await talk.tell("maria", text)).startswith("I don't know that command.")
    assert (await talk.tell("maria", code)).startswith("I did not get that")


# What operators see


async def test_knocks_are_listed_newest_first_with_profile_and_npub(talk):
    assert (
        await talk.tell("op", "knocks") == "Nobody new has written to me within the last 24 hours."
    )
    talk.profiles[PEOPLE["lena"]] = "Lena\nconfirm 7K2Q"
    first = await talk.knock("juan")
    talk.clock.at += timedelta(minutes=1)
    second = await talk.knock("lena")
    assert (await talk.tell("op", "knocks")).splitlines()[1:] == [
        f"{second}, 1 Mar 06:01",
        f"nostr:{NPUBS['lena']}",
        'Profile: "Lena confirm 7K2Q" (anybody can choose any name)',
        f"{first}, 1 Mar 06:00",
        f"nostr:{NPUBS['juan']}",
        "Profile: no name found",
    ]


async def test_hundred_knocks_are_paged_and_looked_up_a_page_at_a_time(talk):
    for number in range(25):
        talk.clock.at += timedelta(minutes=10)
        await talk.knock(stranger(number))
    pages = [await talk.tell("op", f"knocks {page}") for page in (1, 2, 3)]
    assert [len(KNOCK.findall(page)) for page in pages] == [10, 10, 5]
    assert pages[0].endswith("\nMore: knocks 2")
    assert [len(wanted) for wanted in talk.looked_up] == [10, 10, 5]


async def test_daily_summary_has_one_line_about_who_knocked(talk):
    assert "wrote to me" not in await summary(talk)
    await talk.knock("juan")
    assert f"Somebody new wrote to me: {NPUBS['juan'][:12]}…. To see who" in await summary(talk)
    for number in range(15):
        await talk.knock(stranger(number))
    lines = [line for line in (await summary(talk)).splitlines() if "wrote to me" in line]
    assert len(lines) == 1
    assert lines[0].startswith("16 new people wrote to me: ")
    assert len(lines[0]) < 300
    assert [row["command"] for row in await talk.sql("SELECT command FROM command_log")] == []


async def test_knocking_tells_operators_nothing_at_once(talk):
    for number in range(15):
        await talk.knock(stranger(number))
    assert await talk.letters_to("op") == []


async def test_spanish_operators_read_of_knocks_in_spanish(spanish):
    code = await spanish.knock("juan")
    assert (await spanish.letters_to("juan"))[0].endswith(
        f"muestre esto al operador: {code}. Sirve por 24 horas."
    )
    assert "Me escribió el " in await spanish.tell("op", f"client add juan {code} 100")
    assert "está mal escrito" in await spanish.tell("op", "client add juan KNOCK-22222F")
    assert "Me escribió alguien nuevo" in await summary(spanish)


# Once let in


async def test_what_was_written_before_is_not_run_afterwards(talk):
    code = await talk.knock("juan", "pause")
    unheard = talk.message("juan", "pause")
    assert await talk.deliver(unheard) is None
    talk.clock.at += SLOW_CLOCK_MAX
    await talk.do("op", f"client add juan {code} 100")
    assert await talk.deliver(unheard) is None
    assert (await talk.client("juan")).state == "active"


@pytest.mark.parametrize("protocol", DmProtocol)
async def test_welcome_goes_the_way_the_knock_came(talk, protocol):
    reply = await talk.tell("juan", "hello", protocol=protocol, relay="wss://theirs.example")
    person = await talk.database.read(lambda tx: inbox.person(tx, PEOPLE["juan"]))
    assert (person.protocol, person.relay) == (protocol, "wss://theirs.example")
    await talk.do("op", f"client add juan {KNOCK.search(reply)[0]} 100")
    welcome = (await talk.letters_to("juan"))[1]
    assert welcome.startswith("Welcome, juan!")
    relays = Relays()
    shared = talk.database, relays, talk.programme, talk.clock, Signals()
    deliverer = Outbox(*shared, ("wss://own.example",), RelayListWatch(*shared), talk.notices)
    for _ in range(2):
        async with asyncio.TaskGroup() as group:
            await deliverer._start_due(group)
    ((_, waves),) = [sent for sent in relays.published if "Welcome, juan" in sent[0]]
    (sealed,) = [message for message in relays.sealed if "Welcome, juan" in message.text]
    assert sealed.protocol is protocol
    assert waves[0][0] == "wss://theirs.example"
