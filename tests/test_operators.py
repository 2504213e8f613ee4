"""Who may command: each entry that is wrong is named, and no secret is shown."""

import random
import re
from pathlib import Path

import pytest
from pynostr import bech32

from dca_bot.config import Config, load_config
from dca_bot.errors import ConfigError
from dca_bot.files.secret_files import write_secret
from dca_bot.nostr.keys import generate, npub, parse_public_key
from dca_bot.operators import EXAMPLE_NPUB, parse_operators, refuse_deaf_entries
from dca_bot.outside import bot_key, programme_of

_chance = random.Random(8)
ANA, BEN, BOT = generate(_chance), generate(_chance), generate(_chance)
HEX = ANA.public_key
OFF_CURVE = "a3a92c6a10b6f149ecb7a649f22da5837e113fd8cf794e3840fa9a7135285d75"
"""A secret key that, read as a public one, is none, as half of them are."""


def encoded(prefix, data=None):
    words = bech32.convertbits(data or bytes.fromhex(HEX), 8, 5)
    return bech32.bech32_encode(prefix, words, bech32.Encoding.BECH32)


PROFILE = encoded("nprofile", b"\x00\x20" + bytes.fromhex(HEX) + b"\x01\x05wss:/")


@pytest.mark.parametrize(
    "text",
    [
        ANA.npub,
        ANA.npub.upper(),
        f"nostr:{ANA.npub}",
        f"NOSTR:{ANA.npub.upper()}",
        f" {ANA.npub}\n",
        f"{ANA.npub[:30]} {ANA.npub[30:]}",
        f"\u200b{ANA.npub}\u2060",
        f"nostr: {ANA.npub}",
        HEX,
        HEX.upper(),
        f" {HEX} ",
        PROFILE,
        f"nostr:{PROFILE}",
    ],
)
def test_operator_is_read_in_every_form_that_names_one_key(text):
    assert parse_operators([text]) == {HEX}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (ANA.npub[:-1], "not a valid npub"),
        (ANA.npub[:20] + "b" + ANA.npub[21:], "not a valid npub"),
        (ANA.npub[:20].upper() + ANA.npub[20:], "not a valid npub"),
        (f"{ANA.npub},{BEN.npub}", "not a valid npub"),
        (f"{ANA.npub} {BEN.npub}", "not a valid npub"),
        (encoded("note"), "a note, not a person"),
        (encoded("nevent"), "a note, not a person"),
        (encoded("naddr"), "an article, not a person"),
        (encoded("lnurl"), "a payment code, not a person"),
        ("ana@example.com", "can change hands"),
        ("", "not a valid npub"),
        ("https://njump.me/" + ANA.npub, "not a valid npub"),
        ("npub1...", "not a valid npub"),
    ],
)
def test_operator_that_is_none_is_named_by_place_and_text(text, why):
    with pytest.raises(ConfigError) as refused:
        parse_operators([BEN.npub, text, ANA.npub])
    said = str(refused.value)
    assert said.startswith("nostr.operators: entry 2 of 3, ")
    assert why in said
    assert text[:10] in said
    assert "\n" not in said


def test_all_wrong_operators_are_named_at_once():
    with pytest.raises(ConfigError) as refused:
        parse_operators(["npub1first", BEN.npub, "npub1third"])
    said = str(refused.value)
    assert "entry 1 of 3, 'npub1first'" in said
    assert "entry 3 of 3, 'npub1third'" in said
    assert "entry 2" not in said


@pytest.mark.parametrize(
    "secret",
    [
        ANA.nsec(),
        ANA.nsec().upper(),
        f"nostr:{ANA.nsec()}",
        f" {ANA.nsec()} ",
        ANA.nsec()[:-3],
        f"\u200b{ANA.nsec()}",
        "ncryptsec1qgg9947rlpvqu76pj5ecreduf9jxhselq2nae2kghhvd5g7dgjtcxfqtd67p9m0w57lspw8gsq6yphnm8623n",
    ],
)
def test_secret_key_among_the_operators_is_called_one_and_not_shown(secret):
    with pytest.raises(ConfigError) as refused:
        parse_operators([BEN.npub, secret])
    said = str(refused.value)
    assert "entry 2 of 2 is a secret key" in said
    assert "make a new key" in said
    assert "sec1" not in said.lower().replace("\u200b", "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (OFF_CURVE, "No such public key"),
        (OFF_CURVE.upper(), "No such public key"),
        (f"nostr:{OFF_CURVE}", "No such public key"),
        (f" {OFF_CURVE[:32]} {OFF_CURVE[32:]}", "No such public key"),
        (f"\u200b{OFF_CURVE}", "No such public key"),
        ("9" * 64, "No such public key"),
        (OFF_CURVE[:-1], "not a valid npub"),
        (f"{OFF_CURVE},", "not a valid npub"),
    ],
)
def test_refused_operator_in_hex_is_named_by_its_place_and_shows_no_digit(text, why):
    with pytest.raises(ConfigError) as refused:
        parse_operators([BEN.npub, text])
    said = str(refused.value)
    assert said.startswith("nostr.operators: entry 2 of 2, not shown")
    assert why in said
    assert not re.search("[0-9a-f]{5}", said.lower().removeprefix("nostr.operators"))


def config(tmp_path, *operators):
    return Config.model_validate(
        {
            "nostr": {"relays": ["wss://relay.example.com"], "operators": operators},
            "lamassu": {"source": "directory"},
            "lnbits": {"url": "https://lnbits.example.com"},
        }
    ).model_copy(update={"base": tmp_path})


@pytest.mark.parametrize("text", [BOT.npub, BOT.public_key, f"nostr:{BOT.npub.upper()}"])
def test_bots_own_npub_among_the_operators_is_refused(tmp_path, text):
    write_secret(tmp_path / "bot.nsec", BOT.nsec())
    with pytest.raises(ConfigError, match=r"entry 2 of 2 is the bot's own npub"):
        bot_key(config(tmp_path, ANA.npub, text), {})
    with pytest.raises(ConfigError, match=r"entry 1 of 1 is the bot's own npub"):
        bot_key(config(tmp_path, text), {"DCA_BOT_NOSTR_KEY": BOT.nsec()})
    assert bot_key(config(tmp_path, ANA.npub), {}).npub == BOT.npub


def test_npub_of_the_example_is_refused_as_nobodys(tmp_path):
    write_secret(tmp_path / "bot.nsec", BOT.nsec())
    example = load_config(Path(__file__).parent.parent / "config.example.toml")
    assert example.nostr.operators == (EXAMPLE_NPUB,)
    with pytest.raises(ConfigError, match=r"entry 2 of 2 is the example's npub"):
        bot_key(config(tmp_path, ANA.npub, EXAMPLE_NPUB), {})


def test_fifty_operators_can_command_and_a_hundred_and_one_cannot(tmp_path):
    many = [generate().npub for _ in range(101)]
    assert len(programme_of(config(tmp_path, *many[:50])).operators) == 50
    with pytest.raises(ValueError, match=r"nostr\.operators"):
        config(tmp_path, *many)
    with pytest.raises(ValueError, match=r"nostr\.operators"):
        config(tmp_path)


def test_same_operator_twice_is_one():
    assert parse_operators([ANA.npub, HEX, npub(HEX)]) == {parse_public_key(ANA.npub)}
    refuse_deaf_entries([ANA.npub, HEX], BOT.public_key)
