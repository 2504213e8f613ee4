"""What people send as a destination is read as what it is, and nothing in it is mended."""

import pytest
from lnurl_codes import SPECIFIED, code_of

from dca_bot.core.destination_text import TEXT_CHARS_MAX, Form, Reading, read_destination
from dca_bot.core.lnurl_code import decode_lnurl, host_of, url_of

ANA = "ana@example.com"
KEY = "1a" * 16
WELL_KNOWN = "example.com/.well-known/lnurlp/ana"
INVOICE = "lnbc20u1p3y0x3hpp5743k2g0fsqqxj7n8qzuhns5gmkk4djeejk3wkp64ppevgekvc0j"


ADDRESSES = [
    "ana@example.com",
    "ANA@Example.COM",
    "  ana@example.com \n",
    "₿ana@example.com",
    "₿ ana@example.com",
    "⚡ana@example.com",
    "⚡️ ana@example.com ⚡️",
    "🧡ana@example.com🇬🇹",
    "<ana@example.com>",
    "«ana@example.com»",
    '"ana@example.com"',
    "“ana@example.com”",
    "'ana@example.com'",
    "`ana@example.com`",
    "*ana@example.com*",
    "(ana@example.com)",
    "[ana@example.com]",
    "[ana@example.com](mailto:ana@example.com)",
    "Ana López <ana@example.com>",
    "ana@example.com<mailto:ana@example.com>",
    "- ana@example.com",
    "• ana@example.com",
    "@ana@example.com",
    "ana@example.com.",
    "ana@example.com,",
    "ana@example.com;",
    "ana@example.com!",
    "¿ana@example.com?",
    "ana@example.com/",
    "ana @ example.com",
    "ana@ example.com",
    "ana＠example.com",  # noqa: RUF001 - fullwidth, as keyboards of East Asia write it
    "ａｎａ@example．com",  # noqa: RUF001
    "ana\u200b@example\u200b.com",
    "\u2066ana@example.com\u2069",
    "\u200fana@example.com\u200e",
    "ana@example.com\u00a0",
    "ana@exam\u00adple.com",
    "mailto:ana@example.com",
    "MAILTO:ana@example.com?subject=sats",
    "lightning:ana@example.com",
    "lightning://ana@example.com",
    "LIGHTNING:ANA@EXAMPLE.COM",
    "⚡lightning: ana@example.com",
    "nostr:ana@example.com",
    "lnurlp:ana@example.com",
    f"https://{WELL_KNOWN}",
    f"HTTPS://{WELL_KNOWN}/",
    f"<https://{WELL_KNOWN}>",
    f"lnurlp://{WELL_KNOWN}",
    f"lnurlp:{WELL_KNOWN}",
    code_of(f"https://{WELL_KNOWN}"),
    code_of(f"https://{WELL_KNOWN}").upper(),
    f"lightning:{code_of(f'https://{WELL_KNOWN}')}",
    f"LIGHTNING:{code_of(f'https://{WELL_KNOWN}').upper()}",
    f"https://pay.example.com/ana?lightning={code_of(f'https://{WELL_KNOWN}')}",
    f"https://pay.example.com/ana?LIGHTNING={code_of(f'https://{WELL_KNOWN}').upper()}",
    "bitcoin:?lightning=ana@example.com",
]
LITERAL = {
    "npc@lnurlzap.com": "npc@lnurlzap.com",
    "lnbc1@example.com": "lnbc1@example.com",
    "ana+ahorro@pay.example.co.uk": "ana+ahorro@pay.example.co.uk",
    "_ana-b.c@xn--exmple-cua.com": "_ana-b.c@xn--exmple-cua.com",
    "-ana@example.com": "-ana@example.com",
    "ana@127.0.0.1:5000": "ana@127.0.0.1:5000",
    "ana@[::1]:5000": "ana@[::1]:5000",
    "ana@[::1]": "ana@[::1]",
    "https://127.0.0.1:5000/.well-known/lnurlp/ana": "ana@127.0.0.1:5000",
}
"""Addresses that look like something else, or whose marks belong to them."""
PAY_CODE = code_of("https://example.com/lnurlp/api/v1/lnurl/aBc")
CODES = {
    SPECIFIED: SPECIFIED.lower(),
    SPECIFIED.lower(): SPECIFIED.lower(),
    f"lightning:{SPECIFIED}": SPECIFIED.lower(),
    f"LIGHTNING://{SPECIFIED}": SPECIFIED.lower(),
    f"⚡{SPECIFIED}.": SPECIFIED.lower(),
    f"<{SPECIFIED}>": SPECIFIED.lower(),
    f"lnurl:{SPECIFIED}": SPECIFIED.lower(),
    f"lnurlp:{SPECIFIED}": SPECIFIED.lower(),
    f"https://example.com/pay?lightning={SPECIFIED}": SPECIFIED.lower(),
    f"bitcoin:?lightning={SPECIFIED}": SPECIFIED.lower(),
    f"\u2066{PAY_CODE}\u2069": PAY_CODE,
    PAY_CODE.upper(): PAY_CODE,
    code_of(f"https://{WELL_KNOWN}?amount=5"): code_of(f"https://{WELL_KNOWN}?amount=5"),
    "lnurlp://example.com/pay/Ana": "lnurlp://example.com/pay/Ana",
    "LNURLP://Example.COM/pay/Ana": "lnurlp://example.com/pay/Ana",
    "lnurlp:example.com/pay": "lnurlp://example.com/pay",
    "«lnurlp://example.com/pay».": "lnurlp://example.com/pay",
    "(lnurlp://example.com/pay/)": "lnurlp://example.com/pay/",
    "lnurlp://example.com/pay?id=aGk=": "lnurlp://example.com/pay?id=aGk=",
    "lightning:lnurlp://example.com/pay?id=aGk==": "lnurlp://example.com/pay?id=aGk==",
}
"""LNURL-pay codes and pay links as people send them, and how they are kept."""
OTHERS = {
    Form.INVOICE: [INVOICE, INVOICE.upper(), f"lightning:{INVOICE}", "lnbcrt1" + "p" * 60,
                   f"bitcoin:BC1QAR0SRR7XFKVY5L643LYDNW9RE59GTZZWF5MDQ?amount=1&lightning={INVOICE}"],
    Form.OFFER: ["lno1zrxq8pjw7qjlm68mtp7e3yvxee4y5xrgjhhyf2fxhlphpckrvevh50u0q"],
    Form.ON_CHAIN: [
        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        "BC1QAR0SRRR7XFKVY5L643LYDNW9RE59GTZZWF5MDQ",
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
        "bitcoin:1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2?amount=0.1",
        "BITCOIN:BC1QAR0SRRR7XFKVY5L643LYDNW9RE59GTZZWF5MDQ",
        "xpub" + "6" * 107,
    ],
    Form.LNURL_WITHDRAW: [
        "lnurlw://example.com/withdraw/1",
        code_of("https://example.com/w/1?tag=withdrawRequest&k1=00ff"),
    ],
    Form.LNURL_LOGIN: [
        "keyauth://example.com/login",
        "KEYAUTH://example.com/login?tag=login&k1=00ff",
        code_of("https://example.com/login?k1=00ff&tag=login"),
        "lnurlp://example.com/login?tag=login&k1=00ff",
    ],
    Form.LNURL_OTHER: [
        "lnurlc://example.com/channel",
        code_of("https://example.com/channel?tag=channelRequest"),
    ],
    Form.LNURL_BROKEN: [
        SPECIFIED[:-1],
        SPECIFIED.replace("5EKV", "5EKW"),
        SPECIFIED[:40] + SPECIFIED[40:].lower(),
        "lnurl1",
        code_of("ftp://example.com/pay"),
        code_of("https://"),
        code_of("https://example.com/pay ana"),
        code_of("https://[example.com/pay"),
        code_of("ana@example.com"),
        "lnurlp:///pay",
        "lnurlp://example.com/pay ana",
        "lnurlp://example.com/señal",
    ],
    Form.NOSTR_KEY: [
        "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg",
        "nostr:npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg",
    ],
    Form.WEB_PAGE: ["https://getalby.com/p/ana", "https://example.com", "http://example.com/@ana"],
    Form.PHONE: ["+502 5555 1234", "5555-1234", "(502) 55551234"],
    Form.SPELLED_AT: ["ana at example.com", "ana arroba example.com", "ana (at) example.com",
                      "ana[at]example.com"],
    Form.OTHER_LETTERS: ["josé@example.com", "ana@exämple.com", "ana@ехample.com", "ñandu@example.com"],  # noqa: RUF001
    Form.SEVERAL: ["ana@example.com luis@example.com", "ana@example.com, luis@example.org",
                   "luis@example.org <ana@example.com>", "ana@example.co <ana@example.com>",
                   "ana@example.com <mariana@example.com>", "<ana@example.com> or luis@example.org",
                   "Ana <ana@example.com>, Luis <luis@example.org>"],
    Form.UNKNOWN: [
        "",
        "wallet of satoshi",
        "somewhere",
        "@ana",
        "ana@",
        "⚡",
        "1500",
        "ana@evil%2Ecom",
        "ana@example.com/other?x=",
        "ana@example.com#x",
        "my address is ana@example.com",
        "ab" * 32,
        "x" * TEXT_CHARS_MAX + ANA,
        "lightning:lightning:lightning:lightning:lightning:x",
    ],
}  # fmt: skip


