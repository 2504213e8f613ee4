import pytest

from dca_bot.core.internet import is_public


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("1.1.1.1", True),
        ("2606:4700:4700::1111", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - an address to refuse
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff0e::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:1.1.1.1", False),
        ("192.0.2.1", False),
        ("2001:0:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("fec0::1", False),
        ("2002:7f00:1::", False),
        ("localhost", False),
    ],
)
def test_only_public_addresses_count_as_public(host, public):
    assert is_public(host) is public
