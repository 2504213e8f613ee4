import random
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.allotment import Allotment, AllottedShare, allot


def remainder_model(total, weights):
    """Hand out one unit at a time, as one would by hand."""
    whole = sum(weights)
    quotas = [Fraction(total * weight, whole) if whole else Fraction(0) for weight in weights]
    parts = [floor(quota) for quota in quotas]
    rest = [quota - part for quota, part in zip(quotas, parts, strict=True)]
    while sum(parts) < total:
        winner = rest.index(max(rest))
        parts[winner] += 1
        rest[winner] = Fraction(-1)
    return parts


def allot_model(principal_sat, fiat_minor, balances):
    live = sorted((id_ for id_ in balances if balances[id_] > 0), key=lambda id_: id_)
    live.sort(key=lambda id_: balances[id_], reverse=True)
    while True:
        fiat = min(fiat_minor, sum(balances[id_] for id_ in live))
        sats = floor(Fraction(principal_sat) * fiat / fiat_minor)
        minor = remainder_model(fiat, [balances[id_] for id_ in live])
        sat = remainder_model(sats, minor)
        dropped = [id_ for id_, m, s in zip(live, minor, sat, strict=True) if m > 0 and s == 0]
        if not dropped:
            rows = zip(live, minor, sat, strict=True)
            shares = [(i, m, s, balances[i]) for i, m, s in rows if m > 0]
            return shares, principal_sat - sats, sum(balances[id_] for id_ in live)
        live = [id_ for id_ in live if id_ not in dropped]


def plain(allotment):
    return list(map(tuple, allotment.shares)), allotment.unallocated_sat, allotment.counted_minor


@pytest.mark.parametrize(
    ("principal_sat", "fiat_minor", "balances", "shares", "unallocated_sat", "counted_minor"),
    [
        (
            250_000,
            200_000,
            {"a": 900_000, "b": 100_000},
            "a180000:225000 b20000:25000",
            0,
            1_000_000,
        ),
        (1000, 500, {}, "", 1000, 0),
        (1000, 500, {"a": 0}, "", 1000, 0),
        (1000, 500, {"a": -5, "b": 500}, "b500:1000", 0, 500),
        (1000, 500, {"a": 100}, "a100:200", 800, 100),
        (1001, 500, {"a": 250}, "a250:500", 501, 250),
        (3, 2, {"b": 5, "a": 5}, "a1:2 b1:1", 0, 10),
        (0, 500, {"a": 100}, "", 0, 0),
        # Fiat for which there is no sat stays with the client.
        (1, 1000, {"a": 1000, "b": 1000}, "a1000:1", 0, 1000),
        (1, 1000, {"a": 500, "b": 400}, "", 1, 0),
        # Who gets no minor unit stays in the run, and out of the shares.
        (100, 1, {"a": 10, "b": 1}, "a1:100", 0, 11),
    ],
)
def test_principal_is_shared_out_over_balances(
    principal_sat, fiat_minor, balances, shares, unallocated_sat, counted_minor
):
    found = allot(principal_sat, fiat_minor, balances)
    assert " ".join(f"{one.id}{one.minor}:{one.sat}" for one in found.shares) == shares
    assert (found.unallocated_sat, found.counted_minor) == (unallocated_sat, counted_minor)


def test_ids_may_be_numbers_and_break_ties_by_size():
    allotment = allot(3, 3, {10: 7, 2: 7})
    assert allotment == Allotment((AllottedShare(2, 2, 2, 7), AllottedShare(10, 1, 1, 7)), 0, 14)


@pytest.mark.parametrize(("principal_sat", "fiat_minor"), [(-1, 5), (5, 0), (5, -5)])
def test_impossible_amounts_are_refused(principal_sat, fiat_minor):
    with pytest.raises(ValueError, match="cannot allot"):
        allot(principal_sat, fiat_minor, {"a": 5})


def test_thousands_of_cases_equal_the_model():
    rng = random.Random(20250501)
    for _ in range(4000):
        reach = rng.choice([3, 12, 1000, 10**7])
        balances = {f"c{n}": rng.randint(-1, reach) for n in range(rng.randint(0, 7))}
        principal_sat = rng.randint(0, rng.choice([2, 10, 1000, 10**8]))
        fiat_minor = rng.randint(1, rng.choice([3, 20, 5000, 10**7]))
        assert plain(allot(principal_sat, fiat_minor, balances)) == allot_model(
            principal_sat, fiat_minor, balances
        )


amounts = st.one_of(st.integers(0, 20), st.integers(0, 10**6), st.integers(0, 10**15))


@given(
    amounts,
    amounts.map(lambda minor: minor + 1),
    st.dictionaries(st.text("abcd", min_size=1, max_size=3), amounts, max_size=12),
    st.randoms(use_true_random=False),
)
def test_nothing_is_lost_and_nobody_pays_for_nothing(principal_sat, fiat_minor, balances, rng):
    allotment = allot(principal_sat, fiat_minor, balances)
    shares = allotment.shares
    assert sum(share.sat for share in shares) + allotment.unallocated_sat == principal_sat
    assert sum(share.minor for share in shares) <= fiat_minor
    assert allotment.unallocated_sat >= 0
    assert all(0 < share.minor <= balances[share.id] and share.sat > 0 for share in shares)
    order = [(-balances[share.id], share.id) for share in shares]
    assert order == sorted(set(order))
    shuffled = list(balances.items())
    rng.shuffle(shuffled)
    assert allot(principal_sat, fiat_minor, dict(shuffled)) == allotment


@given(st.integers(10**6, 10**10), st.integers(10**4, 10**8), st.integers(1, 20))
def test_ample_balances_take_the_whole_principal(principal_sat, fiat_minor, count):
    allotment = allot(principal_sat, fiat_minor, dict.fromkeys(range(count), fiat_minor))
    assert allotment.unallocated_sat == 0
    assert sum(share.minor for share in allotment.shares) == fiat_minor
