"""Copies that leave this computer: only the recovery key opens them, whole or not at all."""

import io
import os
import tarfile

import pyrage
import pytest
from test_backups import no_room

from dca_bot.errors import CopyRefused, KeyRefused, in_words
from dca_bot.offsite.sealing import generate_key, parse_key, parse_recipients, seal, unseal

# Fixed, as they are in the names of tests.
KEY = parse_key("AGE-SECRET-KEY-16J72SD6S6ZM8YK02JA02JRM0P3KVM72DNTD2SGCQLVY64RS9CDMSVFNHNT")
OTHER = parse_key("AGE-SECRET-KEY-1DL064PPE3RENFDMZTS2D9SQZZ6VRU86UYU37393TKN96XSF34Z5QHSWAG4")
NSEC = "nsec1exampleofakey"
LEDGER = os.urandom(200_000)


@pytest.fixture
def sealed(tmp_path):
    copy = tmp_path / "copy"
    copy.write_bytes(LEDGER)
    seal(copy, tmp_path / "sealed", recipients=[KEY.public], nsec=NSEC)
    return (tmp_path / "sealed").read_bytes()


def opened(content, folder, key=KEY):
    ledger = folder / "ledger"
    ledger.unlink(missing_ok=True)
    return unseal(io.BytesIO(content), ledger, key), ledger.read_bytes()


@pytest.mark.parametrize("size", [0, 1, 511, 512, 65_536, 65_537, 300_000])
def test_copy_comes_back_as_it_was(tmp_path, size):
    (tmp_path / "copy").write_bytes(os.urandom(size))
    made = seal(tmp_path / "copy", tmp_path / "sealed", recipients=[KEY.public], nsec=NSEC)
    content = (tmp_path / "sealed").read_bytes()
    assert (made.size, len(made.sha256)) == (len(content), 64)
    assert opened(content, tmp_path) == (NSEC, (tmp_path / "copy").read_bytes())
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("sealed", "ledger")] == [
        0o600
    ] * 2


def test_each_of_several_keys_opens_a_copy_and_no_other(tmp_path):
    (tmp_path / "copy").write_bytes(LEDGER)
    seal(tmp_path / "copy", tmp_path / "sealed", recipients=[KEY.public, OTHER.public], nsec=NSEC)
    content = (tmp_path / "sealed").read_bytes()
    assert opened(content, tmp_path, KEY) == opened(content, tmp_path, OTHER)
    with pytest.raises(CopyRefused, match="doesn't open this copy"):
        opened(content, tmp_path, generate_key())


def test_copy_that_is_cut_short_anywhere_is_refused(tmp_path, sealed):
    for length in (0, 10, 150, 250, 1000, 65_000, 66_000, len(sealed) - 17, len(sealed) - 1):
        with pytest.raises(CopyRefused, match=r"cut short|no encrypted copy"):
            opened(sealed[:length], tmp_path)


def test_copy_that_somebody_has_changed_anywhere_is_refused(tmp_path, sealed):
    for place in (5, 100, 200, 400, 70_000, len(sealed) - 1):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(CopyRefused):
            opened(bytes(changed), tmp_path)
    with pytest.raises(CopyRefused):
        opened(sealed + b"more", tmp_path)


def test_file_of_another_kind_is_refused(tmp_path):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as other:
        other.addfile(tarfile.TarInfo("../../etc/passwd"))
    key = [KEY.identity.to_public()]
    for content in (tar.getvalue(), b"no tar", b""):
        with pytest.raises(CopyRefused, match="no copy that dca-bot has made"):
            opened(pyrage.encrypt(content, key), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == []


def test_ledger_that_cannot_be_written_is_an_error_of_the_disk(tmp_path, sealed):
    (tmp_path / "ledger").mkdir()
    with pytest.raises(OSError, match="ledger"):
        unseal(io.BytesIO(sealed), tmp_path / "ledger", KEY)


def test_full_disk_is_an_error_of_the_disk_in_plain_words(tmp_path):
    (tmp_path / "copy").write_bytes(LEDGER)
    with no_room(100_000), pytest.raises(OSError, match="Errno") as failed:
        seal(tmp_path / "copy", tmp_path / "sealed", recipients=[KEY.public], nsec=NSEC)
    assert in_words(failed.value) == "File too large"


@pytest.mark.parametrize(
    "typed",
    [
        KEY.secret.lower(),
        f"  {KEY.secret[:30]} {KEY.secret[30:50]}\n{KEY.secret[50:]}\n",
        f"# created: 2026-11-24\n# public key: {KEY.public}\n{KEY.secret}\n",
    ],
)
def test_key_is_read_as_people_type_it_and_as_age_keeps_it(typed):
    assert parse_key(typed) == KEY


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (KEY.public, "public half"),
        ("nsec1abc", "begins with AGE-SECRET-KEY-1"),
        ("", "begins with AGE-SECRET-KEY-1"),
        (KEY.secret[:-1], "no whole recovery key"),
        (KEY.secret[:-1] + "B", "no whole recovery key"),
        (KEY.secret + OTHER.secret, "no whole recovery key"),
    ],
)
def test_other_text_is_no_key_and_is_not_repeated(typed, said):
    with pytest.raises(KeyRefused, match=said) as refused:
        parse_key(typed)
    assert typed[20:] == "" or typed[20:] not in str(refused.value)


def test_file_of_recipients_has_public_halves_alone():
    assert parse_recipients(f"# mine\n{KEY.public}\n\n {OTHER.public} \n") == [
        KEY.public,
        OTHER.public,
    ]
    assert parse_recipients("# nobody's\n") == []
    for line, said in (
        (KEY.secret, "secret half"),
        ("age1abc", "no public"),
        ("ssh-ed25519 A", "no public"),
    ):
        with pytest.raises(KeyRefused, match=said) as refused:
            parse_recipients(line)
        assert line not in str(refused.value)
