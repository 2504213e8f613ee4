"""The machines' cash as operators see, count and hold it against the rest."""

from datetime import timedelta

import pytest
from talk import code_in

from dca_bot.core.money import parse_fiat
from dca_bot.errors import DcaBotError
from dca_bot.ledger.programme import machine_cash, machines
from dca_bot.ledger.programme.machine_cash import CASH_IN, CASH_OUT, Flow

MARKET, MALL = "aaaa1111" * 8, "bbbb2222" * 8


async def poll(talk, names=None, *, came=(), left=()):
    """Have Lamassu read: the machines, and (ref, minor, machine) of cash-ins and cash-outs."""
    now = talk.clock.now()
    flows = [Flow(CASH_IN, ref, machine, minor, now) for ref, minor, machine in came]
    flows += [Flow(CASH_OUT, ref, machine, -minor, now) for ref, minor, machine in left]

    def work(tx):
        machines.record(tx, names or {MARKET: "Market"})
        machine_cash.find_places(tx, now=now)
        machine_cash.follow(tx, flows, now=now)

    await talk.database.transact(work)


async def test_cash_tells_what_should_be_in_each_machine_since_its_count(talk):
    await poll(talk, {MARKET: "Market", MALL: "Zona 10"})
    await talk.do("op", "cash count market 10,000")
    await talk.do("op", "cash count Zona 10 2000 gtq")
    await talk.add_client("maria", balance="1,500.00")
    await poll(
        talk,
        {MARKET: "Market", MALL: "Zona 10"},
        came=[("i1", 50_000, MARKET)],
        left=[("o1", 120_000, MARKET)],
    )
    told = await talk.tell("op", "cash")
    assert told.splitlines() == [
        "Machines' cash: Q12,800.00 should be there (all counted since 1 Mar 06:00)",
        "No machine named: Q1,500.00",
        "Clients' balances: Q1,500.00",
        "By machine, more of one: cash Market",
        "Market: Q9,300.00 (counted 1 Mar 06:00)",
        "Zona 10: Q2,000.00 (counted 1 Mar 06:00)",
    ]
    told = await talk.tell("op", "cash market")
    assert told.splitlines() == [
        "Market: Q9,300.00 should be in it",
        "Counted 1 Mar 06:00: Q10,000.00, the first count",
        "Since that count:",
        "  in: deposits Q0.00, cash-ins Q500.00",
        "  out: cash-outs Q1,200.00, withdrawals Q0.00",
    ]


async def test_cash_of_many_machines_is_paged_and_names_the_difference_of_a_count(talk):
    names = {f"{number:02}" * 32: f"Kiosk {number}" for number in range(10, 23)} | {MALL: "12"}
    await poll(talk, names)
    await talk.do("op", "cash count Kiosk 11 100")
    await talk.do("op", "cash count Kiosk 11 90")
    first = (await talk.tell("op", "cash")).splitlines()
    assert "Kiosk 11: Q90.00 (counted 1 Mar 06:00, Q10.00 LESS than expected)" in first
    assert first[-1] == "More: cash 2"
    second = (await talk.tell("op", "cash 2")).splitlines()
    assert [line for line in second if line.startswith("Kiosk")][-1] == "Kiosk 22: not counted yet"
    assert await talk.tell("op", "cash 9") == "There are no more pages."
    assert (await talk.tell("op", "cash 12")).startswith("12: not counted yet")
    assert "no machine of that name" in await talk.tell("op", "cash Airport")


async def test_withdrawal_leaves_the_machine_that_is_named(talk):
    await poll(talk, {MARKET: "Market", MALL: "Zona 10"})
    await talk.do("op", "cash count zona 10 1000")
    await talk.add_client("maria", balance="500")
    assert "to maria, from Zona 10;" in await talk.tell("op", "withdraw maria 100 zona 10")
    await talk.do("op", "withdraw maria 100 zona10")
    asked = await talk.tell("op", "withdraw maria 50 zona 10 asked for it")
    assert "to maria, from Zona 10 (asked for it);" in asked
    await talk.tell("op", f"confirm {code_in(asked)}")
    asked = await talk.tell("op", "withdraw maria 30 from my pocket")
    assert "(from my pocket); it leaves the balance. No machine is named; to name one" in asked
    await talk.tell("op", f"confirm {code_in(asked)}")
    assert "No machine named: Q470.00" in await talk.tell("op", "cash")
    told = await talk.tell("op", "cash zona 10")
    assert "Zona 10: Q850.00 should be in it" in told
    assert "cash-outs Q0.00, withdrawals Q150.00" in told


