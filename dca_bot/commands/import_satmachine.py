"""`dca-bot import satmachine`: the clients of satmachineadmin, and the cash-outs that it has processed."""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dca_bot.commands.import_csv import Line, read_lines
from dca_bot.commands.moving_in import CashOuts, Newcomer, Source, plain
from dca_bot.config import Config
from dca_bot.core.cash_out import Verdict
from dca_bot.core.clients import Mode
from dca_bot.core.money import FIAT_MINOR_MAX, fiat_text
from dca_bot.core.moving_in import OldClient, OldDeposit, OldPayment, Opening, Units, opening
from dca_bot.errors import ConfigError, DcaBotError
from dca_bot.files.secret_files import read_secret_file
from dca_bot.jobs.lamassu.decisions import judge, reads_since
from dca_bot.lamassu.ages import stale_text
from dca_bot.lamassu_source import build_source
from dca_bot.ledger.distributions.imports import SourceKind
from dca_bot.satmachine.books import Books, read_books
from dca_bot.satmachine.database import is_sqlite, read_file, read_postgres

URL_VARIABLE = "DCA_BOT_SATMACHINE_URL"
_SKIP = "skip"
_KEYS = ("client_id", "user_id", "username", "wallet_id")
_COLUMNS = {one: one for one in (*_KEYS, "npub", "name", "wallet")}
_ZONES = timedelta(days=1)
"""The extension writes times of Lamassu without a zone, by its own computer's."""
_POLLED_LATELY = timedelta(hours=2)
"""The extension looks at Lamassu once an hour."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the extension's tables are. `file`: of SQLite, or with a URL; None: the environment."""

    file: Path | None
    schema: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A client of the extension who isn't imported: skipped by the operator, or removed there before."""

    ref: str
    name: str
    opening: Opening
    is_removed: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What an import is about: the source, who is left out, the problems, and how many rows were read.

    `unknown`: how many of the processed cash-outs Lamassu doesn't have. `waiting`: how many of Lamassu's
    cash-outs since the start the extension hasn't processed. `runs`: a sentence if the extension is still
    switched on beside a programme that pays, as far as can be seen; else empty.
    """

    source: Source
    left_out: Sequence[LeftOut]
    problems: Sequence[str]
    books: Books
    unknown: int
    waiting: int
    runs: str


async def find(config: Config, place: Place, people: Path, units: Units) -> Found:
    """Read the extension's books, the operator's list of people, and Lamassu; change nothing.

    Raise DcaBotError if one of them can't be read.
    """
    lines = read_lines(people, _COLUMNS, needed=("npub",))
    books = await read_place(place)
    newcomers, left_out, problems = match(books, lines, people, units)
    now = datetime.now(UTC)
    cash_outs, unknown, waiting, stale = await _look_at_lamassu(config, books, now)
    source = Source(SourceKind.SATMACHINE, books.clients[0].id, newcomers, cash_outs)
    problems += [f"Lamassu: {stale}"] if stale else []
    # A rehearsal pays nobody, so the extension goes on beside it.
    runs = "" if config.bot.rehearsal else _runs(books, now)
    return Found(source, left_out, problems, books, unknown, waiting, runs)


async def read_place(place: Place) -> Books:
    """Read the extension's books; raise DcaBotError, which never shows the URL."""
    file, url = place.file, os.environ.get(URL_VARIABLE, "").strip()
    if file is not None and file.exists() and is_sqlite(file):
        return read_books(read_file(file))
    if file is not None:
        url = read_secret_file(
            file,
            remedy="name satmachineadmin's file of SQLite, or make one with"
            " the URL of LNbits' PostgreSQL",
        )
    if not url:
        raise ConfigError(
            "Where is satmachineadmin's database? Name its file, or a file with the URL of LNbits'"
            f" PostgreSQL, with --database, or put the URL into {URL_VARIABLE}."
        )
    return read_books(await read_postgres(url, place.schema))


def match(
    books: Books, lines: Sequence[Line], people: Path, units: Units
) -> tuple[list[Newcomer], list[LeftOut], list[str]]:
    """Match each client of the extension with a line of the operator's list.

    Return who is imported, who is left out, and a sentence for each line and client without a match.
    """
    deposits, payments = defaultdict(list), defaultdict(list)
    for deposit in books.deposits:
        deposits[deposit.client_id].append(deposit)
    for payment in books.payments:
        payments[payment.client_id].append(payment)
    chosen, problems = _chosen(books.clients, lines)
    newcomers, left_out = [], []
    for client in books.clients:
        found = opening(deposits.pop(client.id, ()), payments.pop(client.id, ()), units)
        line = chosen.get(client.id)
        if line is None:
            problems.append(
                f"{people} has no line for {_called(client)} (user_id {plain(client.user_id)}): add one with"
                f" the npub, or with {_SKIP!r} in place of it."
            )
        elif line["npub"].lower() == _SKIP:
            left_out.append(LeftOut(client.id, _called(client), found, is_removed=False))
        else:
            try:
                newcomers.append(_newcomer(client, line, found, books, units))
            except DcaBotError as error:
                problems.append(f"line {line.number}: {_called(client)}: {error}")
    left_out += _removed(deposits, payments, units)
    return newcomers, left_out, problems


