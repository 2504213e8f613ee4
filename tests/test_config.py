import json
import re
import tomllib
from datetime import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from dca_bot.config import Config, load_config
from dca_bot.config_sections import CsvConfig, LamassuConfig, PostgresConfig, SshConfig
from dca_bot.errors import ConfigError
from dca_bot.files.secret_files import read_secret, write_secret
from dca_bot.messages.render import LANGUAGES
from dca_bot.outside import programme_of

START_AT = "# start_at = 2026-01-01T00:00:00Z"
TIMES = 'times = ["09:00", "18:00"]'
EXAMPLE = Path(__file__).parent.parent / "config.example.toml"
SPEC = Path(__file__).parent / "data" / "config.spec.toml"


def changed(tmp_path, old, new):
    text = EXAMPLE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "config.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_example_is_complete_and_loads():
    config = load_config(EXAMPLE)
    assert programme_of(config).low_deposit_minor == 20_000
    written = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    lacking = {
        (section, key)
        for section, field in Config.model_fields.items()
        if section != "base"
        for key in set(field.annotation.model_fields) - set(written[section])
    }
    assert lacking == {("lamassu", "start_at")}, "one that is set shares out old cash-outs"
    postgres = Config.model_fields["lamassu"].annotation.model_fields["postgres"].annotation
    # There is no way to write that no file is given.
    assert set(postgres.model_fields) - set(written["lamassu"]["postgres"]) == {"ca_file"}


def test_example_leaves_start_at_to_the_first_start_and_names_it_all_the_same():
    assert load_config(EXAMPLE).start_at is None
    contract = tomllib.loads(SPEC.read_text(encoding="utf-8"))
    (line,) = [
        line.removeprefix("# ")
        for line in EXAMPLE.read_text(encoding="utf-8").splitlines()
        if line.startswith("# start_at = ")
    ]
    assert tomllib.loads(line)["start_at"] == contract["lamassu"]["start_at"]
    assert "never touched" in line


