"""Whose word gives up an invoice that LNbits calls failed, and whose word books it as paid."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.attempt import over_at
from dca_bot.core.witness import (
    LOOKS_APART,
    LOOKS_END,
    UNANSWERED_MAX,
    Case,
    Said,
    Step,
    VerifyLook,
    next_look,
    next_step,
    proves,
)

EXPIRY = datetime(2026, 3, 1, 12, tzinfo=UTC)
OVER = over_at(EXPIRY)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
PREIMAGE = "07" * 32
HASH = hashlib.sha256(bytes.fromhex(PREIMAGE)).hexdigest()


def case(*looks, **changes):
    values = {
        "expires_at": EXPIRY,
        "looks": tuple(VerifyLook(said, at) for said, at in looks),
        "has_arrived": False,
        "can_verify": True,
        "may_void": True,
        "is_held": False,
        "is_failed": True,
    }
    return Case(**{**values, **changes})


UNPAID_TWICE = ((Said.UNSETTLED, OVER), (Said.UNSETTLED, OVER + LOOKS_APART))


@pytest.mark.parametrize(
    ("one", "step"),
    [
        (case(), Step.WAIT),
        (case(has_arrived=True), Step.BOOK_AS_PAID),
        (case(has_arrived=True, is_held=True), Step.BOOK_AS_PAID),
        (case(can_verify=False), Step.ASK_OPERATORS),
        (case(is_failed=False), Step.ASK_OPERATORS),
        (case(may_void=False), Step.ASK_OPERATORS),
        (case(can_verify=False, is_held=True), Step.WAIT),
        (case((Said.UNPROVEN, OVER)), Step.ASK_OPERATORS),
        (case(*UNPAID_TWICE), Step.VOID),
        (case(*UNPAID_TWICE, is_held=True), Step.WAIT),
        (case(*UNPAID_TWICE, may_void=False), Step.ASK_OPERATORS),
        (case(*UNPAID_TWICE, is_failed=False), Step.ASK_OPERATORS),
        (case((Said.UNPROVEN, OVER - HOUR), *UNPAID_TWICE), Step.ASK_OPERATORS),
        (case((Said.UNSETTLED, OVER)), Step.WAIT),
        (
            case((Said.UNSETTLED, OVER), (Said.UNSETTLED, OVER + LOOKS_APART - MINUTE)),
            Step.WAIT,
        ),
        (
            case((Said.UNSETTLED, OVER - MINUTE), (Said.UNSETTLED, OVER - MINUTE + LOOKS_APART)),
            Step.WAIT,
        ),
        (case((Said.UNCLEAR, OVER), (Said.UNCLEAR, OVER + LOOKS_APART)), Step.WAIT),
    ],
)
def test_word_that_counts(one, step):
    assert next_step(one, OVER + LOOKS_APART) is step


def test_server_that_gives_no_clear_answer_is_given_up_and_the_operators_decide():
    silent = case((Said.UNCLEAR, OVER))
    assert next_step(silent, OVER + UNANSWERED_MAX) is Step.WAIT
    assert next_step(silent, OVER + UNANSWERED_MAX + MINUTE) is Step.ASK_OPERATORS


looks = st.lists(
    st.tuples(st.sampled_from([Said.UNPROVEN, Said.UNSETTLED, Said.UNCLEAR]), st.integers(-99, 99)),
    max_size=6,
)


@given(looks=looks, now=st.integers(-99, 200), flags=st.tuples(*[st.booleans()] * 5))
def test_no_invoice_is_given_up_but_by_two_witnesses(looks, now, flags):
    given_ = [(said, EXPIRY + hours * HOUR) for said, hours in looks]
    names = ("has_arrived", "can_verify", "may_void", "is_held", "is_failed")
    one = case(*given_, **dict(zip(names, flags, strict=True)))
    if next_step(one, EXPIRY + now * HOUR) is not Step.VOID:
        return
    unpaid = [hours for said, hours in looks if said is Said.UNSETTLED and hours >= 1]
    assert max(unpaid) - min(unpaid) >= 24
    assert all(said is not Said.UNPROVEN for said, _ in looks)
    assert (one.has_arrived, one.can_verify, one.may_void, one.is_held, one.is_failed) == (
        False,
        True,
        True,
        False,
        True,
    )
    assert next_step(replace(one, is_failed=False), EXPIRY) is not Step.VOID


@pytest.mark.parametrize(
    ("preimage", "is_proof"),
    [
        (PREIMAGE, True),
        ("08" * 32, False),
        ("", False),
        ("07" * 31, False),
        (PREIMAGE + "07", False),
        ("zz" * 32, False),
        ("0" * 64, False),
        (PREIMAGE + "\n", False),
    ],
)
def test_preimage_proves_by_its_hash_alone(preimage, is_proof):
    assert proves(preimage, HASH) is is_proof


def test_looks_grow_rarer_and_end():
    now, pauses, tries = EXPIRY, [], 0
    while now is not None:
        tries += 1
        then = next_look(tries, is_paid=False, expires_at=EXPIRY, now=now)
        if then is not None:
            pauses.append(then - now)
        now = then
    assert pauses[0] == 2 * MINUTE
    assert max(pauses) == HOUR
    assert len(pauses) < 210
    assert OVER + LOOKS_END <= EXPIRY + sum(pauses, timedelta()) <= OVER + LOOKS_END + HOUR


def test_proof_of_what_lnbits_calls_paid_is_asked_for_three_times():
    asked = [next_look(tries, is_paid=True, expires_at=EXPIRY, now=EXPIRY) for tries in (1, 2, 3)]
    assert asked == [EXPIRY + 10 * MINUTE, EXPIRY + 24 * HOUR, None]
