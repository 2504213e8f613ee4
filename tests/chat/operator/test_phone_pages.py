"""Operators' longest replies: the essence first, the rest on further pages, and nothing gets lost."""

from talk import PEOPLE, height
from test_relay_states import states

from dca_bot.core.reach import Part, Reach
from dca_bot.core.relay_state import RelayTrouble
from dca_bot.ledger.programme import clients, deposits
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination

SAVERS = 9


async def have_savers(talk):
    """Have more clients with a balance than a page of `tx` lists."""

    def work(tx):
        now = talk.clock.now()
        for number in range(SAVERS):
            one = clients.add(
                tx, name=f"saver{number}", pubkey=f"{number:064x}", language="en", now=now
            )
            clients.set_destination(tx, one.id, Destination(INVOICE_KEY, f"{number:032x}"))
            deposit = deposits.add(tx, one.id, amount_minor=100_000, note="", now=now)
            deposits.confirm(tx, deposit, machine=None, now=now)

    await talk.database.transact(work)


async def test_tx_lists_every_share_on_further_pages(talk):
    await have_savers(talk)
    await talk.do("op", "commission set rosa 40 rosa@example.com")
    await talk.distribute("aaaa1111-2222")
    first = await talk.tell("op", "tx aaaa")
    assert first.startswith("Cash-out aaaa1111-2222\n1 Mar 06:00 dddddddd: Q200.00, 24,000 sats,")
    assert first.endswith("\nMore: tx aaaa 2")
    assert height(first) <= 18
    whole = (await talk.tell_whole("op", "tx aaaa")).splitlines()
    for name in (*(f"saver{number}" for number in range(SAVERS)), "rosa"):
        assert len([line for line in whole if line.startswith(f"{name}: ")]) == 1, name
    assert whole[-1].startswith("yours: ")
    assert await talk.tell("op", "tx aaaa 9") == "There are no more pages."


async def test_status_all_begins_with_what_is_wrong_and_ends_with_the_sums(talk):
    talk.parts = [
        Reach(Part.LAMASSU, reachable=True, since=talk.clock.now()),
        Reach(Part.LNBITS, reachable=False, since=talk.clock.now()),
    ]
    talk.relays = states(trouble=RelayTrouble.TIMEOUT)
    await talk.add_client("maria", balance="500")
    await talk.distribute("aaaa1111")
    first = (await talk.tell("op", "status all")).splitlines()
    assert first[:2] == ["Running.", "LNbits: OUT OF REACH since 1 Mar 06:00"]
    assert [line for line in first if line.startswith("Relay wss://bad.example.com: OUT OF REACH")]
    assert first.index("Lamassu: in reach") > 2
    assert first[-1] == "More: status all 2"
    last = (await talk.tell_whole("op", "status all")).splitlines()[-1]
    assert last.startswith("Yours: ")


async def test_client_card_leaves_out_what_is_nothing_and_names_the_lists(talk):
    await talk.add_client("maria", balance="500")
    told = (await talk.tell("op", "client maria")).splitlines()
    assert told[0] == "maria, active, since 1 Mar"
    assert not [line for line in told if line.startswith(("Pending", "Still to be paid"))]
    assert told[-1] == "More: client maria history (or deposits, payouts)"
    await talk.do("op", "deposit maria 100")
    await talk.distribute("aaaa1111")
    told = (await talk.tell("op", "client maria")).splitlines()
    assert told[2:6] == [
        "Balance: Q300.00",
        "Pending deposits: Q100.00",
        "Bought: 24,000 sats for Q200.00",
        "Still to be paid: 24,000 sats",
    ]
    assert PEOPLE["maria"] not in "".join(told)
