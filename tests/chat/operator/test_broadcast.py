"""The operator's words reach all clients, exactly as written."""

import pytest
from talk import ADMIN_KEY, PEOPLE, code_in

from dca_bot.chat.operator.messages import TEXT_BYTES_MAX, TEXT_CHARS_MAX
from dca_bot.ledger.correspondence.outbox import Urgency
from dca_bot.messages.render import TEXT_BYTES_MAX as RENDERED_BYTES_MAX

WORDS = "Dear all,\n\n  the machine at the market\nis closed on Sunday.\n- Ana & {co}"


@pytest.fixture
async def three(talk):
    for name in ("maria", "juan", "lena"):
        await talk.add_client(name, wallet="")
    return talk


async def test_effect_tells_how_many_get_which_words(three):
    asked = await three.tell("op", "broadcast Hello  there")
    assert asked.startswith("Send this to all 3 clients:\n\nHello  there\n\nReply: confirm ")
    assert await three.tell("op", f"confirm {code_in(asked)}") == "It is on its way to 3 clients."


@pytest.mark.parametrize("start", ["broadcast ", "/broadcast ", "  Broadcast\n"])
async def test_words_survive_with_their_line_breaks(three, start):
    words = WORDS.replace("{co}", "co")
    await three.do("op", start + words)
    for name in ("maria", "juan", "lena"):
        last = (await three.letters_to(name))[-1]
        assert last == f"A message from the operator:\n\n{words}"
    assert (await three.letters_to("op2"))[-1].endswith(f"Sent to all 3 clients: {words}")


async def test_everybody_gets_it_who_is_not_closed(three):
    await three.tell("maria", "pause")
    await three.tell("maria", "notify off")
    await three.tell("op", "client pause juan")
    await three.tell("op", "client close lena")
    before = await three.last_letter()
    await three.do("op", "broadcast hello")
    rows = await three.sql(
        "SELECT recipient FROM outbox WHERE id > ? AND urgency = ?", before, Urgency.BULK
    )
    assert {row["recipient"] for row in rows} == {PEOPLE["maria"], PEOPLE["juan"]}
    assert len(rows) == 2


async def test_answer_to_a_client_is_more_urgent_than_a_broadcast_and_a_notice(three):
    await three.do("op", "broadcast hello")
    await three.tell("maria", "balance")
    rows = await three.sql(
        "SELECT urgency FROM outbox WHERE recipient = ? ORDER BY id", PEOPLE["maria"]
    )
    kinds = [Urgency(row["urgency"]) for row in rows]
    assert kinds == [Urgency.NOTICE, Urgency.BULK, Urgency.ANSWER]


async def test_one_client_more_needs_a_new_code(three):
    asked = await three.tell("op", "broadcast hello")
    await three.tell("op2", "client add fresh {fresh}")
    again = await three.tell("op", f"confirm {code_in(asked)}")
    assert "changed meanwhile" in again
    assert "all 4 clients" in again
    assert await three.tell("op", f"confirm {code_in(again)}") == "It is on its way to 4 clients."


@pytest.mark.parametrize("text", [ADMIN_KEY, f"pay to {ADMIN_KEY} please", "nsec1qqqq"])
async def test_what_looks_like_a_key_is_sent_to_nobody_and_not_kept(three, text):
    assert "did not keep it" in await three.tell("op", f"broadcast {text}")
    assert text.encode() not in three.ledger_bytes()


@pytest.mark.parametrize("text", ["x" * (TEXT_CHARS_MAX + 1), "🥑" * (TEXT_BYTES_MAX // 4 + 1)])
async def test_long_text_is_refused(three, text):
    assert "too long; at most 1500" in await three.tell("op", f"broadcast {text}")


@pytest.mark.parametrize("text", ["x" * TEXT_CHARS_MAX, "🥑" * (TEXT_BYTES_MAX // 4)])
async def test_longest_text_comes_whole_wherever_it_is_told(three, text):
    asked = await three.tell("op", f"broadcast {text}")
    await three.tell("op", f"confirm {code_in(asked)}")
    told = [asked, (await three.letters_to("op2"))[-1], (await three.letters_to("maria"))[-1]]
    assert all(text in one for one in told)
    assert max(len(one.encode()) for one in told) <= RENDERED_BYTES_MAX


async def test_without_clients_there_is_nobody_to_write_to(talk):
    assert "no client to write to" in await talk.tell("op", "broadcast hello")


async def test_without_words_the_usage_is_shown(three):
    assert "Write: broadcast TEXT" in await three.tell("op", "broadcast")
