"""Whatever changes the ledger at somebody's word is in the log, with the change or not at all."""

import pytest
from talk import INVOICE_KEY, OTHER_KEY, PEOPLE, code_in

from dca_bot.chat.client.account import CLIENT_COMMANDS
from dca_bot.chat.client.exports import MESSAGE_ROWS
from dca_bot.chat.command import CommandSet
from dca_bot.chat.operator.table import OPERATOR_COMMANDS
from dca_bot.chat.parsing import parse
from dca_bot.ledger.payouts import transitions
from dca_bot.ledger.payouts.holds import HoldReason
from dca_bot.nostr.keys import npub

# (who, what is written, what the log then says of it)
DEEDS = [
    ("op", "client add juan {juan}", "client add: juan is added"),
    ("op", "client add juan {juan} 500", "client add: juan is added, with deposit"),
    ("op", "client add juan {code}", "client add: juan is added"),
    ("op", "client pause maria", "client pause: maria is paused."),
    ("op", "client resume maria", "client resume: maria is active again."),
    ("op", "client close lena", "client close: lena is closed."),
    ("op", f"client wallet maria {OTHER_KEY}", "client wallet: Payouts of maria go to"),
    ("op", "client npub maria {fresh}", "client npub: maria now has the key"),
    ("op", "client rename maria marta", "client rename: maria is called marta from now on."),
    ("op", "client language maria es", "client language: maria reads español from now on."),
    ("op", "client notify maria weekly", "client notify: Messages about payments to maria"),
    ("op", "client note maria My words", "client note: Noted about maria, for operators only:"),
    ("op", "client mode maria flow", "client mode: maria buys with each sale at the machine."),
    ("op", "client limit maria 100", "client limit: maria buys with each sale at the machine."),
    ("op", "settle maria", "settle: Bought for all of maria's cash: Q1,000.00"),
    ("op", "deposit edit 2 300", "deposit edit: Deposit 2 of maria is voided, and deposit 3"),
    ("op", "deposit maria 500", "deposit: Deposit 2 of maria, Q500.00"),
    ("op", "deposit confirm 2", "deposit confirm: Deposit 2 is confirmed: Q500.00 for maria"),
    ("op", "deposit void 1", "deposit void: Deposit 1 of maria, Q1,000.00, is voided"),
    ("op", "withdraw maria 5", "withdraw: maria got Q5.00 back"),
    ("op", "cash count Market 100", "cash count: Market was counted: Q100.00"),
    ("op", "tx add Market 200 24000", "tx add: Cash-out "),
    ("op", "commission set maria 10", "commission set: maria gets 10% of the commission"),
    ("op", "commission remove maria", "commission remove: maria gets no commission any more."),
    ("op", "fixed run", "fixed run: Bought for one client in fixed mode: Q100.00"),
    ("op", "payout retry {payout}", "payout retry: A new invoice is made for payout {payout}"),
    ("op", "payout cancel {payout}", "payout cancel: Cancelled: payout {payout}"),
    ("op", "hold accept 1", "hold accept: Cash-out held-one is shared out"),
    ("op", "hold ignore 1", "hold ignore: Hold #1 is closed"),
    ("op", "pause all", "pause all: Paused: nothing is shared out"),
    ("op", "resume all", "resume all: Going on"),
    ("op", "reply maria My private words", "reply: It is on its way to maria, who had no"),
    ("op", "message maria My private words", "message: It is on its way to maria."),
    ("op", "message all Hello", "message: Sent to all 2 clients: Hello"),
    ("op", "withdraw maria 0", "withdraw: maria is told that there is no cash for now"),
    ("op", "broadcast Hello\nall", "broadcast: Sent to all 2 clients: Hello all"),
    ("maria", f"wallet {OTHER_KEY}", "wallet: maria has changed the wallet"),
    ("maria", "contact My private words", "contact: Your message is with the operator."),
    ("maria", "withdraw 5", "withdraw: maria asks for Q5.00 in cash"),
    ("maria", "withdraw 0", "withdraw: Done. You no longer ask for Q5.00"),
    ("maria", "pause", "pause: Paused."),
    ("maria", "resume", "resume: Welcome back!"),
    ("maria", "mode fixed 100", "mode: From now on you buy at fixed times"),
    ("maria", "cap 100", "cap: From the next sale on"),
    ("maria", "limit 100", "limit: Noted, and not in use yet"),
    ("maria", "statements off", "statements: Monthly statement from now on: no."),
    ("maria", "notify weekly", "notify: Messages about payments from now on: one a week"),
    ("maria", "files dark", "files: From now on a picture comes after the text of chart"),
    ("maria", "language es", "language: "),
]
READS = [
    ("maria", "price"),
    ("maria", "when"),
    ("op", "price"),
    ("op", "help"),
    ("op", "status"),
    ("op", "log"),
    ("op", "today"),
    ("op", "month"),
    ("op", "earnings"),
    ("op", "clients"),
    ("op", "clients unreached"),
    ("op", "client maria"),
    ("op", "deposits"),
    ("op", "txs"),
    ("op", "holds"),
    ("op", "payouts"),
    ("op", "poll"),
    ("op", "topup 1000"),
    ("op", "audit"),
    ("op", "cancel"),
    ("op", "withdraw maria 5"),
    ("op", "confirm ABCD"),
    ("op", "no such thing"),
    ("op", "deposits pending"),
    ("op", "knocks"),
    ("op", "tx held"),
    ("op", "cash"),
    ("op", "commission"),
    ("op", "fixed"),
    ("op", "funds"),
    ("op", "payouts stuck"),
    ("maria", "help"),
    ("maria", "cancel"),
    ("maria", "confirm ABCD"),
    ("maria", "deposits"),
    ("maria", "stats"),
    ("maria", "chart"),
    ("maria", "balance"),
    ("maria", "history"),
    ("maria", "receipt"),
    ("maria", "settings"),
    ("maria", "contact"),
    ("maria", "withdraw"),
    ("maria", "wallet"),
    ("maria", "notify each"),
    ("maria", "files"),
    ("maria", "files off"),
    ("maria", "statements on"),
    ("maria", "clients"),
    ("maria", "export all"),
    ("op", "export"),
]
NO_COMMANDS = [("op", "no such thing"), ("maria", "clients")]


