from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scaffold import cash_out_row

from dca_bot.core.cash_out import Action, Amounts, Decision, Reason, Verdict
from dca_bot.core.sale_amounts import fee_minor, scale
from dca_bot.core.verdict import decide
from dca_bot.errors import DcaBotError

CREATED = datetime(2025, 5, 1, 12, tzinfo=UTC)
EARLY = CREATED + timedelta(hours=48)
LATE = EARLY + timedelta(microseconds=1)

# 1,000 GTQ at 800,000 GTQ a coin and 5.5 % are 132,275 sats, in whole hundreds.
CLEAN = cash_out_row(
    "c1",
    CREATED,
    confirmed_at=CREATED + timedelta(minutes=1),
    crypto_atoms=Decimal(132300),
    fiat=Decimal("1000.00000"),
    commission=Decimal("0.05500"),
    ticker=Decimal("800000.00000"),
)
AMOUNTS = Amounts(principal_sat=125_023, principal_minor=100_000, commission_sat=7_277)


def row(**changes):
    numbers = {"crypto_atoms", "fiat", "commission", "ticker", "discount", "fixed_fee"}
    numbers |= {"received_crypto_atoms"}
    if changes.keys() & {"dispense", "dispense_confirmed"}:
        changes = {"actions": ()} | changes
    return replace(
        CLEAN,
        **{
            name: Decimal(value) if name in numbers and value is not None else value
            for name, value in changes.items()
        },
    )


def tried(action="dispense", notes=(), *, minute=2, id_=1):
    return Action(id_, action, CREATED + timedelta(minutes=minute), notes)


def decided(cash_out, now=LATE, currency="GTQ"):
    return decide(cash_out, currency=currency, now=now)


@pytest.mark.parametrize("now", [CREATED, EARLY, LATE])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"crypto_code": "LN"},
        {"status": "instant", "confirmed_at": None},
        {"error_code": "anything"},
        {"received_crypto_atoms": "132200"},
        {"received_crypto_atoms": "999999999"},
        {"fixed_fee": "0.00000"},
        {"discount": "0"},
    ],
)
def test_clean_success_is_distributed_at_once(changes, now):
    found = decided(row(**changes), now)
    assert (found.verdict, found.reason, found.amounts) == (Verdict.DISTRIBUTE, "", AMOUNTS)


@pytest.mark.parametrize(
    ("changes", "principal_sat"),
    [
        # Machines since v8.0: crypto_atoms * (1 - c).
        ({}, 125_023),
        ({"discount": "10", "crypto_atoms": "131500"}, 124_990),
        ({"discount": "100", "crypto_atoms": "125000"}, 125_000),
        ({"discount": "100", "crypto_atoms": "125000", "commission": "0.99999"}, 125_000),
        # Machines before v8.0: crypto_atoms / (1 + c); floats would make 199,999 of the second.
        ({"crypto_atoms": "131900"}, 125_023),
        ({"discount": "10", "crypto_atoms": "209900", "fiat": "1600"}, 200_000),
        # Both fit: the first is taken.
        ({"crypto_atoms": "5300", "fiat": "40"}, 5_008),
        ({"crypto_atoms": "125000", "commission": "0"}, 125_000),
        # Lamassu rounds to 100 sats: 50 sats' worth either way.
        ({"commission": "0", "ticker": "1E8", "crypto_atoms": "1050"}, 1050),
        ({"commission": "0", "ticker": "1E8", "crypto_atoms": "950"}, 950),
        # The columns' rounding: half of the fifth decimal.
        ({"commission": "0", "ticker": "1E8", "crypto_atoms": "1050", "fiat": "999.99"}, None),
        ({"commission": "0", "ticker": "99999999.99999", "crypto_atoms": "1050"}, 1050),
        ({"commission": "0", "ticker": "1E8", "crypto_atoms": "1051"}, None),
        ({"commission": "0", "ticker": "1E8", "crypto_atoms": "949"}, None),
        ({"crypto_atoms": "132400"}, None),
        ({"crypto_atoms": "132100"}, None),
    ],
)
def test_row_tells_which_machine_wrote_it(changes, principal_sat):
    found = decided(row(**changes))
    if principal_sat is None:
        assert found == Decision(Verdict.HOLD, Reason.NO_FIT, found.at)
    else:
        sold_sat = int(row(**changes).crypto_atoms)
        assert found.verdict == Verdict.DISTRIBUTE
        assert found.amounts.principal_sat == principal_sat
        assert found.amounts.commission_sat == sold_sat - principal_sat