async def test_machine_that_was_not_counted_shows_no_figure_and_raises_no_alarm(talk):
    await talk.add_client("maria", balance="1,500.00")
    assert "No machine named: Q1,500.00" in await talk.tell("op", "cash")
    await poll(talk, left=[("o1", 500_000, MARKET)])
    told = await talk.tell("op", "cash")
    assert "Market: not counted yet, so what is in it is not known" in told
    assert "-3,500" not in told
    status = await talk.tell_whole("op", "status all")
    assert "Machines' cash: not counted yet. Send: cash count MACHINE AMOUNT" in status
    assert "WARNING" not in status


async def test_count_tells_the_difference_and_reaches_all_operators(talk):
    await poll(talk)
    asked = await talk.tell("op", "cash count Market 8,000.00")
    assert "Count of Market: Q8,000.00 are in it. It is the first count of this machine." in asked
    assert "goes on from the count" in asked
    assert "first count" in await talk.tell("op", f"confirm {code_in(asked)}")
    asked = await talk.tell("op", "cash count MARKET Q7900")
    assert "Expected were Q8,000.00, so it is Q100.00 LESS than expected" in asked
    done = await talk.tell("op", f"confirm {code_in(asked)}")
    assert "Market was counted: Q7,900.00. Expected were Q8,000.00" in done
    assert "Market was counted: Q7,900.00" in (await talk.letters_to("op2"))[-1]
    asked = await talk.tell("op", "cash count aaaa 7900")
    assert "so it is as expected" in asked
    assert "MORE than expected" in await talk.tell("op", "cash count market 8000")
    assert await talk.audit() == ()


async def test_count_of_nothing_counts(talk):
    await poll(talk)
    for _ in range(2):
        assert "Q0.00" in await talk.do("op", "cash count Market 0")
    assert "Q0.00 should be in it" in await talk.tell("op", "cash")


async def test_count_whose_expected_figure_moved_is_asked_again(talk):
    await poll(talk)
    await talk.do("op", "cash count Market 8000")
    asked = await talk.tell("op", "cash count Market 8000")
    await poll(talk, left=[("o1", 100_000, MARKET)])
    again = await talk.tell("op", f"confirm {code_in(asked)}")
    assert "This has changed meanwhile" in again
    assert "Q1,000.00 MORE than expected" in again


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cash count", "Write: cash count MACHINE AMOUNT"),
        ("cash count Market", "Write the machine and what is in it"),
        ("cash count Market 1.500", "not clear"),
        ("cash count Market -5", "not clear"),
        ("cash count Market much", "not clear"),
        ("cash count Airport 5", "There is no machine of that name. I know: Market, Zona 10"),
        ("cash count bbb 5", "There is no machine of that name"),
        ("cash count", "For example: cash count Market 12,300.00"),
    ],
)
async def test_count_that_is_not_clear_is_refused_and_changes_nothing(talk, text, expected):
    await poll(talk, {MARKET: "Market", MALL: "Zona 10"})
    assert expected in await talk.tell("op", text)
    assert await talk.count("cash_count") == await talk.count("confirmation") == 0


async def test_machines_of_one_name_are_told_apart(talk):
    await poll(talk, {MARKET: "Market", MALL: "Market"})
    told = await talk.tell("op", "cash count market 5")
    assert "Write more of the name" in told
    assert "Market (aaaa1111), Market (bbbb2222)" in told
    await talk.do("op", "cash count Market (bbbb2222) 500")
    told = await talk.tell("op", "cash")
    assert "Market (bbbb2222): Q500.00 (counted" in told
    assert "Market (aaaa1111): not counted yet" in told


