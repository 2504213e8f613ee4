"""In a rehearsal operators alone are written to, and no command pays, invoices or writes to clients."""

import pytest
from here import open_here
from scaffold import open_ledger
from talk import Talk, make_programme

from dca_bot.chat.command import Args
from dca_bot.chat.operator.status import look_around
from dca_bot.chat.operator.table import OPERATOR_COMMANDS
from dca_bot.ledger.store import bot_state
from dca_bot.messages.daily_summary import daily_summary

REFUSED = [
    "topup 5000",
    "payout retry 12345678",
    "reply maria hello",
    "message maria hello",
    "message all hello",
    "message low hello",
    "broadcast hello",
    "please top up 5000 sats",
]


@pytest.fixture
async def rehearsal(tmp_path):
    """A bot in a rehearsal; maria is a client with a balance."""
    folder = tmp_path / "data"
    database = await open_ledger(folder, open_here)
    talk = Talk(database, folder, make_programme(is_rehearsal=True, sends_files=False))
    await database.transact(
        lambda tx: bot_state.keep_kind(tx, rehearsal=True, now=talk.clock.now())
    )
    await talk.do("op", "client add maria {maria} 1000")
    yield talk
    await database.aclose()


@pytest.mark.parametrize("text", REFUSED)
async def test_command_that_would_leave_the_rehearsal_is_refused_before_lnbits_is_asked(
    rehearsal, text
):
    rehearsal.wallet.top_up_invoice = None  # whoever asks for an invoice fails
    told = await rehearsal.tell("op", text)
    assert told.startswith("This is a rehearsal, and nothing leaves it: ")
    assert await rehearsal.sql("SELECT 1 FROM outbox WHERE text LIKE '%hello%'") == []
    assert await rehearsal.sql("SELECT 1 FROM confirmation WHERE used_at IS NULL") == []


def test_each_command_that_leaves_is_marked():
    marked = {command.name for command in OPERATOR_COMMANDS if command.leaves}
    assert marked == {"topup", "payout retry", "reply", "message", "broadcast"}
    assert {command.name for command in OPERATOR_COMMANDS if command.acts_outside} <= marked


async def test_commands_inside_the_ledger_work_and_clients_are_told_nothing(rehearsal):
    assert "Q1,000.00" in await rehearsal.do("op", "deposit confirm 1")
    for text in ("client pause maria", "client resume maria"):
        assert await rehearsal.tell("op", text)
    await rehearsal.do("op", "commission set maria 10")
    assert await rehearsal.letters_to("maria") == []
    others = await rehearsal.letters_to("op2")
    assert any("Q1,000.00" in text for text in others), "the other operators are told, as ever"


@pytest.mark.parametrize("who", ["maria", "stranger"])
async def test_whoever_is_no_operator_gets_no_answer_and_leaves_no_trace(rehearsal, who):
    for text in ("help", "balance", "pause", "hello"):
        assert await rehearsal.tell(who, text) is None
    assert await rehearsal.letters_to(who) == []
    assert await rehearsal.sql("SELECT 1 FROM knock") == []
    (maria,) = await rehearsal.sql("SELECT state FROM client")
    assert maria["state"] == "active"


@pytest.mark.parametrize("text", ["status", "status all"])
async def test_first_line_of_status_says_that_it_is_a_rehearsal(rehearsal, text):
    told = await rehearsal.tell("op", text)
    assert told.startswith("REHEARSAL: nothing is paid, and nobody but operators is told anything.")


async def test_daily_summary_says_what_would_have_been_paid(rehearsal):
    found, now = await look_around(rehearsal.services, Args({})), rehearsal.clock.now()
    told = await rehearsal.database.read(
        lambda tx: daily_summary(tx, rehearsal.programme, found, now)
    )
    text = rehearsal.texts.render(told, "en")
    assert text.startswith("REHEARSAL: nothing is paid")
    assert "Would have been paid in the last 24 hours: 0 sats" in text
    assert "\nPaid: " not in text


async def test_audit_proves_the_ledger_and_compares_no_payments_of_others(rehearsal):
    rehearsal.wallet.tagged_payments = None
    told = await rehearsal.tell("op", "audit")
    assert told.startswith("All is well")
    assert "REHEARSAL: nothing is paid" in told
