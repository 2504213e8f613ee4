"""What is taken for a secret, and what people write every day that must not be."""

import random
import time
from importlib import resources

import pytest

from dca_bot.core.secrets import Secret, find_secret, hex_keys, in_plain_letters, is_key

BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_random = random.Random(11)


def drawn(letters, count):
    return "".join(_random.choices(letters, k=count))


def words_of(language):
    folder = resources.files("dca_bot.core") / "seed_words"
    return (folder / f"{language}.txt").read_text(encoding="utf-8").split()


NSEC = "nsec1" + drawn(BECH32, 58)
HEX_32, HEX_64 = "ad" + drawn("0123456789abcdef", 30), "c0" + drawn("0123456789abcdef", 62)
ENGLISH = "velvet tornado glimpse orphan kidney saddle mimic frost ladder ozone beyond crater"
SPANISH = "inútil pulga quitar delito genio ático carne don libro helio ropa aplicar"
SEED, SEMILLA = ENGLISH.split(), SPANISH.split()
HOSTILE = (
    ("nsec1", 1600),
    ("nsec1 q ", 1000),
    ("n s e c 1 q q ", 600),
    ("abandon ", 1000),
    ("ad0b ", 1600),
    ("://a:", 1600),
    ("eyJ", 2600),
    ("BEGIN A ", 1000),
    ("á", 8000),
    ("\u200b", 8000),
    ("?usr=", 1600),
    ("f", 8000),
)
TOKEN = drawn(BASE58, 60)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        # Nostr
        (NSEC, Secret.NOSTR_KEY),
        (NSEC.upper(), Secret.NOSTR_KEY),
        (f"nostr:{NSEC}", Secret.NOSTR_KEY),
        (f"mi clave es «{NSEC}».", Secret.NOSTR_KEY),
        (f"{NSEC[:-1]}b", Secret.NOSTR_KEY),
        (NSEC[:40], Secret.NOSTR_KEY),
        (f"{NSEC[:30]}\n{NSEC[30:]}", Secret.NOSTR_KEY),
        (" ".join(NSEC), Secret.NOSTR_KEY),
        (NSEC.replace("1", "1 ", 1), Secret.NOSTR_KEY),
        ("nsec\u200b1\u200b" + "\u200b".join(NSEC[5:]), Secret.NOSTR_KEY),
        ("\uff4e\uff53\uff45\uff43\uff11" + NSEC[5:], Secret.NOSTR_KEY),
        (f"https://njump.me/{NSEC}", Secret.NOSTR_KEY),
        (f"ncryptsec1{drawn(BECH32, 120)}", Secret.NOSTR_KEY),
        # LNbits
        (HEX_32, Secret.WALLET_KEY),
        (HEX_32.upper(), Secret.WALLET_KEY),
        (f"llave:{HEX_32}", Secret.WALLET_KEY),
        (f"X-Api-Key={HEX_32};", Secret.WALLET_KEY),
        (HEX_32[:-1], Secret.WALLET_KEY),
        (f"{HEX_32}7", Secret.WALLET_KEY),
        ("ad0b e5c3 91d7 44f2 0b1c 7e5a 90cc 12fa", Secret.WALLET_KEY),
        ("ad0be5c391d744f20b1c\n7e5a90cc12fa", Secret.WALLET_KEY),
        ("https://demo.lnbits.com/wallet?usr=5e1f&wal=7a2c", Secret.ACCOUNT_LINK),
        (f"https://x.example/wallet?wal=7a2c&usr={HEX_32}", Secret.ACCOUNT_LINK),
        (f"lndhub://admin:{HEX_32}@https://x.example/lndhub/ext/", Secret.ACCESS),
        (f"https://x.example/api/v1/wallet?api-key={HEX_32}", Secret.ACCESS),
        # Keys in hex
        (HEX_64, Secret.HEX_KEY),
        (f"0x{HEX_64}", Secret.HEX_KEY),
        (f"nsec en hex {HEX_64.upper()}", Secret.HEX_KEY),
        (f"{HEX_64[:32]} {HEX_64[32:]}", Secret.WALLET_KEY),
        # Seed words
        (" ".join(SEED), Secret.SEED_WORDS),
        (" ".join(SEED).upper(), Secret.SEED_WORDS),
        (", ".join(SEED), Secret.SEED_WORDS),
        ("\n".join(SEED), Secret.SEED_WORDS),
        (" ".join(f"{at}. {word}" for at, word in enumerate(SEED, 1)), Secret.SEED_WORDS),
        (" ".join(f"{at}{word}" for at, word in enumerate(SEED, 1)), Secret.SEED_WORDS),
        ("\n".join(f"word {at}: {word}" for at, word in enumerate(SEED)), Secret.SEED_WORDS),
        ("\n".join(f"palabra {at}: {word}" for at, word in enumerate(SEMILLA)), Secret.SEED_WORDS),
        (f"estas son mis palabras: {' '.join(SEMILLA)} ¿están bien?", Secret.SEED_WORDS),
        (
            "inutil pulga quitar delito genio atico carne don libro helio ropa aplicar",
            Secret.SEED_WORDS,
        ),
        (" ".join(SEED).replace("orphan", "orfan").replace("saddle", "sadle"), Secret.SEED_WORDS),
        (" ".join(word[:4] for word in SEED), Secret.SEED_WORDS),
        (" ".join(SEED[:9]), Secret.SEED_WORDS),
        ("abandon " * 11 + "about", Secret.SEED_WORDS),
        # Bitcoin
        (f"xprv9s21ZrQH143K{drawn(BASE58, 96)}", Secret.PRIVATE_KEY),
        (f"wpkh([d34db33f/84h]zprvA{drawn(BASE58, 106)}/0/*)", Secret.PRIVATE_KEY),
        (f"5J{drawn(BASE58, 49)}", Secret.PRIVATE_KEY),
        (f"K{drawn(BASE58, 51)}", Secret.PRIVATE_KEY),
        (f"6P{drawn(BASE58, 56)}", Secret.PRIVATE_KEY),
        (f"ms12{drawn(BECH32, 45)}", Secret.PRIVATE_KEY),
        # Files
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn", Secret.PRIVATE_KEY),
        ("—BEGIN PGP PRIVATE KEY BLOCK—\n\nlQOYBF", Secret.PRIVATE_KEY),
        (f"AGE-SECRET-KEY-1{drawn(BECH32, 58).upper()}", Secret.PRIVATE_KEY),
        # Connections
        (f"nostr+walletconnect://{HEX_64}?relay=wss://r.example&secret={HEX_64}", Secret.ACCESS),
        (f"nostrwalletconnect:{HEX_64}?secret={HEX_64}", Secret.ACCESS),
        (f"bunker://{HEX_64}?relay=wss%3A%2F%2Fr.example&secret=x7Zp", Secret.ACCESS),
        ("lndconnect://x.onion:10009?macaroon=AgEDbG5kAvgBAwoQ", Secret.ACCESS),
        (f"0201036c6e6402f801030a10{drawn('0123456789abcdef', 200)}", Secret.ACCESS),
        (f"AgEDbG5k{drawn(BASE58, 200)}", Secret.ACCESS),
        ("postgresql://dca_readonly:un-secreto@db.example:5432/lamassu", Secret.ACCESS),
        ("host=db user=dca password=un-secreto", Secret.ACCESS),
        (f"eyJhbGciOiJIUzI1NiJ9.eyJ{TOKEN}.{TOKEN}", Secret.ACCESS),
        # Money
        (f"cashuA{TOKEN}", Secret.MONEY),
        (f"web+cashu://cashuB{TOKEN}", Secret.MONEY),
        ("lnurlw://x.example/withdraw/api/v1/lnurl/7fQ2", Secret.MONEY),
        ("🥜" + "".join(chr(0xE0100 + ord(char)) for char in f"cashuA{TOKEN}"), Secret.MONEY),
    ],
)
def test_secret_is_found_however_it_is_written(text, kind):
    assert find_secret(text) is kind
    assert find_secret(f"deposit maria 5 {text}") is kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "deposit maria 1,500.00 segundo sobre",
        "npub1gqen388kvv4pwf2xwj8a5708lw4ua9zt25kmtkagrvtvq8lvxaas42vruv",
        "nprofile1qqs" + "q9x8" * 20,
        "client add ana npub1gqen388kvv4pwf2xwj8a5708lw4ua9zt25kmtkagrvtvq8lvxaas42vruv 1500",
        "tx 5f4dcc3b-5aa7-65d6-1d83-27deb882cf99",
        f"02{HEX_64}@node.example:9735",
        "lnbc1500n1pn2s39xpp5ahqpuwqkl8l8d6a5jgzzd2m3gqkl8vss8gsqkvl7gs4tz4a6ylqsdqqcqzzs",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "https://github.com/cashubtc/cashu.me",
        "https://lnbits.example.com/lnurlp/link/7fQ2xk",
        "wallet maria+ahorro@lnbits.example.com",
        "What is an nsec1? And an npub1…?",
        "never write your nsec to anybody",
        "cash count Market 12300 1500 2500 3500 4500 5500 6500 7500 8500",
        "GT82TRAJ01020000001210029690 es mi cuenta",
        "withdraw maria 5 BAC ref 20260301123456789012345678901234",
        "withdraw maria 5 cuenta ab12 202603011234 567890123456",
        "help " * 20,
        "La máquina del mercado está cerrada el domingo, pero el lunes abre otra vez a las nueve.",
        "Your rights: that you have, you must make sure that they will have them all, when there is one.",
        "El saldo del cliente baja cada semana; el pago llega otro día, con poco cargo y buen precio.",
        "https://x.example:8443/path@name",
        "password: ask me",
    ],
)
def test_what_people_write_every_day_is_no_secret(text):
    assert find_secret(text) is None


