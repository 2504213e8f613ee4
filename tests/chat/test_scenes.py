"""Every command as a conversation: what is written, and what must stand in the reply."""

import random
import re
from decimal import Decimal

import pytest
from lnurl_codes import SPECIFIED, code_of
from talk import ADMIN_KEY, FULL, INVOICE_KEY, OTHER_KEY, SOURCE_KEY, code_in

from dca_bot.ledger.payouts import holds
from dca_bot.nostr.keys import generate

MARIA = "client add maria {maria}"
SETTLED = "aaaa1111-0000-4000-8000-000000000000"
HELD = "bbbb2222-0000-4000-8000-000000000000"

GIFT = code_of("https://gift.example/w/1?k1=00ff")
LOGIN = code_of("https://example.com/login?tag=login&k1=00ff")

# name: steps (who, text, what the reply holds); "confirm" alone uses the code of the last reply.
SCENES = {
    "add a client": [
        ("op", MARIA, "maria is added"),
        ("op", "clients", "maria: Q0.00, owed 0 sats, no wallet yet"),
        ("op", "client maria", "\nNot reached yet"),
        ("maria", "balance", "Cash still to convert: Q0.00"),
        ("op", "client MARIA", "Balance: Q0.00"),
    ],
    "add a client with a first deposit": [
        ("op", "client add maria {maria} Q1,500.00", "pending deposit of Q1,500.00"),
        ("op", "confirm", "deposit 1 of Q1,500.00 pending"),
        ("op", "deposits pending", "#1 maria Q1,500.00, pending"),
    ],
    "a client needs a free name and a free key": [
        ("op", MARIA, "added"),
        ("op", "client add Maria {juan}", "There is a client maria already"),
        ("op", "client add juan {maria}", "belongs to maria already"),
        ("op", "client add juan {op2}", "belongs to an operator"),
        ("op", "client add juan npub1xyz", "not a Nostr public key"),
        ("op", "client add pause {juan}", "part of a command"),
        ("op", "client add Confirm {juan}", "part of a command"),
        ("op", "client add " + "x" * 33 + " {juan}", "at most 32"),
        ("op", f"client add {INVOICE_KEY} {{juan}}", "did not keep it"),
        ("op", "client add ñandú {juan}", "added"),
        ("op", "client ÑANDÚ", "ñandú, active"),
        ("op", "client add ÑANDÚ {lena}", "There is a client ñandú"),
    ],
    "a deposit is pending, then counts": [
        ("op", MARIA, "added"),
        ("op", "deposit maria 1,500.00 first envelope", "Q1,500.00 for maria (first envelope)"),
        ("op", "confirm", "Deposit 1 of maria, Q1,500.00, is pending"),
        ("maria", "balance", "not in the machine yet: Q1,500.00"),
        (
            "op",
            "deposit confirm 1 Market",
            "Q1,500.00 go to the balance of maria now, in Market",
        ),
        ("op", "confirm", "balance Q1,500.00"),
        ("maria", "balance", "Cash still to convert: Q1,500.00"),
        ("maria", "deposits", "Q1,500.00, confirmed"),
        ("op", "deposit confirm 1", "not pending any more"),
        ("op", "deposit confirm 9", "no such deposit"),
        ("op", "deposits", "#1 maria Q1,500.00, confirmed"),
        ("op", "deposits 2", "no more pages"),
    ],
    "amounts that can be read in two ways are refused": [
        ("op", MARIA, "added"),
        ("op", "deposit maria 1.500", "not clear"),
        ("op", "deposit maria -5", "not clear"),
        ("op", "deposit maria 0", "not clear"),
        ("op", "deposit maria 1500 GTQ", "Q1,500.00 for maria."),
        ("op", "deposit maria 1500 gtq note", "Q1,500.00 for maria (note)"),
        ("op", "deposit maria", "Write: deposit NAME AMOUNT [NOTE]"),
        ("op", "deposit nobody 5", "no client of that name"),
    ],
    "a note holds no key": [
        ("op", MARIA, "added"),
        ("op", f"deposit maria 5 {ADMIN_KEY}", "did not keep it"),
        ("op", f"deposit maria 5 {'x' * 201}", "at most 200"),
    ],
    "a deposit is voided while it is there": [
        ("op", "client add maria {maria} 100", "Add"),
        ("op", "confirm", "added"),
        ("op", "deposit void 1", "Void the pending deposit 1"),
        ("op", "confirm", "voided. Balance Q0.00"),
        ("op", "deposit void 1", "voided already"),
        ("op", "deposit maria 100", "Record"),
        ("op", "confirm", "Deposit 2"),
        ("op", "deposit confirm 2", "Confirm"),
        ("op", "confirm", "balance Q100.00"),
        ("op", "deposit void 2", "Q100.00 leave the balance"),
        ("op", "confirm", "Balance Q0.00"),
        ("op", "deposit void 7", "no such deposit"),
    ],
    "cash is given back from the balance only": [
        ("op", "client add maria {maria} 100", "Add"),
        ("op", "confirm", "added"),
        ("op", "withdraw maria 50", "balance is Q0.00"),
        ("op", "deposit confirm 1", "Confirm"),
        ("op", "confirm", "balance Q100.00"),
        ("op", "withdraw maria 100.01", "balance is Q100.00"),
        ("op", "withdraw maria 30 asked", "Pay Q30.00 in cash to maria (asked)"),
        ("op", "confirm", "Balance Q70.00"),
        ("op", "deposit void 1", "only Q70.00 are left"),
        ("maria", "balance", "Cash still to convert: Q70.00"),
    ],
    "a client sets the wallet": [
        ("op", MARIA, "added"),
        ("maria", "wallet", "You have no wallet set"),
        ("maria", f"wallet {INVOICE_KEY}", "invoice key 1a1a…1a1a from now on"),
        ("maria", "confirm", "Done. Your bitcoin goes to the LNbits wallet"),
        (
            "maria",
            "wallet Maria@Example.com",
            "Until now: the LNbits wallet with invoice key 1a1a…",
        ),
        ("maria", "confirm", "goes to maria@example.com"),
        ("maria", "wallet", "Your bitcoin goes to maria@example.com"),
        ("maria", "wallet ⚡ <Maria @ Example.com>.", "would go to maria@example.com from now on"),
        ("maria", "settings", "Wallet: maria@example.com"),
        ("op", "client maria", "Wallet: maria@example.com"),
    ],
    "a client's wallet is an LNURL-pay code": [
        ("op", MARIA, "added"),
        (
            "maria",
            f"wallet lightning:{SPECIFIED}",
            f"the LNURL code {SPECIFIED.lower()} of service.com from now on",
        ),
        ("maria", "confirm", "goes to the LNURL code lnurl1dp68…serxfq5fns of service.com"),
        ("maria", "wallet", "goes to the LNURL code lnurl1dp68"),
        ("op", "client maria", "Wallet: the LNURL code lnurl1dp68…serxfq5fns of service.com"),
        (
            "op",
            "client wallet maria lnurlp://Example.com/Pay",
            "the LNURL code lnurlp://example.com/Pay of example.com",
        ),
        ("op", "confirm", "lnurlp://example.com/Pay"),
        ("maria", "settings", "Wallet: the LNURL code lnurlp://example.com/Pay of example.com"),
        ("op", f"commission set rosa 40 {SPECIFIED}", f"code {SPECIFIED.lower()} of service.com"),
        ("op", "confirm", "rosa gets 40%"),
        ("op", "commission", "the LNURL code lnurl1dp68…serxfq5fns of service.com"),
    ],
    "an LNURL code that can't be paid is refused": [
        ("op", MARIA, "added"),
        ("maria", f"wallet {SPECIFIED[:-1]}", "LNURL code is incomplete or mistyped"),
        ("maria", f"wallet {GIFT}", "for taking sats out, not for receiving: whoever has it"),
        ("maria", f"wallet {LOGIN}", "an LNURL code for logging in"),
        ("maria", "wallet lnurlc://example.com/channel", "something else than receiving"),
        ("maria", "wallet lnurlw://example.com/w/1", "did not keep it"),
        ("maria", f"wallet {code_of('https://down.example/p')}", "of this LNURL code does not"),
        (
            "op",
            f"client wallet maria {code_of('https://bad.example/p')}",
            "LNURL code cannot be paid.\nWhy: its server is not on the public internet",
        ),
        ("maria", "wallet", "You have no wallet set"),
    ],
    "a wallet that can't be paid is refused": [
        ("op", MARIA, "added"),
        ("maria", f"wallet {ADMIN_KEY}", "That is an admin key"),
        ("maria", f"wallet {SOURCE_KEY}", "the wallet that payouts are sent from"),
        ("op", f"client wallet maria {SOURCE_KEY}", "the wallet that payouts are sent from"),
        ("maria", f"wallet {'9' * 32}", "LNbits does not know this key"),
        ("maria", "wallet somewhere", "not a wallet I can pay"),
        ("maria", f"wallet {ADMIN_KEY}@x.example", "did not keep it"),
        (
            "maria",
            "wallet maria@bad.example",
            "paid.\nWhy: its server is not on the public internet",
        ),
        ("maria", "wallet maria@down.example", "does not answer right now"),
        ("maria", "wallet maria@bad.example", "you did nothing wrong"),
        ("maria", "wallet maria@full.example", f"cannot be paid.\nWhy: {FULL}"),
        ("maria", "wallet a b", "not a wallet I can pay"),
        ("maria", "wallet maria at example.com", "with the sign @. Send a Lightning address like"),
        ("maria", f"wallet lnbc1{'p' * 60}", "an invoice, which can be paid only once"),
        ("op", "client wallet maria https://example.com", "That is a web page."),
        ("op", "commission set rosa 40 +502 5555 1234", "a telephone number"),
        ("op", f"client wallet maria {ADMIN_KEY}", "That is an admin key"),
        ("op", "client wallet nobody a@b.example", "no client of that name"),
    ],
    "pause and resume": [
        ("op", MARIA, "added"),
        ("maria", "pause", "Paused"),
        ("maria", "Pause", "paused already"),
        ("maria", "balance", "You are paused"),
        ("op", "client maria", "maria, paused"),
        ("maria", "/resume", "Welcome back"),
        ("maria", "resume", "active already"),
        ("op", "client pause maria", "maria is paused"),
        ("op", "client pause maria", "paused already"),
        ("maria", "resume", "The operator has paused you"),
        ("maria", "pause", "The operator has paused you"),
        ("maria", "balance", "The operator has paused you"),
        ("op", "client maria", "paused by the operator"),
        ("op", "client resume maria", "active again"),
        ("op", "client resume maria", "active already"),
    ],
    "balance says what is true while nothing was bought": [
        ("op", MARIA, "added"),
        ("maria", "balance", "bought yet.\nYou have no wallet set"),
        ("maria", "pause", "Paused"),
        (
            "maria",
            "balance",
            "bought yet.\nYou are paused. Send resume to go on.\nYou have no wallet set",
        ),
        ("maria", "resume", "Welcome"),
        ("op", "deposit maria 100", "Record"),
        ("op", "confirm", "pending"),
        ("op", "deposit confirm 1", "Confirm"),
        ("op", "confirm", "balance Q100.00"),
        ("maria", "balance", "bought yet.\nYou have no wallet set"),
        ("maria", "stats all", "No bitcoin bought yet."),
        ("maria", f"wallet {INVOICE_KEY}", "from now on"),
        ("maria", "confirm", "Done"),
        ("maria", "balance", "yet; it comes with the next sales at the machine."),
        ("maria", "mode fixed", "How much a day?"),
        ("maria", "balance", "yet; it comes with the next sales at the machine."),
        ("maria", "mode fixed 100", "100.00"),
        ("maria", "balance", "yet; it comes at the next fixed time."),
    ],
    "only an empty client is closed, and the key can come back": [
        ("op", "client add maria {maria} 100", "Add"),
        ("op", "confirm", "added"),
        ("op", "client close maria", "pending deposits 1"),
        ("op", "deposit void 1", "Void"),
        ("op", "confirm", "voided"),
        ("op", "client close maria", "maria is closed"),
        ("op", "deposit maria 5", "maria is closed"),
        ("op", "client maria", "maria, closed"),
        ("op", "clients", "nothing to show"),
        ("op", MARIA, "added"),
        ("maria", "balance", "Cash still to convert: Q0.00"),
    ],
    "a lost key is replaced": [
        ("op", MARIA, "added"),
        ("op", "client npub maria {maria}", "belongs to maria already"),
        ("op", "client npub maria {op}", "belongs to an operator"),
        ("op", "client npub maria {fresh}", "Give maria another key"),
        ("op", "confirm", "maria now has the key nostr:npub1"),
        ("fresh", "balance", "Cash still to convert: Q0.00"),
        ("maria", "balance", "only talks with people it already knows"),
    ],
    "help is made from the table": [
        (
            "op",
            "help all",
            "Machines: cash (count)\nCash-outs: txs, tx (add), holds, hold (accept, ignore)\n",
        ),
        ("op", "help all", "status, poll, pause all, resume all, export, audit"),
        ("op", "help deposit", "For example: deposit confirm 5 Market"),
        ("op", "help nonsense", "don't know that command"),
        ("op", MARIA, "added"),
        ("maria", "HELP ALL", "wallet [DESTINATION]: see or change where your bitcoin goes"),
        ("maria", "help /history", "For example: history 2"),
    ],
    "an unknown word gets the nearest command": [
        ("op", MARIA, "added"),
        ("maria", "balanse", "Cash still to convert: Q0.00"),
        ("maria", "histroy", "nothing to show yet"),
        ("op", "deposti maria 5", "Did you mean: deposit"),
        ("op", "client pasue maria", "Did you mean: client pause maria"),
        ("op", "hold on", "Nothing is held."),
        ("op", "good morning, how are you", "More: help all"),
        ("op", "", "You can write"),
        ("op", "payuots", "Did you mean: payouts"),
        ("op", "balance maria", "maria, active"),
        ("op", "stats", "a command for clients. To see a client's account: client NAME"),
        ("op", "help balance", "a command for clients"),
        ("op", "saldo", "Source wallet: "),
        ("maria", "history abc", "Write the number of a page"),
        ("maria", "Saldo", "Cash still to convert: Q0.00"),
        ("maria", "¡Hola!", "More: help all."),
        ("maria", "ayuda saldo", "balance\nwhat you have saved, and your cash"),
        ("maria", "ayuda wallet", "For example: wallet maria@example.com"),
        ("maria", "client", "I did not get that"),
    ],
    "the house": [
        (
            "op",
            "status all",
            "Running.\nLNbits: OUT OF REACH since 1 Mar 06:00\nLamassu was not read yet.\nLamassu: in",
        ),
        ("op", "status", "Source wallet: 5,000,000 sats (0.05000000 BTC)"),
        ("op", "poll", "Lamassu is read now"),
        ("op", "pause all", "Paused"),
        ("op", "pause all", "already"),
        ("op", "status", "PAUSED"),
        ("op", "resume all", "Going on"),
        ("op", "resume all", "Nothing is paused"),
        ("op", "topup 500,000", "add 500,000 sats"),
        ("op", "topup 500000 sats", "lnbcrt1topup"),
        ("op", "topup many", "whole sats"),
        ("op", "audit", "All is well"),
        ("op", "txs", "nothing to show"),
        ("op", "holds", "Nothing is held"),
        ("op", "payouts", "No payout is open"),
        ("op", "payouts stuck", "No payout is stuck"),
        ("op", "tx abc", "at least the first 4"),
        ("op", "tx abcd", "no cash-out whose id"),
        ("op", "payout retry abc", "at least the first 4"),
        ("op", "payout cancel abcd", "no payout whose id"),
        ("op", "hold accept 1", "no such open hold"),
        ("op", "hold ignore abcdef", "no such open hold"),
    ],
    "cancel drops the code": [
        ("op", MARIA, "added"),
        ("op", "cancel", "nothing waiting"),
        ("op", "deposit maria 5", "Record"),
        ("op", "cancel", "Cancelled"),
        ("op", "deposits", "nothing to show"),
    ],
}


