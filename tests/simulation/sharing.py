"""Rule 2 of the money (docs/money.md), written a second time: how a sale is shared out among balances."""

from collections.abc import Mapping
from fractions import Fraction


def shared_out(balances: Mapping[int, int], minor: int, sat: int) -> dict[int, tuple[int, int]]:
    """Share `sat` for `minor` out among balances in minor units: {client: (minor units, sats)}."""
    live = sorted(
        (one for one in balances if balances[one] > 0), key=lambda one: (-balances[one], one)
    )
    while live:
        total = sum(balances[one] for one in live)
        fiat = min(minor, total)
        minors = _by_largest_remainder(fiat, {one: balances[one] for one in live}, balances)
        sats = _by_largest_remainder(sat * fiat // minor, minors, balances)
        gone = [one for one in live if minors[one] > 0 and sats[one] == 0]
        if not gone:
            return {one: (minors[one], sats[one]) for one in live if minors[one]}
        live = [one for one in live if one not in gone]
    return {}


def _by_largest_remainder(
    whole: int, weights: Mapping[int, int], balances: Mapping[int, int]
) -> dict[int, int]:
    total = sum(weights.values())
    exact = {one: Fraction(whole * weight, total) for one, weight in weights.items()}
    parts = {one: int(value) for one, value in exact.items()}
    ranked = sorted(weights, key=lambda one: (parts[one] - exact[one], -balances[one], one))
    for one in ranked[: whole - sum(parts.values())]:
        parts[one] += 1
    return parts
