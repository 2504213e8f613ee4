"""Lightning addresses: what others choose can't lead the bot into its own network."""

import asyncio
import json
import math
import re
import socket
from pathlib import Path

import httpx
import pytest
from lnurl_codes import code_at, code_of

from dca_bot.core.ports import AddressInvoice, Credit, LnurlLimits, PaymentStatus, VerifyAnswer
from dca_bot.errors import DestinationRefused, DestinationUnavailable, Refusal
from dca_bot.lnbits import lnurl
from dca_bot.lnbits.lnurl import LightningAddresses

FIELD = Path(__file__).parent.parent / "data" / "field" / "lnurl"
AS_WRITTEN = (2, 10_000, 5)
# What servers write beside or instead of the usual, and (least sats, most sats, length of a comment)
SERVED = {
    "numbers with a point": ({"minSendable": 1000.0, "maxSendable": 2e6}, (1, 2_000, 5)),
    "numbers as texts": ({"minSendable": "1500", "maxSendable": "2000000"}, (2, 2_000, 5)),
    "more than there is": ({"maxSendable": 10**30}, (2, 21 * 10**14, 5)),
    "least zero": ({"minSendable": 0}, (1, 10_000, 5)),
    "least negative": ({"minSendable": -1000}, (1, 10_000, 5)),
    "least null": ({"minSendable": None}, (1, 10_000, 5)),
    "least missing": ({"minSendable": "missing"}, (1, 10_000, 5)),
    "metadata null": ({"metadata": None}, AS_WRITTEN),
    "metadata as a list": ({"metadata": [["text/plain", "x"]]}, AS_WRITTEN),
    "comment of a negative length": ({"commentAllowed": -1}, (2, 10_000, 0)),
    "comment true": ({"commentAllowed": True}, (2, 10_000, 0)),
    "comment with a point": ({"commentAllowed": 5.0}, AS_WRITTEN),
    "comment in words": ({"commentAllowed": "yes"}, (2, 10_000, 0)),
    "status OK": ({"status": "OK"}, AS_WRITTEN),
    "reason null": ({"status": "ok", "reason": None}, AS_WRITTEN),
    "zaps": ({"allowsNostr": True, "nostrPubkey": "a" * 64}, AS_WRITTEN),
    "zaps with no key": ({"allowsNostr": "true", "nostrPubkey": None}, AS_WRITTEN),
    "payer's data": ({"payerData": {"name": {"mandatory": False}}}, AS_WRITTEN),
    "payer's data null": ({"payerData": None}, AS_WRITTEN),
    "payer's data as a list": ({"payerData": ["name"]}, AS_WRITTEN),
    "payer's data in words": ({"payerData": {"name": "mandatory"}}, AS_WRITTEN),
    "payer's data neither yes nor no": ({"payerData": {"name": {"mandatory": 0}}}, AS_WRITTEN),
    "numbers with an exponent": ({"maxSendable": 1e7}, (2, 10_000, 5)),
    "numbers as texts with spaces": (
        {"minSendable": " 1500 ", "maxSendable": "2000000\n"},
        (2, 2_000, 5),
    ),
    "least one": ({"minSendable": 1}, (1, 10_000, 5)),
    "least as much as most": ({"minSendable": 5000, "maxSendable": 5000}, (5, 5, 5)),
    "comment of a huge length": ({"commentAllowed": 10**30}, (2, 10_000, 10**30)),
    "comment as a list": ({"commentAllowed": [255]}, (2, 10_000, 0)),
    "comment not a number": ({"commentAllowed": math.nan}, (2, 10_000, 0)),
    "metadata a number": ({"metadata": 7}, AS_WRITTEN),
    "status a number": ({"status": 200}, AS_WRITTEN),
    "status null": ({"status": None, "reason": "x"}, AS_WRITTEN),
    "other members": ({"success": True, "domain": None, "disposable": "no"}, AS_WRITTEN),
    "other currencies": ({"currencies": [{"code": "EUR", "multiplier": 1.5}]}, AS_WRITTEN),
}
WELL_KNOWN = "/.well-known/lnurlp/alice"
PUBLIC = "93.184.216.34"


def pay_request(url, **changes):
    return {
        "tag": "payRequest",
        "callback": url,
        "metadata": "[]",
        "minSendable": 1500,
        "maxSendable": 10_000_999,
        "commentAllowed": 5,
        **changes,
    }