@pytest.mark.parametrize("name", SCENES)
async def test_scene(talk, name):
    reply = ""
    for who, written, expected in SCENES[name]:
        text = f"confirm {code_in(reply)}" if written == "confirm" else written
        reply = await talk.tell(who, text)
        assert reply is not None, text
        assert expected in reply, text
        assert len(reply.encode()) < 4096
    assert await talk.audit() == ()


async def test_client_sees_cash_outs_as_they_come(talk):
    await talk.add_client("maria", balance="150")
    await talk.distribute(SETTLED)
    assert "15,000" not in await talk.tell("maria", "balance")
    assert "On the way to you: 18,000 sats" in await talk.tell("maria", "balance")
    assert "18,000 sats for Q150.00, on its way" in await talk.tell("maria", "history")
    assert "no more pages" in await talk.tell("maria", "history 2")
    assert "aaaa1111" in await talk.tell("op", "txs")
    shown = await talk.tell("op", "tx AAAA")
    assert "maria: Q150.00, 18,000 sats, planned" in shown
    assert "commission 1,000 sats; left over, yours: 6,000 sats" in shown
    payout = await talk.payout()
    assert payout.id[:8] in await talk.tell("op", "payouts")
    assert "open payouts 1" in await talk.tell("op", "client close maria")
    everything = (await talk.tell_whole("op", "status all")).splitlines()
    assert "To be paid: 18,000 sats in one payout" in everything
    assert "  planned: 1" in everything


