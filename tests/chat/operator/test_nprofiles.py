"""An nprofile names relays: they are kept, and used to find the person."""

import pytest
from talk import PEOPLE

from dca_bot.ledger.correspondence import person_relays
from dca_bot.nostr.keys import nprofile

HINTS = ("wss://one.example", "wss://two.example")


async def hints(talk, who):
    return await talk.database.read(lambda tx: person_relays.hints_of(tx, PEOPLE[who]))


@pytest.mark.parametrize("prefix", ["", "nostr:", "NOSTR:"])
@pytest.mark.parametrize("amount", ["", " 500"])
async def test_hints_of_a_new_client_are_kept(talk, prefix, amount):
    address = prefix + nprofile(PEOPLE["juan"], HINTS)
    give = talk.do if amount else talk.tell
    await give("op", f"client add juan {address}{amount}")
    assert (await talk.client("juan")).pubkey == PEOPLE["juan"]
    assert await hints(talk, "juan") == HINTS


async def test_hints_that_lead_nowhere_or_are_too_many_do_no_harm(talk):
    many = [f"wss://{n}.example" for n in range(20)]
    address = nprofile(PEOPLE["juan"], ["nonsense", "https://x.example", "wss://a b", *many])
    await talk.tell("op", f"client add juan {address}")
    assert await hints(talk, "juan") == tuple(many[:4])


async def test_hints_of_a_new_key_are_kept(talk):
    await talk.tell("op", "client add juan {juan}")
    await talk.do("op", f"client npub juan {nprofile(PEOPLE['stranger'], HINTS)}")
    assert (await talk.client("juan")).pubkey == PEOPLE["stranger"]
    assert await hints(talk, "stranger") == HINTS
    assert await hints(talk, "juan") == ()


async def test_nprofile_of_the_same_key_says_where_else_to_look(talk):
    await talk.tell("op", "client add juan {juan}")
    asked = await talk.tell("op", f"client npub juan {nprofile(PEOPLE['juan'], HINTS)}")
    assert "on these relays too: wss://one.example, wss://two.example" in asked
    assert await hints(talk, "juan") == ()
    done = await talk.do("op", f"client npub juan {nprofile(PEOPLE['juan'], HINTS)}")
    assert "The key stays" in str(done)
    assert (await talk.client("juan")).pubkey == PEOPLE["juan"]
    assert await hints(talk, "juan") == HINTS
    assert "belongs to juan" in await talk.tell("op", "client npub juan {juan}")


async def test_hint_is_no_other_way_to_be_a_client_twice(talk):
    await talk.tell("op", "client add juan {juan}")
    said = await talk.tell("op", f"client add rosa {nprofile(PEOPLE['juan'], HINTS)}")
    assert "juan" in said
    assert await talk.client("rosa") is None
    assert await hints(talk, "juan") == ()
