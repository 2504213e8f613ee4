"""`receipt`: a purchase in full, from whose text alone the client's part can be worked out anew."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scaffold import programme

from dca_bot.chat.client.receipts import told
from dca_bot.core.allotment import allot
from dca_bot.ledger.reports.receipts import PaymentFacts, Receipt, RunFacts
from dca_bot.messages.render import LANGUAGES, load_texts

CURRENCIES = ("GTQ", "JPY", "KWD")
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
COLLECTING = PaymentFacts("collecting", 1, "", "")
_SATS = r"([\d,]+) sats?(?: \([\d.]+ BTC\))?"
_FIAT = r"(?:[A-Z]*|¥)([\d,.]*\d)(?: [A-Z]{3})?"
WORDS = {
    "en": {
        "bought": rf"^{_SATS} for {_FIAT} \(1 BTC",
        "sale": rf"^Bought with a sale.*: {_SATS} for {_FIAT}$",
        "counted": rf"^Cash that counted then: {_FIAT} of all, {_FIAT} of yours$",
        "fiat": r"^Your cash: .*, rounded up$",
        "sats": r"^Your bitcoin: .*, rounded up$",
        "run": rf"^Your bitcoin: \(?{_FIAT}(?: less ([\d.]+)%\))? / {_FIAT} = {_SATS}, rounded down$",
    },
    "es": {
        "bought": rf"^{_SATS} por {_FIAT} \(1 BTC",
        "sale": rf"^Comprado con una venta.*: {_SATS} por {_FIAT}$",
        "counted": rf"^Efectivo que contó entonces: {_FIAT} de todos, {_FIAT} suyos$",
        "fiat": r"^Su efectivo: .*, redondeado hacia arriba$",
        "sats": r"^Su bitcoin: .*, redondeado hacia arriba$",
        "run": rf"^Su bitcoin: \(?{_FIAT}(?: menos ([\d.]+)%\))? / {_FIAT} = {_SATS}, redondeado ",
    },
}
TEXTS = {currency: load_texts(programme((), currency=currency)) for currency in CURRENCIES}


def numbers(text, language, line):
    """Return the numbers of a line, without marks: fiat in minor units."""
    found = re.search(WORDS[language][line], text, re.MULTILINE)
    return [int(re.sub("[,.]", "", number)) for number in found.groups()]


def part_by_text(text, language):
    """Work out a client's part of a sale from nothing but a receipt's text."""
    principal_sat, principal_minor = numbers(text, language, "sale")
    pool_minor, own_minor = numbers(text, language, "counted")
    shared_minor = min(principal_minor, pool_minor)
    shared_sat = principal_sat * shared_minor // principal_minor
    more = [bool(re.search(WORDS[language][line], text, re.MULTILINE)) for line in ("fiat", "sats")]
    minor = shared_minor * own_minor // pool_minor + more[0]
    return [shared_sat * minor // shared_minor + more[1], minor]


def receipt_of(share, allotment, sat, minor):
    return Receipt(
        id=7,
        at=AT,
        kind="flow",
        minor=share.minor,
        sat=share.sat,
        principal_minor=minor,
        principal_sat=sat,
        shared_minor=sum(one.minor for one in allotment.shares),
        shared_sat=sat - allotment.unallocated_sat,
        own_minor=share.counted_minor,
        pool_minor=allotment.counted_minor,
        machine="Market",
        ticker=Decimal("8e5"),
        percent_bp=0,
        run=None,
        payment=COLLECTING,
    )


def fixed_receipt(minor, sat, price, margin_bp=0, **changed):
    facts = {
        "price": price,
        "source": "lnbits",
        "most_minor": 50_000,
    }
    run = RunFacts(**{**facts, "margin_bp": margin_bp, "is_settlement": False, **changed})
    return Receipt(
        id=7,
        at=AT,
        kind="fixed",
        minor=minor,
        sat=sat,
        machine="",
        principal_minor=minor,
        principal_sat=sat,
        shared_minor=minor,
        shared_sat=sat,
        own_minor=None,
        pool_minor=None,
        ticker=None,
        percent_bp=0,
        run=run,
        payment=COLLECTING,
    )


@given(
    st.integers(1, 3_000_000),
    st.integers(1, 10**6),
    st.dictionaries(st.integers(1, 9), st.integers(1, 10**6), min_size=1),
    st.sampled_from(LANGUAGES),
    st.sampled_from(CURRENCIES),
)
def test_a_part_is_worked_out_anew_from_the_text_of_its_receipt(
    sat, minor, balances, language, currency
):
    allotment = allot(sat, minor, balances)
    for share in allotment.shares:
        say = told(receipt_of(share, allotment, sat, minor), currency)
        text = TEXTS[currency].render(say, language)
        assert numbers(text, language, "bought") == [share.sat, share.minor]
        assert part_by_text(text, language) == [share.sat, share.minor]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("margin_bp", [0, 250, 1])
def test_a_fixed_purchase_is_worked_out_anew_from_the_text_of_its_receipt(language, margin_bp):
    price, minor = Decimal("812345.678"), 25_000
    sat = int(Decimal(minor) * (10_000 - margin_bp) * 10**6 / (10_000 * price))
    text = TEXTS["GTQ"].render(told(fixed_receipt(minor, sat, price, margin_bp), "GTQ"), language)
    found = re.search(WORDS[language]["run"], text, re.MULTILINE).groups()
    fiat, margin, rate, sats = (number and Decimal(number.replace(",", "")) for number in found)
    assert sats == fiat * (100 - (margin or 0)) * 10**8 // (100 * rate)


def test_a_fixed_purchase_without_a_recorded_price_says_so():
    text = TEXTS["GTQ"].render(told(fixed_receipt(100, 10, None, most_minor=None), "GTQ"), "en")
    assert "The price of that moment is not recorded." in text
    assert "limit" not in text


@pytest.fixture
async def maria(talk):
    await talk.add_client("maria", balance="1000")
    await talk.add_client("juan", balance="500")
    return talk


async def test_receipt_shows_the_newest_purchase_with_its_payment(maria):
    await maria.distribute("cash-out-1", fiat_minor=20_000, sat=24_000)
    told_now = await maria.tell("maria", "receipt")
    assert told_now.startswith("Receipt #1, 2026-03-01 06:00\n16,000 sats for Q133.33 (1 BTC = Q")
    assert told_now.endswith("Payment: on its way")
    assert part_by_text(told_now, "en") == [16_000, 13_333]
    await maria.bring_to((await maria.payout()).id, "invoice", "submit", "debit")
    payout = await maria.payout()
    await maria.sql("UPDATE payout SET preimage = ? WHERE id = ?", "ab" * 32, payout.id)
    assert (await maria.tell("maria", "receipt 1")).splitlines()[-3:] == [
        "Payment: paid",
        f"Payment hash: {payout.attempt.payment_hash}",
        f"Proof of payment (preimage): {'ab' * 32}",
    ]


async def test_each_line_of_history_has_the_number_of_its_receipt(maria):
    await maria.distribute("cash-out-1")
    await maria.distribute("cash-out-2", sat=30_000)
    lines = (await maria.tell("maria", "history")).splitlines()[1:]
    assert len(lines) == 2
    for line in lines:
        number, sats = re.match(r"#(\d+)  .*  ([\d,]+ sats) for", line).groups()
        text = await maria.tell("maria", f"receipt #{number}")
        assert text.startswith(f"Receipt #{number}, ")
        assert text.splitlines()[1].startswith(sats)


async def test_nobody_sees_the_purchase_of_another(maria):
    await maria.distribute("cash-out-1")
    own = {
        row["id"]: row["name"]
        for row in await maria.sql(
            "SELECT share.id, name FROM share JOIN client ON client.id = client_id"
        )
    }
    for who in ("maria", "juan"):
        for number, name in own.items():
            seen = await maria.tell(who, f"receipt {number}")
            assert ("You have no purchase with the number" in seen) == (name != who)
            assert ("sats" in seen) == (name == who)


async def test_receipt_tells_lamassus_price_of_the_sale(maria):
    await maria.hold_cash_out("held-one", ticker=Decimal("833000.50"))
    await maria.do("op", "hold accept 1")
    lines = (await maria.tell("maria", "receipt")).splitlines()
    assert "Market price of that moment (Lamassu): 1 BTC = Q833,000.5" in lines
    assert "Bought with a sale at Market: 24,000 sats for Q200.00" in lines


async def test_receipt_of_a_commission_tells_the_percentage(maria):
    await maria.do("op", "commission set maria 12.5")
    await maria.distribute("cash-out-1")
    text = await maria.tell("maria", "receipt")
    assert "Your part of the commission of a sale: 12.5% of 1,000 sats = 125 sats\n" in text


async def test_receipt_before_the_first_purchase(maria):
    assert await maria.tell("maria", "receipt") == "No bitcoin bought yet."