def resolver(*addresses):
    async def resolve(_host):
        return addresses

    return resolve


async def ask_for_invoice(addresses, address):
    limits = await addresses.limits(address)
    return await addresses.request_invoice(limits, amount_sat=1, comment="")


@pytest.fixture
async def addresses(web):
    async with LightningAddresses(web.url, resolve=resolver("10.0.0.1"), limit_s=0.5) as addresses:
        yield addresses


@pytest.fixture
def alice_at_web(web):
    return f"alice@127.0.0.1:{web.port}"


async def test_address_of_lnbits_own_wallet_is_paid(lnbits, source, alice):
    address = lnbits.lightning_address(alice, f"a{alice.id[:8]}")
    async with LightningAddresses(lnbits.url) as addresses:
        limits = await addresses.limits(address.upper())
        made = await addresses.request_invoice(limits, amount_sat=1234, comment="a saving")
    invoice = await source.decode(made.bolt11)
    assert invoice.amount_msat == 1_234_000
    await source.pay(invoice.bolt11, external_id="payout-1", extra={})
    assert (await source.payment(invoice.payment_hash)).status is PaymentStatus.SUCCESS
    credited = await source.credited(alice.invoice_key, invoice.payment_hash)
    assert credited == Credit(PaymentStatus.SUCCESS, 1_234_000)


async def test_code_of_lnbits_own_wallet_is_paid(lnbits, source, alice):
    code = code_at(lnbits, alice, f"a{alice.id[:8]}")
    async with LightningAddresses(lnbits.url) as addresses:
        limits = await addresses.limits(code)
        made = await addresses.request_invoice(limits, amount_sat=1234, comment="a saving")
    invoice = await source.decode(made.bolt11)
    await source.pay(invoice.bolt11, external_id="payout-1", extra={})
    assert limits.is_own
    credited = await source.credited(alice.invoice_key, invoice.payment_hash)
    assert credited == Credit(PaymentStatus.SUCCESS, 1_234_000)


@pytest.mark.parametrize("shape", ["code", "link"])
async def test_code_and_link_are_asked_at_the_url_they_stand_for(web, addresses, shape):
    place = f"127.0.0.1:{web.port}/lnurlp/aBc?id=7"
    web.answer("/lnurlp/aBc", pay_request(f"{web.url}/cb"))
    payee = code_of(f"https://{place}") if shape == "code" else f"lnurlp://{place}"
    limits = await addresses.limits(payee)
    assert (limits.min_sat, limits.max_sat, limits.is_own) == (2, 10_000, True)
    assert web.asked[-1][0] == "/lnurlp/aBc?id=7"


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/wallet?api-key=x",
        "/withdraw/api/v1/lnurl/cb/x?k1=1&pr=y",
        "/lnurlp",
        "/lnurlp/../api/v1",
    ],
)
async def test_code_leads_to_no_other_path_of_the_operators_lnbits(web, addresses, path):
    for url in (f"http://127.0.0.1:{web.port}{path}", f"https://127.0.0.1:{web.port}{path}"):
        with pytest.raises(DestinationRefused, match=Refusal.ASTRAY):
            await addresses.limits(code_of(url))
    assert web.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/pay",
        "https://example.com:8443/pay",
        "https://user:word@example.com/pay",
        "https://127.0.0.1/pay",
        "https://localhost/pay",
        "https://[::1]/pay",
        "https://169.254.169.254/latest/meta-data",
        "http://abcdefghijklmnop.onion/pay",
    ],
)
async def test_code_of_an_unsafe_place_is_refused_without_asking(url):
    async def resolve(host):
        pytest.fail(f"{host} was looked up")

    async with LightningAddresses("http://127.0.0.1:10", resolve=resolve) as addresses:
        for payee in (code_of(url), url.replace("https://", "lnurlp://")):
            with pytest.raises(DestinationRefused):
                await addresses.limits(payee)


async def test_code_of_a_host_in_a_private_network_is_refused():
    async with LightningAddresses(resolve=resolver("10.1.2.3")) as addresses:
        with pytest.raises(DestinationRefused, match=Refusal.NOT_PUBLIC):
            await addresses.limits(code_of("https://example.com/pay"))


