"""`files`: pictures and tables beside the text, for clients who want them and can get them."""

import csv
import io
import json

import pytest
from scaffold import open_ledger
from talk import Talk, make_programme
from test_notify import arrive

from dca_bot.core.ports import DmProtocol


async def waiting(talk):
    return [(row["form"], row["content"]) for row in await talk.sql("SELECT * FROM file_waiting")]


@pytest.fixture
async def maria(talk):
    await talk.add_client("maria", balance="900,000")
    await arrive(talk, 12_000)
    await arrive(talk, 15_000)
    return talk


async def test_nobody_gets_files_unasked(maria):
    assert "Pictures and tables as files: off" in await maria.tell("maria", "settings")
    for command in ("chart", "export"):
        await maria.tell_all("maria", command)
    assert await waiting(maria) == []


@pytest.mark.parametrize(("wish", "is_dark"), [("on", False), ("light", False), ("dark", True)])
async def test_chart_brings_a_picture_after_the_text(maria, wish, is_dark):
    await maria.tell("maria", f"files {wish}")
    assert "█" in await maria.tell("maria", "chart")
    ((form, content),) = await waiting(maria)
    picture = json.loads(content)
    sats, cost = picture["panels"]
    assert (form, picture["is_dark"]) == ("chart", is_dark)
    assert picture["heading"] == "Your purchases in the last 30 days"
    assert (sats["heading"], cost["heading"]) == ("Bitcoin: 27,000 sats", "Paid: Q200.00")
    assert sats["points"][-1][1] == 27_000
    assert cost["points"][-1][1] == 20_000
    assert [text for _, text in cost["marks"]] == ["0", "50", "100", "150", "200"]
    assert picture["days"][-1][1] == "1 Mar"


async def test_picture_speaks_the_clients_language(maria):
    await maria.tell("maria", "idioma español")
    await maria.tell("maria", "archivos oscuro")
    await maria.tell("maria", "gráfica")
    ((_, content),) = await waiting(maria)
    picture = json.loads(content)
    assert picture["heading"] == "Sus compras en los últimos 30 días"
    assert [panel["heading"] for panel in picture["panels"]] == [
        "Bitcoin: 27,000 sats",
        "Pagado: Q200.00",
    ]
    assert picture["days"][-1][1] == "1 mar"


async def test_export_brings_the_whole_table(maria):
    await maria.tell("maria", "files on")
    text = await maria.tell("maria", "export all")
    ((form, content),) = await waiting(maria)
    assert form == "table"
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert rows == list(csv.reader(io.StringIO(text)))
    assert sum(int(row[3] or 0) for row in rows[1:]) == 27_000


async def test_nothing_to_show_brings_no_file(talk):
    await talk.add_client("maria")
    await talk.tell("maria", "files on")
    for command in ("chart", "chart all", "export"):
        await talk.tell("maria", command)
    assert await waiting(talk) == []


async def test_older_messages_bring_no_files(maria):
    """NIP-04 has none, and the wish stays for the day the client writes with another app."""
    told = await maria.tell("maria", "files on", protocol=DmProtocol.NIP04)
    assert "once you write to me with a newer one" in told
    await maria.tell("maria", "chart", protocol=DmProtocol.NIP04)
    assert await waiting(maria) == []
    await maria.tell("maria", "chart")
    assert len(await waiting(maria)) == 1


async def test_others_get_no_file(maria):
    await maria.add_client("juan")
    await maria.tell("maria", "files on")
    for who in ("juan", "op"):
        await maria.tell_all(who, "export")
    assert await waiting(maria) == []


async def test_wish_is_off_again(maria):
    assert "picture" in await maria.tell("maria", "files on")
    assert "That is so already" in await maria.tell("maria", "files light")
    await maria.tell("maria", "files dark")
    assert "That is so already" in await maria.tell("maria", "files on")
    assert "with dark pictures" in await maria.tell("maria", "files")
    await maria.tell("maria", "files off")
    await maria.tell("maria", "chart")
    assert await waiting(maria) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sends_files": False}, "I can't send pictures and tables here."),
        ({"draws_charts": False}, "From now on a table to keep comes after the text of export."),
    ],
)
async def test_what_the_operator_lacks_is_not_promised(tmp_path, changes, told):
    database = await open_ledger(tmp_path / "data")
    talk = Talk(database, tmp_path / "data", make_programme(**changes))
    await talk.add_client("maria", balance="900")
    await arrive(talk, 1_000)
    assert (await talk.tell("maria", "files on")).startswith(told)
    await talk.tell("maria", "chart")
    assert await waiting(talk) == []
    await database.aclose()
