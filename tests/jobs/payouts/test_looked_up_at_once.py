"""Payouts that LNbits calls paid: looked up several at once, with the promises of one at a time."""

from dataclasses import replace
from datetime import timedelta
from itertools import count, pairwise

import pytest
from doubt_bench import PLACES
from payout_bench import Killed, ScriptedWallet

from dca_bot.core.lease import LOOK_AGE_MAX_S
from dca_bot.core.ports import Credit, PayAnswer, Payment, PaymentStatus, PayReply
from dca_bot.errors import DestinationUnavailable, LnbitsUnavailable, Refusal
from dca_bot.faults import LnbitsFault
from dca_bot.jobs.payouts import send, worker
from dca_bot.ledger.payouts import transitions
from dca_bot.ledger.programme.clients import ADDRESS, Destination
from dca_bot.ledger.store import bot_state
from dca_bot.messages.notices.clients import ClientNotices

SILENT = LnbitsUnavailable("silent", fault=LnbitsFault.UNREACHABLE)


class ListingWallet(ScriptedWallet):
    """A scripted LNbits that calls payments paid, and lists them; `before` sees each call, and may raise."""

    def __init__(self, clock):
        super().__init__(clock)
        self.reply = PayReply(PayAnswer.ANSWERED, "success")
        self.before = lambda _name: None
        self.ids = {}

    async def request_invoice(self, invoice_key, **about):
        self.before("request_invoice")
        return await super().request_invoice(invoice_key, **about)

    async def pay(self, bolt11, *, external_id, **_rest):
        self.before("pay")
        self.ids[self.invoices[bolt11].payment_hash] = external_id
        return await super().pay(bolt11)

    async def payment(self, payment_hash):
        self.before("payment")
        return await super().payment(payment_hash)

    async def credited(self, key, payment_hash):
        self.before("credited")
        return await super().credited(key, payment_hash)

    async def payments_of(self, *external_ids):
        self.calls.append(("payments_of", external_ids))
        self.before("payments_of")
        rows = [replace(row, external_id=self.ids[hash_]) for hash_, row in self.source.items()]
        return [row for row in rows if row.external_id in external_ids]

    async def credits_of(self, invoice_key, *external_ids):
        self.calls.append(("credits_of", invoice_key))
        self.before("credits_of")
        for invoice in self.invoices.values():
            if self.ids.get(invoice.payment_hash) in external_ids:
                status = self.payees.get(invoice.payment_hash, PaymentStatus.PENDING)
                yield invoice.payment_hash, Credit(status, invoice.amount_msat - self.fee_msat)

    def names(self):
        return [name for name, _ in self.calls]


@pytest.fixture
def make_waiting(make_scripted):
    """Make a bench on a scripted LNbits that lists, with so many payouts due to ana."""

    async def make(payouts, *destination, **changes):
        bench = await make_scripted(*destination, scripted=ListingWallet, **changes)
        for _ in range(payouts):
            await bench.distribute(50_000, 40_000)
        return bench

    return make


async def paid_once(bench):
    """Return whether each payout is done, and no payout has met two pay requests."""
    ids = [bench.wallet.ids[bench.wallet.invoices[one].payment_hash] for one in bench.wallet.sent()]
    return set(await bench.states()) == {"DONE"} and sorted(ids) == sorted(
        {payout.id for payout in await bench.payouts()}
    )


async def test_payouts_that_lnbits_calls_paid_are_looked_up_by_two_lists(make_waiting, monkeypatch):
    monkeypatch.setattr(worker, "LOOKED_UP_AT_ONCE", 3)
    bench = await make_waiting(4)
    await bench.settle()
    assert await paid_once(bench)
    one, asked = ["request_invoice", "pay"], "payments_of"
    batch = [asked, *one[1:], *one * 2, asked, "credits_of"]
    assert bench.wallet.names() == [one[0], *batch, *one, "payment", "credited"]
    assert len(await bench.client_letters("ana")) == 4


