import json
import subprocess
import sys

import nostr_sdk
import pytest
from pynostr import bech32

from dca_bot.nostr.events import sign
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.primitives import (
    decode_bech32,
    decrypt_nip04,
    encode_bech32,
    encrypt_nip04,
    shared_x,
)

ANA, BEA = (SecretKey(bytes([number]) * 32) for number in (1, 2))
LOADED = """
import json, sys
import {first}
before = sys.modules.get("requests")
import dca_bot.app
assert sys.modules.get("requests") is before
print(json.dumps(sorted(sys.modules)))
"""
LATER = """
import dca_bot.nostr.primitives
import requests, tlv8
assert requests.get and tlv8.encode
"""


def run(script):
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return done.stdout


def test_a_starting_bot_loads_no_second_http_client_and_no_web_server():
    loaded = set(json.loads(run(LOADED.format(first="sys"))))
    assert "pynostr.key" in loaded
    assert not loaded & {"requests", "urllib3", "tlv8", "tornado", "typer", "matplotlib"}


def test_modules_loaded_before_and_after_pynostr_are_the_real_ones():
    assert "requests" in json.loads(run(LOADED.format(first="requests")))
    run(LATER)


@pytest.mark.parametrize("raw", [bytes(32), bytes([255]) * 32, b"", b"\x01\x00"])
def test_bech32_gives_every_byte_back(raw):
    assert decode_bech32(encode_bech32("npub", raw)) == ("npub", raw)


def test_bech32_of_another_encoding_or_with_a_typing_mistake_is_none():
    words = bech32.convertbits(bytes(32), 8, 5)
    assert decode_bech32(bech32.bech32_encode("npub", words, bech32.Encoding.BECH32M)) is None
    good = encode_bech32("npub", bytes(32))
    assert decode_bech32(good[:-1] + ("q" if good[-1] != "q" else "p")) is None
    assert decode_bech32("") is None


def test_both_owners_compute_the_same_point():
    assert shared_x(ANA.raw, BEA.public_key) == shared_x(BEA.raw, ANA.public_key)
    with pytest.raises(ValueError, match="could not be parsed"):
        shared_x(ANA.raw, "f" * 64)
    with pytest.raises(ValueError, match="not a secret key"):
        shared_x(bytes(32), BEA.public_key)


@pytest.mark.parametrize("content", ["", "?iv=", "AAAA", "AAAA?iv=AAAA", "é?iv=é"])
def test_content_that_is_not_nip04_is_a_value_error(content):
    with pytest.raises(ValueError):  # noqa: PT011
        decrypt_nip04(content, ANA.raw, BEA.public_key)


def test_nip04_and_signatures_agree_with_an_independent_client():
    theirs = nostr_sdk.Keys.parse(BEA.nsec())
    content = encrypt_nip04("hóla", ANA.raw, BEA.public_key)
    ana = nostr_sdk.PublicKey.parse(ANA.public_key)
    assert nostr_sdk.nip04_decrypt(theirs.secret_key(), ana, content) == "hóla"
    event = sign(ANA, kind=4, created_at=5, tags=(("p", "x"),), content=content)
    assert nostr_sdk.Event.from_json(event.to_json()).verify()
