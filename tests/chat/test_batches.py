"""Several changes are told one by one, and carried out by one code: all or none."""

import random
import re
from datetime import timedelta

import pytest
from talk import CODE, code_in

from dca_bot.ledger.programme import machines
from dca_bot.nostr.keys import generate, npub

MACHINES = ("Market", "Plaza", "Zona 10")
_seed = random.Random(14)


@pytest.fixture
async def house(talk):
    """Maria and Juan save, and there are three machines."""
    for name in ("maria", "juan"):
        await talk.add_client(name)
    named = {f"{n}" * 64: name for n, name in enumerate(MACHINES)}
    await talk.database.transact(lambda tx: machines.record(tx, named))
    return talk


async def ask(talk, text):
    """Return the whole question, of one message or several; the last one has the code."""
    replies = await talk.tell_all("op", text)
    assert not any(CODE.search(one) for one in replies[:-1])
    return "\n".join(replies)


async def do(talk, text):
    """Give commands of several lines or numbers, and confirm them; return the answer."""
    return await ask(talk, f"confirm {code_in(await ask(talk, text))}")


async def deposits(talk, *columns):
    return [tuple(row) for row in await talk.sql(f"SELECT {', '.join(columns)} FROM deposit")]


async def pending(talk, count):
    """Record pending deposits of 1, 2, 3 … quetzales, by turns of Maria and Juan."""
    ids = "SELECT id FROM client WHERE name IN ('maria', 'juan') ORDER BY name DESC"
    people = [row["id"] for row in await talk.sql(ids)]
    for n in range(count):
        await talk.sql(
            "INSERT INTO deposit (client_id, amount_minor, created_at) VALUES (?, ?, 0)",
            people[n % 2],
            100 * (n + 1),
        )


# The messages of an operator, counted


async def test_twenty_clients_with_deposits_take_22_messages_in_place_of_80(house):
    talk = house

    def newcomers(prefix):
        return [(f"{prefix}{n}", npub(generate(_seed).public_key)) for n in range(20)]

    start = talk.sent
    for n, (name, key) in enumerate(newcomers("ada"), 1):
        await talk.do("op", f"client add {name} {key} 500")
        await talk.do("op", f"deposit confirm {n} Market")
    assert talk.sent - start == 80
    start, people = talk.sent, newcomers("bea")
    for name, key in people:
        assert "is added" in await talk.tell("op", f"client add {name} {key}")
    question = await ask(talk, "\n".join(f"deposit {name} 500 in Market" for name, _ in people))
    assert "Cash in Market: Q10,000.00, 20 deposits" in question
    await talk.tell_all("op", f"confirm {code_in(question)}")
    assert talk.sent - start == 22
    start = talk.sent
    await do(talk, "\n".join(f"client add {name} {key} 500" for name, key in newcomers("eva")))
    await do(talk, "deposit confirm 41-60 Market")
    assert talk.sent - start == 4
    found = await deposits(talk, "state", "machine", "amount_minor")
    assert found == [("confirmed", "Market", 50_000)] * 60


async def test_fifteen_deposits_in_three_machines_take_6_messages_in_place_of_32(house):
    talk = house
    await pending(talk, 30)
    start = talk.sent
    await talk.tell("op", "deposits pending")
    await talk.tell("op", "deposits pending 2")
    for n in range(15):
        await talk.do("op", f"deposit confirm {n + 1} {MACHINES[n // 5]}")
    assert talk.sent - start == 32
    start = talk.sent
    for n, machine in enumerate(MACHINES):
        await do(talk, f"deposit confirm {16 + 5 * n}-{20 + 5 * n} {machine}")
    assert talk.sent - start == 6
    found = await deposits(talk, "machine")
    assert found == [(machine,) for machine in MACHINES for _ in range(5)] * 2


async def test_twelve_holds_take_4_messages_in_place_of_27(house):
    talk = house
    for n in range(24):
        await talk.hold_cash_out(f"{n:08}-0000-4000-8000-000000000000")
    start = talk.sent
    for page in ("holds", "holds 2", "holds 3"):
        await talk.tell("op", page)
    for n in range(1, 13):
        await talk.do("op", f"hold {'accept' if n < 10 else 'ignore'} {n}")
    assert talk.sent - start == 27
    start = talk.sent
    assert "Done, all 9" in await do(talk, "hold accept 13-21")
    assert "Done, all 3" in await do(talk, "hold ignore 22-24")
    assert talk.sent - start == 4
    outcomes = [row["outcome"] for row in await talk.sql("SELECT outcome FROM hold ORDER BY id")]
    assert outcomes == [*["accepted"] * 9, *["ignored"] * 3] * 2
    assert not await talk.audit()


