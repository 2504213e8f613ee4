"""Faults in who may command what, and how often a message is carried out."""

from datetime import timedelta
from typing import Any

from dca_bot.chat.command import Context
from dca_bot.chat.command_sets import command_set_of
from dca_bot.chat.senders import Role, Sender, find_sender
from dca_bot.core.clients import ClientState
from dca_bot.ledger.correspondence.confirmations import Confirmation, find, open_codes
from dca_bot.ledger.correspondence.inbox import receive
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import Client, set_state
from dca_bot.messages.say import NOTHING
from dca_bot.nostr import giftwrap, nip44
from dca_bot.nostr.events import event_from, parse_json, verify
from simulation.faults.fault import Fault

_FIND = "chat.codes.confirmations.find"


def _codes_of_anybody(tx: Any, pubkey: str, *, now: Any) -> list[Confirmation]:  # noqa: ARG001
    everybody = {row["pubkey"] for row in tx.execute("SELECT DISTINCT pubkey FROM confirmation")}
    return [one for person in sorted(everybody) for one in open_codes(tx, person, now=now)]


class _Any(str):
    """An effect that is the same as any other."""

    __slots__ = ()

    def __eq__(self, _other: object) -> bool:
        return True

    def __ne__(self, _other: object) -> bool:
        return False

    __hash__ = str.__hash__


def _whatever_it_said(tx: Any, pubkey: str, code: str, *, now: Any) -> Confirmation | None:
    found = find(tx, pubkey, code, now=now)
    if found is None:
        return None
    return Confirmation(found.code, found.command, _Any(found.effect), found.expires_at)


def _good_for_ever(tx: Any, pubkey: str, *, now: Any) -> list[Confirmation]:
    return open_codes(tx, pubkey, now=now - timedelta(hours=2))


def _operator_whoever(tx: Any, message: Any, operators: Any, now: Any) -> Sender | None:
    found = find_sender(tx, message, operators, now)
    is_stranger = found is not None and found.role is Role.STRANGER
    return Sender(Role.OPERATOR) if is_stranger else found


def _context_whoever(self: Any, tx: Any, message: Any, now: Any) -> Context:
    client = None
    if message.sender not in self.programme.operators:
        client = clients.by_pubkey(tx, message.sender)
    return Context(
        sender=message.sender,
        message_id=message.id,
        written_at=message.sent_at,
        now=now,
        client=client,
        command_set=command_set_of(client),
        programme=self.programme,
        notices=self.notices,
        services=self.services,
    )


def _opened_whoever_sealed(event: Any, key: Any) -> Any:
    opened = nip44.decrypt(event.content, nip44.conversation_key(key, event.pubkey))
    seal = event_from(parse_json(opened))
    verify(seal)
    told = nip44.decrypt(seal.content, nip44.conversation_key(key, seal.pubkey))
    return giftwrap._read_rumor(told)


def _received_again(tx: Any, message: Any, *, command: str, now: Any) -> bool:
    receive(tx, message, command=command, now=now)
    return True


def _paused_in_words(tx: Any, client: Client, state: ClientState) -> None:
    if state is not ClientState.PAUSED:
        set_state(tx, client, state)


def _yes(*_args: Any, **_named: Any) -> bool:
    return True


def _no(*_args: Any, **_named: Any) -> bool:
    return False


FAULTS = (
    Fault(
        "a code works for anybody",
        {
            "ledger.correspondence.confirmations.open_codes": _codes_of_anybody,
            "chat.open_codes.waiting": lambda *_a, **_n: NOTHING,
        },
    ),
    Fault("a code works however the effect has changed", {_FIND: _whatever_it_said}),
    Fault("a code works more than once", {"chat.execution.confirmations.use": _yes}),
    Fault(
        "a code works for hours",
        {"ledger.correspondence.confirmations.open_codes": _good_for_ever},
    ),
    Fault(
        "whoever writes may command as an operator",
        {
            "chat.conversation.find_sender": _operator_whoever,
            "chat.execution.Execution._context": _context_whoever,
        },
    ),
    Fault(
        "a message counts as by whom it names, whoever sealed it",
        {"nostr.giftwrap._open_seal": _opened_whoever_sealed},
    ),
    Fault(
        "a message that comes again is carried out again",
        {
            "ledger.correspondence.inbox.is_received": _no,
            "chat.execution.inbox.receive": _received_again,
        },
    ),
    Fault(
        "a client's pause is confirmed and not kept",
        {"chat.client.account.clients.set_state": _paused_in_words},
    ),
    Fault("everything is paused in words alone", {"ledger.store.bot_state.paused": _no}),
)
