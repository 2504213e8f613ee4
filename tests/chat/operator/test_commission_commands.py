"""Who gets the commission, as it is set and shown; who only gets commission is no client."""

import re

import pytest
from talk import ADMIN_KEY, INVOICE_KEY, OTHER_KEY, PEOPLE, code_in

from dca_bot.ledger.distributions.distributions import by_id
from dca_bot.ledger.payouts import payouts, transitions, unknown_payments
from dca_bot.ledger.programme import clients, commission
from dca_bot.ledger.store import bot_state

CASH_OUT = "aaaa1111-0000-4000-8000-000000000000"
HELD = "bbbb2222-0000-4000-8000-000000000000"
ROSA = "commission set rosa 40 rosa@example.com"

# name: steps (who, text, what the reply holds); "confirm" alone uses the code of the last reply.
SCENES = {
    "nothing is set": [
        (
            "op",
            "commission",
            "All of the commission is yours. To give somebody a part: commission set",
        ),
        ("op", "commission remove rosa", "Nobody of that name gets commission"),
        ("op", "commission set rosa 40", "There is no client rosa. Say where the commission goes"),
        ("op", "commission set", "Write: commission set NAME PERCENT [DESTINATION]"),
    ],
    "somebody who is no client": [
        ("op", ROSA, "rosa would get 40% of the commission of each cash-out from now on, paid to"),
        ("op", "confirm", "rosa gets 40% of the commission from now on, paid to rosa@example.com."),
        ("op", "commission", "rosa: 40%, so far 0 sats, to rosa@example.com\nyours: 60%"),
        ("op", "commission set ROSA 12.5 %", "rosa would get 12.5% of the commission of each"),
        ("op", "confirm", "rosa gets 12.5% of the commission"),
        ("op", "commission set rosa 12.50%", "rosa gets 12.5% already"),
        (
            "op",
            f"commission set rosa 33.33 {OTHER_KEY}",
            "33.33% of the commission of each cash-out",
        ),
        ("op", "confirm", "paid to the LNbits wallet with invoice key 2b2b…2b2b."),
        ("op", f"commission set rosa 33.33 {OTHER_KEY}", "already, paid to the same place"),
        ("op", "commission set rosa 33.33", "already, paid to the same place"),
        (
            "op",
            f"commission set rosa 33.33 {INVOICE_KEY}",
            "Until now: the LNbits wallet with invoice",
        ),
        ("op", "confirm", "invoice key 1a1a…1a1a"),
        ("op", "commission remove Rosa", "no commission any more; these 33.33% are yours"),
        ("op", "confirm", "rosa gets no commission any more."),
        ("op", "commission", "All of the commission is yours"),
    ],
    "what is set before is told": [
        ("op", ROSA, "40% of"),
        ("op", "confirm", "rosa gets 40%"),
        ("op", "commission set rosa 25", "from now on instead of 40%, paid to rosa@example.com."),
        ("op", "confirm", "rosa gets 25%"),
    ],
    "no more than everything": [
        ("op", ROSA, "Left for you: 60%."),
        ("op", "confirm", "rosa gets 40%"),
        ("op", "commission set luis 60.01 luis@example.com", "what is left for luis: 60% at most"),
        ("op", "commission set luis 60 luis@example.com", "Left for you: 0%."),
        ("op", "confirm", "luis gets 60%"),
        ("op", "commission set eva 0.01 eva@example.com", "Nothing is left for eva"),
        ("op", "commission set rosa 40.01", "what is left for rosa: 40% at most"),
        ("op", "commission set rosa 39.99", "Left for you: 0.01%."),
    ],
    "percentages that can't be kept exactly are refused": [
        ("op", "commission set rosa 12.345 rosa@example.com", "two decimals at most"),
        ("op", "commission set rosa 0 rosa@example.com", "above 0 and at most 100"),
        ("op", "commission set rosa 100.5 rosa@example.com", "above 0 and at most 100"),
        ("op", "commission set rosa -4 rosa@example.com", "above 0 and at most 100"),
        ("op", "commission set rosa lots rosa@example.com", "above 0 and at most 100"),
    ],
    "a destination that can't be paid is refused": [
        ("op", f"commission set rosa 40 {ADMIN_KEY}", "That is an admin key"),
        ("op", f"commission set rosa 40 {'9' * 32}", "LNbits does not know this key"),
        ("op", "commission set rosa 40 somewhere", "not a wallet I can pay"),
        (
            "op",
            "commission set rosa 40 rosa@bad.example",
            "cannot be paid.\nWhy: its server is not on the public internet",
        ),
        ("op", "commission set rosa 40 rosa@down.example", "does not answer right now"),
        ("op", "commission", "All of the commission is yours"),
    ],
    "a client is paid where the client's own sats go": [
        ("op", "client add maria {maria}", "added"),
        ("op", "commission set Maria 10", "paid to the client's own wallet, which is not set yet"),
        ("op", "confirm", "maria gets 10%"),
        ("maria", f"wallet {INVOICE_KEY}", "1a1a"),
        ("maria", "confirm", "Done"),
        ("op", "commission", "maria: 10%, so far 0 sats, to the client's own wallet (the LNbits"),
        ("op", "commission set maria 10 m@example.com", "is a client, whose commission goes to"),
        ("op", "client close maria", "gets 10% of the commission and cannot be closed yet. First:"),
        ("op", "commission remove maria", "maria would get no commission any more; these 10%"),
        ("op", "confirm", "no commission any more"),
        ("op", "client close maria", "maria is closed"),
        ("op", "commission set maria 10", "There is no client maria"),
    ],
    "names are shared with the clients'": [
        ("op", ROSA, "40% of"),
        ("op", "confirm", "rosa gets 40%"),
        ("op", "client add Rosa {maria}", "rosa is the name of a recipient of commission"),
        ("op", "commission remove rosa", "these 40%"),
        ("op", "confirm", "no commission any more"),
        ("op", "client add Rosa {maria}", "Rosa is added"),
        ("op", "commission set rosa 10", "client's own wallet"),
        ("op", "commission set rosa 10 rosa@example.com", "Rosa is a client"),
        ("op", "client add ñandú {juan}", "added"),
        ("op", "commission set ÑANDÚ 10 x@example.com", "ñandú is a client"),
        ("op", "commission set pause 10 x@example.com", "part of a command"),
        ("op", f"commission set {INVOICE_KEY} 10 x@example.com", "did not keep it"),
    ],
    "a recipient is no client": [
        ("op", ROSA, "40% of"),
        ("op", "confirm", "rosa gets 40%"),
        ("op", "clients", "There is nothing to show yet"),
        ("op", "status all", "Clients: 0"),
        ("op", "client rosa", "no client of that name"),
        ("op", "client pause rosa", "no client of that name"),
        ("op", "client close rosa", "no client of that name"),
        ("op", "client wallet rosa x@example.com", "no client of that name"),
        ("op", "client npub rosa {maria}", "no client of that name"),
        ("op", "deposit rosa 100", "no client of that name"),
        ("op", "withdraw rosa 100", "no client of that name"),
    ],
    "a minimum is told": [
        ("op", "commission", "All of the commission"),
        (
            "op",
            ROSA,
            "from now on, paid to rosa@example.com.\nIt accepts payments of 500 sats or more",
        ),
    ],
    "no commands for clients": [
        ("op", "client add maria {maria}", "added"),
        ("maria", "commission", "I don't know that command"),
        ("maria", "tx add Market 200 24000", "I don't know that command"),
    ],
}


