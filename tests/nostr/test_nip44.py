import json
from hashlib import sha256
from pathlib import Path

import pytest

from dca_bot.errors import KeyRefused, MessageRefused
from dca_bot.nostr import nip44
from dca_bot.nostr.keys import SecretKey

FILE = Path(__file__).parent.parent / "data" / "nostr" / "nip44.vectors.json"
# As NIP-44 names it.
FILE_SHA256 = "269ed0f69e4c192512cc779e78c555090cebc7c785b609e338a62afc3ce25040"
VECTORS = json.loads(FILE.read_text())["v2"]
VALID, INVALID = VECTORS["valid"], VECTORS["invalid"]
# The table of NIP-44 for the length prefix: (length, padded length, sha256 of the payload).
LONG = [
    (65_535, 65_536, "6d8c2810d1e870fbaa1f0a0937126cca837a15f9260e27060c331d70a3c0bc84"),
    (65_536, 65_536, "b7b4edb36ba92e267d322d56d9aebc22e7fa96ff52e3c12adc07f07a43cbc616"),
    (65_537, 81_920, "eeb7c7c5373894ea2c1547cfd3ccb15d5a0b2d619da852e5c79df792dcc9e435"),
]
LONG_KEY = bytes.fromhex("c41c775356fd92eadc63ff5a0dc1da211b268cbea22316767095b2871ea1412d")
NONCE = (1).to_bytes(32)


def hashed(text):
    return sha256(text.encode()).hexdigest()


def test_vectors_are_the_official_ones():
    assert sha256(FILE.read_bytes()).hexdigest() == FILE_SHA256
    assert set(VALID) | set(INVALID) == {
        "get_conversation_key",
        "get_message_keys",
        "calc_padded_len",
        "encrypt_decrypt",
        "encrypt_decrypt_long_msg",
        "encrypt_msg_lengths",
        "decrypt",
    }


@pytest.mark.parametrize("vector", VALID["get_conversation_key"])
def test_conversation_key_is_the_vectors(vector):
    key = SecretKey(bytes.fromhex(vector["sec1"]))
    assert nip44.conversation_key(key, vector["pub2"]).hex() == vector["conversation_key"]


def test_message_keys_are_the_vectors():
    shared_key = bytes.fromhex(VALID["get_message_keys"]["conversation_key"])
    for vector in VALID["get_message_keys"]["keys"]:
        found = nip44.message_keys(shared_key, bytes.fromhex(vector["nonce"]))
        names = ("chacha_key", "chacha_nonce", "hmac_key")
        assert [part.hex() for part in found] == [vector[name] for name in names]


@pytest.mark.parametrize(("length", "padded"), VALID["calc_padded_len"])
def test_padded_length_is_the_vectors(length, padded):
    assert nip44.padded_length(length) == padded


@pytest.mark.parametrize("vector", VALID["encrypt_decrypt"])
def test_conversation_is_the_vectors_in_both_directions(vector):
    one, two = (SecretKey(bytes.fromhex(vector[name])) for name in ("sec1", "sec2"))
    for mine, theirs in ((one, two), (two, one)):
        shared_key = nip44.conversation_key(mine, theirs.public_key)
        assert shared_key.hex() == vector["conversation_key"]
        nonce = bytes.fromhex(vector["nonce"])
        assert nip44.encrypt(vector["plaintext"], shared_key, nonce) == vector["payload"]
        assert nip44.decrypt(vector["payload"], shared_key) == vector["plaintext"]


@pytest.mark.parametrize("vector", VALID["encrypt_decrypt_long_msg"], ids=lambda v: v["repeat"])
def test_long_message_is_the_vectors(vector):
    text = vector["pattern"] * vector["repeat"]
    shared_key = bytes.fromhex(vector["conversation_key"])
    payload = nip44.encrypt(text, shared_key, bytes.fromhex(vector["nonce"]))
    assert hashed(text) == vector["plaintext_sha256"]
    assert hashed(payload) == vector["payload_sha256"]
    assert nip44.decrypt(payload, shared_key) == text


@pytest.mark.parametrize(("length", "padded", "payload_sha256"), LONG)
def test_length_prefix_grows_from_65536_bytes_on(length, padded, payload_sha256):
    text = "a" * length
    payload = nip44.encrypt(text, LONG_KEY, NONCE)
    assert nip44.padded_length(length) == padded
    assert hashed(payload) == payload_sha256
    assert nip44.decrypt(payload, LONG_KEY) == text


@pytest.mark.parametrize("vector", INVALID["get_conversation_key"], ids=lambda v: v["note"])
def test_conversation_with_an_impossible_key_is_refused(vector):
    with pytest.raises((KeyRefused, MessageRefused)):
        nip44.conversation_key(SecretKey(bytes.fromhex(vector["sec1"])), vector["pub2"])


@pytest.mark.parametrize("vector", INVALID["decrypt"], ids=lambda v: v["note"])
def test_invalid_payload_is_refused(vector):
    with pytest.raises(MessageRefused):
        nip44.decrypt(vector["payload"], bytes.fromhex(vector["conversation_key"]))


# 65,536 and 100,000 stand among the file's invalid lengths, but NIP-44 allows them since 2026-06.
@pytest.mark.parametrize("length", [0, 131_073, 10_000_000])
def test_length_out_of_bounds_is_refused(length):
    assert length in {131_073, *INVALID["encrypt_msg_lengths"]}
    with pytest.raises(MessageRefused, match="bytes"):
        nip44.encrypt("x" * length, LONG_KEY, NONCE)


def test_short_text_with_the_long_prefix_is_refused():
    padded = bytes(2) + (5).to_bytes(4) + b"hello" + bytes(23)
    assert len(padded) == len(nip44.pad(b"hello"))
    with pytest.raises(MessageRefused, match="padded"):
        nip44.unpad(padded)


def test_payload_beyond_the_bound_is_refused_before_base64():
    with pytest.raises(MessageRefused, match="too long"):
        nip44.decrypt("é" * 300_000, LONG_KEY)


def test_altered_payload_is_refused_at_every_byte():
    payload = nip44.encrypt("hello", LONG_KEY, NONCE)
    for at in range(0, len(payload), 7):
        other = "A" if payload[at] != "A" else "B"
        with pytest.raises(MessageRefused):
            nip44.decrypt(payload[:at] + other + payload[at + 1 :], LONG_KEY)
