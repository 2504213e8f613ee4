"""`txs` by machine, day, month and decision, and the pages of `txs`, `holds` and `payouts`."""

import pytest

from dca_bot.ledger.programme import machines


async def test_list_begins_with_the_totals_of_thirty_days(scene):
    await scene.distribute("bbbb2222")
    listed = await scene.tell("op", "txs")
    assert listed.startswith(
        "Cash-outs, newest first. In the last 30 days: 2, Q400.00 without those ignored.\nbbbb2222 "
    )


async def test_held_cash_outs_say_why(scene):
    await scene.distribute("bbbb2222")
    held = await scene.tell("op", "txs held")
    assert held.startswith("Cash-outs that wait or are held: 1, Q200.00 in all. To decide: holds\n")
    assert "bbbb2222" not in held
    assert held.endswith("held (the machine says the sale did not go through)") or "(" in held


@pytest.mark.parametrize(
    "filter_",
    [
        "today",
        "month",
        "TODAY",
        "2026-03",
        "2026-03-01",
        "2026",
        "Market",
        "market",
        "dddd",
        "Market today",
        "march",
        "marzo",
        "Market Marzo",
    ],
)
async def test_cash_out_is_found(scene, filter_):
    assert "held-one" in await scene.tell("op", f"txs {filter_}")


@pytest.mark.parametrize(
    "filter_",
    [
        "2026-02",
        "2026-02-28",
        "Market 2025-12",
        "2025 held",
        "february",
        "noviembre",
        "last",
        "yesterday",
    ],
)
async def test_other_times_have_no_cash_out(scene, filter_):
    assert await scene.tell("op", f"txs {filter_}") == "No such cash-out."


async def test_machine_of_several_words_and_a_number_is_no_page(scene):
    await scene.sql("UPDATE machine SET name = 'Plaza Norte 2'")
    assert "held-one" in await scene.tell("op", "txs plaza norte 2")
    assert await scene.tell("op", "txs plaza norte 2 2") == "There are no more pages."
    assert "held-one" in await scene.tell("op", "txs plaza 2026-03 1")


async def test_only_the_machine_asked_for_is_listed(scene):
    await scene.database.transact(lambda tx: machines.record(tx, {"e" * 64: "Airport"}))
    assert await scene.tell("op", "txs Airport") == "No such cash-out."


async def test_what_is_no_filter_is_told(scene):
    assert await scene.tell("op", "txs 2026-99") == (
        "Write txs today, txs held, a month like txs 2026-03, or a machine: Market"
    )
    assert await scene.tell("op", "txs maria") == "That is a client. Send client maria payouts"


@pytest.mark.parametrize("filter_", ["", "today", "held", "Market", "Market 2026-03 held"])
async def test_page_names_the_command_of_the_next(talk, filter_):
    for number in range(11):
        await talk.hold_cash_out(f"{number:08d}-0000")
    command = f"txs {filter_}".strip()
    first = await talk.tell("op", command)
    assert first.endswith(f"\nMore: {command} 2")
    second = await talk.tell("op", f"{command} 2")
    assert len(second.splitlines()) == 2
    assert second.splitlines()[1] not in first


async def test_all_holds_can_be_seen_oldest_first(talk):
    for number in range(11):
        await talk.hold_cash_out(f"{number:08d}-0000")
    pages = [await talk.tell("op", command) for command in ("holds", "holds 2", "holds 3")]
    assert [page.splitlines()[0] for page in pages] == ["11 holds wait for you, oldest first:"] * 3
    for number in range(11):
        page = pages[number // 5]
        assert f"Hold #{number + 1}: " in page
        assert f"hold accept {number + 1}" in page
    assert pages[0].endswith("\nMore: holds 2")
    assert pages[1].endswith("\nMore: holds 3")
    assert "More" not in pages[2]


async def test_open_payouts_are_listed_oldest_first_with_age_and_client(scene):
    await scene.distribute("bbbb2222", fiat_minor=1_000)
    scene.clock.at += scene.clock.at - scene.clock.at.replace(hour=9)
    await scene.distribute("cccc3333", fiat_minor=1_000)
    lines = (await scene.tell("op", "payouts")).splitlines()
    assert lines[0] == "Open payouts, in order: 2, 48,000 sats"
    assert lines[1].startswith("3 hours: payout ")
    assert " to maria: planned" in lines[1]
    assert lines[2].startswith("0 minutes: payout ")


async def test_payouts_have_pages(scene):
    for number in range(11):
        await scene.distribute(f"aaaa{number:04}", fiat_minor=1_000)
    assert (await scene.tell("op", "payouts")).endswith("\nMore: payouts 2")
    assert len((await scene.tell("op", "payouts 2")).splitlines()) == 2