@pytest.mark.parametrize("name", SCENES)
async def test_scene_about_commission(talk, name):
    reply = ""
    talk.addresses.min_sat = 500 if name == "a minimum is told" else 1
    for who, written, expected in SCENES[name]:
        text = f"confirm {code_in(reply)}" if written == "confirm" else written
        reply = await talk.tell(who, text)
        assert reply is not None, text
        assert expected in reply, f"{text}: {reply}"
    assert await talk.audit() == ()


async def payouts_of(talk, name):
    rows = await talk.sql(
        "SELECT payout.id FROM payout JOIN client ON client.id = client_id WHERE name = ?"
        " ORDER BY amount_sat",
        name,
    )
    return [row["id"] for row in rows]


async def test_split_is_shown_with_the_cash_out(talk):
    await talk.add_client("maria", balance="150")
    await talk.do("op", ROSA)
    await talk.do("op", "commission set maria 12.5")
    await talk.distribute(CASH_OUT)
    shown = await talk.tell("op", "tx aaaa")
    (rosas,) = await payouts_of(talk, "rosa")
    marias = await payouts_of(talk, "maria")
    assert "maria: Q150.00, 18,000 sats, planned" in shown
    assert "commission 1,000 sats; left over, yours: 6,000 sats" in shown
    assert (
        f"Of the commission:\nrosa: 400 sats, planned {rosas[:8]}"
        f"\nmaria: 125 sats, planned {marias[0][:8]}\nyours: 475 sats"
    ) in shown
    assert f"payout {rosas[:8]}, 400 sats to rosa: planned" in await talk.tell("op", "payouts")
    assert "rosa: 40%, so far 400 sats" in await talk.tell("op", "commission")
    assert "commission 475 sats" in await talk.tell_whole("op", "status all")
    assert await talk.audit() == ()


