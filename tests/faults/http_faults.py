"""The faults of the way to an HTTP server, as rows: each is a function of an exchange."""

import asyncio
import gzip
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from faults.http_messages import Answer
from faults.proxy import Exchange, Play

HUGE_BYTES = 17 * 2**20
"""More than the bot reads of an answer of LNbits."""
BOMB_BYTES = 64 * 2**20
_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>"
_DEEP = b'{"data":' + b"[" * 200_000 + b"]" * 200_000 + b"}"


@dataclass(frozen=True, slots=True)
class HttpFault:
    """A fault on the way; `waits`: the bot waits for its own time limit, a minute or more."""

    name: str
    play: Play
    waits: bool = False
    times: int = 2


def _unheard(then: Callable[[Exchange], None]) -> Play:
    """The request never reaches the server."""

    async def play(exchange: Exchange) -> None:
        then(exchange)

    return play


def _carried_out(then: Callable[[Exchange], None]) -> Play:
    """The request is carried out, and its answer is lost."""

    async def play(exchange: Exchange) -> None:
        await exchange.carry_out()
        then(exchange)

    return play


def _reset(exchange: Exchange) -> None:
    exchange.reset()


def _hang_up(exchange: Exchange) -> None:
    exchange.writer.close()


def _later(exchange: Exchange) -> None:
    exchange.carry_out_later()
    exchange.reset()


async def _stall(exchange: Exchange) -> None:
    await exchange.hold()


async def _stall_after(exchange: Exchange) -> None:
    await exchange.carry_out()
    await exchange.hold()


