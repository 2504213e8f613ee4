"""BOLT11 invoices that nobody pays, for tests."""

from collections.abc import Sequence

from pynostr import bech32

# BOLT11's example "please send 20 m tBTC"; its date is 2017.
TESTNET_INVOICE = (
    "lntb20m1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygshp58yjmdan79s6qqdhdzgynm4z"
    "wqd5d7xmw5fk98klysy043l2ahrqspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqfpp3x9et2e20"
    "v6pu37c5d9vax37wxq72un989qrsgqdj545axuxtnfemtpwkc45hx9d2ft7x04mt8q7y6t0k2dge9e7h8kpy9p34ytyslj3y"
    "u569aalz2xdk8xkd7ltxqld94u8h2esmsmacgpghe9k8"
)
# BOLT11's example of a donation, without an amount.
AMOUNTLESS_INVOICE = (
    "lnbc1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5"
    "rqwzqfqqqsyqcyq5rqwzqfqypqdpl2pkx2ctnv5sxxmmwwd5kgetjypeh2ursdae8g6twvus8g6rfwvs8qun0dfjkxaq9qrs"
    "gq357wnc5r2ueh7ck6q93dj32dlqnls087fxdwk8qakdyafkq3yap9us6v52vjjsrvywa6rt52cm9r9zqt8r2t7mlcwspyet"
    "p5h2tztugp9lfyql"
)
# Genuine, for ab… and 1,000 sats, with an expiry of 2**50 and of 10**12 seconds.
EVERLASTING_INVOICES = (
    (
        "lnbc10u1pj48ugqpp54w46h2at4w46h2at4w46h2at4w46h2at4w46h2at4w46h2at4w4ssp5ehxumnwdehxumnw"
        "dehxumnwdehxumnwdehxumnwdehxumnwdehxsdqz0qxqtpqqqqqqqqqq9e79pmhzfhq5uykhkgnzcwdxle654ghr"
        "vxw9qp9rfym48nwrtvxr3vgyevvgju9tqddgvkg0nl5eajw4693d53y7s2sxkug09e98x9cpnpplwu"
    ),
    (
        "lnbc10u1pj48ugqpp54w46h2at4w46h2at4w46h2at4w46h2at4w46h2at4w46h2at4w4ssp5ehxumnwdehxumnw"
        "dehxumnwdehxumnwdehxumnwdehxumnwdehxsdqz0qxqgar222yqqzcd0mk98rawnncwgpr2hlerx7zxn9y4w2nw"
        "p84qq9mjv3dwq5ayjwnvzdeffuwc6hsgj8j6y8ayj4n8jm75tah504ys2a2tvj6m6uugpheh4tv"
    ),
)


def invoice_of(prefix: str, *fields: tuple[int, Sequence[int]], date_s: int = 1) -> str:
    """Write an invoice with these tagged fields, in groups of 5 bits, and a signature of zeros."""
    groups = [date_s >> 5 * place & 31 for place in reversed(range(7))]
    for tag, value in fields:
        groups += [tag, len(value) >> 5, len(value) & 31, *value]
    return bech32.bech32_encode(prefix, [*groups, *[0] * 104], bech32.Encoding.BECH32)
