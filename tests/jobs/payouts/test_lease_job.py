"""The lease on a real ledger, where LNbits refuses, forgets, hides, is slow, or another bot is there."""

import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from payout_bench import Bench, HandClock, ScriptedAddresses, ScriptedWallet, programme

from dca_bot.core.lease import LeaseKind, LeaseReading, LeaseRow
from dca_bot.core.payout import PayoutState
from dca_bot.errors import LeaseRefused, LnbitsUnavailable
from dca_bot.faults import LnbitsFault
from dca_bot.ledger.payouts import leases, unknown_payments
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination
from dca_bot.ledger.store import bot_state

ANA = Destination(INVOICE_KEY, "1a" * 16)


class Lnbits(ScriptedWallet):
    """Refuses, hides, delays or loses what a test says."""

    def __init__(self, clock):
        super().__init__(clock)
        self.refusal = ""
        self.is_hiding = False
        self.answer_takes = timedelta()
        self.loses_answer = False

    async def write_lease(self, row):
        if self.refusal:
            raise LeaseRefused(self.refusal)
        await super().write_lease(row)
        if self.loses_answer:
            raise LnbitsUnavailable("The answer was lost.", fault=LnbitsFault.UNREACHABLE)

    async def lease_rows(self, **about):
        self.calls.append(("lease_rows", about["look_id"]))
        found = LeaseReading(() if self.is_hiding else tuple(self.leases), is_whole=True)
        self.clock.ahead += self.answer_takes
        return found

    async def list_mark(self):
        self.calls.append(("list_mark", ""))
        return await super().list_mark()


@pytest.fixture
async def bench(tmp_path):
    clock = HandClock()
    clock.start = clock.now()
    wallet = Lnbits(clock)
    bench = Bench(tmp_path, wallet, ScriptedAddresses(wallet), programme(), clock)
    await bench.open()
    await bench.client("ana", ANA, minor=10**7)
    yield bench
    await bench.database.aclose()


async def sell(bench, count=1):
    for _ in range(count):
        await bench.distribute(10_000, 8_000)


def rival(bench, generation, **changes):
    row = LeaseRow(generation, "rival", LeaseKind.CLAIM, bench.party.ledger, "")
    return replace(row, **changes)


async def disputed(bench):
    return await bench.database.read(leases.open_dispute)


async def test_lnbits_that_makes_no_invoice_is_told_once_and_nothing_is_paid(bench):
    bench.wallet.refusal = "Wallet balance cannot exceed 1 sats."
    await sell(bench, 2)
    await bench.settle(5)
    assert bench.wallet.sent() == []
    assert await bench.states() == ["PLANNED", "PLANNED"]
    (told,) = [text for text in await bench.letters() if "invoice of 1 sat" in text]
    assert "Wallet balance cannot exceed 1 sats." in told
    rows = await bench.database.read(lambda tx: len(tx.execute("SELECT 1 FROM lease").fetchall()))
    assert rows == 1, "the same row is asked for each time"
    bench.wallet.refusal = ""
    await bench.settle(2)
    assert await bench.states() == ["DONE", "DONE"]
    assert await bench.database.read(lambda tx: bot_state.get(tx, bot_state.LEASE_REFUSED)) is None


async def test_own_row_that_was_deleted_is_written_anew_and_paying_goes_on(bench):
    await sell(bench)
    await bench.settle()
    bench.wallet.leases.clear()
    await sell(bench)
    bench.clock.ahead += timedelta(days=100)
    await bench.settle(3)
    assert await bench.states() == ["DONE", "DONE"]
    assert [row.instance for row in bench.wallet.leases] == [bench.party.instance]
    assert await disputed(bench) is None


async def test_lnbits_that_does_not_list_the_row_is_not_given_one_each_time(bench, caplog):
    caplog.set_level(logging.WARNING, "dca_bot.jobs.payouts.lease")
    bench.wallet.is_hiding = True
    await sell(bench)
    await bench.worker.work_once()
    assert caplog.messages == [f"lease row not listed instance={bench.party.instance}"]
    again = timedelta(minutes=10)
    for ahead in (timedelta(), again / 2, again - timedelta(microseconds=1)):
        bench.clock.ahead = ahead
        with pytest.raises(LnbitsUnavailable, match="doesn't list the row"):
            await bench.worker.work_once()
    assert len(bench.wallet.leases) == 1
    bench.clock.ahead = again
    await bench.worker.work_once()
    assert len(bench.wallet.leases) == 2
    assert bench.wallet.sent() == []
    bench.wallet.is_hiding = False
    await bench.settle(2)
    assert await bench.states() == ["DONE"]