@pytest.mark.parametrize("now", [CREATED, LATE])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"crypto_code": "ETH", "crypto_atoms": "5" + "0" * 18}, Reason.OTHER_COIN),
        ({"crypto_code": "btc"}, Reason.OTHER_COIN),
        ({"crypto_code": ""}, Reason.OTHER_COIN),
        ({"fiat_code": "USD"}, Reason.OTHER_CURRENCY),
        ({"crypto_atoms": "0"}, Reason.NO_COINS),
        ({"crypto_code": "ETH", "status": "authorized", "dispense": False}, Reason.OTHER_COIN),
    ],
)
def test_what_is_none_of_the_bots_is_ignored_at_once(changes, reason, now):
    found = decided(row(**changes), now)
    assert (found.verdict, found.reason, found.amounts) == (Verdict.IGNORE, reason, None)


@pytest.mark.parametrize("now", [CREATED, LATE])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"crypto_code": None}, Reason.CODES),
        ({"fiat_code": None}, Reason.CODES),
        *(({"crypto_atoms": atoms}, Reason.COINS) for atoms in (None, "NaN", "sNaN", "-1", "0.5")),
        ({"crypto_atoms": "Infinity"}, Reason.COINS),
        ({"crypto_atoms": "2100000000000001"}, Reason.COINS),
        ({"crypto_atoms": "1E+999999"}, Reason.COINS),
        ({"crypto_atoms": "1E-999999"}, Reason.COINS),
        *(({"fiat": fiat}, Reason.FIAT) for fiat in (None, "NaN", "0", "-1000", "1000.005")),
        *(({"fiat": fiat}, Reason.FIAT) for fiat in ("-Infinity", "1E+999999", "10000000000001")),
        *(({"commission": it}, Reason.COMMISSION) for it in (None, "NaN", "-0.00001", "1", "5.5")),
        *(({"discount": it}, Reason.DISCOUNT) for it in ("NaN", "-1", "101")),
        *(({"ticker": ticker}, Reason.TICKER) for ticker in (None, "NaN", "0", "-1")),
        *(({"fixed_fee": fee}, Reason.FIXED_FEE) for fee in ("NaN", "-0.00001", "1E+999999")),
        ({"fixed_fee": "sNaN"}, Reason.FIXED_FEE),
        ({"fixed_fee": "10000000000001"}, Reason.FIXED_FEE),
        # The largest numbers that can be: sound, each alone.
        ({"crypto_atoms": "2100000000000000"}, Reason.NO_FIT),
        ({"fiat": "10000000000000"}, Reason.NO_FIT),
        ({"fixed_fee": "10000000000000"}, Reason.NO_FIT),
        ({"commission": "0.99999"}, Reason.NO_FIT),
        ({"fixed_fee": "1"}, Reason.NO_FIT),
        ({"fiat": "10000"}, Reason.NO_FIT),
        ({"commission": "0.10000"}, Reason.NO_FIT),
    ],
)
def test_success_with_broken_amounts_is_held_and_cannot_be_accepted(changes, reason, now):
    found = decided(row(**changes), now)
    assert found == Decision(Verdict.HOLD, reason, CLEAN.confirmed_at)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"received_crypto_atoms": "132199"}, Reason.SHORT),
        ({"received_crypto_atoms": "0"}, Reason.SHORT),
        ({"received_crypto_atoms": "NaN"}, Reason.SHORT),
    ],
)
def test_success_with_sound_amounts_but_a_doubt_is_held_and_can_be_accepted(changes, reason):
    found = decided(row(**changes))
    assert found == Decision(Verdict.HOLD, reason, CLEAN.confirmed_at, AMOUNTS)


FEE = {"ticker": "1000000", "fixed_fee": "10.00000"}


@pytest.mark.parametrize(
    ("changes", "amounts"),
    [({}, AMOUNTS), ({"crypto_atoms": "132301"}, None), ({"ticker": None}, None)],
)
def test_sale_with_two_contents_can_be_accepted_for_what_both_prove(changes, amounts):
    other = row(status="notSeen", **changes)
    found = decided(row(others=(other,)))
    assert (found.verdict, found.reason) == (Verdict.HOLD, Reason.TWICE)
    assert found.amounts == amounts