GIFT = {"tag": "withdrawRequest", "callback": "https://example.com/w", "k1": "00ff"}
CHANNEL = {"tag": "channelRequest", "callback": "https://example.com/c", "uri": "02@example.com"}


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (GIFT | {"minWithdrawable": 1, "maxWithdrawable": 9000}, 200, Refusal.WITHDRAW_CODE),
        (CHANNEL, 200, Refusal.OTHER_SERVICE),
        ({"tag": "login"}, 200, Refusal.OTHER_SERVICE),
        (b"", 404, Refusal.UNKNOWN_CODE),
        (b"<html>", 200, Refusal.NO_CODE_SERVICE),
        ({"status": "ERROR", "reason": "closed"}, 200, Refusal.SAID),
    ],
)
async def test_code_that_cannot_be_paid_is_refused_by_reason_and_its_url_stays_secret(
    web, addresses, body, status, why
):
    web.answer("/lnurlp/secret", body, status=status)
    with pytest.raises(DestinationRefused) as caught:
        await addresses.limits(f"lnurlp://127.0.0.1:{web.port}/lnurlp/secret?k1=key")
    assert caught.value.why == why
    assert "secret" not in str(caught.value)
    assert "k1" not in str(caught.value)


async def test_unknown_name_at_lnbits_is_refused(lnbits):
    async with LightningAddresses(lnbits.url) as addresses:
        with pytest.raises(DestinationRefused, match="not found"):
            await addresses.limits(lnbits.url.replace("http://", "nobody@"))


async def test_limits_are_whole_sats_inside_what_is_accepted(web, addresses, alice_at_web):
    web.answer(WELL_KNOWN, pay_request(f"{web.url}/cb?id=7"))
    web.answer("/cb", {"pr": "lnbc1x", "routes": []})
    limits = await addresses.limits(alice_at_web)
    assert (limits.min_sat, limits.max_sat, limits.comment_length_max) == (2, 10_000, 5)
    assert await addresses.request_invoice(
        limits, amount_sat=7, comment="many thanks"
    ) == AddressInvoice("lnbc1x")
    assert web.asked[-1][0] == "/cb?id=7&amount=7000&comment=many+"


async def test_comment_is_left_out_where_none_is_taken(web, addresses):
    web.answer("/cb", {"pr": "lnbc1x"})
    limits = LnurlLimits(1, 10, f"{web.url}/cb", is_own=True)
    await addresses.request_invoice(limits, amount_sat=1, comment="thanks")
    assert web.asked[-1][0] == "/cb?amount=1000"


async def test_callback_of_the_trusted_host_uses_its_scheme(web, addresses, alice_at_web):
    web.answer(WELL_KNOWN, pay_request(f"https://127.0.0.1:{web.port}/cb"))
    web.answer("/cb", {"pr": "lnbc1x"})
    limits = await addresses.limits(alice_at_web)
    assert await addresses.request_invoice(limits, amount_sat=7, comment="") == AddressInvoice(
        "lnbc1x"
    )


@pytest.mark.parametrize(
    "address",
    [
        "",
        "alice",
        "@example.com",
        "alice@",
        "alice@localhost",
        "alice@127.0.0.1",
        "alice@127.0.0.1:9",
        "alice@127.1",
        "alice@2130706433",
        "alice@0x7f.0.0.1",
        "alice@[::1]",
        "alice@[::ffff:127.0.0.1]",
        "alice@93.184.216.34",
        "alice@example.com:8443",
        "alice@example.com:443",
        "alice@example.com/x",
        "alice@example.com?x",
        "alice@example.com#x",
        "alice@user:word@example.com",
        "alice@bob@example.com",
        "alice@exa mple.com",
        "alice@example..com",
        "alice@-example.com",
        "alice@exämple.com",
        "al ice@example.com",
        "al/ice@example.com",
        "al%2fice@example.com",
        "..@example.com",
        "alice@" + "a." * 130 + "com",
        "a" * 211 + "@example.com",
        "https://example.com",
        "alice@example.com\nHost: x",
    ],
)
async def test_what_is_no_address_is_refused_without_asking(address):
    async def resolve(host):
        pytest.fail(f"{host} was looked up")

    async with LightningAddresses("http://127.0.0.1:10", resolve=resolve) as addresses:
        with pytest.raises(DestinationRefused):
            await addresses.limits(address)