async def logged(talk):
    return await talk.sql("SELECT * FROM command_log ORDER BY id DESC")


async def prepare(talk, text):
    """Have what the deed undoes, or works on."""
    before = {"client resume maria": "client pause maria", "resume all": "pause all"}
    if text in before:
        await talk.tell("op", before[text])
    if text.endswith("withdraw maria 0") or text == "withdraw 0":
        await talk.do("maria", "withdraw 5")
    if text == "resume":
        await talk.tell("maria", "pause")
    for ordered in before_with_code(text):
        await talk.do("op", ordered)
    if text == "fixed run":
        await talk.tell("maria", "mode fixed 100")
    if "{payout}" in text:
        await talk.distribute("aaaa1111")
    if "retry" in text:
        await talk.bring_to((await talk.payout()).id, "invoice", "submit", "VOID")


def before_with_code(text):
    first = {
        "commission remove maria": "commission set maria 10",
        "deposit confirm 2": "deposit maria 500",
        "deposit edit 2 300": "deposit maria 500",
    }
    if text.startswith("export"):
        return [f"deposit maria {number + 1}" for number in range(MESSAGE_ROWS)]
    return [first[text]] if text in first else []


def test_deeds_have_all_commands_that_can_change_anything():
    texts = {role: [text for who, text, _ in DEEDS if who == role] for role in ("op", "maria")}
    tables = {"op": OPERATOR_COMMANDS, "maria": CLIENT_COMMANDS}
    known = {role: CommandSet(table) for role, table in tables.items()}
    covered = {
        (role, parse(text, known[role], "GTQ").command.name)
        for role in tables
        for text in texts[role]
    }
    planned = {(role, command.name) for role in tables for command in tables[role] if command.plan}
    assert planned <= covered
    reads = {
        (role, parse(text, known[role], "GTQ").command.name)
        for role, text in READS
        if (role, text) not in NO_COMMANDS
    }
    everything = {(role, command.name) for role in tables for command in tables[role]}
    assert everything == covered | reads, "a further command belongs into DEEDS or READS"