def test_example_explains_every_key():
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    fixed = lines.index(next(line for line in lines if line.startswith("[fixed]")))
    unexplained = [
        line
        for number, line in enumerate(lines)
        if re.match(r"[a-z_]+ =", line)
        and "#" not in line
        and not lines[number - 1].startswith("#")
        and not fixed < number < fixed + 8
        and line.split(" ")[0] not in ("host", "port", "username")
    ]
    assert unexplained == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('timezone = "America/Guatemala"', 'timezone = "Mars"', "bot.timezone: 'Mars' is no time"),
        ('currency = "GTQ"', 'currency = "quetzal"', "bot.currency"),
        ('"wss://relay.example.com"', '"https://x"', "'https://x' is no relay"),
        ('source = "ssh-csv"', 'source = "mysql"', "lamassu.source"),
        ('tls = "auto"', 'tls = "require"', "is encrypted already"),
        ('tls = "auto"', 'ca_file = "ca.pem"', "ca_file counts with"),
        ("statement_timeout_seconds = 60", "statement_timeout_seconds = 0", "lamassu.postgres"),
        ("poll_seconds = 60", "poll_second = 60", "lamassu.poll_second: there is no such key"),
        ("payout_max_sat = 1000000", "payout_max_sat = 0", "limits.payout_max_sat"),
        ('low_deposit = "200.00"', 'low_deposit = "200.001"', "more decimals"),
        ('url = "https://lnbits.example.com"', 'url = "lnbits"', "is no web address"),
        ('blossom = ""', 'blossom = "ftp://x"', "files.blossom: 'ftp://x' is no web address"),
        ('_listen = ""', '_listen = "0.0.0.0:9108"', "can be reached from other computers"),
        ('_listen = ""', '_listen = "metrics.example:9108"', "can be reached from other computers"),
        (
            '_listen = ""',
            '_listen = "127.0.0.1"',
            "metrics_listen: '127.0.0.1' is no address with a",
        ),
        ('_listen = ""', '_listen = "127.0.0.1:0"', "is no address with a port"),
        ('_listen = ""', '_listen = "127.0.0.1:9108/metrics"', "is no address with a port"),
        ('_listen = ""', "_listen = 9108", "metrics_listen: is a text; write one like"),
        ("[flow]", "[flow", "no valid TOML"),
        (START_AT, "start_at = 2026-01-01T00:00:00", "lamassu.start_at: needs a time zone"),
        (START_AT, "start_at = 2026", "lamassu.start_at: is a time with its offset"),
        (START_AT, "start_at = 20260101", "lamassu.start_at: is a time with its offset"),
        (START_AT, 'start_at = "20260101"', "lamassu.start_at: is a time with its offset"),
        (START_AT, "start_at = 2026-01-01", "lamassu.start_at: is a time with its offset"),
        (START_AT, "start_at = 2008-12-31T23:59:59Z", "lamassu.start_at: lies before 2009"),
        (START_AT, "start_at = 9999-12-31T23:59:59-05:00", "or after 2100"),
        (TIMES, "times = [09:00:00, 09:00:30]", "'09:00:30' is no time of day"),
        (TIMES, "times = [09:00:00.5]", "'09:00:00.500000' is no time of day"),
        (TIMES, "times = [09:00:00, 09:00:00]", "a time stands there twice"),
        ("rate_age_minutes_max = 60", f"rate_age_minutes_max = {10**14}", "fixed.rate_age_min"),
        ('margin_percent = "0"', 'margin_percent = "100"', "fixed.margin_percent"),
        ('margin_percent = "0"', 'margin_percent = "-1"', "fixed.margin_percent"),
        ('margin_percent = "0"', 'margin_percent = "0.125"', "fixed.margin_percent"),
        ("payout_max_sat = 1000000", f"payout_max_sat = {10**16}", "limits.payout_max_sat"),
        ("day_max_sat = 10000000", f"day_max_sat = {10**16}", "limits.day_max_sat"),
        ("top_up_to_sat = 2000000", f"top_up_to_sat = {10**16}", "lnbits.top_up_to_sat"),
        (
            "low_balance_sat = 500000",
            "low_balance_sat = 2000001",
            "lnbits: low_balance_sat is above top_up_to_sat",
        ),
        ("'{since}'", "'{sinc}'", "lamassu.csv: the command has {sinc}"),
        ("wss://purplepag.es", "https://purplepag.es", "nostr.discovery_relays.0: 'https://purp"),
        *(
            (f"# {key} =", f"{key} = {given} #", f"nostr.profile.{key}: {said}")
            for key, given, said in (
                ("name", '"a\\nb"', "has a line break"),
                ("picture", '"bot.png"', "'bot.png' is no web address; write one like https://"),
                ("picture", '"data:image/png;base64,AA"', "'data:image/png;base64,AA' is no web"),
                ("banner", '"ipfs://bafy"', "'ipfs://bafy' is no web address"),
                ("website", '"example.com"', "'example.com' is no web address"),
                ("nip05", '"example.com"', "'example.com' is no NIP-05 name; write one in small"),
                ("nip05", '"Bot@Example.com"', "'Bot@Example.com' is no NIP-05 name"),
                ("lud16", '"lnurl1abc"', "'lnurl1abc' is no Lightning address"),
                ("lud16", '"a b@example.com"', "'a b@example.com' is no Lightning address"),
            )
        ),
    ],
)
def test_fault_is_named_with_its_place(tmp_path, old, new, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        load_config(changed(tmp_path, old, new))


def test_profile_takes_empty_texts_and_whole_pages(tmp_path):
    (tmp_path / "config.toml").write_text(
        EXAMPLE.read_text(encoding="utf-8")
        .replace("# about =", 'about = """\nA\nB"""\n# about =')
        .replace("# picture =", 'picture = ""\n# picture =')
        .replace("# banner =", 'banner = "https://x.example:8443/a/b.png?w=1500#top"\n# banner =')
        .replace("# nip05 =", 'nip05 = "_@sub.example.com"\n# nip05 ='),
        encoding="utf-8",
    )
    profile = load_config(tmp_path / "config.toml").nostr.profile
    assert (profile.name, profile.about, profile.picture) == (None, "A\nB", "")
    assert profile.banner == "https://x.example:8443/a/b.png?w=1500#top"
    assert profile.nip05 == "_@sub.example.com"


def test_currency_that_is_none_is_told_with_the_nearest_one(tmp_path):
    with pytest.raises(ConfigError, match=r"bot\.currency: 'GTG' is no currency .* mean GTQ\?"):
        load_config(changed(tmp_path, 'currency = "GTQ"', 'currency = "GTG"'))


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("127.0.0.1:9108", ("127.0.0.1", 9108)),
        ("localhost:1", ("localhost", 1)),
        ("[::1]:9108", ("::1", 9108)),
        ("", None),
    ],
)
def test_metrics_are_shown_on_this_computer(tmp_path, written, place):
    config = load_config(changed(tmp_path, 'metrics_listen = ""', f'metrics_listen = "{written}"'))
    assert config.monitoring.metrics_listen == place