@pytest.mark.parametrize("place", [(), (PLACES[0],)], ids=["wallet", "address"])
async def test_death_at_any_call_among_several_payouts_pays_each_once(make_waiting, place):
    bench = await make_waiting(0, *place)
    for point in count():
        for _ in range(3):
            await bench.distribute(50_000, 40_000)
        calls = count()

        def die(_name, point=point, calls=calls):
            if next(calls) >= point:
                raise Killed

        bench.wallet.before = die
        try:
            await bench.worker.look_once()
        except Killed:
            is_dead = True
        else:
            is_dead = False
        bench.wallet.before = lambda _name: None
        await bench.reopen()
        await bench.worker.look_once()
        await bench.settle(3)
        assert await paid_once(bench), point
        if not is_dead:
            break
    assert point >= 5


async def test_silence_among_several_payouts_stops_before_the_next_and_pays_none_again(
    make_waiting,
):
    bench = await make_waiting(4)
    wallet = bench.wallet

    def fall_silent(invoice):
        wallet.succeed(invoice)
        if len(wallet.sent()) == 2:
            wallet.reply = PayReply(PayAnswer.NO_ANSWER, "silent")
            wallet.before = refuse

    def refuse(_name):
        raise SILENT

    wallet.on_pay = fall_silent
    await bench.worker.work_once()
    assert await bench.states() == ["SUBMITTED", "SUBMITTED", "PLANNED", "PLANNED"]
    wallet.before, wallet.reply = lambda _name: None, PayReply(PayAnswer.ANSWERED, "success")
    bench.clock.ahead += timedelta(minutes=1)
    await bench.settle(2)
    assert await paid_once(bench)


@pytest.mark.parametrize("place", [(), (PLACES[0],)], ids=["wallet", "address"])
async def test_payment_called_failed_after_the_answer_stays_in_doubt_beside_the_next(
    make_waiting, place
):
    bench = await make_waiting(3, *place)
    wallet = bench.wallet

    def lie(invoice):
        wallet.succeed(invoice)
        if len(wallet.sent()) == 2:
            wallet.fail(wallet.invoices[wallet.sent()[0]])

    wallet.on_pay = lie
    await bench.settle()
    assert await bench.states() == ["IN_DOUBT", "DONE", "DONE"]
    await bench.settle(3)
    assert len(wallet.sent()) == 3


async def test_refused_payment_among_several_is_looked_up_before_the_next_request(make_waiting):
    bench = await make_waiting(3)
    wallet = bench.wallet

    def refuse_second(invoice):
        is_second = len(wallet.sent()) == 2
        (wallet.fail if is_second else wallet.succeed)(invoice)
        wallet.reply = PayReply(PayAnswer.ANSWERED, "failed" if is_second else "success")

    wallet.on_pay = refuse_second
    await bench.settle()
    assert await bench.states() == ["DONE", "IN_DOUBT", "DONE"]
    names = wallet.names()
    second = [at for at, name in enumerate(names) if name == "pay"][1]
    assert names[second + 1 : second + 5] == [
        "payments_of",
        "credits_of",
        "payment",
        "request_invoice",
    ]


async def test_credits_that_are_short_or_late_are_no_arrival(make_waiting):
    bench = await make_waiting(2)
    bench.wallet.fee_msat = 1
    await bench.settle()
    assert await bench.states() == ["ALERT", "ALERT"]


@pytest.mark.parametrize("hidden", ["payments_of", "credits_of"])
async def test_list_that_does_not_come_proves_nothing(make_waiting, hidden):
    bench = await make_waiting(2)

    def refuse(name):
        if name == hidden and len(bench.wallet.sent()) == 2:
            raise SILENT

    bench.wallet.before = refuse
    await bench.settle()
    assert await paid_once(bench)
    assert bench.wallet.count("payment") == bench.wallet.count("credited") == 2


async def test_payout_that_moves_meanwhile_keeps_no_other_from_being_booked(make_waiting):
    bench = await make_waiting(2)

    async def doubt(*external_ids):
        if len(bench.wallet.sent()) == 2:
            (now, *_) = await bench.payouts()
            await bench.database.transact(lambda tx: transitions.put_in_doubt(tx, now))
        return await ListingWallet.payments_of(bench.wallet, *external_ids)

    bench.wallet.payments_of = doubt
    await bench.worker.work_once()
    assert await bench.states() == ["IN_DOUBT", "DONE"]


async def test_sats_of_payouts_under_way_are_not_spent_twice(make_waiting):
    bench = await make_waiting(3)

    async def balance_msat():
        return 100_000_000

    bench.wallet.balance_msat = balance_msat
    await bench.worker.work_once()
    assert await bench.states() == ["DONE", "DONE", "PLANNED"]
    assert len(bench.wallet.sent()) == 2