def _chosen(known: Sequence[OldClient], lines: Sequence[Line]) -> tuple[dict[str, Line], list[str]]:
    """Return the line of each client by the client's id, and a sentence for each line that means nobody."""
    chosen: dict[str, Line] = {}
    problems = []
    for line in lines:
        meant = [one for one in known if _is_meant(one, line)]
        keys = " ".join(plain(line[key]) for key in _KEYS if line[key])
        if not keys:
            problems.append(f"line {line.number}: it names nobody; fill one of {', '.join(_KEYS)}.")
        elif len(meant) != 1:
            count = f"{len(meant)} clients are" if meant else "no client is"
            problems.append(f"line {line.number}: {count} meant by {keys}; client_id is unique.")
        elif meant[0].id in chosen:
            before = chosen[meant[0].id].number
            problems.append(f"line {line.number}: {_called(meant[0])} has line {before} already.")
        else:
            chosen[meant[0].id] = line
    return chosen, problems


def _is_meant(client: OldClient, line: Line) -> bool:
    values = {
        "client_id": client.id,
        "user_id": client.user_id,
        "username": client.username,
        "wallet_id": client.wallet_id,
    }
    filled = [key for key in _KEYS if line[key]]
    return bool(filled) and all(values[key] == line[key] for key in filled)


def _newcomer(
    client: OldClient, line: Line, found: Opening, books: Books, units: Units
) -> Newcomer:
    """Make the newcomer of a client.

    Raise DcaBotError for a mode or limit that isn't the extension's, and for more than a ledger counts.
    """
    limit_minor = (client.limit or 0) * units.whole
    if client.mode not in tuple(Mode) or limit_minor.denominator != 1 or limit_minor < 0:
        raise DcaBotError(
            f"the mode {client.mode!r} with a limit of {client.limit} is unknown to dca-bot. Set it right in"
            f" satmachineadmin, or write {_SKIP!r} and add the client in the chat."
        )
    if max(found.minor, limit_minor, *found.pending_minor) > FIAT_MINOR_MAX:
        raise DcaBotError(
            f"an amount is above {fiat_text(FIAT_MINOR_MAX, units.currency)}. Are the deposits in the unit of"
            " --deposits-in?"
        )
    return Newcomer(
        where=f"line {line.number}",
        ref=client.id,
        name=line["name"] or client.username,
        npub=line["npub"],
        opening=found,
        wallet=line["wallet"] or books.invoice_keys.get(client.wallet_id, ""),
        has_written=bool(line["wallet"]),
        mode=Mode(client.mode),
        limit_minor=int(limit_minor),
        is_paused=client.status != "active",
    )


def _removed(
    deposits: dict[str, list[OldDeposit]], payments: dict[str, list[OldPayment]], units: Units
) -> Iterable[LeftOut]:
    """Return the balances of clients who were removed from the extension, whose rows are still there."""
    for ref in sorted({*deposits, *payments}):
        found = opening(deposits.get(ref, ()), payments.get(ref, ()), units)
        yield LeftOut(ref, "", found, is_removed=True)


def _called(client: OldClient) -> str:
    return plain(client.username) or f"the client {plain(client.id)}"


def _runs(books: Books, now: datetime) -> str:
    """Tell if the extension would share out later sales as well, as far as its tables show."""
    if books.is_on:
        return (
            "satmachineadmin is switched on in LNbits: both programmes would share out the same sales. Before"
            " --commit, switch it off on LNbits' page of extensions; of copied files, copy them after that."
        )
    if books.is_on is None and books.polled_at and abs(now - books.polled_at) < _POLLED_LATELY:
        return (
            f"satmachineadmin has looked at Lamassu at {books.polled_at:%H:%M} UTC, so it seems to run."
            " Switch it off in LNbits, and have LNbits' own tables readable as well, or wait for two hours."
        )
    return ""


async def _look_at_lamassu(
    config: Config, books: Books, now: datetime
) -> tuple[CashOuts, int, int, str]:
    """Count from the first cash-out that the extension has processed: older ones were never its.

    Return how many of the processed ones Lamassu lacks, how many others there are, and what is stale. Raise
    SourceUnavailable if Lamassu can't be read: nobody could tell what is still to be distributed.
    """
    if books.since is None:
        return CashOuts(books.processed, now), len(books.processed), 0, ""
    source = build_source(config, os.environ)
    try:
        export = await source.fetch(reads_since(books.since - _ZONES))
    finally:
        await source.aclose()
    at = {
        cash_out.id: decision.at
        for cash_out, decision in judge(export.cash_outs, currency=config.bot.currency, now=now)
        if decision.verdict is not Verdict.IGNORE or cash_out.id in books.processed
    }
    known = [at[one] for one in books.processed & at.keys()]
    # Not the oldest unprocessed one: a reading may lack some. Whatever is older than the import waits.
    first = min(known, default=books.since - _ZONES)
    others = sum(one >= first for id_, one in at.items() if id_ not in books.processed)
    unknown = len(books.processed) - len(known)
    return CashOuts(books.processed, first), unknown, others, stale_text(export, now)
