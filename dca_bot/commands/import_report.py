"""Writes what an import has done or would do: each balance with the reasons of each difference, as codes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

from dca_bot.commands.import_satmachine import Found, LeftOut
from dca_bot.commands.moving_in import Moved, Newcomer, Source, plain, shown
from dca_bot.core.clients import Mode
from dca_bot.core.money import fiat_text, minor_digits
from dca_bot.core.moving_in import Opening

_REMOVED, _SKIPPED = "client_removed_there", "client_skipped"


def report_values(
    source: Source, moved: Moved, *, committed: bool, found: Found | None
) -> dict[str, Any]:
    """Return the values of `--json`; amounts are whole numbers of the smallest unit, or fractions as text."""
    left_out = found.left_out if found else ()
    return {
        "committed": committed and not moved.problems,
        "problems": moved.problems,
        "clients": [
            {
                "name": one.name,
                "ref": one.ref,
                **_opening_values(one.opening),
                "mode": one.mode,
                "paused": one.is_paused,
                "wallet_proposed": one.ref in moved.wallets,
            }
            for one in source.newcomers
        ],
        "left_out": [
            {"ref": one.ref, "why": _why_left(one), **_opening_values(one.opening)}
            for one in left_out
        ],
        "processed": len(source.cash_outs.processed) if source.cash_outs else 0,
        "distributed_by_both": list(moved.both),
        "not_at_lamassu": found.unknown if found else 0,
        "to_be_held": found.waiting if found else 0,
        "still_runs": bool(found and found.runs),
        "start_at": None if moved.start_at is None else moved.start_at.isoformat(),
    }


def report_lines(
    source: Source, moved: Moved, currency: str, *, found: Found | None
) -> Iterator[str]:
    """Write the report for a person."""
    left_out = found.left_out if found else ()
    if found is not None:
        books = found.books
        yield (
            f"satmachineadmin has {len(books.clients)} clients, {len(books.deposits)} deposits,"
            f" {len(books.payments)} payments and {len(books.processed)} processed cash-outs."
        )
    for one in source.newcomers:
        yield f"{'·' if one.opening.differences else '✓'} {_client_line(one, moved, currency)}"
        yield from _why_lines(one.opening, currency)
    for gone in left_out:
        name = f" {gone.name}" if gone.name else ""
        yield (
            f"· {plain(gone.ref)}{name}: {_fiat(gone.opening.theirs_minor, currency)} there, left out:"
            f" {_why_left(gone)}{_pending(gone.opening, currency)}"
        )
    yield from _sum_lines(source.newcomers, left_out, currency)
    if found is not None:
        yield from _cash_out_lines(moved, found)


def _client_line(one: Newcomer, moved: Moved, currency: str) -> str:
    there = _fiat(one.opening.theirs_minor, currency)
    mode = (
        "" if one.mode is Mode.FLOW else f", fixed at {fiat_text(one.limit_minor, currency)} a day"
    )
    paused = ", paused" if one.is_paused else ""
    wallet = "wallet proposed" if one.ref in moved.wallets else "asked for a wallet"
    return (
        f"{shown(one)}: {there} there, {fiat_text(one.opening.minor, currency)}"
        f" here{_pending(one.opening, currency)}{mode}{paused}, {wallet}"
    )


def _why_lines(opening: Opening, currency: str) -> Iterator[str]:
    for why, minor in opening.differences.items():
        yield f"    {_signed(minor, currency)}: {why}"
    for mark, (count, minor) in opening.marks.items():
        yield f"    {count} {mark}, {_fiat(minor, currency)} in all: no effect on the balance"


def _sum_lines(
    newcomers: Sequence[Newcomer], left_out: Sequence[LeftOut], currency: str
) -> Iterator[str]:
    """Write both sums, and the reasons that lead from one to the other."""
    openings = [*(one.opening for one in newcomers), *(one.opening for one in left_out)]
    theirs, ours = (
        _sum(one.theirs_minor for one in openings),
        sum(one.opening.minor for one in newcomers),
    )
    differences: defaultdict[str, Fraction] = defaultdict(Fraction)
    for one in newcomers:
        for reason, minor in one.opening.differences.items():
            differences[reason] += minor
    for gone in left_out:
        differences[_why_left(gone)] -= gone.opening.theirs_minor
    assert theirs + _sum(differences.values()) == ours
    yield f"In all: {_fiat(theirs, currency)} there, {fiat_text(ours, currency)} here"
    for why, minor in differences.items():
        yield f"    {_signed(minor, currency)}: {why}"


def _cash_out_lines(moved: Moved, found: Found) -> Iterator[str]:
    if found.runs and found.runs not in moved.problems:
        yield f"· {found.runs}"
    if found.unknown:
        yield f"· {found.unknown} of the processed cash-outs are not at Lamassu: tests, or removed there"
    if moved.both:
        yield (
            f"✗ {len(moved.both)} cash-outs were distributed by both programmes, which can't be undone here:"
            f" {', '.join(map(plain, moved.both[:5]))}{' …' if moved.both[5:] else ''}"
        )
    yield (
        f"· {found.waiting} cash-outs at Lamassu are older and not processed there: none of them is"
        " shared out without your word"
    )
    if moved.start_at is not None:
        yield f"· Cash-outs count from {moved.start_at:%Y-%m-%d %H:%M:%S} UTC on"


def _opening_values(opening: Opening) -> dict[str, Any]:
    return {
        "theirs_minor": str(opening.theirs_minor),
        "opening_minor": opening.minor,
        "differences": {why: str(minor) for why, minor in opening.differences.items()},
        "marks": {mark: [count, str(minor)] for mark, (count, minor) in opening.marks.items()},
        "pending_minor": list(opening.pending_minor),
    }


def _why_left(one: LeftOut) -> str:
    return _REMOVED if one.is_removed else _SKIPPED


def _pending(opening: Opening, currency: str) -> str:
    pending_minor = sum(opening.pending_minor)
    return f", {fiat_text(pending_minor, currency)} pending" if pending_minor else ""


def _signed(minor: Fraction, currency: str) -> str:
    return f"{'+' if minor > 0 else ''}{_fiat(minor, currency)}"


def _fiat(minor: Fraction, currency: str) -> str:
    """Write an amount, with further decimals for a part of the smallest unit."""
    if minor.denominator == 1:
        return fiat_text(minor.numerator, currency)
    digits = minor_digits(currency) + 4
    return f"{float(minor) / 10 ** minor_digits(currency):.{digits}f} {currency}"


def _sum(amounts: Iterable[Fraction]) -> Fraction:
    return sum(amounts, Fraction())