async def test_row_whose_answer_was_lost_is_found_and_none_is_written_again(bench):
    bench.wallet.loses_answer = True
    await sell(bench)
    with pytest.raises(LnbitsUnavailable):
        await bench.settle()
    bench.wallet.loses_answer = False
    await bench.settle(2)
    assert len(bench.wallet.leases) == 1
    assert await bench.states() == ["DONE"]


async def test_answer_older_than_a_look_may_be_allows_no_payment(bench):
    await sell(bench)
    await bench.settle()
    await sell(bench)
    bench.clock.ahead += timedelta(minutes=1)
    bench.wallet.answer_takes = timedelta(seconds=6)
    await bench.settle()
    assert len(bench.wallet.sent()) == 1
    bench.wallet.answer_takes = timedelta()
    bench.clock.ahead += timedelta(minutes=1)
    await bench.settle()
    assert await bench.states() == ["DONE", "DONE"]


async def test_look_costs_nothing_while_it_is_fresh(bench, caplog):
    caplog.set_level(logging.WARNING, "dca_bot.jobs.payouts.lease")
    await sell(bench, 50)
    await bench.settle()
    assert set(await bench.states()) == {"DONE"}
    assert caplog.messages == []
    assert bench.wallet.count("lease_rows") == 2, "before the row was written, and after"


async def test_rival_that_appears_while_the_ledger_is_slow_is_seen_before_the_request(bench):
    """The disk takes a minute to record SUBMITTED; the check before that is too old."""
    await sell(bench)
    await bench.settle()
    await sell(bench)
    submit = bench.database.transact

    async def slow(work):
        result = await submit(work)
        if isinstance(result, Payout) and result.state is PayoutState.SUBMITTED:
            bench.clock.ahead += timedelta(minutes=1)
            bench.wallet.leases.append(rival(bench, 2))
        return result

    bench.database.transact = slow
    await bench.settle()
    assert len(bench.wallet.sent()) == 1
    assert sorted(await bench.states()) == ["DONE", "SUBMITTED"]
    assert (await disputed(bench)).instance == "rival"


async def test_row_that_was_never_made_gets_another_number_once_its_own_is_taken(bench):
    bench.wallet.refusal = "No invoices."
    await sell(bench)
    await bench.settle()
    bench.wallet.leases.append(rival(bench, 1, ledger="another"))
    bench.wallet.refusal = ""
    await bench.settle(2)
    assert [row.generation for row in bench.wallet.leases] == [1, 2]
    assert await bench.states() == ["DONE"]


async def test_bot_that_may_go_on_after_a_dispute_takes_the_lease_over(bench):
    await sell(bench)
    await bench.settle()
    await sell(bench)
    bench.clock.ahead += timedelta(minutes=1)
    bench.wallet.leases.append(rival(bench, 2))
    await bench.settle(2)
    assert not bench.worker.context.lease.is_ready

    def resume(tx):
        leases.accept(tx, now=bench.clock.now())
        bot_state.drop(tx, bot_state.PAUSED)

    await bench.database.transact(resume)
    await bench.settle(2)
    assert await bench.states() == ["DONE", "DONE"]
    assert bench.wallet.leases[-1].kind is LeaseKind.TAKEOVER


async def test_payout_that_was_sent_is_not_sent_again_beside_a_rival(bench):
    """The request was lost; the rival's ledger may have another invoice for it."""
    bench.wallet.on_pay = lambda _invoice: None
    await sell(bench)
    await bench.settle()
    assert await bench.states() == ["SUBMITTED"]
    bench.clock.ahead += timedelta(minutes=1)
    bench.wallet.leases.append(rival(bench, 2))
    await bench.settle(3)
    assert len(bench.wallet.sent()) == 1
    assert await disputed(bench) is not None


async def test_paused_bot_looks_at_nothing_and_writes_nothing(bench):
    await bench.database.transact(lambda tx: bot_state.put(tx, bot_state.PAUSED, "now"))
    await sell(bench)
    await bench.settle(3)
    assert bench.wallet.leases == []
    assert bench.wallet.count("lease_rows") == 0