@pytest.mark.parametrize(
    "resolved",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["172.16.0.1"],
        ["192.168.1.1"],
        ["169.254.169.254"],
        ["100.64.0.1"],
        ["0.0.0.0"],  # noqa: S104
        ["224.0.0.1"],
        ["255.255.255.255"],
        ["192.0.2.1"],
        ["::1"],
        ["::"],
        ["fe80::1"],
        ["fe80::1%lo"],
        ["fc00::1"],
        ["ff0e::1"],
        ["::ffff:127.0.0.1"],
        ["::ffff:93.184.216.34"],
        ["::127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["2001:0:7f00:1::"],
        ["127.0.0.1", "10.0.0.1", "::1"],
        [],
    ],
)
async def test_host_without_a_public_address_is_refused(resolved):
    async with LightningAddresses(resolve=resolver(*resolved)) as addresses:
        with pytest.raises(DestinationRefused, match=Refusal.NOT_PUBLIC):
            await addresses.limits("alice@example.com")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/cb",
        "ftp://example.com/cb",
        "file:///etc/passwd",
        "https://example.com:8443/cb",
        "https://user:word@example.com/cb",
        "https://user@example.com/cb",
        "https://localhost/cb",
        "https://127.0.0.1/cb",
        "https://0177.0.0.1/cb",
        "https://[::1]/cb",
        "https://[::ffff:10.0.0.1]/cb",
        "https://exämple/cb",
        "//example.com/cb",
        "/cb",
        "https://",
        "https://example.com:port/cb",
        "",
    ],
)
async def test_callbacks_and_redirects_to_unsafe_places_are_refused(
    web, addresses, alice_at_web, url
):
    web.answer(WELL_KNOWN, pay_request(url))
    with pytest.raises(DestinationRefused):
        await addresses.limits(alice_at_web)
    limits = LnurlLimits(1, 10, url)
    with pytest.raises(DestinationRefused):
        await addresses.request_invoice(limits, amount_sat=1, comment="")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9/x", "https://10.0.0.1/x", "https://intern.example.com/x", "http://["],
)
async def test_redirects_into_private_networks_are_refused(
    web, addresses, alice_at_web, status, url
):
    web.answer(WELL_KNOWN, b"", status=status, headers=[f"Location: {url}"])
    with pytest.raises(DestinationRefused):
        await addresses.limits(alice_at_web)
    assert len(web.asked) == 1


@pytest.mark.parametrize(
    "url",
    [
        "mailto:x",
        "https://xn--/",
        "https://xn--a.example/",
        "https://xn--zzzz---.com/",
        "https://[v1.a]/",
        "https://a:99999999",
        "https://exa mple.com",
    ],
)
async def test_web_address_that_breaks_the_reader_is_the_destination_s_fault(
    web, addresses, alice_at_web, url
):
    web.answer(WELL_KNOWN, b"", status=302, headers=[f"Location: {url}"])
    with pytest.raises((DestinationRefused, DestinationUnavailable)):
        await addresses.limits(alice_at_web)
    web.answer(WELL_KNOWN, pay_request(url))
    with pytest.raises((DestinationRefused, DestinationUnavailable)):
        await ask_for_invoice(addresses, alice_at_web)


@pytest.mark.parametrize("host", ["xn--a.example", "xn--99999.example"])
@pytest.mark.parametrize("resolved", [["127.0.0.1"], [PUBLIC]])
async def test_host_with_a_broken_international_name_is_told_in_a_sentence(host, resolved):
    async with LightningAddresses(resolve=resolver(*resolved), limit_s=0.05) as addresses:
        with pytest.raises((DestinationRefused, DestinationUnavailable), match=host):
            await addresses.limits(f"alice@{host}")


async def test_cookies_of_a_hostile_address_are_neither_kept_nor_sent_back(
    web, addresses, alice_at_web
):
    cookies = [f"Set-Cookie: c{n}={'x' * 3900}; Max-Age=99999999" for n in range(15)]
    web.answer(WELL_KNOWN, b"", status=302, headers=["Location: /1", *cookies])
    web.answer("/1", pay_request(f"{web.url}/cb"), headers=cookies)
    for _ in range(2):
        await addresses.limits(alice_at_web)
    assert len(web.asked) == 4
    assert all("cookie" not in head.lower() for _, head in web.asked)
    assert not list(addresses._web.http.cookies.jar)


