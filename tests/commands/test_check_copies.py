"""`check` looks at the places for copies, and writes nothing there."""

import pytest
from test_check import config

from dca_bot.commands.check import _steps
from dca_bot.commands.check_copies import check_places
from dca_bot.config_sections import BackupConfig
from dca_bot.errors import ConfigError, OffsiteFailed
from dca_bot.files.secret_files import write_secret
from dca_bot.nostr.keys import generate
from dca_bot.offsite.sealing import generate_key


def sending(folder, *places):
    return config(folder).model_copy(update={"backup": BackupConfig(to=places)})


async def test_places_are_counted_and_the_ledgers_own_disk_is_named(tmp_path):
    (tmp_path / "usb").mkdir()
    (tmp_path / "usb" / "dca-bot-3fa9c1d2-2026-11-24T080000Z.age").touch()
    checked = sending(tmp_path, "usb")
    with pytest.raises(ConfigError, match="recovery-key"):
        await check_places(checked)
    write_secret(tmp_path / "bot.nsec", generate().nsec())
    (tmp_path / "recovery.pub").write_text(f"{generate_key().public}\n{generate_key().public}")
    assert await check_places(checked) == (
        "usb has 1 copies, ON THE LEDGER'S OWN DISK, which it doesn't survive; 2 recovery keys"
    )
    with pytest.raises(OffsiteFailed, match=r"gone: .*plugged in and mounted"):
        await check_places(sending(tmp_path, "usb", "gone"))


def test_step_is_there_with_a_place_alone(tmp_path):
    names = [step.name for step in _steps(sending(tmp_path, "usb"))]
    assert "Copies elsewhere" in names
    assert "Copies elsewhere" not in [step.name for step in _steps(config(tmp_path))]