async def test_client_sees_commission_apart_from_what_was_bought(talk):
    await talk.add_client("maria", balance="150")
    assert "Commission" not in await talk.tell("maria", "balance")
    await talk.do("op", "commission set maria 40")
    await talk.distribute(CASH_OUT)
    told = await talk.tell("maria", "balance")
    assert "Bought so far: 18,000 sats for Q150.00 (1 BTC = Q833,333 on average)" in told
    assert "Commission earned: 400 sats" in told
    assert "On the way to you: 18,400 sats" in told
    history = await talk.tell("maria", "history")
    assert "18,000 sats for Q150.00, on its way" in history
    assert re.search(r"\d  400 sats of commission, on its way", history)
    card = await talk.tell("op", "client maria")
    assert "Bought: 18,000 sats for Q150.00\nCommission earned: 400 sats" in card
    assert "Still to be paid: 18,400 sats" in card


async def test_commission_alone_is_nothing_bought(talk):
    await talk.add_client("maria")
    await talk.do("op", "commission set maria 40")
    await talk.distribute(CASH_OUT)
    told = await talk.tell("maria", "balance")
    assert "No bitcoin bought yet" in told
    assert "Commission earned: 400 sats" in told
    assert not [text for text in await talk.letters_to("maria") if "deposit" in text.lower()[:20]]


async def arrive(talk, payout_id):
    await talk.bring_to(payout_id, "invoice", "submit", "debit")

    def work(tx):
        payout = payouts.by_id(tx, payout_id)
        transitions.finish(tx, payout, now=talk.clock.now())
        talk.notices.clients.payout_arrived(tx, payout, talk.clock.now())

    await talk.database.transact(work)


async def test_arrived_commission_is_told_without_a_price(talk):
    await talk.add_client("maria")
    await talk.do("op", "commission set maria 40")
    await talk.distribute(CASH_OUT)
    await arrive(talk, (await payouts_of(talk, "maria"))[0])
    assert (await talk.letters_to("maria"))[
        -1
    ] == "400 sats of commission have arrived in your wallet."


async def test_nothing_is_written_to_a_recipient(talk):
    await talk.do("op", ROSA)
    await talk.distribute(CASH_OUT)
    (payout_id,) = await payouts_of(talk, "rosa")
    await talk.do("op", f"payout cancel {payout_id}")
    await talk.distribute(HELD)
    await arrive(talk, (await payouts_of(talk, "rosa"))[1])
    key = commission.recipient_key("rosa")
    assert await talk.sql("SELECT 1 FROM outbox WHERE recipient = ?", key) == []
    known = set(PEOPLE.values())
    assert {row["recipient"] for row in await talk.sql("SELECT recipient FROM outbox")} <= known


