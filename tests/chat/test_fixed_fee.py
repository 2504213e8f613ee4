"""What operators see of a sale's fixed fee, and of reports that contradict a sale."""

from dataclasses import replace
from decimal import Decimal

import pytest
from scaffold import FLOW, cash_out_row
from talk import code_in

from dca_bot.core.cash_out import Action
from dca_bot.core.row_amounts import row_amounts
from dca_bot.core.verdict import decide
from dca_bot.ledger.distributions import cash_outs, changes, flow_mode
from dca_bot.ledger.payouts import holds
from dca_bot.ledger.programme import machines

SALE = "aaaa1111-0000-4000-8000-000000000000"
# Q935 and a fee of 10, sold for 100,000 sats: 93,500 of principal.
AMOUNTS = {
    "crypto_atoms": Decimal(100_000),
    "fiat": Decimal("935.00000"),
    "commission": Decimal("0.05500"),
    "ticker": Decimal("1000000.00000"),
    "fixed_fee": Decimal("10.00000"),
}


@pytest.fixture
async def sale(talk):
    """A sale with a fee, whose machine has reported half of it: held three days later."""
    await talk.add_client("maria", balance="5000")
    now = talk.clock.now()
    row = cash_out_row(SALE, now, **AMOUNTS)
    half = Action(1, "dispense", now, ((5, 93), (2, 1), (1, 1)))
    found = decide(replace(row, received_crypto_atoms=Decimal(0)), currency="GTQ", now=now)
    found = replace(found, dispensed_minor=46_800)
    row = replace(row, actions=(half,))

    def work(tx):
        machines.record(tx, {"d" * 64: "Market"})
        cash_outs.record(tx, row, found, state="held", reason=str(found.reason), now=now)
        changes.note_amounts(tx, SALE, row_amounts(row))
        hold = holds.open_hold(tx, "cash-out", SALE, str(found.reason), now=now)
        talk.notices.hold_opened(tx, hold, now)

    await talk.database.transact(work)
    return row


@pytest.mark.usefixtures("sale")
async def test_hold_tells_of_the_fixed_fee(talk):
    told = await talk.tell("op", "holds")
    assert "Q935.00, 93,500 sats" in told
    assert "The commission includes a fixed fee of Q10." in told


@pytest.mark.usefixtures("sale")
async def test_fixed_fee_is_shown_as_part_of_the_commission(talk):
    asked = await talk.tell("op", "hold accept 1")
    assert "Q935.00, 93,500 sats" in asked
    assert "Commission: 6,500 sats" in asked
    await talk.tell("op", f"confirm {code_in(asked)}")
    told = await talk.tell("op", f"tx {SALE[:8]}")
    assert "commission 6,500 sats" in told
    assert "Within the commission: a fixed fee of Q10.00" in told
    assert await talk.audit() == ()


@pytest.mark.usefixtures("sale")
async def test_accepted_part_has_its_part_of_the_fixed_fee(talk):
    asked = await talk.tell("op", "hold accept 1 467.50")
    assert "Q467.50, 46,750 sats" in asked
    assert "Commission: 3,250 sats" in asked
    await talk.tell("op", f"confirm {code_in(asked)}")
    assert "a fixed fee of Q5.00" in await talk.tell("op", f"tx {SALE[:8]}")
    assert await talk.audit() == ()


async def test_sale_whose_machine_reported_something_else_says_so(talk):
    now = talk.clock.now()
    row = cash_out_row(SALE, now, **AMOUNTS)

    def work(tx):
        decision = decide(row, currency="GTQ", now=now)
        cash_outs.record(tx, row, decision, state="waiting", reason="", now=now)
        flow_mode.distribute(tx, SALE, decision.amounts, at=now, now=now, rules=FLOW)
        return [cash_outs.tell_report(tx, SALE, minor, now=now) for minor in (44_500, 1)]

    assert await talk.database.transact(work) == [True, False]
    told = await talk.tell("op", f"tx {SALE[:8]}")
    assert "CHECK THE TILL: the machine reports that Q445.00 left" in told
