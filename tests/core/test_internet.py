import pytest

from dca_bot.core.internet import ADDRESSES_MAX, is_public, public_addresses


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
        ("64:ff9b::a00:1", False),
        ("64:ff9b::e000:1", False),
        ("64:ff9b::101:101", True),
        ("64:ff9b:1::101:101", False),
        ("2002:101:101::", False),
        ("::1.1.1.1", False),
        ("2606:4700:4700::1111%eth0", False),
        ("fec0::1", False),
        ("2002:7f00:1::", False),
        ("localhost", False),
    ],
)
def test_only_public_addresses_count_as_public(host, public):
    assert is_public(host) is public


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], ()),
        (["10.0.0.1", "::1", "fe80::1%eth0", "relay"], ()),
        (["1.1.1.1", "127.0.0.1", "8.8.8.8"], ("1.1.1.1", "8.8.8.8")),
        (["2606:4700::1", "2606:4700::2", "1.1.1.1"], ("2606:4700::1", "1.1.1.1", "2606:4700::2")),
        (["1.1.1.1", "8.8.8.8", "2606:4700::1"], ("1.1.1.1", "2606:4700::1", "8.8.8.8")),
        (["1.1.1.1", "1.1.1.1", "2606:4700::1"], ("1.1.1.1", "2606:4700::1")),
        (["64:ff9b::101:101", "1.1.1.1"], ("64:ff9b::101:101", "1.1.1.1")),
    ],
)
def test_all_public_addresses_are_tried_by_turns_of_their_kinds(found, expected):
    assert public_addresses(found) == expected


def test_host_of_many_addresses_is_tried_at_a_bounded_number_of_both_kinds():
    found = [f"2606:4700::{n}" for n in range(1, 60)] + [f"1.1.1.{n}" for n in range(60)]
    hosts = public_addresses(found)
    assert len(hosts) == ADDRESSES_MAX
    assert sum(":" in host for host in hosts) == ADDRESSES_MAX // 2