async def test_deposit_is_confirmed_into_a_known_machine_only(talk):
    await talk.tell("op", "client add maria {maria}")
    for _ in range(3):
        await talk.do("op", "deposit maria 100")
    assert "in Airport" in await talk.tell("op", "deposit confirm 1 Airport")
    await talk.do("op", "deposit confirm 1 Zona 10")
    await poll(talk, {MARKET: "Market", MALL: "Zona 10"})
    told = await talk.tell("op", "deposit confirm 2 Airport")
    assert "There is no machine of that name. I know: Market, Zona 10" in told
    assert ", in Zona 10." in await talk.tell("op", "deposit confirm 2 zona")
    await talk.do("op", "deposit confirm 2 zona")
    asked = await talk.tell("op", "deposit confirm 3")
    assert "No machine is named; to name it: deposit confirm 3 MACHINE" in asked
    await talk.tell("op", f"confirm {code_in(asked)}")
    assert "No machine named: Q100.00" in await talk.tell("op", "cash")
    assert "deposits Q200.00" in await talk.tell("op", "cash Zona 10")
    await talk.do("op", "deposit void 2")
    assert "deposits Q100.00" in await talk.tell("op", "cash Zona 10")
    assert await talk.audit() == ()


async def test_deposit_is_in_the_only_machine_unless_another_is_named(talk):
    await poll(talk)
    await talk.do("op", "client add maria {maria} 100")
    assert "go to the balance of maria now, in Market." in await talk.tell(
        "op", "deposit confirm 1"
    )


async def test_clients_can_neither_see_nor_count_the_cash(talk):
    await talk.add_client("maria")
    assert "Did you mean: balance" in await talk.tell("maria", "cash")
    assert "I don't know that command" in await talk.tell("maria", "cash count Market 5")


async def test_cash_before_the_first_reading_tells_what_to_wait_for(talk):
    assert "No machine is known yet" in await talk.tell("op", "cash")
    assert "No machine is known yet" in await talk.tell("op", "cash count Market 5")
    assert "Machines" not in await talk.tell_whole("op", "status all")


# The three sides


async def test_status_puts_the_three_sides_together(talk):
    await poll(talk)
    await talk.do("op", "cash count Market 1000")
    await talk.add_client("maria", balance="500")
    await talk.distribute("aaaa1111-0000", fiat_minor=20_000, sat=24_000)
    status = await talk.tell_whole("op", "status all")
    for line in (
        "Machines' cash: Q1,500.00 should be there (all counted since 1 Mar 06:00)",
        "Clients' balances: Q300.00",
        "Source wallet needs 24,000 sats for what is to be paid, LNbits' reserve included",
    ):
        assert line in status.splitlines()


async def test_status_warns_of_each_way_in_which_the_sides_drift_apart(talk):
    await poll(talk)
    await talk.do("op", "cash count Market 0")
    await talk.add_client("maria", balance="500", wallet="maria@example.com")
    talk.clock.at += timedelta(hours=1)
    await talk.do("op", "cash count Market 450")
    await talk.distribute("aaaa1111-0000", fiat_minor=100, sat=24_000)
    talk.wallet.balance = 24_239_000
    status = await talk.tell_whole("op", "status all")
    assert "WARNING: the clients' balances exceed the machines' cash by Q49.00" in status
    assert "WARNING: Market, counted 1 Mar 07:00, was Q50.00 LESS than expected" in status
    assert "needs 24,240 sats for what is to be paid, LNbits' reserve included" in status
    assert "WARNING: the source wallet lacks 1 sat" in status
    talk.wallet.balance += 1000
    await talk.do("op", "cash count Market 499")
    await talk.do("op", "cash count Market 499")
    assert "WARNING" not in await talk.tell_whole("op", "status all")
    talk.wallet.down = True
    assert "WARNING" not in await talk.tell_whole("op", "status all")


async def test_partly_counted_machines_are_named(talk):
    await poll(talk, {MARKET: "Market", MALL: "Zona 10"})
    await talk.do("op", "cash count Market 100")
    await talk.add_client("maria", balance="500")
    await talk.do("op", "withdraw maria 10")
    status = await talk.tell_whole("op", "status all")
    assert "Q590.00 should be there, without Zona 10: not counted yet" in status
    assert "WARNING" not in status


@pytest.mark.parametrize(("text", "minor"), [("0", 0), ("Q0.00", 0), ("0.01", 1)])
def test_amount_of_nothing_is_read_only_where_it_makes_sense(text, minor):
    assert parse_fiat(text, "GTQ", minor_min=0) == minor
    if not minor:
        with pytest.raises(DcaBotError, match="above 0"):
            parse_fiat(text, "GTQ")