@pytest.mark.parametrize("language", ["en", "es"])
def test_drawn_phrases_of_each_length_are_found(language):
    listed = words_of(language)
    assert len(set(listed)) == 2048
    for length in (12, 15, 18, 21, 24):
        for _ in range(20):
            assert find_secret(" ".join(_random.choices(listed, k=length))) is Secret.SEED_WORDS


def test_words_that_are_public_are_no_keys_but_others_still_are():
    assert find_secret(f"{HEX_32} {HEX_64}", public={HEX_32, HEX_64}) is None
    assert find_secret(f"{HEX_32.upper()} {HEX_64}", public={HEX_32}) is Secret.HEX_KEY
    assert find_secret(f"{HEX_32} {NSEC}", public={HEX_32}) is Secret.NOSTR_KEY


def test_key_of_a_kind_is_nothing_but_that_key():
    assert hex_keys(f"a {HEX_32.upper()} b 0x{HEX_64}") == [HEX_32, HEX_64]
    assert is_key(HEX_32.upper(), Secret.WALLET_KEY)
    assert is_key(HEX_64, Secret.HEX_KEY)
    for text in (HEX_64, f"{HEX_32}@x.example", "maria", ""):
        assert not is_key(text, Secret.WALLET_KEY)


@pytest.mark.parametrize(("text", "times"), HOSTILE)
def test_hostile_text_costs_little(text, times):
    began = time.process_time()
    find_secret(text * times)
    assert time.process_time() - began < 0.5


def test_sign_that_stands_for_words_makes_no_text_a_long_one_and_hides_nothing():
    phrase = "velvet o\ufb03ce glimpse orphan kidney saddle mimic frost ladder ozone beyond crater"
    assert find_secret(f"\ufdfa {phrase} \ufdfb") is Secret.SEED_WORDS
    assert len(in_plain_letters("\ufdfa\u3316\ufb03" * 100)) <= 900
