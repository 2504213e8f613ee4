"""Cash-outs that were settled outside Lamassu: added by the operator, shared out at once."""

import re
from decimal import Decimal

import pytest
from talk import code_in

from dca_bot.core.rate import Ticker
from dca_bot.ledger.distributions import cash_outs, manual_cash_outs
from dca_bot.ledger.programme import machines, tickers

CASH_OUT = "aaaa1111-0000-4000-8000-000000000000"
ADD = "tx add Market 200 24000"


@pytest.fixture
async def market(talk):
    """Maria has Q150, and two machines are known."""
    await talk.add_client("maria", balance="150")
    names = {"d" * 64: "Market", "e" * 64: "Zona 10"}
    await talk.database.transact(lambda tx: machines.record(tx, names))


async def added_cash_out(talk):
    (found,) = await talk.database.read(lambda tx: cash_outs.recent(tx, limit=5))
    return found


@pytest.mark.usefixtures("market")
async def test_added_cash_out_is_shared_out_at_once(talk):
    asked = await talk.tell("op", f"{ADD} sold by hand")
    assert "Add a cash-out at Market, settled externally (sold by hand), and share it out" in asked
    assert "Q200.00, 24,000 sats, so 1 BTC = Q833,333.\nmaria: Q150.00, 18,000" in asked
    assert "Left over, yours: 6,000 sats.\n" in asked
    assert await talk.count("cash_out") == 0
    talk.rung.clear()
    done = await talk.tell("op", f"confirm {code_in(asked)}")
    assert "is shared out: Q200.00, 24,000 sats, to one client" in done
    assert talk.rung == ["payouts"]
    assert "The last of your cash has bought" in (await talk.letters_to("maria"))[-1]
    assert "24,000 sats, to one client" in (await talk.letters_to("op2"))[-1]
    assert (await talk.payout()).amount_sat == 18_000
    assert await talk.audit() == ()


@pytest.mark.usefixtures("market")
async def test_added_cash_out_is_found_by_what_is_shown_of_its_id(talk):
    done = await talk.do("op", f"{ADD} sold by hand")
    shown = re.search(r"Cash-out ([0-9a-f]{8}) is", done)[1]
    for written in (shown, shown.upper(), shown[:4]):
        told = await talk.tell("op", f"tx {written}")
        assert f"Cash-out {shown}" in told
        assert "-added\n" in told
        assert "Note: sold by hand" in told
        assert "maria: Q150.00, 18,000 sats, planned" in told
    listed = await talk.tell("op", "txs")
    assert re.search(rf"{shown} 1 Mar \S+ Market: Q200.00, 24,000 sats, shared out", listed)


@pytest.mark.usefixtures("market")
async def test_added_cash_outs_are_told_apart(talk):
    for _ in range(2):
        await talk.do("op", ADD)
    rows = await talk.sql("SELECT id FROM cash_out")
    assert len({row["id"][:8] for row in rows}) == 2


def test_id_comes_from_message_and_sender():
    ids = {
        manual_cash_outs.cash_out_id(sender, message)
        for sender in ("a", "b")
        for message in ("1", "2", "12")
    }
    assert len(ids) == 6
    assert manual_cash_outs.cash_out_id("a", "1") in ids
    assert all(re.fullmatch("[0-9a-f]{16}-added", id_) for id_ in ids)


@pytest.mark.parametrize(
    ("written", "machine"),
    [("market", "Market"), ("MARKET", "Market"), ("zona10", "Zona 10"), ("Zona10", "Zona 10")],
)
@pytest.mark.usefixtures("market")
async def test_machine_is_known_by_its_name_as_one_word(talk, written, machine):
    await talk.do("op", f"tx add {written} 200 24000")
    assert (await added_cash_out(talk)).machine == machine


@pytest.mark.usefixtures("market")
async def test_unknown_machine_is_refused_with_the_known_ones(talk):
    refused = await talk.tell("op", "tx add Airport 200 24000")
    assert "no machine of that name. I know: Market, Zona 10" in refused
    assert await talk.count("cash_out") == 0


async def test_before_any_machine_is_known_the_word_stands(talk):
    await talk.do("op", "tx add Supermercado 200 24000")
    assert (await added_cash_out(talk)).machine == "Supermercado"
    assert "Supermercado: Q200.00, 24,000 sats" in await talk.tell("op", "txs")


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("tx add Market 0 24000", "amount is not clear or out of range"),
        ("tx add Market 200 0", "whole sats"),
        ("tx add Market 200 0.5", "whole sats"),
        ("tx add Market 1.500 24000", "not clear"),
        ("tx add Market 200", "Write: tx add MACHINE FIAT SATS [NOTE]"),
        ("tx add", "Write: tx add MACHINE FIAT SATS [NOTE]"),
        (f"tx add Market 200 24000 {'x' * 201}", "at most 200"),
    ],
)
@pytest.mark.usefixtures("market")
async def test_unclear_amounts_are_refused(talk, text, refusal):
    assert refusal in await talk.tell("op", text)


