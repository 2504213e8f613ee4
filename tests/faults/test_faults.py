"""A small part of the fault matrix (`make faults` plays all of it), and that the matrix notices."""

from dataclasses import replace

import pytest

from faults.cells import Cell, table
from faults.http_faults import HTTP_FAULTS
from faults.payout_cells import pay_soundly, payout_series
from faults.payouts import payout_world
from faults.polls import over_ssh
from faults.ssh_cells import ssh_series

GRAVEST = (
    "reset, carried out later",
    "reply lost, reset",
    "reply cut in the body",
    "502, carried out",
    "reply doubled",
)
"""The pay request is carried out, and the bot doesn't hear of that."""
HALF_READ = ("cut", "truncated", "cut at a line's end", "no exit status")


def chosen(series, names):
    return replace(series, strikes=[one for one in series.strikes if one.fault in names])


@pytest.mark.slow(8)
async def test_payment_whose_reply_is_lost_is_made_once_and_told_once(lnbits, tmp_path):
    brisk, *_ = payout_series("pay", HTTP_FAULTS)
    series = chosen(brisk, GRAVEST)
    cells = [cell async for cell in series.play(lnbits, tmp_path / "bot")]
    assert [cell.fault for cell in cells] == list(GRAVEST)
    assert all(cell.is_right for cell in cells), table(cells)


@pytest.mark.outside
async def test_half_a_reading_over_ssh_shares_nothing_out_that_the_next_does_not(tmp_path):
    brisk, *_ = ssh_series()
    cells = [cell async for cell in chosen(brisk, HALF_READ).play(tmp_path / "bot")]
    assert len(cells) == len(HALF_READ) * 4, table(cells)
    assert all(cell.is_right for cell in cells), table(cells)


async def test_second_payment_of_a_payout_is_noticed(lnbits, tmp_path):
    async with payout_world(lnbits, tmp_path / "bot") as world:
        await pay_soundly(world)
        assert await world.wrongs() == []
        ana, (payout, _) = world.payees[0], await world.bench.payouts()
        wallet = world.bench.wallet
        invoice = await wallet.request_invoice(
            ana.wallet.invoice_key,
            amount_sat=payout.amount_sat,
            memo="",
            expiry_s=3600,
            external_id=payout.id,
            extra={},
        )
        await wallet.pay(invoice.bolt11, external_id=payout.id, extra={})
        wrongs = await world.wrongs()
    assert any("paid 2 times" in one for one in wrongs), wrongs
    assert any("source spent 30000" in one for one in wrongs), wrongs


@pytest.mark.outside
async def test_sale_that_is_never_shared_out_is_noticed(tmp_path):
    async with over_ssh(tmp_path / "bot") as world:
        world.sell()
        await world.poll()
        assert await world.wrongs() == []
        world.sell()
        assert await world.wrongs() != []


def test_cell_that_never_settles_is_wrong():
    cell = Cell("room", "pay", "reply lost", ["unreachable"], None)
    assert not cell.is_right
    assert "NEVER" in table([cell])
    assert table([cell]).endswith("1 cells, 1 wrong")
