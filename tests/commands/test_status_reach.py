"""`dca-bot status` tells whom messages don't reach, and which relay is in trouble."""

from datetime import UTC, datetime, timedelta

import pytest
from losses import lose, reach
from scaffold import ledger_of

from dca_bot.commands.status import read_status, render_status
from dca_bot.config import Config
from dca_bot.core.relay_state import RelayState, RelayTrouble
from dca_bot.ledger.correspondence import relay_states
from dca_bot.ledger.programme import clients
from dca_bot.ledger.store import bot_state
from dca_bot.nostr.keys import generate

SINCE = datetime(2026, 2, 27, 12, tzinfo=UTC)
OPERATOR, CLIENT = generate(), generate()
GOOD, BAD = "wss://good.example.com", "wss://bad.example.com"


@pytest.fixture
def config(tmp_path):
    values = {
        "nostr": {"relays": [GOOD, BAD], "operators": [OPERATOR.npub]},
        "lamassu": {"source": "directory", "directory": {"path": "export"}},
        "lnbits": {"url": "http://127.0.0.1:9"},
    }
    return Config.model_validate(values).model_copy(update={"base": tmp_path})


@pytest.fixture
async def ledger(tmp_path):
    async with ledger_of(tmp_path) as ledger:

        def work(tx):
            bot_state.put(tx, bot_state.CURRENCY, "GTQ")
            clients.add(tx, name="ana", pubkey=CLIENT.public_key, language="en", now=SINCE)

        await ledger.transact(work)
        yield ledger


async def test_people_whom_messages_do_not_reach_are_named(config, ledger):
    for key in (OPERATOR, CLIENT):
        await lose(ledger, key.public_key, SINCE, said="blocked: pay")
    values = await read_status(config)
    loss = {"since": SINCE.isoformat(), "reason": "refused", "said": "blocked: pay"}
    assert values["not_reached"] == [
        {"role": "operator", "name": None, "npub": OPERATOR.npub, **loss},
        {"role": "client", "name": "ana", "npub": CLIENT.npub, **loss},
    ]
    why = "NOT REACHED since 27 Feb 2026 06:00: the relays refuse the messages"
    lines = render_status(values, config).splitlines()
    assert f"Operator {OPERATOR.npub[:12]}…: {why} (said: “blocked: pay”)" in lines
    assert f"ana: {why} (said: “blocked: pay”)" in lines


async def test_loss_of_a_moment_is_not_named(config, ledger):
    now = datetime.now(UTC)
    await lose(ledger, CLIENT.public_key, now)
    assert (await read_status(config))["not_reached"] == []
    await reach(ledger, CLIENT.public_key, now)
    await lose(ledger, CLIENT.public_key, now - timedelta(minutes=6))
    assert len((await read_status(config))["not_reached"]) == 1


async def test_relays_are_told_as_the_bot_saw_them_last(config, ledger):
    states = [
        RelayState(GOOD, listening=True, detail="listening", since=SINCE),
        RelayState(
            BAD,
            listening=False,
            detail="server rejected WebSocket connection: HTTP 402",
            since=SINCE,
            trouble=RelayTrouble.HTTP_STATUS,
            words="Pay first",
            status=402,
        ),
    ]
    await ledger.transact(lambda tx: relay_states.note(tx, states))
    values = await read_status(config)
    good, bad = values["relays"]
    assert (good["url"], good["listening"], good["trouble"]) == (GOOD, True, None)
    assert bad == {
        "url": BAD,
        "listening": False,
        "since": SINCE.isoformat(),
        "trouble": "http_status",
        "said": "Pay first",
        "http_status": 402,
    }
    (line,) = [line for line in render_status(values, config).splitlines() if "wss:" in line]
    assert line == (
        f"Relay {BAD}: OUT OF REACH since 27 Feb 2026 06:00:"
        " its server answers with HTTP 402 (said: “Pay first”)"
    )