async def test_stranger_cannot_point_at_the_trusted_loopback_host(web, addresses):
    with pytest.raises(DestinationRefused):
        await addresses._web.ask(httpx.URL(web.url), is_own=False, limit_s=1)


async def test_three_redirects_are_followed_and_a_fourth_is_not(web, addresses, alice_at_web):
    web.answer(WELL_KNOWN, b"", status=302, headers=["Location: /1"])
    web.answer("/1", b"", status=302, headers=["Location: /2"])
    web.answer("/2", b"", status=302, headers=["Location: /3"])
    web.answer("/3", pay_request(f"{web.url}/cb"))
    await addresses.limits(alice_at_web)
    web.answer("/3", b"", status=302, headers=["Location: /4"])
    with pytest.raises(DestinationRefused, match="redirects more than 3 times"):
        await addresses.limits(alice_at_web)


async def test_unknown_host_may_be_tried_again():
    async def resolve(_host):
        raise socket.gaierror(-2, "Name or service not known")

    async with LightningAddresses(resolve=resolve) as addresses:
        with pytest.raises(DestinationUnavailable, match="no host example"):
            await addresses.limits("alice@example.com")


async def test_slow_name_server_is_given_up_on():
    async def resolve(_host):
        await asyncio.Event().wait()

    async with LightningAddresses(resolve=resolve, limit_s=0.05) as addresses:
        with pytest.raises(DestinationUnavailable, match="did not answer"):
            await addresses.limits("alice@example.com")


async def test_slow_name_server_is_given_up_on_when_a_payment_is_asked_about(monkeypatch):
    async def resolve(_host):
        await asyncio.Event().wait()

    monkeypatch.setattr(lnurl, "_VERIFY_LIMIT_S", 0.05)
    async with asyncio.timeout(5), LightningAddresses(resolve=resolve) as addresses:
        with pytest.raises(DestinationUnavailable, match="did not say"):
            await addresses.verify("https://pay.example/verify/1")


async def test_silent_server_is_given_up_on(web, alice_at_web):
    web.answers[WELL_KNOWN] = None
    async with LightningAddresses(web.url, limit_s=0.1) as addresses:
        with pytest.raises(DestinationUnavailable):
            await addresses.limits(alice_at_web)


@pytest.mark.parametrize(("spaces", "fits"), [(64_000, True), (65_537, False)])
async def test_answer_is_bounded(web, addresses, alice_at_web, spaces, fits):
    body = httpx.Request("POST", web.url, json=pay_request(f"{web.url}/cb")).content
    web.answer(WELL_KNOWN, body + b" " * spaces)
    if fits:
        await addresses.limits(alice_at_web)
    else:
        with pytest.raises(DestinationUnavailable, match="more than 65536 bytes"):
            await addresses.limits(alice_at_web)


