"""A message runs once, for whom it may, and leaves nothing that it shouldn't."""

import asyncio
import hashlib
import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from talk import ADMIN_KEY, INVOICE_KEY, KNOCK, PEOPLE, code_in, make_programme

from dca_bot.chat.client.account import CLIENT_COMMANDS
from dca_bot.chat.operator.table import OPERATOR_COMMANDS
from dca_bot.chat.senders import SLOW_CLOCK_MAX
from dca_bot.core.ports import DmProtocol
from dca_bot.ledger.store.clock import CODE_LIFE
from dca_bot.ledger.store.instants import instant
from dca_bot.messages.say import Say


async def test_copy_of_a_message_does_nothing(talk):
    await talk.add_client("maria")
    code = code_in(await talk.tell("op", "deposit maria 5"))
    message = talk.message("op", f"confirm {code}")
    assert "is pending" in await talk.deliver(message)
    letters = await talk.count("outbox")
    assert await talk.deliver(message) is None
    talk.start()
    assert await talk.deliver(message) is None
    assert (await talk.count("deposit"), await talk.count("outbox")) == (1, letters)


async def test_copies_at_the_same_time_run_once(talk):
    message = talk.message("op", "client add maria {maria}")
    await asyncio.gather(*(talk.conversation.handle(message) for _ in range(5)))
    assert len(await talk.letters_to("op")) == 1


async def test_failure_undoes_everything_and_is_told_with_a_reference(talk, caplog):
    await talk.add_client("maria", balance="5")
    await talk.sql(
        "CREATE TRIGGER broken BEFORE INSERT ON deposit BEGIN SELECT RAISE(ABORT, 'x'); END"
    )
    code = code_in(await talk.tell("op", "deposit maria 7 secret note"))
    caplog.clear()
    with caplog.at_level(logging.ERROR):
        reply = await talk.tell("op", f"confirm {code}")
    reference = reply.split()[-1]
    assert "Something went wrong" in reply
    assert reference in caplog.text
    assert "secret note" not in caplog.text
    await talk.sql("DROP TRIGGER broken")
    assert "is pending" in await talk.tell("op", f"confirm {code}")


async def test_older_message_that_a_relay_had_stored_changes_nothing_after_a_later_one(talk):
    await talk.add_client("maria")
    talk.clock.at += timedelta(minutes=9)
    pause = talk.message("maria", "pause", age=timedelta(minutes=2))
    deep = talk.message("maria", "balance", age=timedelta(minutes=2))
    assert "active already" in await talk.tell("maria", "resume", age=timedelta(minutes=1))
    assert "only after a newer one of yours" in await talk.deliver(pause)
    assert (await talk.client("maria")).state == "active"
    assert "Cash still" in await talk.deliver(deep), "it only asks"
    newest = talk.message("maria", "pause", age=timedelta(minutes=1))
    assert "Paused" in await talk.deliver(newest), "written in the same second"


async def test_older_message_that_comes_as_new_runs(talk):
    await talk.add_client("maria")
    talk.clock.at += timedelta(minutes=9)
    assert await talk.tell("maria", "balance")
    other_phone = talk.message("maria", "pause", age=timedelta(minutes=1))
    assert "Paused" in await talk.deliver(replace(other_phone, arrived_at=talk.clock.now()))


async def test_failed_message_does_not_run_again(talk):
    await talk.sql(
        "CREATE TRIGGER broken BEFORE INSERT ON client BEGIN SELECT RAISE(ABORT, 'x'); END"
    )
    message = talk.message("op", "client add maria {maria}")
    assert "Something went wrong" in await talk.deliver(message)
    await talk.sql("DROP TRIGGER broken")
    assert await talk.deliver(message) is None
    assert await talk.count("client") == 0


async def test_old_message_is_answered_but_not_carried_out(talk):
    reply = await talk.tell("op", "client add maria {maria}", age=timedelta(hours=6, seconds=1))
    assert "too late" in reply
    assert await talk.count("client") == 0
    assert "added" in await talk.tell("op", "client add maria {maria}", age=timedelta(hours=6))


