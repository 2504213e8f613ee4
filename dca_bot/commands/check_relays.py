"""The step of `check` that tries the bot's relays and the discovery relays, each by name."""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Sequence

from dca_bot.config import Config
from dca_bot.core.relay_state import RelayTrouble
from dca_bot.errors import DcaBotError
from dca_bot.messages import describe
from dca_bot.messages.render import FALLBACK, Texts, load_texts
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.relays.relay_probe import RelayProbe, RelayProber
from dca_bot.outside import bot_key, programme_of
from dca_bot.system_clock import SystemClock

_NETWORK = "Check the address, and this computer's network"
_MEMBERS = "Have the bot's npub let in there"
_BROKEN = "Wait; if that lasts, choose another relay"
_REMEDIES = {
    RelayTrouble.BAD_URL: "Write it like wss://relay.example.com",
    RelayTrouble.NO_HOST: "Check the name, and this computer's DNS",
    RelayTrouble.CONNECTION_REFUSED: _NETWORK,
    RelayTrouble.UNREACHABLE: _NETWORK,
    RelayTrouble.TIMEOUT: _NETWORK,
    RelayTrouble.TLS_EXPIRED: "Its owner has to renew it; or this computer's clock is wrong",
    RelayTrouble.TLS_OTHER_NAME: "Check the name; else its owner has to mend that",
    RelayTrouble.TLS_SELF_SIGNED: "Its owner needs one that computers know",
    RelayTrouble.TLS: "Check the address: ws:// is without encryption, wss:// with",
    RelayTrouble.REDIRECT: "Write the address that it leads on to",
    RelayTrouble.NO_WEBSOCKET: "Check the address",
    RelayTrouble.AUTH: _MEMBERS,
    RelayTrouble.CLOSED: _MEMBERS,
    RelayTrouble.REFUSED: _MEMBERS,
}
_STATUS_REMEDIES = {
    401: _MEMBERS,
    402: "It has to be paid for",
    403: _MEMBERS,
    404: "Check the path of the address",
    429: "It counts too many connections from here: wait",
}
_MORE_IN_DETAIL = {
    RelayTrouble.BAD_URL,
    RelayTrouble.UNREACHABLE,
    RelayTrouble.TLS,
    RelayTrouble.NO_WEBSOCKET,
    RelayTrouble.FAILED,
}
"""The troubles of which the error's own sentence says more."""


async def check_relays(config: Config, *, limit_s: float = 20) -> str:
    """Try each relay for `limit_s`, and return the findings.

    Raise DcaBotError if one of the bot's relays can't be read, and ConfigError for an unusable key.
    """
    return await try_relays(config, bot_key(config, os.environ), limit_s=limit_s)


async def try_relays(config: Config, key: SecretKey, *, limit_s: float = 20) -> str:
    """Try each relay with a key, and return the findings.

    Raise DcaBotError if one of the bot's relays can't be read, and ConfigError for an unknown language.
    """
    prober = RelayProber(key, SystemClock(), secrets.SystemRandom(), limit_s)
    texts = load_texts(programme_of(config))
    own, discovery = await asyncio.gather(
        _try_each(prober.try_inbox, config.nostr.relays),
        _try_each(prober.try_discovery, config.nostr.discovery_relays),
    )
    lines = [*_own_lines(own, texts), *_discovery_lines(discovery, texts)]
    lost = [probe for probe in own if not probe.reads]
    if lost:
        works = f"{len(own) - len(lost)} of {len(own)} can be used"
        raise DcaBotError("\n  ".join([works, *lines]))
    return "\n  ".join([f"{len(own)} can be used", *lines])


async def _try_each(
    attempt: Callable[[str], Awaitable[RelayProbe]], urls: Sequence[str]
) -> list[RelayProbe]:
    return await asyncio.gather(*(attempt(url) for url in urls))


def _own_lines(probes: Sequence[RelayProbe], texts: Texts) -> list[str]:
    """Write a line for each of the bot's relays in trouble."""
    lines = []
    for probe in probes:
        url, written = probe.state.url, probe.written
        if not probe.reads:
            lines.append(f"{url}: {_why(probe, texts)}. {_remedy(probe)}.")
        elif written is not None and not written.accepted:
            said = describe.relay_trouble(written.trouble or RelayTrouble.REFUSED, written.words)
            why = texts.render(said, FALLBACK)
            lines.append(f"{url}: TAKES NO TEST EVENT: {why}. Answers may fail there.")
        elif probe.state.trouble is not None:
            lines.append(f"{url}: can be read, but {_why(probe, texts)}. {_remedy(probe)}.")
    return lines


def _discovery_lines(probes: Sequence[RelayProbe], texts: Texts) -> list[str]:
    """Write a line for each discovery relay in trouble; the bot works without."""
    return [
        f"discovery relay {probe.state.url} DOES NOT HELP: {_why(probe, texts)}."
        for probe in probes
        if not probe.reads
    ]


def _why(probe: RelayProbe, texts: Texts) -> str:
    state, code = probe.state, _code(probe)
    why = texts.render(describe.relay_trouble(code, state.words, state.status), FALLBACK)
    return f"{why} ({state.detail})" if code in _MORE_IN_DETAIL and state.detail else why


def _remedy(probe: RelayProbe) -> str:
    code = _code(probe)
    if code is RelayTrouble.HTTP_STATUS:
        return _STATUS_REMEDIES.get(probe.state.status, _BROKEN)
    return _REMEDIES.get(code, _BROKEN)


def _code(probe: RelayProbe) -> RelayTrouble:
    """Return a relay's trouble; NO_ANSWER for a connected relay without a known trouble."""
    known = probe.state.trouble or RelayTrouble.NOT_TRIED
    is_silent = known is RelayTrouble.NOT_TRIED and probe.connects
    return RelayTrouble.NO_ANSWER if is_silent else known