async def test_lnbits_is_asked_of_many_payouts_at_once_and_soon_again(make_waiting, monkeypatch):
    monkeypatch.setattr(send, "ASKED_AT_ONCE", 2)
    bench = await make_waiting(4)
    ids = [payout.id for payout in await bench.payouts()]

    def pay_slowly(invoice):
        bench.wallet.succeed(invoice)
        if len(bench.wallet.sent()) == 1:
            bench.clock.ahead += timedelta(seconds=LOOK_AGE_MAX_S, microseconds=1)

    bench.wallet.on_pay = pay_slowly
    await bench.worker.work_once()
    before_pay = [about for (_, about), (name, _) in pairwise(bench.wallet.calls) if name == "pay"]
    asked = [list(about) for about in before_pay if isinstance(about, tuple)]
    assert asked == [ids[:2], ids[1:3], ids[3:]]


async def test_unclear_pay_requests_in_a_row_stop_the_round_though_each_was_answered(make_waiting):
    bench = await make_waiting(5)
    bench.wallet.reply = PayReply(PayAnswer.NO_ANSWER, "502")
    bench.wallet.on_pay = lambda _invoice: None

    def hide(name):
        if name == "payment":
            raise SILENT

    bench.wallet.before = hide
    with pytest.raises(LnbitsUnavailable):
        await bench.worker.work_once()
    assert await bench.states() == ["SUBMITTED"] * 3 + ["PLANNED"] * 2


async def test_payout_waits_for_its_look_up_no_longer_than_for_one_slow_server(make_waiting):
    bench = await make_waiting(1)
    for name in ("ben", "eva", "joe"):
        await bench.client(name, Destination(ADDRESS, f"{name}@{name}.example"), minor=10**9)
    await bench.distribute(400_000, 320_000)

    async def hang(_address):
        bench.clock.ahead += timedelta(seconds=30)
        raise DestinationUnavailable(Refusal.NO_HOST, "slow")

    bench.addresses.limits = hang
    await bench.worker.work_once()
    done = [payout for payout in await bench.payouts() if payout.state == "DONE"]
    waits = {payout.debited_at - payout.submitted_at for payout in done}
    assert len(done) == 2
    assert max(waits) <= timedelta(seconds=30)


async def test_payout_that_cannot_be_booked_keeps_no_other_from_being_booked(
    make_waiting, monkeypatch
):
    bench = await make_waiting(3)
    bad, told = (await bench.payouts())[1].id, ClientNotices.payout_arrived

    def arrived(self, tx, payout, now):
        if payout.id == bad:
            raise KeyError
        told(self, tx, payout, now)

    monkeypatch.setattr(ClientNotices, "payout_arrived", arrived)
    await bench.worker.work_once()
    assert await bench.states() == ["DONE", "DEBITED", "DONE"]


async def test_one_answer_of_lnbits_is_for_one_try(make_waiting):
    bench = await make_waiting(2)
    ids = tuple(payout.id for payout in await bench.payouts())

    async def pay_and_pause(bolt11, **about):
        await bench.database.transact(lambda tx: bot_state.put(tx, bot_state.PAUSED, "yes"))
        return await ListingWallet.pay(bench.wallet, bolt11, **about)

    bench.wallet.pay = pay_and_pause
    await bench.worker.work_once()
    assert await bench.states() == ["DONE", "INVOICED"]
    del bench.wallet.pay
    await bench.database.transact(lambda tx: bot_state.drop(tx, bot_state.PAUSED))
    await bench.worker.work_once()
    assert await paid_once(bench)
    asked = [about for name, about in bench.wallet.calls if name == "payments_of"]
    assert asked == [ids, ids[1:]]


async def test_payout_behind_that_lnbits_has_paid_is_held(make_waiting):
    bench = await make_waiting(3)
    _, second, _ = await bench.payouts()
    bench.wallet.source["aa" * 32] = Payment("aa" * 32, -50_000_000, 0, PaymentStatus.SUCCESS, None)
    bench.wallet.ids["aa" * 32] = second.id
    await bench.settle()
    assert await bench.states() == ["DONE", "HELD", "DONE"]
    assert len(bench.wallet.sent()) == 2