@pytest.mark.parametrize("name", ["rosa", "maria"])
async def test_cancelled_commission_moves_no_fiat(talk, name):
    await talk.add_client("maria", balance="150")
    await talk.do("op", f"commission set {name} 40{' r@example.com' if name == 'rosa' else ''}")
    await talk.distribute(CASH_OUT)
    payout_id = (await payouts_of(talk, name))[0]
    asked = await talk.tell("op", f"payout cancel {payout_id}")
    assert f"400 sats to {name}: it is commission, so 400 sats are yours and no fiat moves" in asked
    done = await talk.tell("op", f"confirm {code_in(asked)}")
    assert done.endswith(f"400 sats to {name}. The sats are yours.")
    assert (await talk.client("maria")).balance_minor == 0
    rows = await talk.sql(
        "SELECT kind, balance FROM account WHERE kind IN ('operator', 'commission')"
    )
    assert {row["kind"]: row["balance"] for row in rows} == {"operator": 6_400, "commission": 600}
    told = (await talk.letters_to("maria"))[-1]
    assert ("400 sats of commission could not be made" in told) is (name == "maria")
    assert await talk.audit() == ()
    if name == "maria":
        assert "400 sats of commission, cancelled\n" in (await talk.tell("maria", "history")) + "\n"
        assert "Commission earned" not in await talk.tell("maria", "balance")


@pytest.mark.parametrize(
    ("payout_paid", "told"),
    [(True, "LNbits has paid 300 sats for this already"), (False, "under another payout")],
)
async def test_cancelling_commission_warns_of_what_lnbits_has_paid(talk, payout_paid, told):
    await talk.do("op", ROSA)
    await talk.distribute(CASH_OUT)
    (payout_id,) = await payouts_of(talk, "rosa")
    await talk.sql(
        "INSERT INTO foreign_payment (payment_hash, external_id, distribution_id, client_name,"
        " amount_msat, fee_msat, status, seen_at) VALUES (?, ?, ?, 'rosa', -300000, 0, 'success', 0)",
        "fe" * 32,
        payout_id if payout_paid else "another",
        f"commission:{CASH_OUT}",
    )
    asked = await talk.tell("op", f"payout cancel {payout_id}")
    assert asked.startswith("Careful: ")
    assert told in asked


async def test_new_destination_takes_what_was_not_sent(talk):
    await talk.do("op", ROSA)
    await talk.distribute(CASH_OUT)
    (payout_id,) = await payouts_of(talk, "rosa")
    asked = await talk.tell("op", f"commission set rosa 40 {OTHER_KEY}")
    assert "Until now: rosa@example.com. What was not sent yet goes to the new place too." in asked
    await talk.tell("op", f"confirm {code_in(asked)}")
    found = await talk.database.read(lambda tx: payouts.by_id(tx, payout_id))
    assert found.destination.value == OTHER_KEY
    assert (await talk.database.read(commission.in_force)).id == 1, (
        "the same part is no new version"
    )
    await talk.bring_to(payout_id, "invoice", "submit")
    await talk.do("op", f"commission set rosa 30 {INVOICE_KEY}")
    found = await talk.database.read(lambda tx: payouts.by_id(tx, payout_id))
    assert found.destination.value == OTHER_KEY


