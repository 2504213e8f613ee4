import pytest

from dca_bot.core.relay_urls import may_be_public, normalize


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("wss://Relay.Example.com/", "wss://relay.example.com"),
        ("WSS://relay.example.com:443", "wss://relay.example.com"),
        ("wss://relay.example.com.", "wss://relay.example.com"),
        ("wss://relay.example.com.:7777/", "wss://relay.example.com:7777"),
        ("wss://.", None),
        ("wss://relay.example.com/inbox/", "wss://relay.example.com/inbox"),
        ("wss://relay.example.com:7777", "wss://relay.example.com:7777"),
        ("ws://127.0.0.1:80/", "ws://127.0.0.1"),
        ("wss://[2606:4700::1]:8443/", "wss://[2606:4700::1]:8443"),
        ("https://relay.example.com", None),
        ("wss://", None),
        ("wss://me:secret@relay.example.com", None),
        ("wss://relay.example.com:99999", None),
        ("wss://relay.example.com/\nHost: other", None),
        ("wss://[::1", None),
        ("wss://" + "a" * 300, None),
        ("", None),
    ],
)
def test_relay_url_is_compared_in_one_form(url, expected):
    assert normalize(url) == expected


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("wss://relay.example.com", True),
        ("wss://1.1.1.1:7777", True),
        ("wss://[2606:4700::1]", True),
        ("ws://relay.example.com", False),
        ("wss://192.168.0.1", False),
        ("wss://127.0.0.1:7777", False),
        ("wss://[::1]", False),
        ("wss://abcdefghijklmnop.onion", False),
        ("wss://relay.i2p", False),
        ("wss://raspberry.local", False),
        ("wss://umbrel", False),
        ("wss://localhost", False),
    ],
)
def test_relay_that_only_its_owner_can_reach_is_told_by_its_url(url, public):
    assert may_be_public(url) is public
