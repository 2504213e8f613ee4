"""`clients` with totals, filters and pages, and what `client NAME` lists."""

import pytest
from talk import NPUBS, PEOPLE

from dca_bot.ledger.programme import clients, deposits
from dca_bot.nostr.keys import nprofile


async def add_many(talk, names):
    def work(tx):
        for number, name in enumerate(names):
            clients.add(tx, name=name, pubkey=f"{number:064x}", language="en", now=talk.clock.now())

    await talk.database.transact(work)


async def test_list_begins_with_totals(scene):
    await scene.tell("op", "client pause lena")
    assert await scene.tell("op", "clients") == (
        "Clients: 2, of them 1 active, 1 paused. Balances: Q1,000.00 in all.\n"
        "lena: Q0.00, owed 0 sats, paused by the operator\n"
        "maria: Q1,000.00, owed 0 sats, active"
    )


@pytest.mark.parametrize("typed", ["mar", "MAR", "már", "@mar"])
async def test_name_is_found_by_a_part_in_any_case_and_accents(scene, typed):
    await add_many(scene, ["José", "Omar", "pedro"])
    found = await scene.tell("op", f"clients {typed}")
    assert [line.split(":")[0] for line in found.splitlines()] == ["Found", "maria", "Omar"]
    assert "José" in await scene.tell("op", "clients jose")


async def test_filters_select_low_without_wallet_and_paused(scene):
    await add_many(scene, ["ana"])
    await scene.tell("op", "client pause ana")
    low = await scene.tell("op", "clients low")
    assert low.startswith("Low or used up: 2. Balances: Q0.00 in all.\nana: ")
    assert "maria" not in low
    bare = await scene.tell("op", "clients wallet")
    assert bare.startswith("Without a wallet: 2. ")
    assert "lena" in bare
    paused = await scene.tell("op", "clients PAUSED")
    assert paused.startswith("Paused: 1. ")
    assert "ana: " in paused


async def test_lowest_balance_comes_first(scene):
    await scene.add_client("juan", balance="1")
    low = await scene.tell("op", "clients low")
    assert [line.split(":")[0] for line in low.splitlines()[1:]] == ["lena", "juan"]


async def test_empty_selection_says_so(talk):
    await talk.add_client("maria", balance="1000")
    assert await talk.tell("op", "clients low") == "Nobody's balance is low."
    assert await talk.tell("op", "clients wallet") == "Everybody has a wallet."
    assert await talk.tell("op", "clients paused") == "Nobody is paused."
    assert "No name has that in it" in await talk.tell("op", "clients zzz")


@pytest.mark.parametrize("filter_", ["", "low", "wallet", "c"])
async def test_page_names_the_command_of_the_next(talk, filter_):
    await add_many(talk, [f"c{number:02}" for number in range(12)])
    command = f"clients {filter_}".strip()
    first = await talk.tell("op", command)
    assert first.endswith(f"\nMore: {command} 2")
    second = await talk.tell("op", f"{command} 2")
    assert "c10: " in second
    assert "More" not in second
    assert await talk.tell("op", f"{command} 3") == "There are no more pages."


@pytest.mark.parametrize(
    ("who", "first", "more"),
    [
        ("maria", "historial", "historial 2"),
        ("op", "deposits", "depósitos 2"),
        ("op", "deposits pending", "depósitos pendientes 2"),
        ("op", "log", "bitácora 2"),
        ("op", "log maria", "bitácora maria 2"),
    ],
)
async def test_page_names_the_command_of_the_next_in_spanish(spanish, who, first, more):
    await spanish.add_client("maria")
    await spanish.do("op", "deposit maria 900")
    await spanish.do("op", "deposit confirm 1")
    for number in range(11):
        await spanish.do("op", f"deposit maria {number + 1}")
        await spanish.distribute(f"{number:08d}-0000", fiat_minor=100)
    assert (await spanish.tell(who, first)).endswith(f"\nMás: {more}")
    assert "\n" in await spanish.tell(who, more), "the command as shown has the next page"


async def test_unreached_have_pages_too(scene):
    assert await scene.tell("op", "clients unreached 2") == "There are no more pages."


async def test_client_is_shown_by_any_form_of_the_key(scene):
    card = await scene.tell("op", "client maria")
    key = PEOPLE["maria"]
    for form in (
        NPUBS["maria"],
        f"nostr:{NPUBS['maria']}",
        key,
        nprofile(key, ["wss://r.example"]),
    ):
        assert await scene.tell("op", f"client {form}") == card
    assert await scene.tell("op", f"client {NPUBS['fresh']}") == (
        "No client has that key. Send clients to see them all."
    )


async def test_views_of_a_client(scene):
    await scene.distribute("aaaa1111")
    await scene.do("op", "deposit maria 500")
    history = await scene.tell("op", "client maria history")
    assert history.startswith("What maria got, newest first. Balance: ")
    assert history.splitlines()[1].endswith(", planned")
    deposited = await scene.tell("op", "client maria deposits")
    assert deposited.splitlines()[1].startswith("#2 maria Q500.00, pending")
    paid = await scene.tell("op", "client maria payouts")
    assert paid.splitlines()[1].startswith(f"payout {(await scene.payout()).id[:8]}, ")
    assert await scene.tell("op", "client lena payouts") == (
        "There is nothing of lena to list yet."
    )
    assert "Did you mean: client maria" in await scene.tell("op", "client maria xyzzy")


async def test_views_of_a_client_have_pages(scene):
    def work(tx):
        maria = clients.by_name(tx, "maria")
        for _ in range(11):
            deposits.add(tx, maria.id, amount_minor=100, note="", now=scene.clock.now())

    await scene.database.transact(work)
    first = await scene.tell("op", "client maria deposits")
    assert first.endswith("\nMore: client maria deposits 2")
    second = await scene.tell("op", "client maria deposits 2")
    assert [line.split()[0] for line in second.splitlines()[1:]] == ["#2", "#1"]
    for number in range(11):
        await scene.distribute(f"aaaa{number:04}", fiat_minor=1_000)
    for view in ("history", "payouts"):
        first = await scene.tell("op", f"client maria {view}")
        assert first.endswith(f"\nMore: client maria {view} 2")
        second = await scene.tell("op", f"client maria {view} 2")
        assert len(second.splitlines()) == 2
        assert second.splitlines()[1] not in first.splitlines() or view == "history"
