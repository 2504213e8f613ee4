"""What of a client's sats has not arrived yet, and why."""

from dca_bot.core.payout import Waiting
from dca_bot.errors import Refusal
from dca_bot.ledger.payouts import deferral, owed
from dca_bot.ledger.payouts.owed import Unpaid
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import Destination


def test_sats_that_have_not_arrived_are_the_clients_own_by_why(story):
    ana, ben = story.client("ana", balance=10_000), story.client("ben", balance=10_000)
    for number, to in enumerate(["HELD", "IN_DOUBT", "DEBITED", "DONE", "PLANNED"]):
        distribution = story.cash_out(f"d{number}", 200 * 10**number, 200)
        for share in distribution.shares:
            story.bring(share.payout_id, to)
    assert story.read(owed.unpaid, ana) == {
        Unpaid.HELD: 100,
        Unpaid.CHECKED: 1_000,
        Unpaid.COMING: 10_000 + 1_000_000,
    }
    assert story.read(owed.unpaid, ben) == story.read(owed.unpaid, ana)
    client = story.read(clients.by_id, ana)
    assert story.read(owed.unarrived_sat, client) == 100 + 1_000 + 10_000 + 1_000_000
    assert client.owed_sat == 100 + 1_000 + 1_000_000


def test_sats_wait_for_funds_for_the_wallet_or_for_more_sats_of_the_same_client(story):
    far = Destination(clients.ADDRESS, "ana@far.example", min_sat=1_000)
    ana = story.client("ana", balance=10_000, destination=far)
    for sat, why in ((1_000, Waiting.FUNDS), (20_000, Refusal.UNREACHABLE), (400_000, "")):
        id_ = story.cash_out(f"d{sat}", sat, 100).shares[0].payout_id
        story.do(deferral.defer, story.payout(id_), waiting=why, until=story.now)
    story.bring(id_, "DEBITED")
    story.cash_out("d3", 300, 100)
    assert story.read(owed.unpaid, ana) == {
        Unpaid.COMING: 400_000,
        Unpaid.FUNDS: 1_000,
        Unpaid.WALLET: 20_000,
        Unpaid.KEPT: 300,
    }
    ben = story.client("ben")
    assert story.read(owed.unpaid, ben) == {}
    for client_id, sat in ((ana, 421_300), (ben, 0)):
        client = story.read(clients.by_id, client_id)
        assert story.read(owed.unarrived_sat, client) == sat