async def test_packed_answer_is_not_unpacked(web, addresses, alice_at_web):
    web.answer(WELL_KNOWN, b"\x1f\x8b\x08", headers=["Content-Encoding: gzip"])
    with pytest.raises(DestinationRefused):
        await addresses.limits(alice_at_web)


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (200, {"status": "ERROR", "reason": "closed\nfor today"}, "closed for today"),
        (400, {"status": "error", "reason": "r" * 9000}, "…"),
        (200, {"status": "ERROR"}, Refusal.NO_REASON),
        (200, {"status": "Error", "reason": None}, Refusal.NO_REASON),
        (404, {"status": "ERROR", "reason": 404}, Refusal.NO_REASON),
        (404, {"status": "ERROR", "reason": "User not found"}, "User not found"),
        (404, {"detail": "Not found"}, Refusal.UNKNOWN),
        (404, b"", Refusal.UNKNOWN),
        (200, b"<html>", Refusal.NO_SERVICE),
        (200, b"[" * 60_000, Refusal.NO_SERVICE),
        (200, [], Refusal.NO_SERVICE),
        (200, {"tag": "payRequest"}, Refusal.NO_SERVICE),
        (200, b"", Refusal.NO_SERVICE),
        (200, b'{"tag": "payRequest", "callback": "https://exa', Refusal.NO_SERVICE),
        (200, "payRequest", Refusal.NO_SERVICE),
        (410, b"<html>gone</html>", Refusal.UNKNOWN),
    ],
)
async def test_refusal_says_why_in_the_servers_words_or_in_the_programs(
    web, addresses, alice_at_web, status, body, why
):
    web.answer(WELL_KNOWN, body, status=status)
    with pytest.raises(DestinationRefused) as caught:
        await addresses.limits(alice_at_web)
    assert (caught.value.said or caught.value.why) == why
    assert caught.value.may_pass, "a server in trouble answers so, too"
    assert str(caught.value).startswith(f"{why} (")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("body", [b"", b"<html>", {"status": "ERROR", "reason": "node offline"}])
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
async def test_fault_of_a_server_is_no_refusal(web, addresses, alice_at_web, status, body):
    web.answer(WELL_KNOWN, body, status=status)
    with pytest.raises(DestinationUnavailable):
        await addresses.limits(alice_at_web)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"tag": "withdrawRequest"}, Refusal.WITHDRAW_CODE),
        ({"tag": "channelRequest"}, Refusal.OTHER_SERVICE),
        ({"tag": None}, Refusal.NO_SERVICE),
        ({"minSendable": True}, Refusal.LIMITS),
        ({"minSendable": "1,000"}, Refusal.LIMITS),
        ({"minSendable": "1 000"}, Refusal.LIMITS),
        ({"minSendable": "1000 sat"}, Refusal.LIMITS),
        ({"minSendable": 1000.5}, Refusal.LIMITS),
        ({"maxSendable": None}, Refusal.LIMITS),
        ({"maxSendable": "a lot"}, Refusal.LIMITS),
        ({"maxSendable": [10**9]}, Refusal.LIMITS),
        ({"maxSendable": {"sat": 5}}, Refusal.LIMITS),
        ({"maxSendable": False}, Refusal.LIMITS),
        ({"maxSendable": math.nan}, Refusal.LIMITS),
        ({"maxSendable": math.inf}, Refusal.LIMITS),
        ({"maxSendable": 1000}, Refusal.LIMITS),
        ({"minSendable": 1001, "maxSendable": 1999}, Refusal.LIMITS),
        ({"maxSendable": 0}, Refusal.NO_PAYMENTS),
        ({"maxSendable": "0"}, Refusal.NO_PAYMENTS),
        ({"minSendable": 0, "maxSendable": 0}, Refusal.NO_PAYMENTS),
        ({"maxSendable": -1}, Refusal.NO_PAYMENTS),
        ({"payerData": {"name": {"mandatory": True}}}, Refusal.PAYER_DATA),
        ({"payerData": {"pubkey": None, "email": {"mandatory": True}}}, Refusal.PAYER_DATA),
        ({"callback": "http://abcdefghijklmnop.onion/cb"}, Refusal.ASTRAY),
        ({"callback": "http://example.com/cb"}, Refusal.ASTRAY),
        ({"callback": "/cb"}, Refusal.ASTRAY),
        ({"callback": None}, Refusal.NO_SERVICE),
        ({"callback": "https://example.com/" + "x" * 3000}, Refusal.NO_SERVICE),
    ],
)
async def test_terms_that_cannot_be_met_are_refused_with_what_is_wrong(
    web, addresses, alice_at_web, changes, why
):
    web.answer(WELL_KNOWN, pay_request(f"{web.url}/cb") | changes)
    with pytest.raises(DestinationRefused) as caught:
        await addresses.limits(alice_at_web)
    assert (caught.value.said or caught.value.why) == why


@pytest.mark.parametrize("case", sorted(SERVED))
async def test_terms_as_servers_write_them_are_read(web, addresses, alice_at_web, case):
    served = pay_request(f"{web.url}/cb") | SERVED[case][0]
    web.answer(WELL_KNOWN, {name: value for name, value in served.items() if value != "missing"})
    limits = await addresses.limits(alice_at_web)
    assert (limits.min_sat, limits.max_sat, limits.comment_length_max) == SERVED[case][1]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("comment-false", (1, 100_000_000, 0)),
        ("comment-null", (1, 100_000_000, 0)),
        ("comment-string", (1, 100_000_000, 255)),
        ("max-zero", Refusal.NO_PAYMENTS),
        ("metadata-missing", (1, 100_000_000, 255)),
        ("min-string", (1, 100_000_000, 255)),
        ("min-zero", (1, 100_000_000, 255)),
    ],
)
async def test_answer_from_the_field_is_read_as_it_is_meant(
    web, addresses, alice_at_web, name, expected
):
    answer = json.loads((FIELD / f"{name}.json").read_text())
    web.answer(WELL_KNOWN, answer | {"callback": f"{web.url}/cb"})
    try:
        limits = await addresses.limits(alice_at_web)
        found = (limits.min_sat, limits.max_sat, limits.comment_length_max)
    except DestinationRefused as error:
        found = error.why
    assert found == expected


