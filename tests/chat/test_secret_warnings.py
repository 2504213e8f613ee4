"""No secret that somebody writes is kept or passed on, wherever it stands; a warning is the answer."""

import itertools
import logging
import re
from datetime import timedelta

import pytest
from talk import ADMIN_KEY, INVOICE_KEY, OTHER_KEY, PEOPLE, code_in, make_programme

from dca_bot.chat import admission
from dca_bot.chat.client.account import CLIENT_COMMANDS
from dca_bot.chat.operator.table import OPERATOR_COMMANDS
from dca_bot.core.ports import DmProtocol
from dca_bot.ledger.programme import machines
from dca_bot.nostr.keys import npub, parse_public_key

KEPT_NOT = ("did not keep", "No la guardé", "no lo guardé", "no la guardé", "no las guardé")
SECRET_IN_HEX = "1409be252c906e142e3780dc6110af6a3e38a670e629c132ba5ea6b82ddc4c06"
"""A secret key that, read as a public one, is valid too, as half of them are."""
HEX_KEY = "c0ffee5e" + "7b91d3a4" * 7
ENGLISH = "velvet tornado glimpse orphan kidney saddle mimic frost ladder ozone beyond crater"
SPANISH = "inútil pulga quitar delito genio ático carne don libro helio ropa aplicar"
SECRETS = {
    "nsec": "nsec1" + "q9x8gf2tvdw0s3jn54khce6mua7l" * 2 + "zr",
    "NSEC": "NSEC1" + "PZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"[:29] * 2,
    "ncryptsec": "ncryptsec1" + "qgg9947rlpvqu76pj5ecreduf9jxhselq2nae2kghhvd" * 3,
    "admin key": ADMIN_KEY,
    "ADMIN KEY": ADMIN_KEY.upper(),
    "key in hex": HEX_KEY,
    "seed words": ENGLISH,
    "palabras": SPANISH,
    "xprv": "xprv9s21ZrQH143K3GJpoapnV8SFfuZrEwTxFbLsRTb4GAAzhNtDpgW7tvQNMw5Q9vN5Fqj8kMvVd3i8wJhZ",
    "WIF": "L4rK1yDtCWekvXuE6oXD9jCYfFNV2cWRpVuPLBcCU2z8TrisoyY1",
    "LNbits link": f"https://lnbits.example.com/wallet?usr={'5e1f' * 8}&wal={'7a2c' * 8}",
    "NWC": f"nostr+walletconnect://{'b889' * 16}?relay=wss://r.example&secret={'71a8' * 16}",
    "bunker": f"bunker://{'83f3' * 16}?relay=wss://r.example&secret=k7hp20vx",
    "lndconnect": "lndconnect://node.example:10009?cert=MIICiDCCAi2gAwIB&macaroon=AgEDbG5kAvgBAwoQ3",
    "postgres": "postgres://dca:hunter2hunter2@db.example/lamassu",
    "cashu": "cashuBo2FtdWh0dHBzOi8vbWludC5leGFtcGxlYXVjc2F0YXSBomFpSADUzREWZ",
    "lnurlw": "lnurlw://lnbits.example.com/withdraw/api/v1/lnurl/hG7kQpZx",
}
FORMS = ("{}", "'{}'", "({}).", "{}\nthanks", "{},")
"""How a secret stands in its place: as it is, in quotes, in brackets, before a second line."""
WAYS = tuple(DmProtocol)
ARGUMENTS = {
    "NAME": "maria",
    "NPUB": "{fresh}",
    "AMOUNT": "5",
    "PERCENT": "5",
    "DESTINATION": "me@example.com",
    "ID": "1",
    "MACHINE": "Market",
    "FIAT": "200",
    "SATS": "24000",
    "COMMAND": "wallet",
    "CODE": "7K2Q",
    "PAGE": "1",
    "RANGE": "30d",
    "flow|fixed": "fixed",
}


def places(command):
    """Yield a command with each argument in turn left out for a secret, and one more at its end."""
    names = re.findall(r"[^\s\[\]]+", command.usage)[len(command.words) :]
    given = [ARGUMENTS.get(name, "word") for name in names]
    for place in range(len(names) + 1):
        rest = [*given[:place], "<secret>", *given[place + 1 :]]
        yield f"{command.name} {' '.join(rest)}"


def cases(commands, secrets):
    """Yield (message, way) for each secret in each place, bare ones first; the forms take turns."""
    turns = itertools.cycle(itertools.product(FORMS, WAYS))
    templates = ["<secret>", "hola <secret>", "hello\n<secret>"]
    templates += [place for command in commands for place in places(command)]
    for template, secret in itertools.product(templates, secrets.values()):
        form, way = next(turns)
        yield template.replace("<secret>", form.format(secret)), way


