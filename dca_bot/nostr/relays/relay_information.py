"""Reads a relay's information document (NIP-11) for the proof of work that the relay asks for."""

import asyncio

import httpx
from websockets.uri import parse_uri

from dca_bot.errors import MessageRefused
from dca_bot.nostr.events import parse_json
from dca_bot.nostr.relays.relay_socket import Endpoint

_LIMIT_S = 5
_BYTES_MAX = 64 * 1024


async def work_told(url: str, endpoint: Endpoint | None) -> int:
    """Return the bits of work that a relay's document names; 0 for no document, or a document without bits.

    `endpoint`: the addresses that may be connected to, instead of DNS.
    """
    try:
        async with asyncio.timeout(_LIMIT_S):
            document = parse_json(await _document(url, endpoint))
        bits = document["limitation"]["min_pow_difficulty"]
    except (OSError, ValueError, httpx.HTTPError, MessageRefused, LookupError, TypeError):
        return 0
    return bits if type(bits) is int and bits > 0 else 0


async def _document(url: str, endpoint: Endpoint | None) -> str:
    place = parse_uri(url)
    target = httpx.URL(
        scheme="https" if place.secure else "http",
        host=place.host if endpoint is None else endpoint.hosts[0],
        port=place.port,
        raw_path=place.resource_name.encode(),
    )
    headers = {
        "Accept": "application/nostr+json",
        "Accept-Encoding": "identity",
        "Host": httpx.URL(target, host=place.host).netloc.decode(),
    }
    body = b""
    async with (
        # Where addresses were checked, no proxy may lead elsewhere.
        httpx.AsyncClient(trust_env=endpoint is None, follow_redirects=False) as client,
        client.stream(
            "GET", target, headers=headers, extensions={"sni_hostname": place.host}
        ) as answer,
    ):
        # Never decompressed: a few hundred bytes can hold a gigabyte.
        async for more in answer.aiter_raw():
            body += more
            if len(body) > _BYTES_MAX:
                break
    return body.decode()