@pytest.mark.parametrize("currency", ["G T", "A1B", "gtq", "ÄBC", "GTQ\\n"])
def test_currency_is_three_capital_letters(tmp_path, currency):
    with pytest.raises(ConfigError, match=r"bot\.currency: .* three capital letters"):
        load_config(changed(tmp_path, 'currency = "GTQ"', f'currency = "{currency}"'))


@pytest.mark.parametrize(
    "rest",
    ["://h:x", "://h:99999", "://h h", "://h\\u0000", "://h..x", "://[::1", "://me@h", "://"],
)
def test_address_that_nothing_can_connect_to_is_refused(tmp_path, rest):
    with pytest.raises(ConfigError, match=r"lnbits\.url: .* is no web address"):
        load_config(changed(tmp_path, "https://lnbits.example.com", f"https{rest}"))
    with pytest.raises(ConfigError, match=r"nostr\.relays\.0: .* is no relay"):
        load_config(changed(tmp_path, "wss://relay.example.com", f"wss{rest}"))


@pytest.mark.parametrize(
    "rest", ["://h:5000", "://[::1]:5000", "://h-1.a_b.example.", "://10.0.0.5"]
)
def test_address_in_any_form_that_works_is_taken(tmp_path, rest):
    load_config(changed(tmp_path, "https://lnbits.example.com", f"https{rest}"))
    load_config(changed(tmp_path, "wss://relay.example.com", f"wss{rest}/inbox"))


@pytest.mark.parametrize(
    ("old", "new"),
    [(TIMES, 'times = ["9:00"]'), ("wss://relay.example.com", "https://x"), (TIMES, "times = []")],
)
def test_one_fault_is_told_once(tmp_path, old, new):
    text = changed(tmp_path, old, new).read_text(encoding="utf-8")
    path = tmp_path / "config.toml"
    path.write_text(text.replace(', "wss://relay2.example.com"', ""), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"has 1 fault\(s\)"):
        load_config(path)


def test_relay_that_stands_there_twice_is_one(tmp_path):
    a, b = "wss://relay.example.com", "wss://relay2.example.com"
    for written in ([a, b], [a, a, b], [a, f"{a}/", b], [a, b, "wss://RELAY.example.com"]):
        relays = load_config(changed(tmp_path, f'["{a}", "{b}"]', json.dumps(written))).nostr.relays
        assert relays == (a, b)


def test_relays_whose_paths_differ_in_capitals_are_two(tmp_path):
    urls = ["wss://relay.example.com/Ana", "wss://relay.example.com/ana"]
    config = load_config(
        changed(
            tmp_path, '["wss://relay.example.com", "wss://relay2.example.com"]', json.dumps(urls)
        )
    )
    assert config.nostr.relays == tuple(urls)


def test_times_of_day_may_be_times_of_toml(tmp_path):
    config = load_config(changed(tmp_path, TIMES, 'times = [18:00:00, "09:00"]'))
    assert config.fixed.times == (time(9), time(18))


@pytest.mark.parametrize(
    "command",
    ["cd ${HOME} && psql {table} '{since}' | awk '{print}'", "cat exported/{table}.csv"],
)
def test_command_may_use_braces_of_the_shell_and_leave_the_time_out(command):
    assert CsvConfig(command=command).command == command


