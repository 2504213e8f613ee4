"""The faults of relays that are known from the field: the columns of the delivery matrix.

Each passes frames between the bot and a sound relay as a misbehaving relay would.
"""

import asyncio
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from dead_hosts import REFUSING
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response

from reach.gate import Fault, Gate, Way, refuse_connection

POW_BITS = 12
LIFE_S = 20
"""How long a relay that closes every connection keeps one."""
AWAY_S, BACK_S = 15, 25
"""A relay that comes and goes: so long away, so long back."""
LATE_S = 2
HOUR_S = 3600
BIG_BYTES = 5 * 1024 * 1024


async def _without_eose(way: Way, frame: list[Any]) -> None:
    if frame[0] != "EOSE":
        await way.to_bot(*frame)


async def _one_subscription(way: Way, frame: list[Any]) -> None:
    """Refuse a second open subscription with CLOSED."""
    if await _is_one_too_many(way, frame):
        await way.to_bot("CLOSED", frame[1], "error: too many concurrent subscriptions")
    else:
        await way.to_relay(*frame)


async def _one_subscription_notice(way: Way, frame: list[Any]) -> None:
    """Refuse a second open subscription with a NOTICE, which names no subscription."""
    if await _is_one_too_many(way, frame):
        await way.to_bot("NOTICE", "ERROR: too many concurrent REQs")
    else:
        await way.to_relay(*frame)


async def _is_one_too_many(way: Way, frame: list[Any]) -> bool:
    name = f"open {frame[1]}"
    if frame[0] == "CLOSE":
        del way.notes[name]
    if frame[0] != "REQ":
        return False
    others = [key for key in way.notes if key.startswith("open ") and key != name]
    if not others:
        way.notes[name] = 1
    return bool(others)


async def _closed_after_eose(way: Way, frame: list[Any]) -> None:
    """End each subscription once the stored events were sent."""
    await way.to_bot(*frame)
    if frame[0] == "EOSE":
        await way.to_relay("CLOSE", frame[1])
        await way.to_bot("CLOSED", frame[1], "error: shutting down idle subscription")


async def _mute_after_eose(way: Way, frame: list[Any]) -> None:
    """Answer pings and requests, and pass nothing new on."""
    name = f"mute {frame[1]}"
    if frame[0] == "EVENT" and way.notes[name]:
        return
    way.notes[name] += frame[0] == "EOSE"
    await way.to_bot(*frame)


async def _unmute(way: Way, frame: list[Any]) -> None:
    if frame[0] == "REQ":
        way.notes[f"mute {frame[1]}"] = 0
    await way.to_relay(*frame)


async def _hang_up(way: Way) -> None:
    await asyncio.sleep(LIFE_S)
    await way.bot.close()


async def _ok_withheld(way: Way, frame: list[Any]) -> None:
    """Keep the first OK, and each fifth after, to itself."""
    if frame[0] == "OK":
        way.gate.notes["oks"] += 1
        if way.gate.notes["oks"] % 5 == 1:
            return
    await way.to_bot(*frame)


async def _auth_required(way: Way, frame: list[Any]) -> None:
    """Ask for authentication without a challenge."""
    match frame[0]:
        case "EVENT":
            await _refuse(way, frame, "auth-required: who are you?")
        case "REQ":
            await way.to_bot("CLOSED", frame[1], "auth-required: who are you?")


async def _late_challenge(way: Way) -> None:
    await asyncio.sleep(LATE_S)
    await way.to_bot("AUTH", "late-challenge")


async def _auth_with_late_challenge(way: Way, frame: list[Any]) -> None:
    if frame[0] == "AUTH":
        way.notes["authenticated"] = 1
        await _accept(way, frame)
    elif way.notes["authenticated"]:
        await way.to_relay(*frame)
    else:
        await _auth_required(way, frame)


async def _duplicate(way: Way, frame: list[Any]) -> None:
    """Say of each event that it is there already, and call that no success."""
    if frame[0] == "OK" and frame[2]:
        frame = ["OK", frame[1], False, "duplicate: already have this event"]
    await way.to_bot(*frame)


async def _proof_of_work(way: Way, frame: list[Any]) -> None:
    if frame[0] == "EVENT" and int(frame[1]["id"], 16) >> (256 - POW_BITS):
        reason = f"pow: difficulty {_bits(frame[1]['id'])} is less than {POW_BITS}"
        await _refuse(way, frame, reason)
    else:
        await way.to_relay(*frame)


def _bits(event_id: str) -> int:
    return 256 - int(event_id, 16).bit_length()


async def _only_fresh(way: Way, frame: list[Any]) -> None:
    """Refuse events that are dated an hour back or more, as gift wraps are."""
    if frame[0] == "EVENT" and frame[1]["created_at"] < time.time() - HOUR_S:
        reason = "invalid: event creation date is too far off from the current time"
        await _refuse(way, frame, reason)
    else:
        await way.to_relay(*frame)