async def test_two_cash_outs_with_the_same_beginning_are_told_apart(talk):
    await talk.distribute(SETTLED)
    await talk.distribute(SETTLED.replace("1111-", "1112-"))
    assert "Several begin like that" in await talk.tell("op", "tx aaaa")
    assert "shared out" in await talk.tell("op", "tx aaaa1112")


async def test_history_is_paged(talk):
    await talk.add_client("maria", balance="5000")
    for number in range(12):
        await talk.distribute(f"{number:08d}-0000")
    assert "\nMore: history 2" in await talk.tell("maria", "history")
    assert (await talk.tell("maria", "history 2")).count("sats for") == 2


async def test_held_cash_out_is_shared_out_whole(talk):
    await talk.add_client("maria", balance="150")
    hold_id = await talk.hold_cash_out(HELD)
    assert f"hold accept {hold_id}" in (await talk.letters_to("op2"))[-1]
    told = await talk.tell("op", "holds")
    assert "the machine reported Q100.00 given out" in told
    assert f"hold accept {hold_id} Q100.00\n" in told
    asked = await talk.tell("op", f"hold accept {hold_id}")
    assert "maria: Q150.00, 18,000 sats" in asked
    done = await talk.tell("op", f"confirm {code_in(asked)}")
    assert "shared out: Q200.00, 24,000 sats, to one client" in done
    assert "The last of your cash has bought" in (await talk.letters_to("maria"))[-1]
    assert "no such open hold" in await talk.tell("op", f"hold accept {hold_id}")
    assert await talk.audit() == ()