@pytest.mark.parametrize(
    ("changes", "amounts"),
    [
        # Machines since v8.0: round100(1e8 * (fiat + fee) / round5(bid * (1 - c))).
        ({"crypto_atoms": "100000", "fiat": "935"}, Amounts(93_500, 93_500, 6_500)),
        # The older formula, with a fee all the same.
        ({"crypto_atoms": "99700", "fiat": "935"}, Amounts(93_502, 93_500, 6_198)),
        # A fee larger than the sale; a fee that is no whole cent; a fee of next to nothing.
        ({"crypto_atoms": "2100", "fiat": "5", "fixed_fee": "15"}, Amounts(496, 500, 1_604)),
        ({"crypto_atoms": "100000", "fiat": "944.99", "fixed_fee": "0.00500"}, None),
        ({"crypto_atoms": "100000", "fiat": "945", "fixed_fee": "0.00001"}, None),
        (
            {"crypto_atoms": "100000", "fiat": "945", "fixed_fee": "0"},
            Amounts(94_500, 94_500, 5_500),
        ),
    ],
)
def test_fixed_fee_is_sold_with_the_fiat_and_is_the_operators(changes, amounts):
    cash_out = row(**{**FEE, **changes})
    found = decided(cash_out)
    assert found.verdict == Verdict.DISTRIBUTE
    if amounts is None:  # rounded down by the fee alone
        amounts = Amounts(94_499, found.amounts.principal_minor, 5_501)
    assert found.amounts == amounts
    assert found.amounts.principal_sat + found.amounts.commission_sat == cash_out.crypto_atoms


def test_fixed_fee_that_does_not_fit_cannot_be_accepted():
    found = decided(row(**FEE, crypto_atoms="100000", fiat="945"))
    assert found == Decision(Verdict.HOLD, Reason.NO_FIT, CLEAN.confirmed_at)


def test_part_of_a_sale_has_that_part_of_its_fixed_fee():
    amounts = decided(row(**FEE, crypto_atoms="100000", fiat="935")).amounts
    assert scale(amounts, 46_750) == Amounts(46_750, 46_750, 3_250)
    assert fee_minor(Decimal("10.00000"), 46_750, fiat=Decimal("935.00000")) == 500


def test_fiat_must_be_whole_in_its_own_currency():
    yen = {"fiat_code": "JPY", "ticker": "8E5", "crypto_atoms": "132300"}
    assert decided(row(**yen), currency="JPY").amounts.principal_minor == 1000
    found = decided(row(**yen, fiat="1000.50"), currency="JPY")
    assert (found.verdict, found.reason) == (Verdict.HOLD, Reason.FIAT)
    dinar = {"fiat_code": "KWD", "fiat": "1000.005"}
    assert decided(row(**dinar), currency="KWD").amounts.principal_minor == 1_000_005


OPEN = {"dispense": False, "dispense_confirmed": False}
STARTED = {"dispense": True, "dispense_confirmed": False}
HELD = Verdict.HOLD
IGNORED = Verdict.IGNORE

