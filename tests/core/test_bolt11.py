"""What the bot reads in an invoice that its own LNbits has made."""

import pytest
from bolt11_invoices import EVERLASTING_INVOICES, TESTNET_INVOICE, invoice_of

from dca_bot.core.bolt11 import Bolt11, read_bolt11

P, X = 1, 6
HASH = (P, [21] * 52)
READ_HASH = "ad6b5ad6b5ad6b5ad6b5ad6b5ad6b5ad6b5ad6b5ad6b5ad6b5ad6b5ad6b5ad6b"


def test_example_of_the_specification_is_read():
    assert read_bolt11(TESTNET_INVOICE.upper()) == Bolt11(
        "tb",
        2_000_000_000,
        1496314658,
        None,
        "0001020304050607080900010203040506070809000102030405060708090102",
    )


def test_expiry_is_read():
    found = read_bolt11(EVERLASTING_INVOICES[1])
    assert found == Bolt11("bc", 1_000_000, 1700000000, 10**12, "ab" * 32)


@pytest.mark.parametrize(
    ("amount", "msat"),
    [("", 0), ("2", 2 * 10**11), ("20m", 2 * 10**9), ("3u", 300_000), ("7n", 700), ("10p", 1)],
)
def test_amount_is_read_in_each_unit(amount, msat):
    found = read_bolt11(invoice_of(f"lnbcrt{amount}", (X, [3, 0]), HASH, date_s=2**35 - 1))
    assert found == Bolt11("bcrt", msat, 2**35 - 1, 96, READ_HASH)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lnbc1",
        TESTNET_INVOICE[:-1],
        TESTNET_INVOICE.replace("pvjl", "pvjj"),
        TESTNET_INVOICE.capitalize(),
        invoice_of("lnurl10", HASH)[:60],
        invoice_of("lnbc1p", HASH),
        invoice_of("lnbc1x", HASH),
        invoice_of("lnbc"),
        invoice_of("lnbc", HASH, HASH),
        invoice_of("lnbc", HASH, (P, [1])),
        invoice_of("lnbc", (P, [21] * 51)),
        invoice_of("lnbc", HASH, (X, [1]), (X, [1])),
    ],
)
def test_anything_else_is_read_as_nothing(text):
    assert read_bolt11(text) is None