async def test_held_cash_out_is_scaled_to_what_left_the_machine(talk):
    await talk.add_client("maria", balance="1000")
    await talk.hold_cash_out(HELD)
    assert "at most Q200.00" in await talk.tell("op", "hold accept bbbb2222 200.01")
    done = await talk.do("op", "hold accept bbbb2222 Q100.00")
    assert "Q100.00, 12,000 sats" in done
    client = await talk.client("maria")
    assert (client.balance_minor, client.owed_sat) == (90_000, 12_000)


async def test_held_cash_out_without_anybody_to_share_it_is_the_operators(talk):
    hold_id = await talk.hold_cash_out(HELD)
    assert "Nobody takes part" in await talk.tell("op", f"hold accept {hold_id}")
    assert "to 0 clients. Left over, yours: 24,000 sats" in await talk.do(
        "op", f"hold accept {hold_id}"
    )


async def test_lists_are_paged_and_short(talk):
    chance = random.Random(11)
    for number in range(12):
        await talk.tell("op", f"client add x{number:031d} {generate(chance).npub}")
        await talk.hold_cash_out(f"{number:08d}-0000")
    first = await talk.tell("op", "clients")
    assert first.count("\n") == 11
    assert first.endswith("More: clients 2")
    assert (await talk.tell("op", "clients 2")).count("no wallet yet") == 2
    assert (await talk.tell("op", "txs 2")).count("Market") == 2
    assert (await talk.tell("op", "holds")).endswith("More: holds 2")
    rows = await talk.sql("SELECT max(length(CAST(text AS BLOB))) AS n FROM outbox")
    assert rows[0]["n"] < 4096