async def _stall_in_the_body(exchange: Exchange) -> None:
    answer = await exchange.carry_out()
    await exchange.send(answer.head() + answer.body[: len(answer.body) // 2])
    await exchange.hold()


async def _drip(exchange: Exchange) -> None:
    """Send a byte a second, until the bot gives up."""
    answer = await exchange.carry_out()
    gone = asyncio.ensure_future(exchange.reader.read())
    for place in range(len(answer.wire())):
        if gone.done():
            return
        with suppress(OSError):
            await exchange.send(answer.wire()[place : place + 1])
        await asyncio.wait([gone], timeout=1)
    gone.cancel()


def _cut(share: Callable[[Answer], bytes], *, with_reset: bool) -> Play:
    """Cut the answer of a request that was carried out."""

    async def play(exchange: Exchange) -> None:
        await exchange.send(share(await exchange.carry_out()))
        (_reset if with_reset else _hang_up)(exchange)

    return play


def _said(status: int, body: bytes, content_type: str = "text/html", *, acts: bool = False) -> Play:
    """A server on the way answers in the server's place; `acts`: the request was carried out before."""

    async def play(exchange: Exchange) -> None:
        if acts:
            await exchange.carry_out()
        headers = [("content-type", content_type)]
        if 300 <= status < 400:
            headers.append(("location", "https://login.example/"))
        await exchange.answer(Answer(status, tuple(headers), body))

    return play


def _changed(change: Callable[[Answer], Answer]) -> Play:
    """The request is carried out, and the answer changed on the way."""

    async def play(exchange: Exchange) -> None:
        await exchange.answer(change(await exchange.carry_out()))

    return play


async def _twice(exchange: Exchange) -> None:
    """Send the answer two times, one after the other, on a connection that stays open."""
    answer = await exchange.carry_out()
    await exchange.send(answer.wire() + answer.wire())
    exchange.goes_on = True


async def _old(exchange: Exchange) -> None:
    """Answer with the first answer to a request of the kind; the request is carried out all the same."""
    await exchange.carry_out()
    await exchange.answer(exchange.proxy.answers[exchange.kind])


async def _old_unheard(exchange: Exchange) -> None:
    """Answer as a cache does, with the first answer to a request of the kind."""
    await exchange.answer(exchange.proxy.answers[exchange.kind])


def _without_end(answer: Answer) -> bytes:
    """Write an answer that ends with the connection, cut in the middle of its JSON."""
    head = answer.head().replace(b"content-length", b"x-length")
    return head + answer.body[: len(answer.body) // 2]


def _zipped(answer: Answer, body: bytes) -> Answer:
    return Answer(answer.status, (*answer.headers, ("content-encoding", "gzip")), body)


def _wrong_types(answer: Answer) -> Answer:
    try:
        value = json.loads(answer.body)
    except ValueError:
        value = {}
    return answer.saying(json.dumps(_otherwise(value)).encode())


def _otherwise(value: Any) -> Any:
    """Return a value of another type in place of each."""
    match value:
        case dict():
            return {name: _otherwise(one) for name, one in value.items()}
        case list():
            return [_otherwise(one) for one in value]
        case bool() | None:
            return "perhaps"
        case str():
            return 7
        case _:
            return f"{value}"


AWAY = HttpFault("502, not carried out", _said(502, _HTML))
HTTP_FAULTS = (
    HttpFault("reset, not carried out", _unheard(_reset)),
    HttpFault("hung up, not carried out", _unheard(_hang_up)),
    HttpFault("reset, carried out later", _unheard(_later)),
    HttpFault("reply lost, reset", _carried_out(_reset)),
    HttpFault("reply lost, hung up", _carried_out(_hang_up)),
    HttpFault("reply cut in the head", _cut(lambda one: one.head()[:20], with_reset=False)),
    HttpFault("reply cut in the body", _cut(lambda one: one.wire()[:-5], with_reset=False)),
    HttpFault("reply cut by a reset", _cut(lambda one: one.wire()[:-5], with_reset=True)),
    HttpFault("JSON cut, no length", _cut(_without_end, with_reset=False)),
    HttpFault("JSON cut, whole length", _changed(lambda one: one.saying(one.body[:-5]))),
    HttpFault("500 HTML", _said(500, _HTML)),
    AWAY,
    HttpFault("502, carried out", _said(502, _HTML, acts=True)),
    HttpFault("503, carried out", _said(503, b"", acts=True)),
    HttpFault("504, carried out", _said(504, _HTML, acts=True)),
    HttpFault("520 of a proxy, carried out", _said(520, _HTML, acts=True)),
    HttpFault("429", _said(429, b'{"error":"Rate limit exceeded"}', "application/json")),
    HttpFault("401 of a proxy", _said(401, _HTML)),
    HttpFault("403 of a proxy", _said(403, _HTML)),
    HttpFault("404 of a proxy", _said(404, _HTML)),
    HttpFault("404 in JSON", _said(404, b'{"detail":"Not Found"}', "application/json")),
    HttpFault("302 to a login page", _said(302, b"")),
    HttpFault("307, carried out", _said(307, b"", acts=True)),
    HttpFault("200 and a login page", _said(200, _HTML)),
    HttpFault("201 and a login page", _said(201, _HTML, acts=True)),
    HttpFault("204, carried out", _said(204, b"", acts=True)),
    HttpFault("content type HTML", _changed(lambda one: one.saying(one.body, "text/html"))),
    HttpFault("gzip unasked", _changed(lambda one: _zipped(one, gzip.compress(one.body)))),
    HttpFault("gzip cut", _changed(lambda one: _zipped(one, gzip.compress(one.body)[:-9]))),
    HttpFault("gzip bomb", _changed(lambda one: _zipped(one, gzip.compress(bytes(BOMB_BYTES), 1)))),
    HttpFault("huge body", _changed(lambda one: one.saying(one.body + b" " * HUGE_BYTES))),
    HttpFault("deep JSON", _changed(lambda one: one.saying(_DEEP))),
    HttpFault("JSON null", _changed(lambda one: one.saying(b"null"))),
    HttpFault("JSON {}", _changed(lambda one: one.saying(b"{}"))),
    HttpFault("JSON []", _changed(lambda one: one.saying(b"[]"))),
    HttpFault("wrong types", _changed(_wrong_types)),
    HttpFault("not UTF-8", _changed(lambda one: one.saying(b'{"detail":"\xff\xfe"}'))),
    HttpFault("reply doubled", _twice),
    HttpFault("old reply, carried out", _old),
    HttpFault("old reply of a cache", _old_unheard),
    HttpFault("stalled, not carried out", _stall, waits=True, times=1),
    HttpFault("stalled, carried out", _stall_after, waits=True, times=1),
    HttpFault("stalled in the body", _stall_in_the_body, waits=True, times=1),
    HttpFault("a byte a second", _drip, waits=True, times=1),
)