async def test_round_that_began_while_all_was_paused_takes_no_lease_and_sends_nothing(bench):
    await bench.database.transact(lambda tx: bot_state.put(tx, bot_state.PAUSED, "now"))
    await sell(bench)
    balance_msat = bench.wallet.balance_msat

    async def resume():
        await bench.database.transact(lambda tx: bot_state.drop(tx, bot_state.PAUSED))
        return await balance_msat()

    bench.wallet.balance_msat = resume
    await bench.worker.work_once()
    assert (await bench.states(), bench.wallet.leases) == (["PLANNED"], [])
    await bench.worker.work_once()
    assert await bench.states() == ["DONE"]


async def test_idle_bot_writes_nothing(bench):
    await bench.settle(10)
    assert bench.wallet.leases == []


async def test_word_to_the_rival_is_said_until_lnbits_has_heard_it(bench):
    await sell(bench)
    await bench.settle()
    await sell(bench)
    bench.clock.ahead += timedelta(minutes=1)
    bench.wallet.leases.append(rival(bench, 2))
    bench.wallet.refusal = "No invoices."
    await bench.settle(5)
    assert (await disputed(bench)).announce
    bench.wallet.refusal = ""
    await bench.settle(2)
    assert not (await disputed(bench)).announce
    said = [row for row in bench.wallet.leases if row.kind is LeaseKind.DISPUTE]
    assert [row.generation for row in said] == [3]


async def test_rival_that_took_over_by_the_operators_word_is_not_stopped(bench):
    await sell(bench)
    await bench.settle()
    await sell(bench)
    bench.clock.ahead += timedelta(minutes=1)
    bench.wallet.leases.append(rival(bench, 2, kind=LeaseKind.TAKEOVER))
    await bench.settle(3)
    assert len(bench.wallet.sent()) == 1
    assert sorted(await bench.states()) == ["DONE", "INVOICED"], "what never left can be cancelled"
    assert [row.kind for row in bench.wallet.leases] == [LeaseKind.CLAIM, LeaseKind.TAKEOVER]
    (told,) = [text for text in await bench.letters() if "taken over" in text]
    assert "resume all" in told


async def test_payments_are_listed_once_after_a_rival_and_never_without_one(bench):
    for listed in (0, 1):
        for _ in range(2):
            await sell(bench)
            await bench.settle()
            assert bench.wallet.count("list_mark") == listed
            assert bench.worker.context.lease.is_ready
        await bench.reopen()
    assert await bench.states() == ["DONE"] * 4


async def test_programme_of_another_ledger_on_the_same_wallet_is_left_in_peace(bench):
    bench.wallet.leases.append(rival(bench, 40, ledger="another"))
    await sell(bench)
    await bench.settle()
    bench.clock.ahead += timedelta(minutes=1)
    bench.wallet.leases.append(rival(bench, 50, ledger="another", instance="its next start"))
    await sell(bench)
    await bench.settle()
    assert await bench.states() == ["DONE", "DONE"]
    assert await disputed(bench) is None


async def test_what_a_rival_pays_during_the_wait_under_another_id_is_held(make_bench, wallets):
    """It has put shares together in another way; only the reconciliation after the wait can tell."""
    bench = await make_bench()
    ana = wallets("ana")
    await bench.client("ana", Destination(INVOICE_KEY, ana.invoice_key), minor=10**6)
    await bench.distribute(1_000, 800)
    await bench.settle()
    await bench.reopen()
    await bench.worker.catch_up()
    cash_out_id = await bench.distribute(1_000, 800)
    invoice = await bench.wallet.request_invoice(
        ana.invoice_key, amount_sat=2_500, memo="", expiry_s=3600, external_id="both", extra={}
    )
    sleep = bench.clock.sleep

    async def pay_meanwhile(delay_s):
        extra = {"distributions": [cash_out_id, "another"], "client": "ana"}
        await bench.wallet.pay(invoice.bolt11, external_id="both", extra=extra)
        await sleep(delay_s)

    bench.clock.sleep = pay_meanwhile
    await bench.settle()
    bench.clock.sleep = sleep
    await bench.settle(2)
    assert await bench.states() == ["DONE", "HELD"]
    assert (
        len(await bench.database.read(lambda tx: unknown_payments.of_distribution(tx, cash_out_id)))
        == 1
    )
