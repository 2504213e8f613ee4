"""`dca-bot simulate`: decisions about an export, without configuration, network or ledger."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from json import dumps
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dca_bot.commands.console import say
from dca_bot.core.allotment import Allotment, AllottedShare, allot
from dca_bot.core.cash_out import Decision, Reason, Verdict
from dca_bot.core.machine_cash import contradiction_of
from dca_bot.core.money import checked_currency, fiat_text, parse_fiat, sat_text
from dca_bot.core.names import short_id
from dca_bot.core.ports import Export
from dca_bot.core.verdict import decide
from dca_bot.errors import DcaBotError
from dca_bot.files.rights import open_to_read
from dca_bot.lamassu.directory import read_directory

_BEGINNING = datetime.min.replace(tzinfo=UTC)
_ZERO = re.compile(r"0+([.,]0+)?")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A cash-out with the decision about the row; `allotment` is None unless the cash-out is distributed."""

    id: str
    decision: Decision
    allotment: Allotment[str] | None


def simulate(
    export: Export, balances: Mapping[str, int], *, currency: str, now: datetime
) -> list[Outcome]:
    """Decide on every cash-out and share out the final cash-outs, oldest first.

    `balances`: minor units by client name. Distributed cash-outs come first, in the order of processing,
    then all others by time and id.
    """
    decided = [
        (cash_out, decide(cash_out, currency=currency, now=now)) for cash_out in export.cash_outs
    ]
    decided.sort(key=lambda pair: (pair[1].verdict != Verdict.DISTRIBUTE, pair[1].at, pair[0].id))
    left = dict(balances)
    outcomes = []
    for cash_out, decision in decided:
        allotment = None
        if decision.verdict == Verdict.DISTRIBUTE and decision.amounts is not None:
            amounts = decision.amounts
            allotment = allot(amounts.principal_sat, amounts.principal_minor, left)
            for share in allotment.shares:
                left[share.id] -= share.minor
        outcomes.append(Outcome(cash_out.id, decision, allotment))
    return outcomes


def read_clients(path: Path, currency: str) -> dict[str, int]:
    """Read `name,balance` lines into balances in minor units; raise DcaBotError by line."""
    try:
        with TextIOWrapper(open_to_read(path), encoding="utf-8-sig", newline="") as file:
            return _parse_clients(file, path, currency)
    except FileNotFoundError as error:
        raise DcaBotError(f"{path} can't be read ({error.strerror}).") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DcaBotError(f"{path} is no CSV file in UTF-8 ({error}).") from error


def run_simulation(
    export_dir: Path,
    clients_csv: Path,
    *,
    currency: str = "GTQ",
    now: str | None = None,
    json: bool = False,
) -> None:
    """Print the decisions about an export: a table, or with `json` one object a line.

    `now`: an ISO time, UTC unless the text names a zone; None for the present. Unreadable rows are reported
    on stderr. Raise DcaBotError.
    """
    checked_currency(currency)
    instant = _parse_now(now)
    balances = read_clients(clients_csv, currency)
    export = read_directory(export_dir, _BEGINNING)
    outcomes = simulate(export, balances, currency=currency, now=instant)
    complaints = Console(stderr=True, soft_wrap=True, markup=False, highlight=False)
    for sentence in (*export.unreadable, *_contradictions(export, outcomes, currency)):
        complaints.print(sentence)
    if json:
        for outcome in outcomes:
            say(dumps(record(outcome)))
    else:
        console = Console(highlight=False)
        console.print(_render_table(outcomes, currency))
        console.print(_render_summary(outcomes, balances, currency), markup=False)


def _contradictions(export: Export, outcomes: Sequence[Outcome], currency: str) -> Iterator[str]:
    """Report each distributed sale whose machine reported another amount of cash."""
    rows = {cash_out.id: cash_out for cash_out in export.cash_outs}
    for outcome in outcomes:
        found = contradiction_of(rows[outcome.id], currency) if outcome.allotment else None
        if found is not None:
            reported = fiat_text(found.reported_minor, currency)
            said = f"reported the whole amount more than once: {reported} may have left"
            yield (
                f"Cash-out {outcome.id}: {fiat_text(found.fiat_minor, currency)} are confirmed, but the"
                f" machine {said if found.is_repeated else f'reported {reported}'}. It is distributed;"
                " check the till."
            )