def pieces(secret):
    """Return what may be found nowhere: any 10 characters of a key, any 3 of some words in a row."""
    words = secret.lower().split()
    if len(words) > 3:
        return {" ".join(words[at : at + 3]) for at in range(len(words) - 2)}
    secret = secret.lower().replace("lnbits.example.com", "").replace("r.example", "")
    return {secret[at : at + 10] for at in range(0, len(secret) - 9, 4)}


def found_in(text):
    """Return which secrets a text has a piece of."""
    text = re.sub(r"\s+", " ", text.lower())
    return {
        kind for kind, secret in SECRETS.items() if any(piece in text for piece in pieces(secret))
    }


def kept_by(talk):
    return found_in(talk.ledger_bytes().decode("utf-8", "replace"))


@pytest.fixture
async def shop(talk):
    talk.programme = make_programme(operator_protocols=frozenset(DmProtocol))
    talk.start()
    await talk.add_client("maria", balance="1000")
    await talk.hold_cash_out("held-one")
    return talk


async def counts(talk):
    tables = ("client", "deposit", "entry", "confirmation", "command_log", "commission_terms")
    return [await talk.count(table) for table in tables]


@pytest.mark.slow(1)
@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize(
    ("who", "commands"),
    [("maria", CLIENT_COMMANDS), ("op", OPERATOR_COMMANDS)],
    ids=["client", "op"],
)
async def test_secret_in_any_place_of_any_command_is_warned_of_and_kept_nowhere(
    shop, who, commands, half, caplog
):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.INFO, logger="aiosqlite")  # names functions, and takes its time
    written = [*cases(commands, SECRETS)][half::2]
    assert len(written) > 250
    before, unwarned = await counts(shop), []
    for text, way in written:
        reply = await shop.tell(who, text.replace("{fresh}", "{{fresh}}"), protocol=way)
        if not any(words in (reply or "") for words in KEPT_NOT):
            unwarned.append((text, reply))
    assert unwarned == []
    assert kept_by(shop) == set()
    assert found_in(caplog.text) == set()
    assert await counts(shop) == before


async def test_stranger_who_sends_a_secret_is_warned_once_and_then_not_answered(talk):
    for number, secret in enumerate(SECRETS.values()):
        stranger = f"{number:064x}"
        reply = await talk.tell(stranger, secret)
        assert "did not keep" in reply
        assert "wallet DESTINATION" not in reply
        assert await talk.tell(stranger, secret) is None
    assert kept_by(talk) == set()


async def test_strangers_with_secrets_are_answered_up_to_the_same_cap(talk):
    for number in range(30):
        key = f"{number:064x}"
        await talk.conversation.handle(talk.message(key, SECRETS["nsec"]))
    assert [await talk.count(table) for table in ("inbox", "outbox")] == [20, 20]


async def test_message_with_a_secret_counts_as_handled(shop):
    message = shop.message("maria", SECRETS["seed words"])
    assert "did not keep" in await shop.deliver(message)
    shop.start()
    assert await shop.deliver(message) is None


@pytest.mark.parametrize(
    "how",
    [{"age": timedelta(hours=7)}, {"age": -timedelta(hours=1)}, {"protocol": DmProtocol.NIP04}],
    ids=["too old", "from the future", "wrong protocol"],
)
async def test_secret_is_warned_of_though_the_message_may_not_run(talk, how):
    assert "secret key of a Nostr account" in await talk.tell("op", SECRETS["nsec"], **how)


async def test_secret_in_a_message_that_is_too_long_is_warned_of(shop):
    reply = await shop.tell("maria", f"{SECRETS['seed words']} {'x ' * 2000}")
    assert "words that restore a wallet" in reply


async def test_many_secrets_at_once_are_all_warned_of_and_never_asked_for_again(shop):
    replies = [await shop.deliver(shop.message("maria", SECRETS["nsec"])) for _ in range(50)]
    assert not any("send it again" in reply for reply in replies if reply)
    assert replies[:40] == [replies[0]] * 40
    assert replies[49] is None


async def test_flood_is_not_searched_for_secrets(shop, monkeypatch):
    searched = []
    search = admission.secret_in

    def count(text, *where):
        searched.append(text)
        return search(text, *where)

    monkeypatch.setattr(admission, "secret_in", count)
    for text in (*["x" * 3000] * 30, *[SECRETS["nsec"]] * 100):
        await shop.deliver(shop.message("maria", text))
    assert len(searched) == 30 + 41
    assert kept_by(shop) == set()


async def test_question_stays_open_while_a_secret_is_warned_of(shop):
    code = code_in(await shop.tell("op", "deposit maria 5"))
    assert "did not keep" in await shop.tell("op", f"confirm {SECRETS['nsec']}")
    assert "is pending" in await shop.tell("op", f"confirm {code}")