async def test_held_cash_out_with_broken_amounts_is_only_ignored(talk):
    hold_id = await talk.hold_cash_out(HELD, sound=False)
    told = await talk.tell("op", "holds")
    assert told.endswith(f"tx add MACHINE FIAT SATS\nThen close it: hold ignore {hold_id}")
    assert "can only be ignored" in await talk.tell("op", f"hold accept {hold_id}")
    assert "given to nobody" in await talk.do("op", f"hold ignore {hold_id}")
    assert "ignored by the operator" in await talk.tell("op", "txs")


ROWS = {
    "amounts not usable (in Lamassu: Q200.5, 24,000 sats)": {
        "fiat": Decimal("200.50"),
        "crypto_atoms": Decimal(24_000),
    },
    "amounts not usable (in Lamassu: ?, 1 sat)": {"crypto_atoms": Decimal(1)},
    "amounts not usable (in Lamassu: US$1,000,000, ?)": {
        "fiat": Decimal(10) ** 6,
        "fiat_code": "USD",
        "crypto_atoms": Decimal("0.5"),
    },
    "amounts not usable (in Lamassu: ?, ?)": {"crypto_code": None, "fiat": Decimal("1e999999")},
    "amounts not usable (in Lamassu: ?, ETH)": {"crypto_code": "ETH", "fiat": Decimal("NaN")},
}


