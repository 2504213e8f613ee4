"""Names and addresses of copies that are sent away."""

from datetime import UTC, datetime, timedelta

import pytest

from dca_bot.config_sections import BackupConfig
from dca_bot.core.offsite import SshFolder, offsite_copies, offsite_name, parse_ssh, surplus

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
BOT = "3fa9c1d2" + "0" * 56


def test_name_is_read_back_and_no_other_is():
    name = offsite_name(BOT, NOW)
    assert name == "dca-bot-3fa9c1d2-2026-11-24T080000Z.age"
    others = [f"{name}.part", name.upper(), name.replace("24T", "99T"), f"x{name}", ""]
    (found,) = offsite_copies([*others, name])
    assert (found.name, found.bot, found.made_at) == (name, "3fa9c1d2", NOW)


def test_surplus_counts_copies_of_the_future_last():
    names = [offsite_name(BOT, NOW + timedelta(days=day)) for day in (-3, -2, -1, 0, 400, 500)]
    rule = {"is_rehearsal": False, "now": NOW}
    assert surplus(names, BOT, keep=2, **rule) == [names[1], names[0], names[5], names[4]]
    assert surplus(names[:4], BOT, keep=4, **rule) == []


def test_copies_of_a_rehearsal_with_the_same_key_count_by_themselves():
    days = [NOW - timedelta(days=day) for day in range(3)]
    programme, rehearsal = (
        [offsite_name(BOT, at, is_rehearsal=kind) for at in days] for kind in (False, True)
    )
    names = [*programme, *rehearsal, f"{programme[0]}.part", f"{rehearsal[0]}.part"]
    assert rehearsal[0] == "dca-bot-rehearsal-3fa9c1d2-2026-11-24T080000Z.age"
    for kind, own in ((False, programme), (True, rehearsal)):
        gone = surplus(names, BOT, is_rehearsal=kind, keep=1, now=NOW)
        assert gone == [*own[1:], f"{own[0]}.part"]


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("ssh://dca@nas/srv/copies", SshFolder("dca", "nas", 22, "/srv/copies")),
        ("ssh://dca@nas:2222/~/copies", SshFolder("dca", "nas", 2222, "copies")),
        ("ssh://dca@[2001:db8::1]:22/a%20b", SshFolder("dca", "2001:db8::1", 22, "/a b")),
    ],
)
def test_address_of_a_server_is_read(url, found):
    assert parse_ssh(url) == found
    assert BackupConfig(to=[url]).to == (url,)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("ssh://nas/copies", "like ssh://user@host"),
        ("ssh://dca@nas", "names no folder"),
        ("ssh://dca@nas/", "names no folder"),
        ("ssh://dca@nas:notaport/x", "Port"),
        ("ssh://dca@na s/x", "no host"),
        ("sftp://dca@nas/x", "sftp:// is no place"),
        ("s3://bucket", "s3:// is no place"),
        ("~/copies", "write the whole path"),
        ("", "is empty"),
    ],
)
def test_other_places_are_refused(place, said):
    with pytest.raises(ValueError, match=said):
        BackupConfig(to=[place])


def test_places_need_copies_and_count_once():
    with pytest.raises(ValueError, match="every_hours"):
        BackupConfig(to=["/mnt/usb"], every_hours=0)
    assert BackupConfig(to=["/mnt/usb", "/mnt/usb/"]).to in {("/mnt/usb",), ("/mnt/usb/",)}
