"""`dca-bot import clients`: clients with their balances out of a CSV file."""

import hashlib
from pathlib import Path

from dca_bot.commands.import_csv import Line, read_lines
from dca_bot.commands.moving_in import Newcomer, Source, plain
from dca_bot.core.money import parse_fiat
from dca_bot.core.moving_in import carried_over
from dca_bot.errors import DcaBotError
from dca_bot.ledger.distributions.imports import SourceKind

_COLUMNS = {
    "name": "name",
    "npub": "npub",
    "balance": "balance",
    "opening_balance": "balance",
    "wallet": "wallet",
}


def read_clients(path: Path, currency: str) -> tuple[Source, list[str]]:
    """Read clients of `name,npub,balance,wallet`, and a sentence for each line that can't be read.

    An empty balance is 0. Raise DcaBotError for a file that is no such list.
    """
    lines, problems, newcomers = read_lines(path, _COLUMNS, needed=("name", "npub")), [], []
    for line in lines:
        try:
            newcomers.append(_newcomer(line, currency))
        except DcaBotError as error:
            problems.append(f"line {line.number}: {plain(line['name'])}: {error}")
    if not lines:
        raise DcaBotError(f"{path} has no clients below its first line.")
    # The values count, not the bytes: the same list saved again is the same source.
    listed = sorted(repr(sorted(line.values.items())) for line in lines)
    digest = hashlib.sha256("\n".join(listed).encode()).hexdigest()
    return Source(SourceKind.CLIENTS, digest, newcomers), problems


def _newcomer(line: Line, currency: str) -> Newcomer:
    balance = line["balance"]
    return Newcomer(
        where=f"line {line.number}",
        ref=f"line {line.number}",
        name=line["name"],
        npub=line["npub"],
        opening=carried_over(parse_fiat(balance, currency, minor_min=0) if balance else 0),
        wallet=line["wallet"],
    )
