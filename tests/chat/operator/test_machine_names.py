"""A machine is found by its name in the same way in every command: a complete name, the longest first."""

import re

import pytest
from talk import code_in

from dca_bot.ledger.programme import machines

ZONA, ZONA_1, ZONA_10, ZONA_12 = ("Zona", "Zona 1", "Zona 10", "Zona 12")
READ = re.compile(
    r"Count of (?P<counted>.+?): Q(?P<amount>\S+) are in it"
    r"|at (?P<added>.+?), settled externally(?: \((?P<note>.+?)\))?, and"
    r" share it out now: Q(?P<fiat>\S+), (?P<sats>\S+) sats"
    r"|to maria(?:, from (?P<source>.+?))?(?: \((?P<said>.+?)\))?; it leaves"
    r"|balance of maria now, in (?P<place>.+?)\."
)


@pytest.fixture
async def known(talk):
    """Maria has Q500, and a deposit of 5 is pending; machines come by their names."""
    await talk.add_client("maria", balance="500", wallet="")
    await talk.do("op", "deposit maria 5")

    async def know(*names):
        by_id = {f"{number:x}" * 64: name for number, name in enumerate(names, start=10)}
        await talk.database.transact(lambda tx: machines.record(tx, by_id))

    return know


async def read(talk, text):
    """Return what a command was read as; None if it was refused."""
    told = await talk.tell("op", text)
    found = READ.search(told)
    assert bool(found) == ("Reply: confirm" in told)
    return tuple(value for value in found.groups() if value) if found else None


@pytest.mark.parametrize(
    ("names", "text", "expected"),
    [
        ([ZONA_10], "tx add Zona 10 1235 152550", ("Zona 10", "1,235.00", "152,550")),
        ([ZONA, ZONA_10], "tx add Zona 10 1235 152550", ("Zona 10", "1,235.00", "152,550")),
        ([ZONA_1, ZONA_10], "tx add ZONA 10 1235 152550", ("Zona 10", "1,235.00", "152,550")),
        ([ZONA_1, ZONA_10], "tx add zona 1 10 152550", ("Zona 1", "10.00", "152,550")),
        ([ZONA_1, ZONA_10], "tx add zona1 10 1255 x", ("Zona 1", "x", "10.00", "1,255")),
        ([ZONA, ZONA_10], "tx add zona 10.00 1235", ("Zona", "10.00", "1,235")),
        ([ZONA, ZONA_10], "tx add zona Q10 1235 note", ("Zona", "note", "10.00", "1,235")),
        ([ZONA], "tx add Zona 10 1235 152550", None),
        ([ZONA, ZONA_10], "tx add Zona 10 152550", None),
        ([ZONA_10, ZONA_12], "tx add Zona 1 1235 152550", None),
        ([ZONA_10], "tx add Zona 1 1235 152550", None),
        ([ZONA_10], "tx add zona 1235 152550", ("Zona 10", "1,235.00", "152,550")),
        ([ZONA_10, ZONA_12], "tx add zona 1235 152550", None),
        (["Market"], "tx add mark Q 200 24,000 sats", ("Market", "200.00", "24,000")),
        (["Zona10"], "tx add Zona 10 200 24000", ("Zona10", "200.00", "24,000")),
        (
            ["Plaza Próxima"],
            "tx add plaza proxima 200 24000",
            ("Plaza Próxima", "200.00", "24,000"),
        ),
        (["Market"], "tx add Market 200 24 000", None),
        (["Market"], "tx add Market 200 USD 24000", None),
        (["Market"], "tx add Market 200 24000 USD", None),
        (["Market"], "tx add Market 0.1 btc 24000", None),
        (["Market"], "tx add Market 24000 sats 200", None),
        (["10"], "tx add 10 10 1235", ("10", "10.00", "1,235")),
        ([ZONA_10], "cash count Zona 10", None),
        ([ZONA, ZONA_10], "cash count Zona 10", None),
        ([ZONA, ZONA_10], "cash count Zona 10 10", ("Zona 10", "10.00")),
        ([ZONA, ZONA_10], "cash count zona 11", ("Zona", "11.00")),
        ([ZONA, ZONA_10], "cash count zona 10.00", ("Zona", "10.00")),
        ([ZONA], "cash count Zona 10", ("Zona", "10.00")),
        ([ZONA_1, ZONA_10], "cash count Zona 1 0", ("Zona 1", "0.00")),
        ([ZONA_1, ZONA_10], "cash count zona10 0", ("Zona 10", "0.00")),
        ([ZONA_10], "cash count Zona 1", None),
        ([ZONA_10], "cash count zon 500 gtq", ("Zona 10", "500.00")),
        ([ZONA_10], "cash count zona Q 500", ("Zona 10", "500.00")),
        ([ZONA_10, "Mall"], "cash count Zona 10 500 USD", None),
        ([ZONA_10, "Mall"], "cash count Zona 10 5 00", None),
        ([ZONA_10, "Mall"], "cash count Zona 10 $500", None),
        (["Plaza Euro", "Mall"], "cash count Plaza Euro 500", ("Plaza Euro", "500.00")),
        (["10", "100"], "cash count 10 100", ("10", "100.00")),
        (["10", "100"], "cash count 100", None),
        ([ZONA, ZONA_10], "withdraw maria 10 Zona 10", ("Zona 10",)),
        ([ZONA, ZONA_10], "withdraw maria 10 zona", ("Zona",)),
        ([ZONA, ZONA_10], "withdraw maria 10 zona pidió hoy", ("Zona", "pidió hoy")),
        ([ZONA, ZONA_10], "withdraw maria 10 zona 11", None),
        ([ZONA_10, "Mall"], "withdraw maria 10 zona 11", None),
        ([ZONA_10, "Mall"], "withdraw maria 10 zna 10", None),
        ([ZONA_10, "Mall"], "withdraw maria 10 Zna 10 pidió hoy", None),
        ([ZONA_10, "Mall"], "withdraw maria 10 zona", None),
        ([ZONA_10, "Mall"], "withdraw maria 10 zon", None),
        ([ZONA_10, "Mall"], "withdraw maria 10 bbbb", None),
        ([ZONA_10, "Mall"], "withdraw maria 10 asked for it", ("asked for it",)),
        ([ZONA_10, "Mall"], 'withdraw maria 10 "zna 10"', ("zna 10",)),
        ([ZONA_10, "Mall"], "withdraw maria 10 “Zona 10”", ("Zona 10",)),
        ([ZONA_10, "Mall"], "withdraw maria 10 «zona»", ("zona",)),
        (["Market", "Market"], "withdraw maria 10 Market", None),
        (["Market", "Market"], "withdraw maria 10 market (bbbbbbbb)", ("Market", "bbbbbbbb")),
        (["Próxima", "Proxima"], "withdraw maria 10 proxima", ("Proxima",)),
        (["Próxima", "Proxima"], "withdraw maria 10 PRÓXIMA", ("Próxima",)),
        ([ZONA, ZONA_10], "deposit confirm 2 Zona 10", ("Zona 10",)),
        ([ZONA, ZONA_10], "deposit confirm 2 zona", ("Zona",)),
        ([ZONA_10, "Mall"], "deposit confirm 2 zona", ("Zona 10",)),
        ([ZONA_10, ZONA_12], "deposit confirm 2 Zona 1", None),
        ([ZONA_10, "Mall"], "deposit confirm 2 zona 11", None),
        ([ZONA_10, "Mall"], "deposit confirm 2 zona 10 second envelope", None),
    ],
)
async def test_machine_is_read_in_one_way_or_not_at_all(talk, known, names, text, expected):
    await known(*names)
    assert await read(talk, text) == expected