@pytest.mark.parametrize(("who", "text", "says"), DEEDS)
async def test_each_deed_is_logged_with_its_message(scene, who, text, says):
    await prepare(scene, text)
    if "{payout}" in text:
        short = (await scene.payout()).id[:8]
        text, says = (line.replace("{payout}", short) for line in (text, says))
    if "{code}" in text:
        text = text.replace("{code}", await scene.knock("juan"))
    before = len(await logged(scene))
    message = scene.message(who, text)
    reply = await scene.deliver(message)
    if "confirm " in reply:
        assert len(await logged(scene)) == before, "a question is no deed"
        message = scene.message(who, f"confirm {code_in(reply)}")
        await scene.deliver(message)
    row, *_ = await logged(scene)
    assert len(await logged(scene)) == before + 1
    assert (row["actor"], row["message_id"]) == (PEOPLE[who], message.id)
    assert f"{row['command']}: {' '.join(row['done'].split())}".startswith(says)
    shown = (await scene.tell("op", "log")).splitlines()[1]
    who_shown = who if who == "maria" else f"{npub(PEOPLE['op'])[:12]}…"
    assert shown.startswith(f"1 Mar 06:00 {who_shown}, {says}"[:60])
    assert shown.endswith(f"({message.id[:8]})")


@pytest.mark.parametrize(("who", "text"), READS)
async def test_what_changes_nothing_is_not_logged(scene, who, text):
    await prepare(scene, text)
    before = len(await logged(scene))
    await scene.tell(who, text)
    assert len(await logged(scene)) == before


async def test_deed_that_fails_is_not_logged(scene):
    before = len(await logged(scene))
    code = code_in(await scene.tell("op", "withdraw maria 600"))
    await scene.do("op2", "withdraw maria 700")
    assert "more than maria has" in await scene.tell("op", f"confirm {code}")
    assert len(await logged(scene)) == before + 1


async def test_log_is_paged_newest_first(scene):
    for number in range(12):
        await scene.do("op", f"deposit maria {number + 1}")
    first, second = await scene.tell("op", "log"), await scene.tell("op", "log 2")
    assert first.startswith("What was done, newest first:\n")
    assert "Q12.00" in first.splitlines()[1]
    assert first.endswith("\nMore: log 2")
    amounts = [f", Q{number + 1}.00" for number in range(12)]
    assert [amount in first for amount in amounts] == [False] * 2 + [True] * 10
    assert amounts[1] in second
    assert "no more pages" in await scene.tell("op", "log 99")


def commands_in(text):
    """Return the command of each line of a log."""
    return [line.split(", ", 1)[1].split(":")[0] for line in text.splitlines()[1:]]


async def test_log_of_a_client_has_what_the_client_did_and_what_was_done_with_the_client(scene):
    await scene.tell("maria", "pause")
    await scene.do("op", "deposit lena 70")
    await scene.do("op", "deposit maria 80")
    deposit = (await scene.sql("SELECT max(id) AS id FROM deposit"))[0]["id"]
    await scene.do("op2", f"deposit confirm {deposit}")
    await scene.tell("op", "pause all")
    text = await scene.tell("op", "log Maria")
    assert text.startswith("What was done by or about maria, newest first:\n")
    assert commands_in(text)[:3] == ["deposit confirm", "deposit", "pause"]
    assert commands_in(await scene.tell("op", "log lena")) == ["deposit", "client add"]
    assert commands_in(await scene.tell("op", "log"))[0] == "pause all"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("client add juan {code}", "juan"),
        ("client close lena", "lena"),
        ("client npub maria {fresh}", "maria"),
        ("deposit confirm 2", "maria"),
        ("deposit void 1", "maria"),
        ("withdraw maria 5", "maria"),
        ("commission set maria 10", "maria"),
        ("payout retry {payout}", "maria"),
        ("payout cancel {payout}", "maria"),
    ],
)
async def test_deed_about_a_client_is_in_the_clients_log(scene, text, name):
    await prepare(scene, text)
    if "{payout}" in text:
        text = text.replace("{payout}", (await scene.payout()).id[:8])
    if "{code}" in text:
        text = text.replace("{code}", await scene.knock("juan"))
    reply = await scene.tell("op", text)
    if "confirm " in reply:
        await scene.tell("op", f"confirm {code_in(reply)}")
    shown = commands_in(await scene.tell("op", f"log {name}"))
    assert text.startswith(shown[0])


