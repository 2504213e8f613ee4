"""Shares a principal out among the clients' balances, exactly.

The invariant: the shares add up in sats and in fiat, no client gives more than the balance, and no client
gives fiat for 0 sats. Sats in no share are the operator's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import starmap
from typing import Generic, NamedTuple, TypeVar

from dca_bot.core.money import largest_remainder

_ClientId = TypeVar("_ClientId", str, int)


class AllottedShare(NamedTuple, Generic[_ClientId]):
    """The fiat that a client gives and the sats that the client gets; both are above 0.

    `counted_minor`: the client's balance that the fiat is a part of.
    """

    id: _ClientId
    minor: int
    sat: int
    counted_minor: int


@dataclass(frozen=True, slots=True)
class Allotment(Generic[_ClientId]):
    """The shares of a principal; `unallocated_sat` is the operator's.

    `counted_minor`: the sum of the balances that the principal was shared over, without the clients for whom
    there was no sat.
    """

    shares: tuple[AllottedShare[_ClientId], ...]
    unallocated_sat: int
    counted_minor: int


def allot(
    principal_sat: int, fiat_minor: int, balances: Mapping[_ClientId, int]
) -> Allotment[_ClientId]:
    """Share a principal out in proportion to the eligible clients' balances in minor units.

    `fiat_minor`: the principal in fiat, above 0. Clients with a balance of 0 or less get nothing. Shares come
    by larger balance, then id. Sats and fiat are rounded by largest remainder; if all balances together are
    less than the principal, the sats of the rest are rounded up, in the operator's favour. Raise ValueError
    for a negative `principal_sat`, or a `fiat_minor` that is not above 0.

    >>> ana, ben = allot(100_000, 2_000_00, {"ana": 9_000_00, "ben": 1_000_00}).shares
    >>> ben
    AllottedShare(id='ben', minor=20000, sat=10000, counted_minor=100000)
    """
    if principal_sat < 0 or fiat_minor <= 0:
        raise ValueError(f"cannot allot {principal_sat} sat for {fiat_minor} minor units")
    live = sorted(id_ for id_, balance in balances.items() if balance > 0)
    live.sort(key=balances.__getitem__, reverse=True)  # stable: equal balances stay in order of id
    while True:
        live_minor = [balances[id_] for id_ in live]
        counted_minor = sum(live_minor)
        shared_minor = min(fiat_minor, counted_minor)
        shared_sat = principal_sat * shared_minor // fiat_minor
        minors = largest_remainder(shared_minor, live_minor)
        sats = largest_remainder(shared_sat, minors)
        rows = list(zip(live, minors, sats, live_minor, strict=True))
        kept = [id_ for id_, minor, sat, _ in rows if minor == 0 or sat > 0]
        if len(kept) == len(live):
            break
        live = kept
    shares = tuple(starmap(AllottedShare, (row for row in rows if row[1] > 0)))
    assert sum(share.minor for share in shares) == shared_minor, "fiat must add up"
    assert sum(share.sat for share in shares) == shared_sat, "sats must add up"
    assert all(0 < minor <= counted for _, minor, _, counted in shares), "within balances"
    assert all(sat > 0 for _, _, sat, _ in shares), "no fiat for 0 sats"
    return Allotment(shares, principal_sat - shared_sat, counted_minor)