@pytest.mark.parametrize(
    ("headers", "wrap"),
    [
        (["Content-Type: text/html"], "{}"),
        (["Content-Type: application/json; charset=latin-1"], "\r\n {} \n"),
        ([], "\ufeff{}"),
        ([], '{{"tag": "none", {}'),
    ],
)
async def test_answer_is_read_whatever_stands_around_it(
    web, addresses, alice_at_web, headers, wrap
):
    """A byte order mark, another content type, a member that is there twice: the last counts."""
    body = json.dumps(pay_request(f"{web.url}/cb"))
    body = wrap.format(body.removeprefix("{") if "tag" in wrap else body)
    web.answer(WELL_KNOWN, body.encode(), headers=headers)
    limits = await addresses.limits(alice_at_web)
    assert (limits.min_sat, limits.max_sat) == (2, 10_000)


@pytest.mark.parametrize("url", ["HTTPS://Pay.Example/cb", "https://pay.example:443/cb?a=1#part"])
async def test_callback_in_capitals_or_with_its_usual_port_is_taken(
    web, addresses, alice_at_web, url
):
    web.answer(WELL_KNOWN, pay_request(url))
    assert (await addresses.limits(alice_at_web)).callback == url


async def test_member_that_cannot_be_read_is_named(web, addresses, alice_at_web):
    web.answer(WELL_KNOWN, pay_request(f"{web.url}/cb", maxSendable="a lot"))
    with pytest.raises(DestinationRefused, match="maxSendable"):
        await addresses.limits(alice_at_web)


@pytest.mark.parametrize(
    "given",
    [
        {"pr": "lightning:lnbc1x"},
        {"pr": "LIGHTNING:lnbc1x"},
        {"pr": "lightning://lnbc1x"},
        {"pr": " lnbc1x\n"},
        {"pr": "lnbc1x", "status": "OK", "routes": [], "disposable": False},
        {"pr": "lnbc1x", "routes": None, "successAction": None, "disposable": None},
        {"pr": "lnbc1x", "successAction": {"tag": "message", "message": "thanks"}},
        {"pr": "lnbc1x", "verify": 7, "reason": None},
        {"pr": "lnbc1x", "successAction": {"tag": "url", "url": "http://other.example"}},
        {"pr": "lnbc1x", "successAction": ["thanks"], "routes": {}},
        {"pr": "lnbc1x", "successAction": {"tag": "aes", "iv": 0}, "disposable": "yes"},
    ],
)
async def test_invoice_is_found_however_a_server_hands_it_out(web, addresses, given):
    web.answer("/cb?session=7", given)
    web.answer("/cb", given)
    limits = LnurlLimits(1, 10, f"{web.url}/cb?session=7", is_own=True)
    made = await addresses.request_invoice(limits, amount_sat=1, comment="")
    assert made.bolt11 == "lnbc1x"
    assert web.asked[-1][0] == "/cb?session=7&amount=1000"


@pytest.mark.parametrize(
    "body",
    [
        {"pr": ""},
        {"pr": None},
        {"pr": ["lnbc1x"]},
        {"pr": {"invoice": "lnbc1x"}},
        {"pr": "x" * 8000},
        {"routes": []},
        {},
    ],
)
async def test_callback_without_an_invoice_is_refused(web, addresses, body):
    web.answer("/cb", body)
    with pytest.raises(DestinationRefused, match=re.escape(Refusal.NO_INVOICE)):
        await addresses.request_invoice(
            LnurlLimits(1, 10, f"{web.url}/cb", is_own=True), amount_sat=1, comment=""
        )


# LUD-21: what the payee's server says of an invoice