@pytest.mark.parametrize(
    ("names", "text", "expected"),
    [
        (
            [ZONA, ZONA_10],
            "cash count Zona 10",
            "What is in Zona 10? Write the machine and what is in it",
        ),
        ([ZONA_10], "cash count Zona 1", "Write the whole name of the machine: Zona 10"),
        ([ZONA_10], "tx add Zona 1 1235 152550", "Write the whole name of the machine: Zona 10"),
        ([ZONA_10, ZONA_12], "tx add Zona 1 1235 152550", "of the id: Zona 10, Zona 12"),
        ([ZONA], "tx add Zona 10 1235 152550", "Is that one amount?"),
        ([ZONA_10, "Mall"], "withdraw maria 10 zna 10", "withdraw maria Q10.00 Zona 10\n"),
        (
            [ZONA_10, "Mall"],
            "withdraw maria 10 zna 10",
            'quotes: withdraw maria Q10.00 "zna 10"',
        ),
        ([ZONA_10, "Mall"], "deposit confirm 2 zona 11", "I know: Mall, Zona 10"),
        (["Market", "Market"], "withdraw maria 10 Market", "Market (aaaaaaaa), Market (bbbbbbbb)"),
        ([ZONA_10, "Mall"], "cash count Zona 10 500 USD", "Write the amount in GTQ"),
        (["Market"], "tx add Market 24000 sats 200", "Write the amount in GTQ"),
        (["Market"], "tx add Market 200 24000 USD", "not an amount in sats"),
    ],
)
async def test_what_is_not_read_is_refused_with_the_way_to_write_it(
    talk, known, names, text, expected
):
    await known(*names)
    assert expected in await talk.tell("op", text)


async def test_what_a_refusal_says_to_type_is_read(talk, known):
    await known(ZONA_10, "Mall")
    told = await talk.tell("op", "withdraw maria 10 zna 10")
    typed = re.findall(r"withdraw maria .*", told)
    assert [await read(talk, text) for text in typed] == [("Zona 10",), ("zna 10",)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tx add Supermercado 200 24000", ("Supermercado", "200.00", "24,000")),
        (
            "tx add Mercado Central 200 24000 by hand",
            ("Mercado Central", "by hand", "200.00", "24,000"),
        ),
        ("tx add Zona 10 1235 152550", None),
        ("tx add Market 200", None),
        ("withdraw maria 10 Zona 10", ("Zona 10",)),
        ("deposit confirm 2 Zona 10", ("Zona 10",)),
        ("cash count Zona 10", None),
    ],
)
@pytest.mark.usefixtures("known")
async def test_before_any_machine_is_known_commands_work(talk, text, expected):
    assert await read(talk, text) == expected


async def test_machine_that_comes_before_the_code_changes_what_is_confirmed(talk, known):
    await known(ZONA)
    asked = await talk.tell("op", "cash count Zona 10")
    await known("Market", ZONA_10)
    assert "What is in Zona 10?" in await talk.tell("op", f"confirm {code_in(asked)}")
    assert await talk.count("cash_count") == 0


async def test_client_whose_cash_comes_from_a_machine_is_counted_there_once(talk, known):
    await known(ZONA, ZONA_10)
    await talk.do("op", "cash count Zona 100")
    await talk.do("op", "cash count Zona 10 100")
    await talk.do("op", "withdraw maria 10 zona 10")
    told = await talk.tell("op", "cash")
    assert "Zona: Q100.00 (counted" in told
    assert "Zona 10: Q90.00 (counted" in told