@pytest.mark.parametrize("told", ROWS)
async def test_held_cash_out_with_broken_amounts_shows_what_its_row_says(talk, told):
    hold_id = await talk.hold_cash_out(HELD, sound=False, **ROWS[told])
    assert f"{told}; the machine" in await talk.tell("op", "holds")
    await talk.do("op", f"hold ignore {hold_id}")
    fiat = re.search(r"in Lamassu: (.*), ", told)[1]
    assert f"Market: {fiat}, ignored (ignored by" in await talk.tell("op", "txs")


async def test_question_whether_to_ignore_a_hold_offers_nothing_else(talk):
    hold_id = await talk.hold_cash_out(HELD)
    await talk.hold_cash_out(SETTLED, sound=False)
    asked = await talk.tell("op", f"hold ignore {hold_id}")
    assert f"Hold #{hold_id}: cash-out bbbb2222" in asked
    assert "hold accept" not in asked
    assert asked.count("hold ignore") == 0
    assert asked.count("confirm") == 2  # the machine did not confirm, and the code
    assert "hold ignore 1\n\nHold #2: " in await talk.tell("op", "holds")


async def test_changed_hold_is_closed_and_changes_nothing(talk):
    await talk.distribute(SETTLED)

    def work(tx):
        return holds.open_hold(tx, "changed", SETTLED, "contradiction", now=talk.clock.now())

    hold = await talk.database.transact(work)
    assert "has changed in Lamassu since" in await talk.tell("op", "holds")
    assert "Only a held cash-out" in await talk.tell("op", f"hold accept {hold.id} 5")
    assert f"Hold #{hold.id} is closed" in await talk.do("op", f"hold accept {hold.id}")
    assert await talk.count("entry") == 2


async def test_money_commands_are_reported_to_all_other_operators(talk):
    await talk.add_client("maria")
    await talk.do("op", "deposit maria 100")
    assert re.search(r"^By npub1\S+: Deposit 1 of maria", (await talk.letters_to("op2"))[-1])
    assert not [text for text in await talk.letters_to("op") if text.startswith("By ")]
    await talk.do("maria", f"wallet {OTHER_KEY}")
    for operator in ("op", "op2"):
        assert (await talk.letters_to(operator))[-1].startswith("By maria: maria has changed")


async def test_operator_changes_are_told_to_the_client(talk):
    await talk.add_client("maria", balance="500")
    await talk.do("op", "withdraw maria 100")
    await talk.do("op", "deposit maria 7")
    await talk.do("op", "deposit void 2")
    await talk.tell("op", "client pause maria")
    await talk.do("op", "client npub maria {fresh}")
    told = "\n".join(await talk.letters_to("maria"))
    for text in ("Welcome, maria", "the operator has set it for you", "Q500.00 is in the machine"):
        assert text in told
    for text in (
        "Q100.00 back in cash",
        "voided a deposit of Q7.00",
        "has paused you",
        "moved your account",
    ):
        assert text in told
    assert "moved to this key" in (await talk.letters_to("fresh"))[-1]


async def test_jobs_are_woken_after_the_transaction_only(talk):
    await talk.tell("op", "poll")
    await talk.tell("op", "resume all")
    assert talk.rung == ["poll", "poll", "payouts"]
    await talk.add_client("maria", wallet="")
    talk.rung.clear()
    asked = await talk.tell("op", "deposit maria 5")
    assert talk.rung == []
    await talk.tell("op", f"confirm {code_in(asked)}")
    assert talk.rung == ["payouts"]


async def test_top_up_beyond_what_lnbits_makes_says_so(talk):
    assert "smaller one" in await talk.tell("op", "topup 9999999999")
    talk.wallet.down = True
    assert "does not answer" in await talk.tell("op", "topup 9999999999")