async def _with_a_big_event(way: Way, frame: list[Any]) -> None:
    """Have a stored event that is larger than any client's frame limit, dated an hour back."""
    at = int(time.time()) - HOUR_S
    if frame[0] == "REQ":
        wanted = frame[2]
        asks_dms = 1059 in wanted.get("kinds", ()) or 4 in wanted.get("kinds", ())
        if asks_dms and wanted.get("since", 0) <= at <= wanted.get("until", at):
            await way.to_bot("EVENT", frame[1], _big_event(way, wanted, at))
    await way.to_relay(*frame)


def _big_event(_way: Way, wanted: dict[str, Any], at: int) -> dict[str, Any]:
    content = "x" * BIG_BYTES
    tags = [["p", receiver] for receiver in wanted.get("#p", ())]
    made_up = {"id": "b" * 64, "pubkey": "b" * 64, "sig": "b" * 128}
    return {**made_up, "created_at": at, "kind": 1059, "tags": tags, "content": content}


async def _swallow(way: Way, frame: list[Any]) -> None:
    """Accept every event and keep none."""
    if frame[0] == "EVENT":
        await _accept(way, frame)
    else:
        await way.to_relay(*frame)


async def _blocked(way: Way, frame: list[Any]) -> None:
    if frame[0] == "EVENT":
        await _refuse(way, frame, "blocked: pubkey is not on the whitelist")
    else:
        await way.to_relay(*frame)


async def _rate_limited(way: Way, frame: list[Any]) -> None:
    """Refuse the first event, and each fourth after."""
    if frame[0] == "EVENT":
        way.gate.notes["events"] += 1
        if way.gate.notes["events"] % 4 == 1:
            await _refuse(way, frame, "rate-limited: slow down there chief")
            return
    await way.to_relay(*frame)


async def _slowly(way: Way, frame: list[Any]) -> None:
    """Hand on each frame later, without keeping the next frame from being read."""
    task = asyncio.create_task(_later(way, frame))
    way.later.add(task)
    task.add_done_callback(way.later.discard)


async def _later(way: Way, frame: list[Any]) -> None:
    await asyncio.sleep(LATE_S)
    with suppress(ConnectionClosed):
        await way.to_bot(*frame)


async def _leave(way: Way) -> None:
    """End the connection when a relay that comes and goes is going."""
    await asyncio.sleep(BACK_S - way.gate.age_s() % (AWAY_S + BACK_S))
    await way.bot.close()


def _away(gate: Gate, connection: ServerConnection) -> Response | None:
    is_back = gate.age_s() % (AWAY_S + BACK_S) < BACK_S
    return None if is_back else refuse_connection(connection, HTTPStatus.SERVICE_UNAVAILABLE)


async def _accept(way: Way, frame: list[Any]) -> None:
    answer = ["OK", frame[1]["id"], True, ""]
    await way.to_bot(*answer)


async def _refuse(way: Way, frame: list[Any], reason: str) -> None:
    answer = ["OK", frame[1]["id"], False, reason]
    await way.to_bot(*answer)


def _forbidden(_gate: Gate, connection: ServerConnection) -> Response:
    return refuse_connection(connection, HTTPStatus.FORBIDDEN)


def _moved(_gate: Gate, connection: ServerConnection) -> Response:
    return refuse_connection(connection, HTTPStatus.FOUND, Location="wss://127.0.0.1:1/")


SOUND = Fault("sound")
FAULTS = (
    SOUND,
    Fault("no EOSE", from_relay=_without_eose),
    Fault("2nd REQ closed", from_bot=_one_subscription),
    Fault("2nd REQ notice", from_bot=_one_subscription_notice),
    Fault("EOSE, CLOSED", from_relay=_closed_after_eose),
    Fault("passes nothing", from_bot=_unmute, from_relay=_mute_after_eose),
    Fault("closes at 20 s", opened=_hang_up),
    Fault("OK withheld", from_relay=_ok_withheld),
    Fault("late challenge", from_bot=_auth_with_late_challenge, opened=_late_challenge),
    Fault("duplicate", from_relay=_duplicate),
    Fault("pow", from_bot=_proof_of_work),
    Fault("fresh dates", from_bot=_only_fresh),
    Fault("big event", from_bot=_with_a_big_event),
    Fault("dead address", first_address=REFUSING),
    Fault("rate-limited", from_bot=_rate_limited),
    Fault("slow", from_relay=_slowly),
    Fault("comes and goes", opened=_leave, request=_away),
    Fault("no challenge", from_bot=_auth_required, alone=False),
    Fault("swallows", from_bot=_swallow, alone=False),
    Fault("blocked", from_bot=_blocked, alone=False),
    Fault("HTTP 403", request=_forbidden, alone=False),
    Fault("redirects", request=_moved, alone=False),
    Fault("TLS expired", certificate="expired", alone=False),
    Fault("TLS other name", certificate="other", alone=False),
    Fault("silent host", door="silent", alone=False),
    Fault("dead host", door="closed", alone=False),
)
