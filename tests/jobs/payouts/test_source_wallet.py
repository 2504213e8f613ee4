"""Another source wallet than before pays nothing unasked, on a scripted LNbits."""

import logging

import pytest

from dca_bot.core.ports import PaymentStatus
from dca_bot.errors import LnbitsRefused, LnbitsUnavailable
from dca_bot.faults import LnbitsFault
from dca_bot.jobs.payouts.source_wallet import check_source_wallet
from dca_bot.ledger.store import bot_state


def show(bench, wallet_id):
    async def answer():
        return wallet_id

    bench.wallet.wallet_id = answer


async def is_paused(bench):
    return await bench.database.read(bot_state.paused)


async def test_other_wallet_is_refused_and_told_once_while_a_payout_of_the_old_one_is_unsettled(
    make_due,
):
    bench = await make_due()
    bench.wallet.on_pay = lambda invoice: bench.wallet.row(invoice, PaymentStatus.PENDING)
    await check_source_wallet(bench.worker.context)
    await bench.settle()
    for wallet_id, told in (("other", 1), ("other", 1), ("third", 2)):
        show(bench, wallet_id)
        with pytest.raises(LnbitsRefused) as refused:
            await check_source_wallet(bench.worker.context)
        assert (refused.value.fault, refused.value.status) == (LnbitsFault.OTHER_WALLET, 0)
        assert len(await bench.letters()) == told
        assert not await is_paused(bench)
    show(bench, "source")
    await check_source_wallet(bench.worker.context)
    show(bench, "third")
    with pytest.raises(LnbitsRefused):
        await check_source_wallet(bench.worker.context)
    assert len(await bench.letters()) == 3, "the old wallet was back meanwhile"


async def test_other_wallet_pauses_everything_and_is_told_once_all_is_settled(make_due):
    bench = await make_due()
    await check_source_wallet(bench.worker.context)
    await bench.settle()
    assert await bench.states() == ["DONE"]
    assert not await is_paused(bench)
    show(bench, "other")
    for _ in range(2):
        await check_source_wallet(bench.worker.context)
        assert await is_paused(bench)
        assert len(await bench.letters()) == 1
    assert (
        await bench.database.read(lambda tx: bot_state.get(tx, bot_state.SOURCE_WALLET)) == "other"
    )


async def test_ledger_that_was_put_back_pays_from_no_other_wallet_until_its_own_was_read(make_due):
    """Only the former wallet tells what it has paid since the copy, also where nothing is unsettled."""
    bench = await make_due()
    await check_source_wallet(bench.worker.context)
    await bench.database.transact(lambda tx: bot_state.put(tx, bot_state.UNRECONCILED, "yes"))
    show(bench, "other")
    for _ in range(2):
        with pytest.raises(LnbitsRefused) as refused:
            await bench.worker.catch_up()
        assert refused.value.fault == LnbitsFault.OTHER_WALLET
        (told,) = await bench.letters()
        assert "only it can tell" in told
    await bench.worker.look_once()
    assert (await bench.states(), bench.wallet.sent()) == (["PLANNED"], [])
    show(bench, "source")
    await bench.worker.catch_up()
    show(bench, "other")
    await bench.worker.catch_up()
    assert await is_paused(bench)


async def test_refusal_is_an_error_in_the_journal_once_until_lnbits_says_something_else(
    make_due, caplog
):
    bench = await make_due()
    bench.wallet.on_pay = lambda invoice: bench.wallet.row(invoice, PaymentStatus.PENDING)
    await check_source_wallet(bench.worker.context)
    await bench.settle()

    async def away():
        raise LnbitsUnavailable("LNbits did not answer.", fault=LnbitsFault.UNREACHABLE)

    async def looks(count):
        for _ in range(count):
            await bench.worker.look_once()
        return len([one for one in caplog.records if one.levelno == logging.ERROR])

    show(bench, "other")
    assert await looks(3) == 1
    refused, bench.wallet.wallet_id = bench.wallet.wallet_id, away
    assert await looks(2) == 1
    bench.wallet.wallet_id = refused
    assert await looks(2) == 2