# What the code is bound to


async def test_each_effect_is_listed_before_the_code_and_nothing_is_done(house):
    question = await ask(house, "deposit maria 100\ndeposit juan 1,250.50 rent\nclient pause juan")
    assert question.splitlines()[:6] == [
        "All of this, 3 things, with one code:",
        "1. Record a pending deposit of Q100.00 for maria.",
        "2. Record a pending deposit of Q1,250.50 for juan (rent).",
        "3. client pause juan",
        "The answer then: juan is paused.",
        "Cash noted: Q1,350.50, 2 deposits",
    ]
    assert await house.count("deposit") == 0
    assert (await house.client("juan")).state == "active"
    assert "is paused" in await house.tell("op", f"confirm {code_in(question)}")
    assert await deposits(house, "amount_minor", "note") == [(10_000, ""), (125_050, "rent")]
    assert "not valid" in await house.tell("op", f"confirm {code_in(question)}")
    assert (await house.client("juan")).state == "stopped"


async def test_other_operators_get_one_report_and_each_client_a_notice(house):
    before = [len(await house.letters_to(who)) for who in ("op2", "maria", "juan")]
    await do(house, "deposit maria 5 in Market\ndeposit juan 6 in Market\ndeposit juan 7")
    after = [len(await house.letters_to(who)) for who in ("op2", "maria", "juan")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 2]
    report = (await house.letters_to("op2"))[-1]
    assert "Q6.00 for juan" in report
    assert "Cash in Market: Q11.00, 2 deposits" in report
    rows = await house.sql("SELECT command FROM command_log ORDER BY id DESC LIMIT 3")
    assert [row["command"] for row in rows] == ["deposit"] * 3
    assert "Q6.00 for juan" in await house.tell("op", "log juan")


async def test_what_is_new_since_the_question_is_not_included(house):
    await pending(house, 3)
    question = await ask(house, "deposit confirm all Market")
    await house.do("op2", "deposit maria 50")
    assert "Done, all 3" in await ask(house, f"confirm {code_in(question)}")
    assert [state for (state,) in await deposits(house, "state")] == [*["confirmed"] * 3, "pending"]


async def test_effect_that_changed_gets_a_new_code_for_all(house):
    await pending(house, 2)
    question = await ask(house, "deposit confirm 1-2 Market")
    await house.tell("op2", "client pause juan")
    again = await ask(house, f"confirm {code_in(question)}")
    assert "has changed meanwhile" in again
    assert "nothing is bought for juan" in again
    assert await house.count("entry") == 0
    assert "not valid" not in await house.tell("op", f"confirm {code_in(again)}")
    assert (await house.client("juan")).balance_minor == 200


async def test_one_command_that_became_impossible_undoes_the_others(house):
    await pending(house, 3)
    question = await ask(house, "deposit confirm 1-3 Market\ndeposit maria 9")
    await house.do("op2", "deposit void 2")
    told = await ask(house, f"confirm {code_in(question)}")
    assert told.startswith("Nothing was done, because of: deposit confirm 2 Market")
    assert [state for (state,) in await deposits(house, "state")] == [
        "pending",
        "voided",
        "pending",
    ]


async def test_effects_count_with_those_before(house):
    key = npub(generate(_seed).public_key)
    await do(house, f"client add pedro {key}\ndeposit pedro 500 in Market\nwithdraw pedro 300")
    assert (await house.client("pedro")).balance_minor == 20_000
    told = await ask(house, "withdraw pedro 150\nwithdraw pedro 150")
    assert told.startswith("Nothing was done, because of: withdraw pedro 150")


@pytest.mark.parametrize("who", ["op2", "maria"])
async def test_code_of_a_batch_is_one_persons(house, who):
    code = code_in(await ask(house, "deposit maria 5\ndeposit juan 6"))
    assert "not valid" in await house.tell(who, f"confirm {code}")
    assert await house.count("deposit") == 0


async def test_batch_that_comes_too_late_changes_nothing(house):
    told = await house.tell("op", "deposit maria 5\ndeposit juan 6", age=timedelta(hours=7))
    assert "too late" in told
    assert await house.sql("SELECT 1 FROM confirmation WHERE used_at IS NULL") == []


