"""Finds clients and machines by typed names.

The invariant: a machine's complete name wins, the longest name first. A shortened name counts only if the
command can be read in no other way. Accents and case of a client's name do not matter, unless two clients
differ in nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from dca_bot.chat.amounts import is_amount_like
from dca_bot.chat.command import Context
from dca_bot.chat.params import is_npub
from dca_bot.core.clients import ClientRole, ClientState
from dca_bot.core.names import folded
from dca_bot.errors import DcaBotError
from dca_bot.ledger.programme import client_names, clients, machines
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.programme.machines import Machine
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.lexicon import words_before_machines, words_into
from dca_bot.messages.say import CommandRefused, Say, refuse

_T = TypeVar("_T")
ID_LENGTH_MIN = 4
"""How many characters of an id an operator types at least."""
_HEX_LENGTH = 64
_QUOTES = "\"'“”„«»\u2018\u2019"


class Incomplete(CommandRefused):
    """Raised for a command that ends too early after a machine's name; `say` tells the missing words."""


@dataclass(frozen=True, slots=True)
class Source:
    """The place of cash as a note tells.

    `machine`: None if the note names no machine. `more`: the note without the machine's name. `doubtful`: the
    machines that a shortened or misspelt name may mean; the caller must ask.
    """

    machine: Machine | None
    note: str
    more: str
    doubtful: tuple[Machine, ...] = ()


def find_client(tx: Tx, name: str) -> Client:
    """Return the open client of a name.

    Raise CommandRefused if the name is unknown, shared or a closed client's.
    """
    client = find_client_or_closed(tx, name)
    if client.state is ClientState.CLOSED:
        raise refuse("client.closed", name=client.name)
    return client


def find_client_or_closed(tx: Tx, name: str) -> Client:
    """Return the client of a name, an open client first. Raise CommandRefused if unknown or shared."""
    payee = find_payee(tx, name)
    client = payee if payee and payee.role is ClientRole.CLIENT else client_names.closed(tx, name)
    if client is None:
        raise refuse("client.unknown")
    return client


def find_person(tx: Tx, ctx: Context, wanted: str) -> Client:
    """Return the client of a name, npub, nprofile or public key in hex; a closed client by the name only.

    Raise CommandRefused if no client, or more than one, can be meant.
    """
    if not is_npub(wanted):
        return find_client_or_closed(tx, wanted)
    try:
        # A key in hex is looked up only; a new client's key must be an npub.
        is_hex = len(wanted) == _HEX_LENGTH
        pubkey = wanted.lower() if is_hex else ctx.services.parse_npub(wanted)
    except (DcaBotError, ValueError):
        raise refuse("wrong.npub") from None
    client = clients.by_pubkey(tx, pubkey)
    if client is None:
        raise refuse("client.npub_unknown")
    return client


def find_payee(tx: Tx, name: str) -> Client | None:
    """Return the client or recipient of a name, None if unknown; raise CommandRefused if shared."""
    found = client_names.alike(tx, name)
    same = client_names.exact(found, name) or found
    if len(same) > 1:
        raise refuse("client.which", names=", ".join(one.name for one in same))
    return same[0] if same else None


def find_machine(tx: Tx, wanted: str) -> Machine:
    """Return the machine of a name. Raise CommandRefused, with the known names, if unknown or shared."""
    return _only(tx, machines.meant(tx, wanted))


def read_machine(
    tx: Tx, words: Sequence[str], read_rest: Callable[[Machine, Sequence[str]], _T]
) -> tuple[Machine, _T]:
    """Split words into a machine's name and the rest; return the machine and `read_rest` of the rest.

    `read_rest` raises Incomplete if words are missing, and CommandRefused if the rest is unreadable. Raise
    CommandRefused if no machine, or more than one, can be meant.
    """
    known = machines.everything(tx)
    found, count = machines.complete(known, words)
    if found:
        machine = _only(tx, found)
        return machine, read_rest(machine, words[count:])
    readings: list[tuple[Machine, _T | Incomplete]] = []
    unreadable: CommandRefused | None = None
    for machine, count in machines.beginnings(known, words):
        try:
            readings.append((machine, read_rest(machine, words[count:])))
        except Incomplete as incomplete:
            readings.append((machine, incomplete))
        except CommandRefused as refused:
            unreadable = unreadable or refused
    if not readings and unreadable:
        raise unreadable
    machine = _only(tx, list({one.device_id: one for one, _ in readings}.values()))
    if len(readings) > 1:
        raise refuse("cash.write_whole", machine=machine.label)
    ((_, rest),) = readings
    if isinstance(rest, Incomplete):
        raise rest
    return machine, rest


def read_source(tx: Tx, note: str) -> Source:
    """Read the machine at the beginning of a note; a note in quotes names no machine.

    Raise CommandRefused if two machines have the name.
    """
    if len(note) > 1 and note[0] in _QUOTES and note[-1] in _QUOTES:
        said = note.strip(_QUOTES).strip()
        return Source(None, said, said)
    words, known = note.split(), machines.everything(tx)
    found, count = machines.complete(known, words)
    doubtful = machines.resembling(known, words, beyond=count) if count < len(words) else []
    if doubtful:
        return Source(None, note, note, tuple(doubtful))
    return Source(_only(tx, found) if found else None, note, " ".join(words[count:]))


def read_place(tx: Tx, note: str) -> Source:
    """Read the machine behind a word like `in` at the beginning of a note: `in Market`.

    A note that names no known machine there is a note like any other: `in advance`.
    """
    first, *words = note.split() or [""]
    while words and folded(words[0]) in words_before_machines():
        del words[0]
    if folded(first) not in words_into():
        return Source(None, note, note)
    found = read_source(tx, " ".join(words))
    return found if found.machine else Source(None, note, note, found.doubtful)


def refuse_second_command(tx: Tx, ctx: Context, note: str) -> None:
    """Raise CommandRefused if a note gives another client another amount.

    `deposit maria 100 juan 200` is refused, also with the command's words before `juan`.
    """
    words = note.split()
    while words and words[0].casefold() in ctx.command_set.words:
        del words[0]
    name, amount, *_ = [*words[:2], "", ""]
    if is_amount_like(amount) and client_names.alike(tx, name.rstrip(",:;")):
        raise refuse("wrong.lines")


def known_machines(found: Sequence[Machine]) -> str:
    """Join the names of machines for a message."""
    return ", ".join(one.label for one in found)


def _only(tx: Tx, found: Sequence[Machine]) -> Machine:
    if len(found) == 1:
        return found[0]
    known = known_machines(found or machines.everything(tx))
    if not known:
        raise refuse("cash.no_machine")
    raise CommandRefused(Say("cash.ambiguous" if found else "cash.unknown", machines=known))
