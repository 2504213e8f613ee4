"""Finds the client or the machine that an operator means by what was typed.

The invariant: a complete name of a machine wins, the longest first; what is no complete name is a
machine's only where the command can be read in no other way. A client's name may be typed without its
accents and in any case, unless that could be another client's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from dca_bot.chat.amounts import is_amount_like
from dca_bot.chat.command import COMMAND_WORDS
from dca_bot.ledger.programme import clients, machines
from dca_bot.ledger.programme.clients import CLIENT, Client
from dca_bot.ledger.programme.machines import Machine
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import CommandRefused, Say, refuse

_T = TypeVar("_T")
ID_LENGTH_MIN = 4
"""How much of an id an operator has to type at least."""
_QUOTES = "\"'“”„«»\u2018\u2019"


class Incomplete(CommandRefused):
    """What follows a machine's name ends too early; `say` tells what is missing."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a note says of where cash comes from.

    `machine` is None where the note names none; `more` is the note without the machine's name.
    `doubtful` has the machines that it may name, cut short or misspelt; then it can't be used as it is.
    """

    machine: Machine | None
    note: str
    more: str
    doubtful: tuple[Machine, ...] = ()


def find_client(tx: Tx, name: str) -> Client:
    """Return the client of a name; CommandRefused if there is none or it is closed."""
    client = find_client_or_closed(tx, name)
    if client.state == "closed":
        raise refuse("client.closed", name=client.name)
    return client


def find_client_or_closed(tx: Tx, name: str) -> Client:
    """Return the client of a name, a closed one if no other has it; CommandRefused if there is none."""
    payee = find_payee(tx, name)
    client = payee if payee and payee.role == CLIENT else clients.closed(tx, name)
    if client is None:
        raise refuse("client.unknown")
    return client


def find_payee(tx: Tx, name: str) -> Client | None:
    """Return who has a name, client or recipient, None if nobody; refuse a name that several may have."""
    found = clients.alike(tx, name)
    same = clients.exact(found, name) or found
    if len(same) > 1:
        raise refuse("client.which", names=", ".join(one.name for one in same))
    return same[0] if same else None


def find_machine(tx: Tx, wanted: str) -> Machine:
    """Return the machine that a whole text means, or refuse with the names of those that are known."""
    return _only(tx, machines.meant(tx, wanted))


def read_machine(
    tx: Tx, words: Sequence[str], read_rest: Callable[[Machine, Sequence[str]], _T]
) -> tuple[Machine, _T]:
    """Return the machine that words begin with, and what follows it as `read_rest` reads it.

    `read_rest` raises Incomplete where words are missing, CommandRefused where they can't be read.
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
    """Tell which machine a note begins with, if it does; in quotes it is a note, whatever it says."""
    if len(note) > 1 and note[0] in _QUOTES and note[-1] in _QUOTES:
        said = note.strip(_QUOTES).strip()
        return Source(None, said, said)
    words, known = note.split(), machines.everything(tx)
    found, count = machines.complete(known, words)
    doubtful = machines.resembling(known, words, beyond=count) if count < len(words) else []
    if doubtful:
        return Source(None, note, note, tuple(doubtful))
    return Source(_only(tx, found) if found else None, note, " ".join(words[count:]))


def refuse_second_command(tx: Tx, note: str) -> None:
    """Refuse a note that gives another client another amount: `deposit maria 100 juan 200`.

    The command itself may be written again before: `deposit maria 100 deposit juan 200`.
    """
    words = note.split()
    while words and words[0].casefold() in COMMAND_WORDS:
        del words[0]
    name, amount, *_ = [*words[:2], "", ""]
    if is_amount_like(amount) and clients.alike(tx, name.rstrip(",:;")):
        raise refuse("wrong.lines")


def known_machines(found: Sequence[Machine]) -> str:
    """Write the names of machines, one after the other."""
    return ", ".join(one.label for one in found)


def _only(tx: Tx, found: Sequence[Machine]) -> Machine:
    if len(found) == 1:
        return found[0]
    known = known_machines(found or machines.everything(tx))
    if not known:
        raise refuse("cash.no_machine")
    raise CommandRefused(Say("cash.ambiguous" if found else "cash.unknown", machines=known))