async def test_long_list_is_told_whole_in_several_messages(house):
    await pending(house, 60)
    replies = await house.tell_all("op", "deposit confirm 1-60 Market")
    assert len(replies) > 1
    told = "\n".join(replies)
    assert [int(n) for n in re.findall(r"^(\d+)\. Confirm deposit", told, re.MULTILINE)] == [
        *range(1, 61)
    ]
    assert f"Cash in Market: Q{sum(range(61)):,}.00, 60 deposits" in replies[-1]
    done = await house.tell_all("op", f"confirm {code_in(replies[-1])}")
    assert "\n".join(done).count("is confirmed") == 60


# Ranges


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2-4", (2, 3, 4)),
        ("4-2", (2, 3, 4)),
        ("#2-#4", (2, 3, 4)),
        ("2\u20134", (2, 3, 4)),
        ("2,4-5", (2, 4, 5)),
        ("2,2-3,3,1-2", (2, 3, 1)),
        ("1-999999999", (1, 2, 3, 4, 5)),
        ("4-400", (4, 5)),
        ("ALL", (1, 2, 3, 4, 5)),
        ("1, 2, 5", (1, 2, 5)),
        ("1 y 3", (1, 3)),
        ("2 al 4", (2, 3, 4)),
    ],
)
async def test_range_means_each_open_number_once(house, typed, meant):
    await pending(house, 5)
    question = await ask(house, f"deposit confirm {typed} Market")
    assert tuple(map(int, re.findall(r"Confirm deposit (\d+)", question))) == meant


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("deposit confirm 1-3-5", "number"),
        ("deposit confirm 1-9999999999", "number"),
        ("deposit confirm 7-9", "Nothing open has a number among 7-9"),
        ("deposit confirm 1-101", "Take at most 100"),
        ("deposit void 101-1", "Take at most 100"),
        ("deposit confirm 1,999 Market", "There is no such deposit"),
        ("deposit void all", "number"),
        ("hold accept 5-9", "Nothing open has a number among 5-9"),
        ("hold accept 1-9999999999", "no such open hold"),
    ],
)
async def test_range_that_cannot_be_meant_is_refused(house, command, told):
    if "101" in command or "999" in command:
        await pending(house, 101)
    assert told in await house.tell("op", command)
    assert await house.sql("SELECT 1 FROM confirmation WHERE used_at IS NULL") == []


async def test_holds_of_a_range_are_of_one_kind_and_whole(house):
    await house.hold_cash_out("4711")
    await house.hold_cash_out("4712")
    assert "A part" in await house.tell("op", "hold accept 1-2 50")
    await house.sql(
        "INSERT INTO hold (kind, ref, reason, opened_at) VALUES ('changed', '1', 'x', 0)"
    )
    told = await house.tell("op", "hold accept 1-3")
    assert told.splitlines()[1:] == ["cash-outs: #1, #2", "changed in Lamassu: #3"]
    assert "2 things" in await house.tell("op", "hold ignore 1-2")


async def test_beginning_of_an_id_that_looks_like_a_range_is_an_id(house):
    await house.hold_cash_out("12345678-1234-4000-8000-000000000000")
    assert "cash-out 12345678" in await house.tell("op", "hold accept 12345678-1234")


# Lines


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("deposit maria 5\ndeposit maria 7x7x7\ndeposit juan 6", "line 2"),
        ("deposit maria 5\n\nwhat a lovely day it was\n", "line 2"),
        ("client pause maria\ndeposit juan 1.500", "line 2"),
        ("deposit maria 5\ndeposit pedro 6", "because of: deposit pedro 6.00\nThere is no client"),
        ("\n".join(f"deposit maria {n}" for n in range(1, 42)), "at most 40 requests"),
        ("\n".join(["deposits", "holds", "cash"] * 3), "at most 8 requests"),
    ],
)
async def test_line_that_cannot_be_read_stops_all_and_is_named(house, text, told):
    assert told in "\n".join(await house.tell_all("op", text))
    assert (await house.client("maria")).state == "active"
    assert await house.sql("SELECT 1 FROM confirmation WHERE used_at IS NULL") == []


async def test_lines_that_only_tell_are_answered_at_once(house):
    replies = await house.tell_all("op", "deposits\ndeposit maria 7\nholds\ndeposit juan 8")
    assert len(replies) == 3
    assert "2 things" in replies[-1]


async def test_settings_without_a_code_run_at_once(house):
    assert await house.tell_all("op", "client pause maria\nclient pause juan") == [
        "maria is paused.",
        "juan is paused.",
    ]