async def test_removed_recipient_is_paid_before_the_name_is_free(talk):
    await talk.do("op", ROSA)
    await talk.distribute(CASH_OUT)
    asked = await talk.tell("op", "commission remove rosa")
    assert "What is still open is paid all the same: 400 sats." in asked
    await talk.tell("op", f"confirm {code_in(asked)}")
    assert "rosa: nothing any more, still to be paid 400 sats" in await talk.tell(
        "op", "commission"
    )
    assert "name of a recipient" in await talk.tell("op", "client add rosa {maria}")
    await talk.do("op", "commission set rosa 10")
    assert "rosa: 10%, so far 400 sats, to rosa@example.com" in await talk.tell("op", "commission")
    await talk.do("op", "commission remove rosa")
    (payout_id,) = await payouts_of(talk, "rosa")
    await talk.do("op", f"payout cancel {payout_id}")
    assert "All of the commission is yours" in await talk.tell("op", "commission")
    assert "rosa is added" in await talk.tell("op", "client add rosa {maria}")
    assert "Cash still to convert: Q0.00" in await talk.tell("maria", "balance")
    assert await talk.audit() == ()


async def test_terms_that_change_before_the_code_ask_again(talk):
    await talk.do("op", ROSA)
    asked = await talk.tell("op", "commission set luis 50 luis@example.com")
    await talk.do("op2", "commission set rosa 45")
    again = await talk.tell("op", f"confirm {code_in(asked)}")
    assert "changed meanwhile" in again
    assert "Left for you: 5%." in again
    await talk.do("op2", "commission set rosa 60")
    assert "what is left for luis: 40% at most" in await talk.tell(
        "op", f"confirm {code_in(again)}"
    )


async def test_commission_commands_are_told_to_the_other_operators(talk):
    await talk.do("op", ROSA)
    assert re.search(r"^By npub1\S+: rosa gets 40% of the", (await talk.letters_to("op2"))[-1])
    await talk.do("op", "commission remove rosa")
    assert (await talk.letters_to("op2"))[-1].endswith("rosa gets no commission any more.")


async def test_held_cash_out_tells_and_splits_the_scaled_commission(talk):
    await talk.add_client("maria", balance="1000")
    await talk.do("op", ROSA)
    await talk.hold_cash_out(HELD)
    asked = await talk.tell("op", "hold accept bbbb2222 Q100.00")
    assert "Commission: 500 sats.\nOf the commission:\nrosa: 200 sats\nyours: 300 sats" in asked
    await talk.tell("op", f"confirm {code_in(asked)}")
    split = await talk.database.read(lambda tx: by_id(tx, f"commission:{HELD}"))
    assert [(share.client_name, share.sat) for share in split.shares] == [("rosa", 200)]
    assert split.unallocated_sat == 300
    assert await talk.audit() == ()


async def test_terms_changed_between_effect_and_code_show_in_the_effect(talk):
    await talk.hold_cash_out(HELD)
    asked = await talk.tell("op", "hold accept bbbb2222")
    await talk.do("op2", ROSA)
    again = await talk.tell("op", f"confirm {code_in(asked)}")
    assert "changed meanwhile" in again
    assert "rosa: 400 sats" in again


async def test_commission_that_lnbits_has_paid_warns_before_sharing_out(talk):
    await talk.hold_cash_out(HELD)
    await talk.sql(
        "INSERT INTO foreign_payment (payment_hash, external_id, distribution_id, client_name,"
        " amount_msat, fee_msat, status, seen_at) VALUES (?, 'x', ?, 'rosa', -400000, 0, 'success', 0)",
        "fe" * 32,
        f"commission:{HELD}",
    )
    assert "LNbits has paid 400 sats for this cash-out" in await talk.tell(
        "op", "hold accept bbbb2222"
    )
    found = await talk.database.read(lambda tx: unknown_payments.of_cash_out(tx, HELD))
    assert len(found) == 1


async def test_recipients_name_and_key_belong_to_nobody_who_writes(talk):
    await talk.do("op", ROSA)
    key = commission.recipient_key("rosa")
    assert await talk.database.read(lambda tx: clients.by_pubkey(tx, key)) is None
    assert "only talks with people" in await talk.tell("stranger", "balance")


async def test_pause_all_does_not_stop_setting_terms(talk):
    await talk.tell("op", "pause all")
    await talk.do("op", ROSA)
    assert await talk.database.read(bot_state.paused)
    assert "rosa: 40%" in await talk.tell("op", "commission")