async def test_message_from_the_future_is_refused(talk):
    ahead = -timedelta(minutes=10, seconds=1)
    assert "in the future" in await talk.tell("op", "client add maria {maria}", age=ahead)
    assert "added" in await talk.tell("op", "client add maria {maria}", age=-timedelta(minutes=10))


async def test_operator_over_nip04_is_pointed_to_nip17(talk):
    nip04 = {"protocol": DmProtocol.NIP04}
    assert "NIP-17" in await talk.tell("op", "client add maria {maria}", **nip04)
    assert await talk.count("client") == 0
    await talk.add_client("maria")
    assert "Cash still" in await talk.tell("maria", "balance", **nip04)
    talk.programme = make_programme(operator_protocols=frozenset(DmProtocol))
    talk.start()
    assert "Running" in await talk.tell("op", "status", **nip04)


async def test_reply_goes_the_way_the_message_came(talk):
    await talk.tell("op", "status", relay="wss://their.relay")
    rows = await talk.sql("SELECT protocol, relay, recipient FROM outbox")
    assert [tuple(row) for row in rows] == [("nip17", "wss://their.relay", PEOPLE["op"])]


async def test_inbox_keeps_no_text(talk):
    await talk.tell("op", "client add maria {maria}")
    await talk.tell("op", "the rain in spain falls")
    await talk.tell("op", "status", age=timedelta(hours=7))
    rows = await talk.sql("SELECT command FROM inbox ORDER BY received_at")
    assert [row["command"] for row in rows] == ["client add", "none", "refused"]


OPERATOR_ONLY = sorted(
    {c.words[0] for c in OPERATOR_COMMANDS} - {c.words[0] for c in CLIENT_COMMANDS}
)


@pytest.mark.parametrize("command", [c for c in OPERATOR_COMMANDS if c.words[0] in OPERATOR_ONLY])
async def test_client_is_told_that_an_operator_command_does_not_exist(talk, command):
    await talk.add_client("maria", balance="10")
    before = [await talk.count(table) for table in ("entry", "deposit", "client", "fact")]
    arguments = [{"NAME": "maria", "ID": "1"}.get(p.name, "5") for p in command.params]
    reply = await talk.tell("maria", " ".join([*command.words, *arguments]))
    # Plain words of a client mean a client's command: `log` her own history.
    rows = await talk.sql("SELECT command FROM inbox")
    own = {command.name for command in CLIENT_COMMANDS}
    assert reply.startswith("I don't know that command.") or rows[-1]["command"] in own
    assert not rows[-1]["command"].startswith(command.name)
    assert [await talk.count(t) for t in ("entry", "deposit", "client", "fact")] == before


@pytest.mark.parametrize("text", ["pause all", "resume all", "pause maria", "deposits pending"])
async def test_client_never_moves_the_programme(talk, text):
    await talk.add_client("maria")
    before = await talk.count("fact")
    await talk.tell("maria", text)
    assert (await talk.client("maria")).state == "active"
    assert await talk.count("fact") == before


@pytest.mark.parametrize("text", ["help", "balance", "confirm ABCD", "wallet me@x.example"])
async def test_stranger_gets_one_answer_that_reveals_nothing(talk, text):
    reply = await talk.tell("stranger", text, relay="wss://their.relay")
    shown = Say("knock.code", code=KNOCK.search(reply)[0])
    assert reply == talk.texts.render(Say("stranger", knock=shown), "en")
    assert await talk.tell("stranger", text) is None
    talk.start()
    assert await talk.tell("stranger", "hello?") is None
    assert [await talk.count(t) for t in ("inbox", "outbox")] == [1, 1]


async def test_flood_of_strangers_is_answered_up_to_a_cap_and_leaves_no_trace_beyond(talk):
    for number in range(50):
        key = hashlib.sha256(str(number).encode()).hexdigest()
        await talk.conversation.handle(talk.message(key, "hi"))
    assert [await talk.count(t) for t in ("inbox", "outbox", "person")] == [20, 20, 20]
    talk.start()
    assert await talk.tell("stranger", "hi") is None, "a restart gives no further answers"
    talk.clock.at += timedelta(hours=1)
    assert await talk.tell("stranger", "hi") is not None