async def test_each_command_is_logged_about_whom_it_concerned_then(house):
    await do(house, "deposit juan 5 in Market\nclient rename juan johan")
    told = await house.tell("op", "log johan")
    assert ["deposit: Deposit" in told, "client rename: juan" in told] == [True, True]


async def test_machine_may_have_a_word_like_in_before_it(house):
    await do(house, "deposit maria 100\ndeposit juan 5")
    assert "to the balance of maria now, in Market" in await ask(
        house, "deposit confirm 1 in Market"
    )
    assert "to the balance of juan now, in Market" in await ask(
        house, "deposit confirm 1,2 in Market"
    )


async def test_table_is_no_part_of_another_message(house):
    await house.add_client("lena", balance="500")
    balance, table = await house.tell_all("lena", "balance\nexport")
    assert balance.startswith("Cash still")
    assert table.startswith("date,what,")


async def test_all_of_nothing_is_told_so(house):
    for command in ("deposit confirm all", "hold accept all"):
        assert await house.tell("op", command) == "Nothing is open."


async def test_client_reads_the_answers_of_several_lines_in_one_message_if_they_fit(house):
    told = await house.tell("maria", "balance\nlimit 1.500\nsettings")
    balance, refusal, settings = told.split("\n\n")
    assert balance.startswith("Cash still")
    assert "not clear" in refusal
    assert settings.startswith("maria, active")
    await house.add_client("lena", balance="500")
    for n in range(10):
        await house.distribute(f"d{n}", fiat_minor=1_000, sat=1_200)
    assert len(await house.tell_all("lena", "history 1\n" * 2)) == 1
    assert len(await house.tell_all("lena", "history 1\n" * 8)) == 8
    assert len(await house.tell_all("op", "clients\nholds")) == 2


async def test_client_gets_a_code_for_each_command(house):
    await house.add_client("lena", balance="500")
    replies = await house.tell_all("lena", "wallet lena@example.com\nwithdraw 50")
    assert len({code_in(reply) for reply in replies}) == 2


# Cash that is in a machine already


@pytest.mark.parametrize(
    ("typed", "machine", "note"),
    [
        ("in Market", "Market", ""),
        ("en la zona 10", "Zona 10", ""),
        ("into the machine PLAZA", "Plaza", ""),
        ("in Plaza rent of May", "Plaza", "rent of May"),
        ("in advance", None, "in advance"),
        ("Market", None, "Market"),
        ('"in Market"', None, '"in Market"'),
    ],
)
async def test_deposit_in_a_machine_counts_at_once(house, typed, machine, note):
    told = await house.do("op", f"deposit maria 500 {typed}")
    state = "pending" if machine is None else "confirmed"
    assert state in told
    assert await deposits(house, "state", "machine", "note") == [(state, machine, note)]
    assert (await house.client("maria")).balance_minor == (0 if machine is None else 50_000)
    assert [one for one in await house.letters_to("maria") if "Q500" in one][1:] == []


async def test_machine_that_may_be_misspelt_is_asked_about(house):
    assert "Is that a machine? I know: Market" in await house.tell("op", "deposit maria 5 in Markt")


async def test_machine_beside_the_code_is_that_of_all_deposits(house):
    await pending(house, 2)
    code = code_in(await ask(house, "deposit confirm 1-2"))
    again = await ask(house, f"confirm {code} Plaza")
    assert again.count("in Plaza") == 3
    assert f"The code {code} no longer counts" in again
    await house.tell_all("op", f"confirm {code_in(again)}")
    assert await deposits(house, "machine") == [("Plaza",), ("Plaza",)]


async def test_correction_after_a_batch_means_no_older_question(house):
    older = code_in(await house.tell("op", "deposit maria 500"))
    await ask(house, "deposit maria 5\ndeposit juan 6")
    assert CODE.search(await house.tell("op", "no, it was 250")) is None
    assert "Q500.00" in await house.tell("op", f"confirm {older}")


async def test_number_can_begin_a_machines_name(house):
    await house.database.transact(lambda tx: machines.record(tx, {"9" * 64: "7 Calle Oriente"}))
    await do(house, "deposit maria 5\ndeposit juan 6")
    assert "maria now, in 7 Calle Oriente" in await house.tell("op", "deposit confirm 1 7 Calle")


async def test_correction_of_a_batch_is_not_guessed(house):
    code = code_in(await ask(house, "deposit maria 5\ndeposit juan 6"))
    told = await house.tell("op", "no, it was 7")
    assert f"confirm {code}" in told or "did not get that" in told
    assert await house.count("deposit") == 0
