import random

import nostr_sdk
import pytest
from pynostr import bech32

from dca_bot.errors import KeyRefused
from dca_bot.nostr import keys
from dca_bot.nostr.primitives import encode_bech32

# The example keys of NIP-19.
SECRET_HEX = "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa"
SECRET_NSEC = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"
PUBLIC_HEX = "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e"
PUBLIC_NPUB = "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg"
PROFILE_PUBLIC_HEX = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
PROFILE = (
    "nprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69uhhytnc9e3k7mgpz4mhxue"
    "69uhkg6nzv9ejuumpv34kytnrdaksjlyr9p"
)


@pytest.mark.parametrize("text", [SECRET_HEX, SECRET_NSEC, f" {SECRET_NSEC.upper()}\n"])
def test_secret_key_is_read_from_nsec_and_hex(text):
    assert keys.parse_secret_key(text).raw.hex() == SECRET_HEX
    assert keys.parse_secret_key(text).nsec() == SECRET_NSEC


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PUBLIC_NPUB, PUBLIC_HEX),
        (PUBLIC_HEX.upper(), PUBLIC_HEX),
        (f"nostr:{PUBLIC_NPUB}", PUBLIC_HEX),
        (f"nostr:{PROFILE}", PROFILE_PUBLIC_HEX),
    ],
)
def test_public_key_is_read_from_every_common_form(text, expected):
    assert keys.parse_public_key(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        PUBLIC_NPUB[:-1],
        PUBLIC_NPUB[:-1] + "q",
        PUBLIC_NPUB.replace("a8", "8a"),
        PUBLIC_NPUB.replace("npub", "note"),
        PUBLIC_NPUB[:20].upper() + PUBLIC_NPUB[20:],
        PUBLIC_HEX[:-1],
        PUBLIC_HEX[:-1] + "g",
        "f" * 64,
        SECRET_NSEC,
        "nprofile1qqsqqqq",
        "ñ" * 63,
    ],
)
def test_public_key_that_is_mistyped_is_refused(text):
    with pytest.raises(KeyRefused, match=r"\.$"):
        keys.parse_public_key(text)


@pytest.mark.parametrize(
    "text", ["", PUBLIC_NPUB, SECRET_NSEC[:-1], "0" * 64, "f" * 64, SECRET_HEX[:-2]]
)
def test_secret_key_that_is_wrong_is_refused_without_showing_it(text):
    with pytest.raises(KeyRefused, match=r"\.$") as refusal:
        keys.parse_secret_key(text)
    assert not text or text not in str(refusal.value)


def test_whole_bech32_text_of_another_kind_is_refused():
    words = bech32.convertbits(bytes.fromhex(PUBLIC_HEX), 8, 5)
    note = bech32.bech32_encode("note", words, bech32.Encoding.BECH32)
    modified = bech32.bech32_encode("npub", words, bech32.Encoding.BECH32M)
    short = bech32.bech32_encode("npub", words[:-8], bech32.Encoding.BECH32)
    for text in (note, modified, short):
        with pytest.raises(KeyRefused, match=r"\.$"):
            keys.parse_public_key(text)


def test_pasting_a_secret_key_for_a_public_one_warns():
    with pytest.raises(KeyRefused, match="never send it"):
        keys.parse_public_key(SECRET_NSEC)


def test_secret_key_shows_itself_nowhere():
    key = keys.parse_secret_key(SECRET_HEX)
    shown = f"{key} {key!r} {[key]} {key.__reduce_ex__.__name__}"
    assert SECRET_HEX not in shown
    assert SECRET_NSEC not in shown
    assert repr(key.raw) not in shown


def test_keys_agree_with_an_independent_client():
    source = random.Random(44)
    # 300 keys hold on average one whose last byte is zero, which pynostr's own decoder drops.
    for _ in range(300):
        key = keys.generate(source)
        theirs = nostr_sdk.Keys.parse(key.nsec())
        assert theirs.public_key().to_hex() == key.public_key
        assert theirs.public_key().to_bech32() == key.npub
        assert keys.parse_public_key(key.npub) == key.public_key
        assert keys.parse_secret_key(key.nsec()) == key


def test_key_in_hex_is_no_npub():
    key = keys.generate(random.Random(1))
    assert keys.parse_npub(f"nostr:{key.npub}") == key.public_key
    for text in (key.public_key, key.public_key.upper(), f" nostr:{key.public_key}\u200b"):
        with pytest.raises(KeyRefused, match="write the npub"):
            keys.parse_npub(text)


def test_hints_of_an_nprofile_are_read_and_no_other_text_has_any():
    hints = ("wss://r.x.com", "wss://djbas.sadkb.com")
    assert keys.relay_hints(f" nostr:{PROFILE}\n") == hints
    assert keys.relay_hints(PROFILE.upper()) == hints
    for text in ("", PUBLIC_NPUB, PUBLIC_HEX, PROFILE[:-1], SECRET_NSEC, "KNOCK-7K2QXM"):
        assert keys.relay_hints(text) == ()


def test_nprofile_is_one_that_an_independent_client_writes_and_reads():
    relays = ["wss://relay.example.com", "wss://inbox.example.com:7777/path"]
    profile = keys.nprofile(PUBLIC_HEX, relays)
    theirs = nostr_sdk.Nip19Profile.from_bech32(profile)
    assert theirs.public_key().to_hex() == PUBLIC_HEX
    assert [str(relay).rstrip("/") for relay in theirs.relays()] == relays
    assert keys.parse_npub(profile) == PUBLIC_HEX
    own = nostr_sdk.Nip19Profile(
        nostr_sdk.PublicKey.parse(PUBLIC_HEX), [nostr_sdk.RelayUrl.parse(url) for url in relays]
    )
    assert keys.relay_hints(own.to_bech32()) == tuple(relays)


def test_nprofile_with_entries_that_are_cut_off_or_unknown_or_many_is_read_as_far_as_it_goes():
    key = bytes((0, 32)) + bytes.fromhex(PUBLIC_HEX)
    unknown, broken = bytes((9, 2)) + b"xx", bytes((1, 200)) + b"wss://cut.example"
    relay = bytes((1, 11)) + b"wss://a.exa"
    strange = bytes((1, 3)) + bytes((255, 0, 254))
    for data, count in (
        (unknown + relay + key + broken, 1),
        (key + strange, 1),
        (key + relay * 90, 20),
    ):
        text = encode_bech32("nprofile", data)
        assert keys.parse_public_key(text) == PUBLIC_HEX
        assert len(keys.relay_hints(text)) == count
