"""`status` begins with what needs the operator, each with the command to type, and fits a phone."""

from datetime import timedelta

import pytest
from query_plans import too_long, traced
from talk import PEOPLE, START

from dca_bot.core.freshness import Copy
from dca_bot.core.reach import Part, Reach
from dca_bot.core.relay_state import RelayState, RelayTrouble
from dca_bot.ledger.correspondence import alarms, delivery, tasks
from dca_bot.ledger.distributions import readings
from dca_bot.ledger.payouts import holds, transitions
from dca_bot.ledger.store import bot_state
from dca_bot.messages.daily_summary import daily_summary
from dca_bot.messages.surroundings import Surroundings

HOUR = timedelta(hours=1)
RELAY = RelayState(
    "wss://relay.example", listening=False, detail="lost", since=START, trouble=RelayTrouble.LOST
)


@pytest.fixture
async def calm(talk):
    """A bot that nothing is wrong with, and a client with a wallet and no cash."""
    talk.parts = [Reach(part, reachable=True, since=START) for part in Part]
    await talk.add_client("maria")
    return talk


async def do(talk, work):
    return await talk.database.transact(work)


async def held(talk, *ids):
    for id_ in ids:
        await talk.hold_cash_out(id_)


async def hold(talk, kind, ref):
    await do(talk, lambda tx: holds.open_hold(tx, kind, ref, "amounts_changed", now=START))


async def hold_payout(talk):
    await talk.do("op", "deposit maria 100")
    await talk.do("op", "deposit confirm 1")
    await talk.distribute("aaaa1111")
    payout = await talk.payout()
    await do(
        talk,
        lambda tx: transitions.hold(
            tx, payout, holds.HoldReason.CEILING_PAYOUT, now=talk.clock.now()
        ),
    )


async def stick(talk, *, waiting="unreachable", age=HOUR):
    await talk.do("op", "deposit maria 100")
    await talk.do("op", "deposit confirm 1")
    await talk.distribute("aaaa1111")
    await talk.sql("UPDATE payout SET waiting = ?", waiting)
    talk.clock.at += age


async def lose(talk, name):
    at = START - HOUR
    await do(
        talk,
        lambda tx: delivery.note_lost(tx, PEOPLE[name], delivery.Undelivered.NO_ANSWER, "", now=at),
    )


async def run_short(talk):
    await stick(talk, waiting="not_enough_funds")
    talk.wallet.balance = 1_000


def lines_of(text):
    """Return the things to do in a text, without their dashes."""
    return [line.removeprefix("- ") for line in text.splitlines() if line.startswith("- ")]


async def status(talk, text="status"):
    return lines_of(await talk.tell("op", text))


async def test_nothing_needs_the_operator(calm):
    await calm.database.transact(lambda tx: bot_state.note_poll(tx, START))
    assert await calm.tell("op", "status") == (
        "Nothing needs you.\n\n"
        "Running.\n"
        "Lamassu last read: 1 Mar 06:00\n"
        "Source wallet: 5,000,000 sats (0.05000000 BTC)\n"
        "To be paid: 0 sats in 0 payouts\n\n"
        "More: status all"
    )


async def out_of_reach(talk):
    talk.parts = [Reach(Part.LAMASSU, reachable=False, since=START)]


async def troubled(talk):
    talk.relays = [RELAY]


async def stale(talk):
    copy = Copy("cash_out_txs.csv", START - 48 * HOUR)
    await do(talk, lambda tx: readings.note(tx, copy, START))


async def not_read(talk):
    await do(talk, lambda tx: alarms.start(tx, alarms.POLLS, START, now=START))


async def no_wallet(talk):
    await talk.add_client("lena", wallet="")


async def pending(talk):
    await talk.do("op", "deposit maria 100")
    await talk.do("op", "deposit maria 50.50")


async def uncovered(talk):
    await held(talk, "one")
    await talk.do("op", "hold ignore 1")
    await talk.do("op", "cash count Market 0")
    await talk.do("op", "deposit maria 100")
    await talk.do("op", "deposit confirm 1 Market")
    await talk.do("op", "cash count Market 40")


async def ask(talk):
    maria = await talk.client("maria")
    text = "When does\nthe machine at the market open again, please?"
    await do(talk, lambda tx: tasks.contact(tx, maria.id, text, now=START))


async def ask_for_cash(talk):
    maria = await talk.client("maria")
    await do(talk, lambda tx: tasks.request_cash(tx, maria.id, 50_000, by=maria.pubkey, now=START))


async def no_backup(talk):
    await do(talk, lambda tx: bot_state.put(tx, bot_state.BACKUP_FAILING, START.isoformat()))


