"""What of a client's sats has not arrived yet, and why."""

from dca_bot.ledger.payouts import owed
from dca_bot.ledger.payouts.owed import Unpaid
from dca_bot.ledger.programme import clients


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