@pytest.mark.parametrize("text", ADDRESSES)
def test_address_is_read_with_what_apps_and_people_put_around_it(text):
    assert read_destination(text) == Reading(Form.ADDRESS, ANA)


@pytest.mark.parametrize("text", LITERAL)
def test_nothing_that_belongs_to_an_address_is_taken_off(text):
    assert read_destination(text) == Reading(Form.ADDRESS, LITERAL[text])


@pytest.mark.parametrize("text", CODES)
def test_lnurl_pay_code_is_read_in_one_form(text):
    assert read_destination(text) == Reading(Form.LNURL, CODES[text])


@pytest.mark.parametrize("value", sorted({*CODES.values()}))
def test_code_that_was_read_is_read_again_as_the_same_and_has_a_url(value):
    assert read_destination(value) == Reading(Form.LNURL, value)
    url = url_of(value)
    assert url.startswith(f"https://{host_of(value)}/")


@pytest.mark.parametrize(
    "text", ["", ANA, KEY, INVOICE, SPECIFIED[:-1], "lnurlp://", "https://a.b/"]
)
def test_other_texts_have_no_lnurl_url(text):
    assert (url_of(text), host_of(text)) == (None, "")


@pytest.mark.parametrize("text", [KEY, KEY.upper(), f"<{KEY}>", f"{KEY}.", f"lightning:{KEY}"])
def test_invoice_key_is_read(text):
    assert read_destination(text) == Reading(Form.INVOICE_KEY, KEY)


@pytest.mark.parametrize(("form", "text"), [(form, one) for form in OTHERS for one in OTHERS[form]])
def test_what_cannot_be_paid_is_told_as_what_it_is(form, text):
    assert read_destination(text) == Reading(form)


def test_lnurl_code_is_decoded_as_specified():
    assert decode_lnurl(SPECIFIED) == (
        "https://service.com/api?q=3fc3645b439ce8e7f2553a69e5267081d96dcd340693afabe04be7b0ccd178df"
    )
    assert decode_lnurl(code_of("https://exämple.com")) is None


@pytest.mark.parametrize("letters", ["", "q", "qqqqq", "qqqqqq", "b" * 40, "1" + "q" * 40])
def test_lnurl_code_of_other_letters_or_too_few_is_none(letters):
    assert decode_lnurl(f"lnurl1{letters}") is None