THINGS = {
    "one held": (lambda talk: held(talk, "one"), "Cash-out held: #1 → holds"),
    "many held": (
        lambda talk: held(talk, *"abcd"),
        "4 cash-outs held: #1, #2, #3 … → holds",
    ),
    "changed": (
        lambda talk: hold(talk, "changed", "one"),
        "Cash-out changed in Lamassu: #1 → holds",
    ),
    "lost": (
        lambda talk: hold(talk, "lost", "one"),
        "Paid by LNbits, not in the ledger: #1 → holds",
    ),
    "payout held": (hold_payout, "Payout held: #1 → holds"),
    "stuck": (stick, "One payout is stuck → payouts stuck"),
    "short": (run_short, "Source wallet lacks 11,999 sats → topup 2011999"),
    "pending": (pending, "2 deposits pending, Q150.50 → deposits pending"),
    "no wallet": (no_wallet, "No wallet: lena → clients wallet"),
    "client unreached": (
        lambda talk: lose(talk, "maria"),
        "Not reached: maria → clients unreached",
    ),
    "operator unreached": (
        lambda talk: lose(talk, "op2"),
        "One operator is not reached → clients unreached",
    ),
    "part": (out_of_reach, "Lamassu out of reach since 1 Mar 06:00 → status all"),
    "relay": (troubled, "One relay in trouble → status all"),
    "stale": (stale, "Lamassu's data not renewed since 27 Feb 06:00 → status all"),
    "not read": (not_read, "Lamassu not read since 1 Mar 06:00 → status all"),
    "uncovered": (uncovered, "Balances exceed the machines' cash by Q60.00 → cash"),
    "contact": (ask, "maria wrote to you → reply maria TEXT"),
    "cash": (ask_for_cash, "maria asks for cash → withdraw maria Q500.00"),
    "backup": (no_backup, "No copy of the ledger since 1 Mar 06:00 → status all"),
}


@pytest.mark.parametrize("name", THINGS)
async def test_each_thing_to_do_leads_status_and_summary_with_what_to_type(calm, name):
    cause, line = THINGS[name]
    await cause(calm)
    text = await calm.tell("op", "status")
    assert text.startswith("Needs you:\n- ")
    assert lines_of(text) == [line]
    found = Surroundings(calm.wallet.balance, calm.parts, calm.relays)
    say = await calm.database.read(
        lambda tx: daily_summary(tx, calm.programme, found, calm.clock.now())
    )
    heading, first, *more = calm.texts.render(say, "en", now=START).splitlines()
    assert heading.startswith("Summary since")
    assert (first, more[0]) == ("Needs you:", f"- {line}")


@pytest.mark.parametrize("name", THINGS)
async def test_each_thing_to_do_is_found_without_a_walk_through_history(calm, name):
    await THINGS[name][0](calm)
    message = calm.message("op", "status")
    with traced(calm.database) as plans:
        await calm.conversation.handle(message)
    assert await calm.database.read(lambda tx: too_long(tx, plans)) == []


@pytest.mark.parametrize(
    ("waiting", "age"),
    [
        ("unreachable", HOUR / 2),
        ("no_destination", HOUR),
        ("not_enough_funds", HOUR),
        ("on_its_way", HOUR),
    ],
)
async def test_payout_that_goes_on_by_itself_is_nothing_to_do(calm, waiting, age):
    await stick(calm, waiting=waiting, age=age)
    assert await status(calm) == []


async def test_low_wallet_is_told_while_its_warning_is_in_force(calm):
    await calm.sql("INSERT INTO top_up VALUES (1, 'low', 0, 0, 0)")
    calm.wallet.balance = 100_000_999
    assert await status(calm) == ["Source wallet is low, 100,000 sats left → topup 1900000"]


async def test_stopped_programme_comes_first(calm):
    await calm.tell("op", "pause all")
    text = await calm.tell("op", "status")
    assert text.startswith("PAUSED: nothing is shared out or paid. Send resume all to go on.\n\n")
    assert "Nothing needs you" not in text
    assert "Running" not in text
    await held(calm, "one")
    assert (await calm.tell("op", "status")).splitlines()[1:3] == [
        "Needs you:",
        "- Cash-out held: #1 → holds",
    ]


async def test_lnbits_that_does_not_answer_hides_no_other_thing(calm):
    calm.wallet.down = True
    await held(calm, "one")
    text = await calm.tell("op", "status")
    assert lines_of(text) == ["Cash-out held: #1 → holds"]
    assert "Source wallet: LNbits does not tell" in text


async def test_status_with_a_usual_day_of_things_fits_a_phone(calm):
    await no_wallet(calm)
    await pending(calm)
    await held(calm, "one", "two")
    rows = (await calm.tell("op", "status")).splitlines()
    assert len(rows) <= 14
    assert sum(-(-len(row) // 40) or 1 for row in rows) <= 16


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        ([], "Cash in the machines: not counted → cash"),
        (["cash count Market 40"], "Cash in the machines: Q40.00"),
    ],
    ids=["uncounted", "counted"],
)
async def test_cash_in_the_machines_is_a_line(calm, texts, line):
    await held(calm, "one")
    for text in texts:
        await calm.do("op", text)
    assert line in (await calm.tell("op", "status")).splitlines()


async def test_status_takes_one_word_only(calm):
    assert (await calm.tell("op", "status xyzzy")).startswith("Write status, or status all")
    everything = await calm.tell_whole("op", "Status ALL")
    assert everything.startswith("Running.")
    assert "Yours: " in everything


async def test_status_in_spanish(spanish):
    spanish.parts = []
    assert (await spanish.tell("op", "status")).startswith("No hay nada pendiente.\n\n")
    await spanish.add_client("lena", wallet="")
    await held(spanish, "one")
    assert await status(spanish) == [
        "Cash-out retenido: #1 → retenciones",
        "Sin billetera: lena → clientes sin billetera",
    ]