async def test_strangers_quota_refills_as_its_hour_moves(talk):
    for number in range(20):
        talk.clock.at += timedelta(minutes=2)
        assert await talk.tell(f"{number:064x}", "hi") is not None
    assert await talk.tell("stranger", "hi") is None
    talk.clock.at += timedelta(minutes=22)
    assert await talk.tell("stranger", "hi") is not None
    assert await talk.tell("fresh", "hi") is None


async def test_strangers_who_write_at_the_same_time_share_one_quota(talk):
    keys = [f"{number:064x}" for number in range(40)]
    await asyncio.gather(*(talk.conversation.handle(talk.message(key, "hi")) for key in keys))
    assert await talk.count("outbox") == 20


async def test_answers_dated_by_a_clock_that_was_ahead_use_up_no_quota(talk):
    talk.clock.at += timedelta(days=2)
    for number in range(20):
        assert await talk.tell(f"{number:064x}", "hi") is not None
    talk.clock.at -= timedelta(days=2)
    assert await talk.tell("stranger", "hi") is not None


async def test_stale_message_of_a_stranger_is_dropped(talk):
    assert await talk.tell("stranger", "hi", age=timedelta(hours=7)) is None
    assert await talk.count("inbox") == 0


async def test_flood_from_one_person_is_noticed_once_then_silent(talk):
    await talk.add_client("maria")
    await talk.add_client("juan", wallet="")
    replies = [await talk.deliver(talk.message("maria", "balance")) for _ in range(60)]
    assert sum(reply is not None and "Cash still" in reply for reply in replies) == 40
    assert [reply for reply in replies if reply and "a lot at once" in reply] == [replies[40]]
    assert "one message every 2 seconds" in replies[40]
    assert replies[41:] == [None] * 19
    assert "Cash still" in await talk.deliver(talk.message("juan", "balance"))
    talk.clock.at += timedelta(minutes=5)
    assert "Cash still" in await talk.tell("maria", "balance")


async def test_limited_message_does_not_run_later(talk):
    for _ in range(40):
        await talk.deliver(talk.message("op", "status"))
    message = talk.message("op", "client add maria {maria}")
    assert "a lot at once" in await talk.deliver(message)
    talk.start()
    assert await talk.deliver(message) is None
    assert await talk.count("client") == 0


async def test_many_old_messages_get_few_answers(talk):
    old = {"age": timedelta(hours=7)}
    replies = [await talk.deliver(talk.message("op", "status", **old)) for _ in range(30)]
    assert sum(reply is not None for reply in replies) == 4
    assert "one message every 10 minutes" in replies[3]
    assert "Running" in await talk.tell("op", "status")


@pytest.mark.parametrize(
    "text",
    [
        f"wallet {ADMIN_KEY}",
        f"wallet {ADMIN_KEY.upper()}",
        f"walet {ADMIN_KEY}",
        ADMIN_KEY,
        f"balance {ADMIN_KEY}",
        f"help {ADMIN_KEY}",
        f"confirm {ADMIN_KEY}",
        f"history {ADMIN_KEY}",
    ],
)
async def test_admin_key_of_a_client_never_reaches_the_file(talk, text, caplog):
    await talk.add_client("maria", wallet="")
    with caplog.at_level(logging.DEBUG):
        assert await talk.tell("maria", text) is not None
    kept = talk.ledger_bytes().lower()
    assert ADMIN_KEY.encode() not in kept
    assert ADMIN_KEY[:16].encode() not in kept
    assert ADMIN_KEY not in caplog.text.lower()