@pytest.mark.parametrize(
    ("verify", "kept"),
    [
        ("{url}/verify/1", True),
        ("https://127.0.0.1:{port}/verify/1", True),
        ("https://other.example/verify/1", False),
        ("http://127.0.0.1:1/verify/1", False),
        ("https://127.0.0.1/verify/1", False),
        ("file:///etc/passwd", False),
        ("", False),
        (None, False),
        (True, False),
        ({"url": "{url}/verify/1"}, False),
        ("{url}/" + "x" * 3000, False),
        ("http://[", False),
    ],
)
async def test_verify_is_kept_at_the_callbacks_own_host_alone(web, addresses, verify, kept):
    if isinstance(verify, str):
        verify = verify.replace("{url}", web.url).replace("{port}", str(web.port))
    web.answer("/cb", {"pr": "lnbc1x", "verify": verify})
    made = await addresses.request_invoice(
        LnurlLimits(1, 10, f"{web.url}/cb", is_own=True), amount_sat=1, comment=""
    )
    assert made == AddressInvoice("lnbc1x", verify if kept else "")


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://pay.example/verify/1", True),
        ("https://pay.example:443/verify/1", True),
        ("https://pay.example:8443/verify/1", False),
        ("http://pay.example/verify/1", False),
        ("https://ana@pay.example/verify/1", False),
        ("https://evil.example/verify/1", False),
        ("https://127.0.0.1/verify/1", False),
    ],
)
def test_verify_of_others_is_https_on_port_443(addresses, url, kept):
    callback = httpx.URL("https://pay.example/cb")
    assert addresses._verify_url(url, callback, is_own=False) == (url if kept else "")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status": "OK", "settled": True, "preimage": "AB" * 32}, (True, "ab" * 32, "")),
        (
            {"status": "OK", "settled": False, "preimage": None, "pr": "lnbc1x"},
            (False, "", "lnbc1x"),
        ),
        ({"settled": False}, (False, "", "")),
    ],
)
async def test_answer_about_an_invoice_is_read(web, addresses, answer, expected):
    web.answer("/verify/1", answer)
    assert await addresses.verify(f"{web.url}/verify/1") == VerifyAnswer(*expected)


@pytest.mark.parametrize(
    ("answer", "how"),
    [
        ({"status": "ERROR", "reason": "Not found"}, {}),
        ({"status": "ERROR", "settled": False}, {}),
        ({"status": "OK", "settled": "false"}, {}),
        ({"status": "OK", "settled": 0}, {}),
        ({"status": "OK"}, {}),
        ([], {}),
        (b"<html>", {}),
        ({"status": "OK", "settled": False}, {"status": 404}),
        ({"status": "OK", "settled": True}, {"status": 500}),
        (b"", {"status": 302, "headers": ["Location: /verify/2"]}),
        (b'{"settled": false}' + b" " * 70_000, {}),
    ],
)
async def test_answer_that_is_not_clear_says_nothing(web, addresses, answer, how):
    web.answer("/verify/1", answer, **how)
    web.answer("/verify/2", {"status": "OK", "settled": False})
    with pytest.raises(DestinationUnavailable) as error:
        await addresses.verify(f"{web.url}/verify/1")
    assert "verify" not in str(error.value)
    assert len(web.asked) == 1


async def test_server_of_an_invoice_that_is_not_public_is_not_asked(web):
    async with LightningAddresses(None, resolve=resolver("10.0.0.1")) as addresses:
        with pytest.raises(DestinationUnavailable):
            await addresses.verify("https://pay.example/verify/1")
    assert web.asked == []


async def test_callback_of_somebody_elses_address_does_not_lead_to_the_operators_own_host(web):
    """Only an address at the operator's LNbits may lead there as it is configured."""
    web.answer("/cb", {"pr": "lnbc1x", "verify": f"{web.url}/verify/1"})
    async with LightningAddresses(web.url, resolve=resolver(PUBLIC)) as addresses:
        foreign = LnurlLimits(1, 10, f"{web.url}/cb")
        with pytest.raises(DestinationRefused):
            await addresses.request_invoice(foreign, amount_sat=1, comment="")
        assert web.asked == []
        callback = httpx.URL(f"{web.url}/cb")
        assert addresses._verify_url(f"{web.url}/verify/1", callback, is_own=False) == ""
