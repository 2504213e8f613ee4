"""Nothing on the path of a command grows with history: every command, held against SQLite's plans."""

import pytest
from query_plans import too_long, traced
from talk import CODE, OTHER_KEY, START
from test_log import DEEDS, READS, prepare

from dca_bot.messages.daily_summary import daily_summary
from dca_bot.messages.surroundings import Surroundings

# Commands that find something only after a cash-out, and other ways through the same ones.
MORE = [
    ("op", "client lena"),
    ("op", "client add maria {juan}"),
    ("op", "client close maria"),
    ("op", "client maria deposits"),
    ("op", "client maria history"),
    ("op", "client maria payouts"),
    ("op", "clients 2"),
    ("op", "clients low"),
    ("op", "clients mar"),
    ("op", "clients paused 2"),
    ("op", "clients wallet"),
    ("op", "deposits 2"),
    ("op", "deposits pending 2"),
    ("op", "hold accept 1 100"),
    ("op", "log 2"),
    ("op", "log maria"),
    ("op", "month 2026-03 2"),
    ("op", "earnings all"),
    ("op", "earnings 1y"),
    ("op", "payouts 2"),
    ("op", "payouts stuck 2"),
    ("op", "tx bbbb"),
    ("op", "tx add Market 200 24000 by hand"),
    ("op", "txs 2"),
    ("op", "txs today"),
    ("op", "txs held"),
    ("op", "txs held Market 2026-03"),
    ("op", "txs Market"),
    ("op", "txs Market 2026-03 2"),
    ("op", f"commission set rita 10 {OTHER_KEY}"),
    ("maria", "balance"),
    ("maria", "chart 1y"),
    ("maria", "export"),
    ("maria", "history 2"),
    ("maria", "history 2026-03"),
    ("maria", "receipt 1"),
    ("maria", "export koinly 2026"),
    ("maria", "stats 7d"),
    ("maria", "stats all"),
    ("op", "deposit confirm all"),
    ("op", "deposit confirm 1-999999999 Market"),
    ("op", "deposit void 1-9"),
    ("op", "hold ignore 1-9"),
    ("op", "deposit maria 5 in Market\nwithdraw maria 3"),
    ("stranger", "hello"),
]


@pytest.mark.parametrize(("who", "text"), [deed[:2] for deed in DEEDS] + READS + MORE)
async def test_command_takes_no_longer_with_history(scene, who, text):
    await prepare(scene, text)
    if (who, text) in READS + MORE:
        await scene.do("op", "commission set maria 10")
        await scene.distribute("bbbb2222")
    if "{payout}" in text:
        text = text.replace("{payout}", (await scene.payout()).id[:8])
    if "{code}" in text:
        text = text.replace("{code}", await scene.knock("juan"))
    message = scene.message(who, text)
    with traced(scene.database) as plans:
        await scene.conversation.handle(message)
    reply = (await scene.letters_to(who))[-1]
    if code := CODE.search(reply):
        message = scene.message(who, code[0])
        with traced(scene.database) as more:
            await scene.conversation.handle(message)
        plans |= more
    assert plans
    assert await scene.database.read(lambda tx: too_long(tx, plans)) == []


async def test_daily_summary_takes_no_longer_with_history(scene):
    await scene.distribute("bbbb2222")
    with traced(scene.database) as plans:
        await scene.database.read(
            lambda tx: daily_summary(tx, scene.programme, Surroundings(None, []), START)
        )
    assert await scene.database.read(lambda tx: too_long(tx, plans)) == []
