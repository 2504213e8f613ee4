"""A ledger that was put back: what waited for an answer is void, and the operators get a list."""

from datetime import timedelta
from types import SimpleNamespace

from talk import code_in

from dca_bot.core.ports import Uptime
from dca_bot.ledger.store import bot_state, offsite_states
from dca_bot.startup import begin

CONFIG = SimpleNamespace(
    bot=SimpleNamespace(currency="GTQ", rehearsal=False),
    nostr=SimpleNamespace(operators=[]),
    start_at=None,
)


async def start_on_a_copy(talk):
    def restart(tx):
        bot_state.put(tx, bot_state.COPIED, "yes")
        uptime, now = Uptime("boot", timedelta()), talk.clock.now()
        begin(tx, CONFIG, talk.programme, talk.notices, now=now, uptime=uptime)

    await talk.database.transact(restart)


async def test_nothing_that_waited_for_an_answer_in_the_copy_can_be_answered(talk):
    await talk.add_client("maria", balance="500")
    code = code_in(await talk.tell("op", "deposit maria 500"))
    await talk.tell("maria", "quiero hacer una pausa")
    await talk.knock("stranger")
    waiting = ("confirmation WHERE used_at IS NULL", "question", "knock")
    assert [await talk.count(table) for table in waiting] == [1, 1, 1]
    await start_on_a_copy(talk)
    assert [await talk.count(table) for table in waiting] == [0, 0, 0]
    unread = await talk.database.read(lambda tx: bot_state.get(tx, bot_state.UNRECONCILED))
    assert unread is not None, "the payments of its own wallet are to be read first"
    before = await talk.count("deposit")
    assert "not valid" in await talk.tell("op", f"confirm {code}")
    assert await talk.count("deposit") == before


async def test_bot_that_was_put_back_resumes_by_a_code_alone(talk):
    """Also without a row of the former bot at LNbits, and once: the next pause ends by its word."""

    def put_back(tx):
        for name in (bot_state.PAUSED, bot_state.PUT_BACK):
            bot_state.put(tx, name, talk.clock.now().isoformat())

    await talk.database.transact(put_back)
    code = code_in(await talk.tell("op", "resume all"))
    assert await talk.database.read(bot_state.paused)
    await talk.tell("op", f"confirm {code}")
    assert not await talk.database.read(bot_state.paused)
    await talk.tell("op", "pause all")
    await talk.tell("op", "resume all")
    assert not await talk.database.read(bot_state.paused)


async def test_list_of_what_was_written_since_the_copy_comes_in_pieces(talk):
    now = talk.clock.now()
    rows = [(now + timedelta(minutes=n), "ana", f"deposit {n}") for n in range(20)]
    await talk.database.transact(lambda tx: talk.notices.alarms.missed(tx, rows, 3, now))
    first, second = await talk.letters_to("op")
    assert first.startswith("Written to me since that copy, 23 in all.")
    assert "(3 older ones are not listed.)" in first
    assert "ana: “deposit 0”" in first
    assert "ana: “deposit 19”" in second
    assert len(first) < 3_000


async def test_status_names_a_place_that_lacks_the_newest_copy(talk):
    now = talk.clock.now()
    assert "/mnt/usb" not in await talk.tell("op", "status")
    await talk.database.transact(
        lambda tx: offsite_states.change(tx, "/mnt/usb", failing_since=now)
    )
    assert "/mnt/usb has no newest copy of the ledger since" in await talk.tell("op", "status")