@pytest.mark.usefixtures("market")
async def test_amounts_are_written_as_people_write_them(talk):
    assert "Q200.00, 24,000 sats, so 1 BTC" in await talk.tell(
        "op", "tx add Market Q200.00 24,000 sats by hand"
    )


@pytest.mark.usefixtures("market")
async def test_nothing_is_added_while_everything_is_paused(talk):
    asked = await talk.tell("op", ADD)
    await talk.tell("op2", "pause all")
    for text in (ADD, f"confirm {code_in(asked)}"):
        assert "Everything is paused, so nothing is shared out" in await talk.tell("op", text)
    assert await talk.count("cash_out") == 0
    await talk.tell("op", "resume all")
    assert "is shared out" in await talk.tell("op", f"confirm {code_in(asked)}")


@pytest.mark.usefixtures("market")
async def test_balances_count_as_of_now_also_when_they_change_before_the_code(talk):
    asked = await talk.tell("op", ADD)
    await talk.do("op2", "withdraw maria 50")
    again = await talk.tell("op", f"confirm {code_in(asked)}")
    assert "changed meanwhile" in again
    assert "maria: Q100.00, 12,000 sats" in again
    await talk.tell("op", f"confirm {code_in(again)}")
    assert (await talk.client("maria")).balance_minor == 0


@pytest.mark.usefixtures("market")
async def test_added_cash_out_has_no_commission_to_split(talk):
    await talk.do("op", "commission set rosa 40 rosa@example.com")
    asked = await talk.tell("op", ADD)
    assert "Of the commission" not in asked
    await talk.tell("op", f"confirm {code_in(asked)}")
    rows = await talk.sql("SELECT kind FROM distribution")
    assert [row["kind"] for row in rows] == ["flow"]
    assert await talk.audit() == ()


async def test_nobody_taking_part_leaves_all_to_the_operator(talk):
    asked = await talk.tell("op", ADD)
    assert "Nobody takes part: all of it is yours." in asked
    await talk.tell("op", f"confirm {code_in(asked)}")
    assert await talk.audit() == ()


@pytest.mark.usefixtures("market")
async def test_message_that_comes_twice_adds_one_cash_out(talk):
    asked = await talk.tell("op", ADD)
    message = talk.message("op", f"confirm {code_in(asked)}")
    assert "is shared out" in await talk.deliver(message)
    assert await talk.deliver(message) is None
    assert await talk.count("cash_out") == 1


@pytest.mark.usefixtures("market")
async def test_cash_of_an_added_cash_out_leaves_its_machine_once(talk):
    for machine in ("Market", "Zona 10"):
        await talk.do("op", f"cash count {machine} 1000")
    message = talk.message("op", f"confirm {code_in(await talk.tell('op', ADD))}")
    for _ in range(2):
        await talk.deliver(message)
        told = await talk.tell("op", "cash")
        assert "Market: Q800.00 (counted" in told
        assert "out: cash-outs Q200.00" in await talk.tell("op", "cash Market")
        assert "Zona 10: Q1,000.00 (counted" in told
    await talk.do("op", ADD)
    assert "Market: Q600.00 (counted" in await talk.tell("op", "cash")


async def test_unique_beginning_is_asked_for_among_all_cash_outs(talk):
    await talk.distribute(CASH_OUT)
    await talk.do("op", ADD)
    id_ = [row["id"] for row in await talk.sql("SELECT id FROM cash_out") if row["id"] != CASH_OUT]
    assert "shared out" in await talk.tell("op", f"tx {id_[0][:8]}")
    assert "Cash-out aaaa1111" in await talk.tell("op", "tx aaaa1111")


@pytest.mark.parametrize("amounts", ["24000 200", "200000 24000", "200 999999999"])
async def test_amounts_far_from_the_machines_price_are_refused(talk, amounts):
    ticker = Ticker(Decimal("830000.00"), talk.clock.now())
    await talk.database.transact(lambda tx: tickers.note(tx, ticker, now=ticker.at))
    assert "Are the amounts swapped" in await talk.tell("op", f"tx add Market {amounts}")
    assert "Add a cash-out" in await talk.tell("op", ADD)