@pytest.mark.parametrize(
    ("changes", "mode"),
    [
        ({}, "disable"),
        ({"tunnel": False}, "disable"),
        ({"tunnel": False, "host": "localhost"}, "disable"),
        ({"tunnel": False, "host": "10.0.0.5"}, "verify-full"),
        ({"tunnel": False, "host": "lamassu.example.com"}, "verify-full"),
        ({"tunnel": False, "host": "lamassu.example.com", "tls": "disable"}, "disable"),
        ({"tunnel": False, "tls": "require"}, "require"),
    ],
)
def test_what_goes_over_a_network_is_encrypted_unless_told_otherwise(changes, mode):
    assert PostgresConfig(**changes).tls_mode == mode


def test_database_without_a_tunnel_needs_no_ssh():
    direct = {"source": "postgres", "postgres": {"tunnel": False}}
    assert LamassuConfig.model_validate(direct).ssh is None
    with pytest.raises(ValidationError, match=r"\[lamassu\.ssh\], or tunnel = false"):
        LamassuConfig.model_validate({"source": "postgres"})


def test_operator_that_is_no_key_is_refused(tmp_path):
    path = changed(tmp_path, "npub1gqen388kvv4p", "npub1gqen388kvv4q")
    with pytest.raises(ConfigError, match=r"nostr\.operators"):
        programme_of(load_config(path))


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_with_a_catalogue_can_be_the_programmes(tmp_path, language):
    path = changed(tmp_path, 'language = "en"', f'language = "{language}"')
    assert programme_of(load_config(path)).language == language


@pytest.mark.parametrize("language", ["zz", "EN", "", "../en"])
def test_language_without_a_catalogue_is_refused_with_those_that_there_are(tmp_path, language):
    path = changed(tmp_path, 'language = "en"', f'language = "{language}"')
    with pytest.raises(ConfigError, match=rf"bot\.language: .*; write {' or '.join(LANGUAGES)}"):
        programme_of(load_config(path))


def test_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match="dca-bot init"):
        load_config(tmp_path / "config.toml")


def test_secret_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "key"
    write_secret(path, "secret")
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_secret(path, "VARIABLE", {}, remedy="") == "secret"
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_secret(path, "VARIABLE", {}, remedy="")
    assert read_secret(path, "VARIABLE", {"VARIABLE": "other"}, remedy="") == "other"


def test_secret_is_never_overwritten(tmp_path):
    write_secret(tmp_path / "key", "first")
    with pytest.raises(FileExistsError):
        write_secret(tmp_path / "key", "second")
    assert (tmp_path / "key").read_text().strip() == "first"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "dca@lamassu.example.com",
        "ssh://lamassu.example.com",
        "lamassu:22",
        "[::1]",
        "a b",
        "a/b",
    ],
)
def test_host_of_ssh_is_a_name_or_an_address_alone(host):
    with pytest.raises(ValidationError, match="is no host; write the name or address only"):
        SshConfig(host=host, username="dca", private_key_file="k", known_hosts_file="h")


@pytest.mark.parametrize(
    "host", ["lamassu", "lamassu.example.com", "10.0.0.1", "::1", "fe80::1%eth0"]
)
def test_name_and_address_of_a_host_are_taken(host):
    taken = SshConfig(host=host, username="dca", private_key_file="k", known_hosts_file="h")
    assert taken.host == host


def test_files_that_the_configuration_names_are_listed_with_who_may_read_each(tmp_path):
    ssh = {"host": "h", "username": "u", "private_key_file": "key", "known_hosts_file": "hosts"}
    postgres = {"ca_file": "ca.pem", "tunnel": False, "tls": "verify-full"}
    config = Config.model_validate(
        {
            "base": tmp_path,
            "nostr": {"relays": ["wss://relay.example.com"], "operators": ["later"]},
            "lamassu": {"source": "ssh-csv", "ssh": ssh, "postgres": postgres},
            "lnbits": {"url": "https://lnbits.example.com"},
        }
    )
    assert dict(config.named_files()) == {
        tmp_path / "bot.nsec": True,
        tmp_path / "key": True,
        tmp_path / "hosts": False,
        tmp_path / "lamassu.pgpass": True,
        tmp_path / "ca.pem": False,
        tmp_path / "lnbits.key": True,
        tmp_path / "recovery.pub": False,
        tmp_path / "backup.key": True,
        tmp_path / "known_hosts": False,
    }