@pytest.mark.parametrize(
    "text",
    [
        "client wallet maria {}",
        "client add {} {{maria}}",
        "client {}",
        "client add juan {}",
        "deposit maria {}",
        "deposit maria 5 {}",
        "deposit confirm 1 {}",
        "withdraw maria 5 from {} please",
        "tx {}",
        "hold accept {}",
        "payout cancel {}",
        "commission set rosa 5 {}",
        "commission set {} 5",
        "commission set rosa {}",
        "commission remove {}",
        "tx add {} 200 24000",
        "tx add Market 200 24000 from {}",
    ],
)
async def test_admin_key_of_an_operator_never_reaches_the_file(talk, text):
    await talk.add_client("maria", balance="10")
    assert await talk.tell("op", text.format(ADMIN_KEY)) is not None
    assert ADMIN_KEY[:16].encode() not in talk.ledger_bytes()


async def test_what_was_written_before_a_client_was_added_is_not_carried_out(talk):
    early = talk.message("maria", "pause")
    talk.clock.at += SLOW_CLOCK_MAX
    await talk.add_client("maria", wallet="")
    assert await talk.deliver(early) is None
    assert (await talk.client("maria")).state == "active"
    slow = talk.message("maria", "pause", age=SLOW_CLOCK_MAX)
    assert "Paused" in await talk.deliver(slow)


async def test_what_a_closed_client_wrote_is_not_carried_out_after_a_new_start(talk):
    await talk.add_client("maria")
    await talk.tell("op", "client close maria")
    assert "only talks with people" in await talk.tell("maria", "hello?")
    unheard = talk.message("maria", f"wallet {INVOICE_KEY}")
    talk.clock.at += SLOW_CLOCK_MAX
    await talk.add_client("maria", wallet="")
    assert await talk.deliver(unheard) is None
    assert await talk.count("confirmation") == 1


async def test_closed_client_is_a_stranger(talk):
    await talk.add_client("maria")
    await talk.tell("op", "client close maria")
    assert "only talks with people" in await talk.tell("maria", "balance")
    assert await talk.tell("maria", "balance") is None


async def test_what_was_written_with_a_new_key_before_it_was_the_clients_is_not_carried_out(talk):
    await talk.add_client("maria")
    early = talk.message("fresh", "pause")
    talk.clock.at += timedelta(hours=1)
    await talk.do("op", "client npub maria {fresh}")
    assert await talk.deliver(early) is None
    assert (await talk.client("maria")).state == "active"
    assert "Paused" in await talk.tell("fresh", "pause")


async def expiry_of_last(talk):
    rows = await talk.sql("SELECT expires_at FROM outbox ORDER BY id DESC LIMIT 1")
    at = rows[0]["expires_at"]
    return None if at is None else instant(at)


async def test_each_message_with_a_code_is_worthless_when_the_code_is(talk):
    await talk.add_client("maria", balance="5")
    assert await expiry_of_last(talk) is None
    code = code_in(await talk.tell("op", "deposit maria 7"))
    asked_at = talk.clock.now()
    assert await expiry_of_last(talk) == asked_at + CODE_LIFE
    assert code in await talk.tell("op", "7K2")
    assert await expiry_of_last(talk) == asked_at + CODE_LIFE
    await talk.do("op2", "deposit maria 8")
    again = await talk.tell("op", f"confirm {code}")
    assert code not in again
    assert await expiry_of_last(talk) is None


@pytest.mark.parametrize("who", ["op", "maria"])
async def test_files_of_a_person_are_answered_once_an_hour(talk, who):
    await talk.add_client("maria")

    async def send():
        talk.clock.at += timedelta(minutes=1)
        return await talk.deliver(replace(talk.message(who, ""), is_file=True))

    replies = [await send() for _ in range(60)]
    assert replies[0] == talk.texts.render(Say("problem.file"), "en")
    assert replies[1:] == [None] * 59
    assert await send() == replies[0]
    assert await talk.tell(who, "help") is not None
    assert await talk.count("inbox") == 4 + 61


async def test_file_is_answered_for_each_person(talk):
    await talk.add_client("maria")
    for who in ("op", "maria", "op2"):
        assert await talk.deliver(replace(talk.message(who, ""), is_file=True)) is not None


async def test_file_of_a_stranger_is_answered_as_a_first_message(talk):
    reply = await talk.deliver(replace(talk.message("stranger", ""), is_file=True))
    assert "only talks with people" in reply
