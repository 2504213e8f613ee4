"""Faults planted into the bot's process, which the sweep has to notice: `sweep.py --plant NAME`."""

import asyncio

from dca_bot.core.delivery import RelayAnswer
from dca_bot.jobs.payouts import arrival, resolve, send
from dca_bot.ledger.payouts import holds, transitions
from dca_bot.ledger.payouts.holds import HoldKind, HoldOutcome
from dca_bot.nostr.pool import NostrMessenger


def _notice_after():
    """A payout is done in one transaction, and the client is told in the next."""

    async def finish(self, payout):
        now, database = self.context.clock.now(), self.context.database

        def work(tx):
            transitions.finish(tx, payout, now=now)
            holds.close(tx, HoldKind.PAYOUT, payout.id, outcome=HoldOutcome.BY_ITSELF, now=now)

        await database.transact(work)
        notices = self.context.notices.clients
        await database.transact(lambda tx: notices.payout_arrived(tx, payout, now))

    async def one_by_one(_self, payouts):
        return payouts

    arrival.Arrival._finish, resolve.Resolver.book_listed = finish, one_by_one


def _sent_before():
    """A message counts as sent before a relay has said so."""
    deliver, under_way = NostrMessenger.deliver, set()

    async def hasty(self, event, waves, counting, **named):
        async def later():
            await asyncio.sleep(0.2)
            await deliver(self, event, waves, counting, **named)

        under_way.add(asyncio.create_task(later()))
        return [RelayAnswer(relay, accepted=True) for wave in waves for relay in wave]

    NostrMessenger.deliver = hasty


def _second_invoice():
    """What was sent before a start is paid with a new invoice, without a look at LNbits."""
    look_up, request = resolve.look_up, send.Sender.request
    own = set()

    async def blind(context, payout):
        if payout.id in own:
            return await look_up(context, payout)
        own.add(payout.id)
        invoice = await context.wallet.request_invoice(
            payout.goes_to.value,
            amount_sat=payout.amount_sat,
            memo="again",
            expiry_s=86_400,
            external_id=payout.id,
            extra={},
        )
        await context.wallet.pay(invoice.bolt11, external_id=payout.id, extra={})
        return await look_up(context, payout)

    async def noted(self, payout):
        own.add(payout.id)
        await request(self, payout)

    resolve.look_up, send.Sender.request = blind, noted


PLANTS = {
    "notice-after": _notice_after,
    "second-invoice": _second_invoice,
    "sent-before": _sent_before,
}
