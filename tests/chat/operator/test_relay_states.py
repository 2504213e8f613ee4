"""Operators see of each relay by name what is wrong, in `status` and in the daily summary."""

import pytest
from talk import START
from test_unreached import summary

from dca_bot.core.relay_state import RelayState, RelayTrouble

BAD = "wss://bad.example.com"


def states(**bad):
    good = RelayState("wss://good.example.com", listening=True, detail="listening", since=START)
    return [good, RelayState(BAD, **{"listening": False, "detail": "", "since": START, **bad})]


async def told(talk):
    """Return the lines about relays of `status`, which are those of the summary too."""
    shown = [
        line for line in (await talk.tell_whole("op", "status all")).splitlines() if "wss:" in line
    ]
    summed = [
        line for line in (await summary(talk, relays=talk.relays)).splitlines() if "wss:" in line
    ]
    assert shown == summed
    return shown


async def test_relay_in_trouble_is_named_with_time_and_reason(talk):
    talk.relays = states(trouble=RelayTrouble.TLS_OTHER_NAME)
    why = "its certificate is for another name"
    assert await told(talk) == [f"Relay {BAD}: OUT OF REACH since 1 Mar 06:00: {why}"]


async def test_own_words_of_the_relay_are_quoted(talk):
    talk.relays = states(trouble=RelayTrouble.CLOSED, words="restricted: members only")
    (line,) = await told(talk)
    assert line.endswith("it closes the subscription (said: “restricted: members only”)")


async def test_trouble_of_a_relay_that_listens_is_told(talk):
    talk.relays = states(listening=True, trouble=RelayTrouble.REFUSED, words="blocked: you")
    why = "it refuses messages (said: “blocked: you”)"
    assert await told(talk) == [f"Relay {BAD}: in reach, but {why}"]


async def test_relays_without_trouble_take_no_line(talk):
    talk.relays = states(listening=True)
    assert await told(talk) == []


@pytest.mark.parametrize("trouble", RelayTrouble)
async def test_each_trouble_is_told_from_the_first_failure(talk, trouble):
    talk.relays = states(trouble=trouble)
    assert len(await told(talk)) == 1