NOT_CLEAN = [
    # Never paid, never dispensed.
    ({**OPEN, "status": "notSeen", "confirmed_at": None}, IGNORED, Reason.NO_CASH_LEFT, None),
    ({**OPEN, "status": "published"}, IGNORED, Reason.NO_CASH_LEFT, None),
    ({**OPEN, "status": "rejected"}, IGNORED, Reason.NO_CASH_LEFT, None),
    ({**OPEN, "status": "confirmed"}, IGNORED, Reason.NO_CASH_LEFT, None),
    ({**OPEN, "status": "insufficientFunds"}, IGNORED, Reason.NO_CASH_LEFT, None),
    ({**OPEN, "status": "authorized"}, IGNORED, Reason.NO_CASH_LEFT, None),
    ({**OPEN, "status": None}, IGNORED, Reason.NO_CASH_LEFT, None),
    ({**OPEN, "error": "Error: no notes"}, IGNORED, Reason.NO_CASH_LEFT, None),
    # Cancelled or blocked with nothing dispensed: `dispense` is set without any cash leaving.
    ({**STARTED, "error_code": "operatorCancel"}, IGNORED, Reason.CLOSED, None),
    ({**STARTED, "error_code": "walletScoringError", "error": "503"}, IGNORED, Reason.CLOSED, None),
    ({**STARTED, "error_code": "scoreThresholdReached"}, IGNORED, Reason.CLOSED, None),
    ({**OPEN, "error_code": "operatorCancel"}, IGNORED, Reason.CLOSED, None),
    (
        {**STARTED, "error_code": "operatorCancel", "actions": (tried(notes=((200, 0),)),)},
        IGNORED,
        Reason.CLOSED,
        0,
    ),
    # Cancelled after notes left, or when nobody can tell.
    (
        {**STARTED, "error_code": "operatorCancel", "actions": (tried(notes=((200, 1),)),)},
        HELD,
        Reason.NOT_COMPLETE,
        20_000,
    ),
    (
        {**STARTED, "error_code": "operatorCancel", "actions": (tried("dispenseError"),)},
        HELD,
        Reason.NOT_COMPLETE,
        None,
    ),
    (
        {**STARTED, "error_code": "scoreThresholdReached", "actions": (tried(notes=None),)},
        HELD,
        Reason.NOT_COMPLETE,
        None,
    ),
    # An earlier try that gave notes counts, even if the last one gave none.
    (
        {
            **STARTED,
            "error_code": "operatorCancel",
            "actions": (tried(notes=((200, 1),)), tried(notes=((200, 0),), minute=3)),
        },
        HELD,
        Reason.NOT_COMPLETE,
        0,
    ),
    ({"error_code": "operatorCancel", "error": "x"}, HELD, Reason.CONTRADICTION, None),
    # A dispense without confirmation.
    (STARTED, HELD, Reason.NOT_COMPLETE, None),
    ({**STARTED, "error": "F56DispenseError"}, HELD, Reason.NOT_COMPLETE, None),
    ({**STARTED, "error_code": "other"}, HELD, Reason.NOT_COMPLETE, None),
    ({**STARTED, "actions": (tried(notes=((200, 5),)),)}, HELD, Reason.NOT_COMPLETE, 100_000),
    # A dispense error, a partial dispense.
    (
        {**OPEN, "actions": (tried("dispenseError", ((20, 1), (100, 2), (50, 0))),)},
        HELD,
        Reason.NOT_COMPLETE,
        22_000,
    ),
    ({**OPEN, "actions": (tried("dispenseError", ((20, 0),)),)}, HELD, Reason.NOT_COMPLETE, 0),
    ({**OPEN, "actions": (tried(),)}, HELD, Reason.NOT_COMPLETE, None),
    # The last try tells, never the sum.
    (
        {
            **STARTED,
            "actions": (
                tried("dispenseError", ((100, 3),), minute=9, id_=2),
                tried("dispense", ((100, 1),), minute=4, id_=3),
            ),
        },
        HELD,
        Reason.NOT_COMPLETE,
        30_000,
    ),
    # dispense_confirmed with an error (an empty one is one) or without dispense.
    ({"error": "jam"}, HELD, Reason.CONTRADICTION, None),
    ({"error": ""}, HELD, Reason.CONTRADICTION, None),
    ({"dispense": False}, HELD, Reason.CONTRADICTION, None),
    # Cash gone, coins not there.
    ({"status": "authorized", "confirmed_at": None}, HELD, Reason.CONTRADICTION, None),
    ({"status": "insufficientFunds"}, HELD, Reason.CONTRADICTION, None),
    ({**STARTED, "status": "insufficientFunds"}, HELD, Reason.NOT_COMPLETE, None),
    ({"status": "rejected"}, HELD, Reason.CONTRADICTION, None),
    ({"status": None}, HELD, Reason.CONTRADICTION, None),
    ({"status": "Confirmed"}, HELD, Reason.CONTRADICTION, None),
    # Flags that can't be read may mean anything.
    ({**OPEN, "dispense": None}, HELD, Reason.NOT_COMPLETE, None),
    ({**OPEN, "dispense_confirmed": None}, HELD, Reason.NOT_COMPLETE, None),
    ({"dispense": None}, HELD, Reason.CONTRADICTION, None),
    (
        {**STARTED, "error_code": "operatorCancel", "dispense_confirmed": None},
        HELD,
        Reason.NOT_COMPLETE,
        None,
    ),
    # Other actions tell nothing of notes.
    (
        {**OPEN, "actions": (tried("provisionNotes", ((100, 5),)),)},
        IGNORED,
        Reason.NO_CASH_LEFT,
        None,
    ),
]


@pytest.mark.parametrize(("changes", "verdict", "reason", "dispensed_minor"), NOT_CLEAN)
def test_what_is_no_clean_success_waits_and_then_is_held_or_ignored(
    changes, verdict, reason, dispensed_minor
):
    for now in (CREATED - timedelta(seconds=5), CREATED, EARLY):
        waiting = decided(row(**changes), now)
        assert (waiting.verdict, waiting.reason) == (Verdict.WAIT, Reason.NOT_FINAL)
        assert waiting.amounts is None
    found = decided(row(**changes))
    assert (found.verdict, found.reason) == (verdict, reason)
    assert found.dispensed_minor == dispensed_minor
    assert found.amounts == (AMOUNTS if verdict == HELD else None)


