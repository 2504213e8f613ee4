"""Operators see whom messages don't reach, since when and why: in each place where they look."""

from datetime import timedelta

import pytest
from losses import lose, reach
from talk import NPUBS, PEOPLE, START

from dca_bot.core.delivery import Undelivered
from dca_bot.messages.daily_summary import daily_summary
from dca_bot.messages.surroundings import Surroundings

MINUTE = timedelta(minutes=1)
LONG_AGO = START - timedelta(days=2)
LOSS = "NOT REACHED since 27 Feb 06:00: the relays refuse the messages (said: “blocked: pay”)"


async def lose_client(scene, name, at=LONG_AGO, **how):
    await lose(scene.database, PEOPLE[name], at, said="blocked: pay", **how)


async def summary(talk, *, relays=()):
    """Return the daily summary as a text."""
    found, npub = Surroundings(None, [], relays), talk.services.npub

    def work(tx):
        return daily_summary(tx, talk.programme, found, talk.clock.now(), npub=npub)

    return talk.texts.render(
        await talk.database.read(work), talk.programme.language, now=talk.clock.now()
    )


async def test_client_who_is_not_reached_is_named_with_time_and_reason_everywhere(scene):
    await lose_client(scene, "maria")
    assert f"\n{LOSS}" in await scene.tell("op", "client maria")
    (line,) = [line for line in (await scene.tell("op", "clients")).splitlines() if "maria" in line]
    assert line.endswith(f", {LOSS}")
    for text in (
        await scene.tell_whole("op", "status all"),
        await summary(scene),
        await scene.tell("op", "clients unreached"),
    ):
        assert f"maria: {LOSS}" in text.splitlines()
        assert "lena: NOT" not in text


async def test_client_who_is_reached_again_is_named_nowhere(scene):
    await lose_client(scene, "maria")
    await reach(scene.database, PEOPLE["maria"], START)
    for text in ("client maria", "clients", "status all", "clients unreached"):
        assert "NOT REACHED" not in await scene.tell("op", text)
    assert "NOT REACHED" not in await summary(scene)


async def test_last_message_that_arrived_is_told_of_a_client(scene):
    at = LONG_AGO - timedelta(hours=1)
    await lose_client(scene, "maria", reached_at=at, relay="wss://old.example.com")
    shown = await scene.tell("op", "client maria")
    assert "\nLast reached: 27 Feb 05:00, on wss://old.example.com\n" in shown


async def test_relay_that_took_the_messages_beside_the_list_is_told(scene):
    await lose_client(scene, "maria")
    await scene.sql(
        "UPDATE outbox SET taken_beside = 'wss://beside.example.com'"
        " WHERE recipient = ? AND sent_at IS NULL",
        PEOPLE["maria"],
    )
    shown = await scene.tell("op", "client maria")
    assert "\nMeanwhile wss://beside.example.com has taken what waits" in shown
    assert "Meanwhile" not in await scene.tell("op", "client lena")


async def test_loss_of_a_moment_is_told_whoever_asks_for_it(scene):
    """A relay that restarts is no news."""
    await lose_client(scene, "maria", scene.clock.now())
    for text in ("client maria", "clients unreached"):
        assert "NOT REACHED" in await scene.tell("op", text)
    for text in ("clients", "status all"):
        assert "NOT REACHED" not in await scene.tell("op", text)
    scene.clock.at += 5 * MINUTE
    for text in ("clients", "status all", "clients unreached"):
        assert "NOT REACHED" in await scene.tell("op", text)


async def test_operator_who_is_not_reached_is_named_by_npub(scene):
    await lose(scene.database, PEOPLE["op2"], LONG_AGO, said="blocked: pay")
    line = f"Operator {NPUBS['op2'][:12]}…: {LOSS}"
    for text in (
        await scene.tell_whole("op", "status all"),
        await summary(scene),
        await scene.tell("op", "clients unreached"),
    ):
        assert line in text.splitlines()
    assert "NOT REACHED" not in await scene.tell("op", "clients unreached 2")


async def test_list_of_many_is_paged_and_shortened(scene):
    for number in range(12):
        name = f"saver{chr(97 + number)}"
        await scene.sql(
            "INSERT INTO client (name, skeleton, pubkey, role, language, created_at)"
            " VALUES (?, ?, ?, 'client', 'en', 0)",
            name,
            name,
            f"{number:064x}",
        )
        await lose(scene.database, f"{number:064x}", LONG_AGO + number * MINUTE)
    first = (await scene.tell("op", "clients unreached")).splitlines()
    assert [line.split(":")[0] for line in first[1:-1]] == [f"saver{c}" for c in "abcdefghij"]
    second = (await scene.tell("op", "clients unreached 2")).splitlines()
    assert [line.split(":")[0] for line in second[1:]] == ["saverk", "saverl"]
    shown = [
        line
        for line in (await scene.tell_whole("op", "status all")).splitlines()
        if "saver" in line
    ]
    assert len(shown) == 5
    assert "  and 7 clients more. Send clients unreached to see all." in await summary(scene)


async def test_closed_client_and_stranger_are_not_listed(scene):
    await scene.tell("op", "client close lena")
    await lose_client(scene, "lena")
    await lose(scene.database, PEOPLE["stranger"], LONG_AGO)
    assert await scene.tell("op", "clients unreached") == (
        "Messages reach everybody to whom some were sent."
    )


async def test_client_without_list_or_message_is_not_reached_yet(scene):
    await lose(scene.database, PEOPLE["maria"], LONG_AGO, reason="no_list")
    line = (
        "NOT REACHED YET, since 27 Feb 06:00: no inbox list (kind 10050) of this key is found,"
        " and no message has come from it"
    )
    assert line in (await scene.tell("op", "client maria")).splitlines()
    assert f"maria: {line}" in (await scene.tell_whole("op", "status all")).splitlines()


async def test_long_words_of_a_relay_leave_room_for_the_rest(scene):
    await lose(scene.database, PEOPLE["maria"], LONG_AGO, said="x" * 200)
    for text in ("client maria", "clients", "clients unreached", "status all"):
        told = await scene.tell("op", text)
        assert f"(said: “{'x' * 79}…”)" in told


async def test_client_who_never_wrote_is_not_reached_yet(scene):
    assert "Not reached yet" in await scene.tell("op", "client maria")
    await scene.tell("maria", "balance")
    assert "reached" not in (await scene.tell("op", "client maria")).casefold()


@pytest.mark.parametrize("reason", Undelivered)
async def test_each_reason_is_told_in_spanish_and_in_english(spanish, reason):
    await spanish.add_client("maria", wallet="")
    await lose(spanish.database, PEOPLE["maria"], LONG_AGO, reason=reason, said="no: <words>")
    told = await spanish.tell("op", "client maria")
    (line,) = [line for line in told.splitlines() if "NO LE LLEGAN MENSAJES" in line]
    assert line.startswith("AÚN ") == (reason is Undelivered.NO_LIST)
    assert line.endswith("(dijo: «no: <words>»)")
    english = spanish.texts.catalogues["en"][f"word.undelivered.{reason}"]
    assert english not in told
    assert reason not in told
