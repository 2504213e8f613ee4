"""A secret in the configuration or on the command line is refused, and stands in no error's text."""

from pathlib import Path

import pytest

from dca_bot.commands.chat import make_key, run_chat
from dca_bot.config import load_config
from dca_bot.core.ports import DmProtocol
from dca_bot.errors import ConfigError

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"
NSEC = "nsec1" + "q9x8gf2tvdw0s3jn54khce6mua7l" * 2 + "zr"
KEY = "ad0be5" + "c3" * 13
USER = "5e1f" * 8
UUID = "6f0d7a4e-3b1c-4f7e-9a51-0c2d8e7b6a53"


def changed(tmp_path, key, value):
    """Write the example with another value for a key."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    (place,) = (at for at, line in enumerate(lines) if line.startswith(f"{key} ="))
    lines[place] = f"{key} = {value}"
    path = tmp_path / "config.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("key", "value", "secret", "place"),
    [
        ("operators", f'["{NSEC}"]', NSEC, "nostr.operators[1] has the secret key of a Nostr"),
        ("source_admin_key_file", f'"{KEY}"', KEY, "lnbits.source_admin_key_file has a key of LNb"),
        ("url", f'"https://x.example/wallet?usr={USER}&wal=1"', USER, "lnbits.url has the link of"),
        ("url", '"https://me:hunter2hunter2@x.example"', "hunter2", "lnbits.url has a password"),
        (
            "relays",
            '["wss://me:hunter2hunter2@r.example"]',
            "hunter2",
            "nostr.relays[1] has a pass",
        ),
        ("data_dir", f'"data/{NSEC}"', NSEC, "bot.data_dir has the secret key"),
        ("password_file", f'" {KEY} "', KEY, "lamassu.postgres.password_file has a key of LNbits"),
        (
            "heartbeat_url_file",
            f'"https://hc.example/{UUID}"',
            UUID,
            "_url_file has a URL, not the",
        ),
        (
            "alert_url_file",
            '"ntfy://hidden-topic"',
            "hidden",
            "monitoring.alert_url_file has a URL",
        ),
    ],
)
def test_secret_in_the_configuration_is_named_by_its_place_and_not_repeated(
    tmp_path, key, value, secret, place
):
    with pytest.raises(ConfigError) as refused:
        load_config(changed(tmp_path, key, value))
    assert place in str(refused.value)
    assert secret not in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("operators", f'["{"4a" * 32}"]'),
        ("data_dir", f'"/volumes/{"4a" * 32}/data"'),
        ("known_hosts_file", f'"/volumes/{KEY}/known_hosts"'),
        ("relays", '["wss://r.example/?token=hunter2hunter2"]'),
        ("command", "\"psql postgresql://dca:secret@/lamassu -c '{table}'\""),
    ],
)
def test_what_the_configuration_may_hold_is_no_secret(tmp_path, key, value):
    assert load_config(changed(tmp_path, key, value)).bot.currency == "GTQ"


def test_token_of_a_relay_that_is_none_is_not_repeated(tmp_path):
    with pytest.raises(ConfigError, match=r"'http://r\.example/' is no relay") as refused:
        load_config(changed(tmp_path, "relays", '["http://r.example/?token=hunter2hunter2"]'))
    assert "hunter2" not in str(refused.value)


async def test_key_in_place_of_its_files_name_is_refused_and_not_repeated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="--key takes the name of a file") as refused:
        make_key(Path(NSEC))
    assert NSEC not in str(refused.value)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match="--key takes the name of a file") as refused:
        await run_chat(Path(NSEC), ["wss://r.example"], "npub1", protocol=DmProtocol.NIP17)
    assert NSEC not in str(refused.value)
