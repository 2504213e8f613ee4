from dca_bot.core.relay_lists import (
    INBOX_MAX,
    WRITE_MAX,
    RelayListKind,
    bounded,
    relays_of,
)

INBOX, WRITE = RelayListKind.INBOX, RelayListKind.WRITE


def test_inbox_list_names_the_relays_of_its_relay_tags():
    tags = [
        ["relay", "wss://A.example/"],
        ["relay", "wss://a.example"],
        ["r", "wss://other.example"],
        ["relay"],
        ["relay", "nonsense"],
        ["relay", "wss://b.example", "more"],
        [],
    ]
    assert relays_of(INBOX, tags) == ("wss://a.example", "wss://b.example")


def test_write_relays_are_those_without_a_marker_and_those_marked_as_such():
    tags = [
        ["r", "wss://both.example"],
        ["r", "wss://read.example", "read"],
        ["r", "wss://write.example", "write"],
        ["r", "wss://empty.example", ""],
        ["relay", "wss://inbox.example"],
    ]
    names = ("both", "write", "empty")
    assert relays_of(WRITE, tags) == tuple(f"wss://{name}.example" for name in names)


def test_relays_are_bounded_and_private_ones_crowd_out_no_public_one():
    private = [["relay", f"wss://{n}.onion"] for n in range(12)]
    found = relays_of(INBOX, [*private, ["relay", "wss://good.example"]])
    assert len(found) == INBOX_MAX
    assert found[0] == "wss://good.example"
    many = [["r", f"wss://{n}.example"] for n in range(12)]
    assert len(relays_of(WRITE, many)) == WRITE_MAX
    endless = [f"ws://{n}.example" for n in range(10_000)]
    assert bounded([*endless, "wss://never.example"], 4) == tuple(endless[:4])