async def test_wallets_key_alone_is_a_clients_wallet_and_an_operator_is_told_how_to_send_it(shop):
    told = await shop.tell("maria", OTHER_KEY)
    assert "LNbits wallet with invoice key 2b2b…2b2b" in told
    assert "admin key" in await shop.tell("maria", ADMIN_KEY)
    assert "client wallet NAME DESTINATION" in await shop.tell("op", f"mi clave es {INVOICE_KEY}")


async def test_admin_key_in_its_place_is_told_what_to_do_now(shop):
    reply = await shop.tell("maria", f"wallet {ADMIN_KEY}")
    assert reply.startswith("That is an admin key")
    assert "Reset the wallet's keys in LNbits" in reply


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"commission set {INVOICE_KEY} 5 {INVOICE_KEY}", "did not keep"),
        (f"commission set rosa 5 % {INVOICE_KEY}", "rosa would get 5%"),
        (f"client wallet maria lightning:{INVOICE_KEY.upper()}", "would go to the LNbits wallet"),
        (f"client wallet maria ⚡<{INVOICE_KEY}>.", "would go to the LNbits wallet"),
        (f"client wallet maria <{INVOICE_KEY}> {ADMIN_KEY}", "did not keep"),
        (f"client wallet maria <{INVOICE_KEY}> {SECRETS['nsec']}", "did not keep"),
        (f"client wallet maria {ADMIN_KEY}@x.example", "did not keep"),
        (f"client wallet maria {HEX_KEY}", "as long as a private key"),
        (f"client add juan {INVOICE_KEY}", "did not keep"),
        (f"client add juan {PEOPLE['juan']}", "write a Nostr key as npub1…"),
        (f"client npub maria nostr:{PEOPLE['fresh']}", "write a Nostr key as npub1…"),
        (f"client add juan {PEOPLE['maria']}", "not a Nostr public key written as npub1…"),
        (f"client npub maria nostr:{PEOPLE['op2'].upper()}", "written as npub1…"),
        (f"client add juan {'7' * 64}", "written as npub1…"),
        (f"payout cancel {PEOPLE['maria']}", "There is no payout"),
        (f"client add {PEOPLE['juan']} {PEOPLE['juan']}", "as long as a private key"),
    ],
)
async def test_key_is_taken_only_where_the_command_takes_it(shop, text, expected):
    assert expected in await shop.tell("op", text)


@pytest.mark.parametrize(
    "template",
    [
        "client add pepa {}",
        "client add pepa {} 100",
        "client add pepa nostr:{}",
        "client npub maria {}",
        "client npub maria \u200b{}.",
    ],
)
async def test_private_key_in_hex_is_taken_as_nobodys_public_key(shop, template):
    assert parse_public_key(SECRET_IN_HEX) == SECRET_IN_HEX
    before = await counts(shop)
    for form in (SECRET_IN_HEX, SECRET_IN_HEX.upper()):
        reply = await shop.tell("op", template.format(form))
        assert "in hex it looks like a secret one" in reply
    assert await counts(shop) == before
    assert SECRET_IN_HEX.encode() not in shop.ledger_bytes().lower()
    assert npub(SECRET_IN_HEX).encode() not in shop.ledger_bytes()


async def test_public_key_in_hex_tells_a_client_nothing_about_who_else_is_one(shop):
    told = [await shop.tell("maria", PEOPLE[who]) for who in ("maria", "op", "fresh")]
    assert [*{*told}] == [told[0]]
    assert "did not keep" in told[0]


async def test_ids_that_the_ledger_has_are_no_secrets(shop):
    await shop.distribute("sold-one")
    payout = await shop.payout()
    await shop.bring_to(payout.id, "invoice")
    hash_ = (await shop.payout()).attempt.payment_hash
    assert "Cancel payout" in await shop.tell("op", f"payout cancel {payout.id}")
    assert "payout cancel" not in await shop.tell("op", f"withdraw maria 5 for {payout.id}")
    assert f"({hash_})" in await shop.tell("op", f"withdraw maria 5 {hash_}")
    other = payout.id[::-1]
    assert "did not keep" in await shop.tell("op", f"payout cancel {other}")


async def test_id_of_a_machine_is_no_secret(shop):
    device_id = HEX_KEY[::-1]
    assert "did not keep" in await shop.tell("op", f"cash count {device_id} 500")
    await shop.database.transact(lambda tx: machines.record(tx, {device_id: "Bakery"}))
    assert "Count of Bakery" in await shop.tell("op", f"cash count {device_id.upper()} 500")


async def test_warning_is_in_the_language_of_the_reader(shop):
    await shop.tell("maria", "language es")
    assert (await shop.tell("maria", SECRETS["nsec"])).startswith("Esa es la clave secreta")