def record(outcome: Outcome) -> dict[str, Any]:
    """Make the JSON object of an outcome for `--json`."""
    allotment = outcome.allotment
    amounts = outcome.decision.amounts if allotment else None
    return {
        "id": outcome.id,
        "decision": outcome.decision.verdict.value,
        "reason": _words(outcome.decision.reason),
        "principal_sat": amounts.principal_sat if amounts else None,
        "principal_minor": amounts.principal_minor if amounts else None,
        "commission_sat": amounts.commission_sat if amounts else None,
        "unallocated_sat": allotment.unallocated_sat if allotment else None,
        "shares": [
            {"name": share.id, "minor": share.minor, "sat": share.sat} for share in _shares(outcome)
        ],
    }


def _render_table(outcomes: Sequence[Outcome], currency: str) -> Table:
    """Make the table of outcomes for a person."""
    table = Table(title="Dry run")
    for heading in ("Time (UTC)", "Cash-out", "Decision", "Who gets what"):
        # A narrow terminal breaks words rather than leave out amounts.
        table.add_column(heading, no_wrap=heading == "Time (UTC)", overflow="fold")
    for outcome in outcomes:
        decision = outcome.decision
        what = decision.verdict.value + (f": {_words(decision.reason)}" if decision.reason else "")
        shares = "\n".join(_share_lines(outcome, currency))
        table.add_row(f"{decision.at:%Y-%m-%d %H:%M}", short_id(outcome.id), what, escape(shares))
    return table


def _render_summary(outcomes: Sequence[Outcome], balances: Mapping[str, int], currency: str) -> str:
    """Count the decisions, and list each client's shares and remaining balance."""
    count = Counter(outcome.decision.verdict for outcome in outcomes)
    lines = [", ".join(f"{count[verdict]} {verdict}" for verdict in Verdict)]
    given_minor: Counter[str] = Counter()
    got_sat: Counter[str] = Counter()
    for share in (share for outcome in outcomes for share in _shares(outcome)):
        given_minor[share.id] += share.minor
        got_sat[share.id] += share.sat
    lines += [
        f"{name}: {sat_text(got_sat[name])} for {fiat_text(given_minor[name], currency)},"
        f" {fiat_text(balance - given_minor[name], currency)} left"
        for name, balance in balances.items()
    ]
    return "\n".join(lines)


def _share_lines(outcome: Outcome, currency: str) -> list[str]:
    lines = [
        f"{share.id}: {sat_text(share.sat)} for {fiat_text(share.minor, currency)}"
        for share in _shares(outcome)
    ]
    if outcome.allotment and outcome.decision.amounts:
        lines.append(f"operator: {sat_text(outcome.allotment.unallocated_sat)}")
        lines.append(f"commission: {sat_text(outcome.decision.amounts.commission_sat)}")
    return lines


def _shares(outcome: Outcome) -> tuple[AllottedShare[str], ...]:
    return outcome.allotment.shares if outcome.allotment else ()


def _parse_clients(file: TextIO, path: Path, currency: str) -> dict[str, int]:
    rows = csv.DictReader(file, strict=True)
    if not {"name", "balance"} <= set(rows.fieldnames or ()):
        raise DcaBotError(f"{path} needs a first line with the columns name,balance.")
    balances: dict[str, int] = {}
    seen: set[str] = set()
    for row in rows:
        name, balance = (row["name"] or "").strip(), (row["balance"] or "").strip()
        here = f"{path}, line {rows.line_num}"
        if None in row:
            raise DcaBotError(f"{here}: too many fields; put amounts with commas in quotes.")
        if not name or name.casefold() in seen:
            raise DcaBotError(f"{here}: each line needs a name of its own.")
        seen.add(name.casefold())
        try:
            balances[name] = 0 if _ZERO.fullmatch(balance) else parse_fiat(balance, currency)
        except DcaBotError as error:
            raise DcaBotError(f"{here}: {error}") from error
    return balances


def _parse_now(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise DcaBotError(
            f"{text!r} is no time; write it like 2025-07-01T12:00:00Z or 2025-07-01."
        ) from error


def _words(reason: Reason) -> str:
    """Write a reason as the published output has the reason: the words of the code."""
    return reason.value.replace("_", " ")