async def test_hold_of_a_payout_is_about_its_client(scene):
    await scene.distribute("aaaa1111")
    payout = await scene.payout()
    await scene.database.transact(
        lambda tx: transitions.hold(tx, payout, HoldReason.CEILING_PAYOUT, now=scene.clock.now())
    )
    (hold,) = await scene.sql("SELECT id FROM hold WHERE kind = 'payout'")
    await scene.do("op", f"hold accept #{hold['id']}")
    assert commands_in(await scene.tell("op", "log maria"))[0] == "hold accept"


async def test_log_of_a_closed_client_stays(scene):
    await scene.tell("op", "client close lena")
    assert commands_in(await scene.tell("op", "log lena")) == ["client close", "client add"]


async def test_log_names_commands_in_the_readers_language(spanish):
    await spanish.add_client("maria")
    await spanish.do("op", "deposit maria 50")
    await spanish.do("op", "deposit confirm 1")
    await spanish.tell("maria", "pause")
    told = await spanish.tell("op", "bitácora")
    assert commands_in(told)[:3] == ["pausar", "depósito confirmar", "depósito"]


async def test_log_of_a_client_is_paged(scene):
    for number in range(12):
        await scene.do("op", f"deposit maria {number + 1}")
        await scene.do("op", f"deposit lena {number + 1}")
    first, second = await scene.tell("op", "log maria"), await scene.tell("op", "log maria 2")
    assert first.endswith("\nMore: log maria 2")
    assert len(commands_in(first.rpartition("\n")[0])) == 10
    assert commands_in(second)[-1] == "client add"
    assert "lena" not in first + second


async def test_number_is_a_page_and_with_a_sign_a_name(scene):
    await scene.do("op", "client rename maria 1")
    await scene.tell("op", "client pause 1")
    assert "no more pages" in await scene.tell("op", "log 2")
    await scene.tell("op", "client pause lena")
    for text in ("log @1", "bitácora @1"):
        assert commands_in(await scene.tell("op", text))[0] == "client pause"
        assert "lena" not in await scene.tell("op", text)
    assert "Found: 1." in await scene.tell("op", "clients @1")


async def test_log_of_somebody_unknown_or_without_deeds(scene):
    assert "no client of that name" in await scene.tell("op", "log nobody")
    await scene.sql("DROP TRIGGER command_subject_stays")
    await scene.sql("DELETE FROM command_subject")
    assert "Nothing was done by or about lena yet" in await scene.tell("op", "log lena")
    assert "number of a page" in await scene.tell("op", "log 2 2")


async def test_log_has_no_key_of_a_wallet(scene):
    await scene.do("maria", f"wallet {OTHER_KEY}")
    kept = " ".join(row["done"] for row in await logged(scene))
    assert INVOICE_KEY not in kept
    assert OTHER_KEY not in kept
    assert "2b2b…2b2b" in kept


async def test_client_is_named_as_now_also_after_a_new_key(scene):
    await scene.tell("maria", "pause")
    await scene.do("op", "client npub maria {fresh}")
    assert " maria, pause: Paused." in await scene.tell("op", "log")


async def test_long_text_is_one_short_line(scene):
    await scene.do("op", "broadcast " + "word\n" * 200)
    line = (await scene.tell("op", "log")).splitlines()[1]
    assert "Sent to all 2 clients: word word" in line
    assert len(line) < 150