def test_hold_of_a_partial_dispense_with_broken_amounts_cannot_be_accepted():
    found = decided(row(**STARTED, commission=None, actions=(tried(notes=((100, 2),)),)))
    assert (found.verdict, found.reason) == (HELD, Reason.NOT_COMPLETE)
    assert (found.amounts, found.dispensed_minor) == (None, 20_000)


@pytest.mark.parametrize(
    ("notes", "dispensed_minor"),
    [
        (((10**9, 10**9),), None),
        (((10**13, 1),), 10**15),
        (((10**13, 1), (1, 1)), None),
        (((100, 2), (100, -3)), None),
    ],
)
def test_impossible_report_of_notes_does_not_overflow_the_ledger(notes, dispensed_minor):
    found = decided(row(**STARTED, actions=(tried(notes=notes),)))
    assert (found.verdict, found.dispensed_minor) == (HELD, dispensed_minor)


@pytest.mark.parametrize(
    ("changes", "minutes"),
    [
        ({"actions": (tried(minute=3), tried(minute=7, id_=2), tried(minute=5, id_=9))}, 7),
        ({"actions": (tried(minute=3), tried("dispenseError", minute=8))}, 3),
        ({"actions": (tried("dispenseError", minute=8),), "dispense_confirmed": False}, 1),
        ({}, 1),
        ({"confirmed_at": None, "status": "instant", "actions": ()}, 0),
    ],
)
def test_time_is_when_the_cash_left_as_far_as_known(changes, minutes):
    assert decided(row(**changes)).at == CREATED + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("fiat_minor", "scaled"),
    [
        (100_000, AMOUNTS),
        (50_000, Amounts(62_511, 50_000, 3_638)),
        (1, Amounts(1, 1, 0)),
    ],
)
def test_partial_acceptance_scales_principal_and_commission_down(fiat_minor, scaled):
    assert scale(AMOUNTS, fiat_minor) == scaled


@pytest.mark.parametrize("fiat_minor", [0, -1, 100_001])
def test_acceptance_beyond_the_cash_out_is_refused(fiat_minor):
    with pytest.raises(DcaBotError, match="at most"):
        scale(AMOUNTS, fiat_minor)


@given(
    st.integers(1, 10**7).map(lambda lots: lots * 100),
    st.integers(0, 30_000),
    st.integers(0, 100),
    st.booleans(),
)
def test_every_honest_row_of_either_generation_is_distributed(lots_sat, rate, discount, newer):
    """Make a row as the machine does, from the fiat that such an amount is worth."""
    ticker = Decimal("803117.48219")
    commission = Decimal(rate).scaleb(-5)
    c_eff = commission * (100 - discount) / 100
    principal = lots_sat * (1 - c_eff) if newer else lots_sat / (1 + c_eff)
    fiat = (principal * ticker).scaleb(-8).quantize(Decimal("0.01"))
    if fiat == 0:
        return
    found = decided(
        row(
            crypto_atoms=lots_sat,
            commission=commission,
            discount=discount,
            ticker=ticker,
            fiat=fiat,
        )
    )
    assert found.verdict == Verdict.DISTRIBUTE
    assert found.amounts.principal_sat + found.amounts.commission_sat == lots_sat
    assert found.amounts.principal_minor == fiat * 100
    worth = found.amounts.principal_sat * ticker.scaleb(-8)
    assert abs(worth - fiat) <= ticker.scaleb(-8) * 52 + Decimal("0.01") + worth.scaleb(-5)


broken = st.none() | st.decimals() | st.sampled_from([Decimal("1E+999999"), Decimal("sNaN")])


@given(broken, broken, broken, broken, broken, broken)
def test_no_number_makes_deciding_fail(atoms, fiat, commission, ticker, discount, received):
    found = decide(
        replace(
            CLEAN,
            crypto_atoms=atoms,
            fiat=fiat,
            commission=commission,
            ticker=ticker,
            discount=discount,
            received_crypto_atoms=received,
        ),
        currency="GTQ",
        now=LATE,
    )
    assert found.verdict in Verdict
    if found.verdict == Verdict.DISTRIBUTE:
        assert found.amounts.principal_sat + found.amounts.commission_sat == atoms
