"""Each key of the contract gets where it counts: changed in the file, it is changed there."""

import random
import tomllib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from scaffold import open_ledger
from test_app import Clock, Relays

from dca_bot.config import Config, load_config
from dca_bot.config_sections import NostrConfig
from dca_bot.core.ports import DmProtocol
from dca_bot.core.programme import Programme
from dca_bot.errors import ConfigError
from dca_bot.files.secret_files import write_secret
from dca_bot.lamassu_source import build_source, ssh_server
from dca_bot.ledger.correspondence import person_relays
from dca_bot.nostr.keys import generate, nprofile
from dca_bot.offsite.sealing import generate_key
from dca_bot.offsite_places import build_place, build_places, recipients
from dca_bot.outside import (
    Outside,
    bot_key,
    build_alerter,
    build_file_server,
    build_heartbeat,
    build_messenger,
    build_metrics,
    build_wallet,
    programme_of,
)
from dca_bot.wiring import Jobs, build_jobs

SPEC = Path(__file__).parent / "data" / "config.spec.toml"
KEY, OTHER_KEY = generate(), generate()
RECOVERY = generate_key()
OPERATOR, OTHER = generate(), generate()


def spec_values():
    """Return the contract's keys and values, with a real operator in it."""
    text = SPEC.read_text(encoding="utf-8")
    return tomllib.loads(text.replace("npub1...", OPERATOR.npub))


def keys_of(table, prefix=""):
    """Return the keys of all levels: `lamassu.ssh.host`."""
    found = {}
    for name, value in table.items():
        inner = isinstance(value, dict)
        found |= keys_of(value, f"{prefix}{name}.") if inner else {f"{prefix}{name}": value}
    return found


@dataclass
class Wired:
    """What a configuration was made into."""

    config: Config
    programme: Programme
    jobs: Jobs
    source: Any

    @property
    def key(self):
        return bot_key(self.config, {})

    @property
    def wallet(self):
        return build_wallet(self.config, {})

    @property
    def file_server(self):
        return build_file_server(self.config, self.key)

    @property
    def has_heartbeat(self):
        return build_heartbeat(self.config) is not None

    @property
    def has_alerts(self):
        return build_alerter(self.config) is not None

    @property
    def metrics_place(self):
        server = build_metrics(self.config)
        return server and (server.host, server.port)

    @property
    def relays(self):
        return list(build_messenger(self.config, self.key, None)._relays)

    @property
    def announced_elsewhere(self):
        announcement = build_messenger(self.config, self.key, past=None)._announcement
        return [relay.url for relay in announcement._relays if not relay.own]

    @property
    def presence(self):
        return build_messenger(self.config, self.key, None)._announcement._presence

    @property
    def discovery(self):
        return list(build_messenger(self.config, self.key, past=None)._discovery)


@asynccontextmanager
async def wired(folder, **changes):
    """Build everything from the contract's values with these changes; keys have their full name."""
    values = spec_values()
    for key, value in changes.items():
        *sections, name = key.split(".")
        table = values
        for section in sections:
            table = table.setdefault(section, {})
        table[name] = value
    folder.mkdir()
    for name, secret in SECRETS.items():
        write_secret(folder / name, secret)
    config = Config.model_validate(values).model_copy(update={"base": folder})
    programme, source = programme_of(config), build_source(config, {})
    outside = Outside(
        source=source,
        wallet=None,
        addresses=None,
        messenger=Relays(),
        clock=Clock(),
        random=random.Random(1),
    )
    database = await open_ledger(folder / "ledger")
    try:
        jobs = await build_jobs(config, programme, database, outside)
        yield Wired(config, programme, jobs, source)
    finally:
        await database.aclose()


SECRETS = {
    "bot.nsec": KEY.nsec(),
    "other.nsec": OTHER_KEY.nsec(),
    "lnbits.key": "1" * 32,
    "other.key": "2" * 32,
    "lamassu.pgpass": "password",
    "other.pgpass": "other",
    "alert.urls": "json://alert.example",
    "beat.url": "https://beat.example/x",
    "recovery.pub": generate_key().public,
    "other.pub": RECOVERY.public,
}


MADRID = "Europe/Madrid"
PROFILE = {
    "name": "Ahorro",
    "about": "Savings",
    "picture": "https://a.example/p.png",
    "banner": "https://a.example/b.png",
    "website": "https://a.example/",
    "nip05": "bot@a.example",
    "lud16": "tips@a.example",
}


def ssh_place(wired):
    return build_place(wired.config, "ssh://a@b.example/c", None).server


def profile_key(key, wired):
    return wired.presence.profile[key]


# A key, another value than the contract's, where it has to arrive, and as what.
CASES = [
    ("bot.data_dir", "other", lambda w: w.jobs.backups.data_dir.name, "other"),
    ("bot.language", "es", lambda w: w.programme.language, "es"),
    ("bot.timezone", MADRID, lambda w: w.programme.timezone.key, MADRID),
    (
        "bot.currency",
        "USD",
        lambda w: (w.programme.currency, w.jobs.daily_summary.programme.currency),
        ("USD", "USD"),
    ),
    ("nostr.private_key_file", "other.nsec", lambda w: w.key, OTHER_KEY),
    (
        "nostr.relays",
        ["wss://a.example", "wss://b.example"],
        lambda w: (w.relays, list(w.jobs.outbox.relays)),
        (["wss://a.example", "wss://b.example"],) * 2,
    ),
    ("nostr.operators", [OTHER.npub], lambda w: w.programme.operators, {OTHER.public_key}),
    (
        "nostr.operator_protocols",
        ["nip17", "nip04"],
        lambda w: w.programme.operator_protocols,
        set(DmProtocol),
    ),
    (
        "nostr.max_message_age_hours",
        7,
        lambda w: w.programme.message_age_max,
        timedelta(hours=7),
    ),
    (
        "nostr.discovery_relays",
        ["wss://d.example"],
        lambda w: (w.announced_elsewhere, w.discovery),
        (["wss://d.example"],) * 2,
    ),
    *(
        (f"nostr.profile.{key}", value, partial(profile_key, key), value)
        for key, value in PROFILE.items()
    ),
    ("lamassu.source", "directory", lambda w: type(w.source).__name__, "DirectorySource"),
    (
        "lamassu.poll_seconds",
        1000,
        lambda w: (w.jobs.ingest.poll_s, w.jobs.alarms.polls_after),
        (1000, timedelta(seconds=3000)),
    ),
    ("lamassu.lookback_days", 15, lambda w: w.jobs.ingest.lookback, timedelta(days=15)),
    (
        "lamassu.start_at",
        datetime(2026, 2, 2, tzinfo=UTC),
        lambda w: w.jobs.ingest.start_at,
        datetime(2026, 2, 2, tzinfo=UTC),
    ),
    ("lamassu.ssh.host", "other", lambda w: ssh_server(w.config).host, "other"),
    ("lamassu.ssh.port", 2222, lambda w: w.source._server.port, 2222),
    ("lamassu.ssh.username", "other", lambda w: w.source._server.username, "other"),
    (
        "lamassu.ssh.private_key_file",
        "other.key",
        lambda w: w.source._server.private_key_file.name,
        "other.key",
    ),
    (
        "lamassu.ssh.known_hosts_file",
        "other",
        lambda w: w.source._server.known_hosts_file.name,
        "other",
    ),
    ("lamassu.csv.command", "cat {table}", lambda w: w.source._command, "cat {table}"),
    ("lamassu.postgres.host", "db.example", lambda w: w.source._server.host, "db.example"),
    ("lamassu.postgres.port", 5433, lambda w: w.source._server.port, 5433),
    ("lamassu.postgres.database", "copy", lambda w: w.source._server.database, "copy"),
    ("lamassu.postgres.user", "other", lambda w: w.source._server.user, "other"),
    (
        "lamassu.postgres.password_file",
        "other.pgpass",
        lambda w: w.source._server.password,
        "other",
    ),
    ("lamassu.postgres.tunnel", False, lambda w: w.source._tunnel, None),
    ("lamassu.directory.path", "other", lambda w: w.source._path.name, "other"),
    (
        "lnbits.url",
        "http://127.0.0.1:9",
        lambda w: str(w.wallet._api._http.base_url),
        "http://127.0.0.1:9",
    ),
    ("lnbits.source_admin_key_file", "other.key", lambda w: w.wallet._admin_key, "2" * 32),
    ("lnbits.low_balance_sat", 7, lambda w: w.programme.low_balance_sat, 7),
    ("lnbits.top_up_to_sat", 2_000_007, lambda w: w.programme.top_up_to_sat, 2_000_007),
    ("flow.enabled", False, lambda w: w.programme.flow_enabled, False),
    ("fixed.enabled", False, lambda w: w.programme.fixed.enabled, False),
    ("fixed.times", ["07:30"], lambda w: w.programme.fixed.times, (time(7, 30),)),
    ("fixed.daily_limit_max", "7.50", lambda w: w.programme.fixed.daily_limit_max_minor, 750),
    ("fixed.rate_source", "lamassu", lambda w: w.programme.fixed.rate_source, "lamassu"),
    (
        "fixed.rate_deviation_percent_max",
        7,
        lambda w: w.programme.fixed.deviation_percent_max,
        7,
    ),
    (
        "fixed.rate_age_minutes_max",
        7,
        lambda w: w.programme.fixed.rate_age_max,
        timedelta(minutes=7),
    ),
    ("fixed.margin_percent", "1.25", lambda w: w.programme.fixed.margin_bp, 125),
    ("limits.payout_max_sat", 7, lambda w: w.programme.payout_max_sat, 7),
    ("limits.day_max_sat", 7, lambda w: w.programme.day_max_sat, 7),
    ("notifications.low_deposit", "7.50", lambda w: w.programme.low_deposit_minor, 750),
    (
        "notifications.offline_alert_minutes",
        70,
        lambda w: (
            w.jobs.alarms.alert_after,
            w.jobs.alarms.polls_after,
            w.jobs.alarms.operators.alert_after,
        ),
        (timedelta(minutes=70),) * 3,
    ),
    (
        "monitoring.heartbeat_url_file",
        "beat.url",
        lambda w: (w.has_heartbeat, w.jobs.health.pause_s, w.jobs.alarms.signals.rest_s),
        (True, 60, 60),
    ),
    (
        "monitoring.metrics_listen",
        "[::1]:9108",
        lambda w: (w.metrics_place, w.jobs.health.pause_s),
        (("::1", 9108), 60),
    ),
    (
        "monitoring.alert_url_file",
        "alert.urls",
        lambda w: (w.has_alerts, w.jobs.alarms.signals.rest_s),
        (True, 60),
    ),
]
MORE = [
    (
        "bot.rehearsal",
        True,
        lambda w: (
            w.programme.is_rehearsal,
            w.wallet._api._reads_only,
            list(w.jobs.payments),
            build_messenger(w.config, w.key, None)._announcement is None,
        ),
        (True, True, ["rehearsal"], True),
    ),
    (
        "nostr.command_manifest",
        "nip-cd",
        lambda w: (w.presence.manifest, bool(w.presence.commands)),
        ("nip-cd", True),
    ),
    (
        "lamassu.postgres.statement_timeout_seconds",
        7,
        lambda w: w.source._limits.statement_s,
        7,
    ),
    ("lamassu.postgres.tls", "require", lambda w: w.source._server.tls, "require"),
    (
        "lamassu.postgres.ca_file",
        "ca.pem",
        lambda w: w.source._server.ca_file and w.source._server.ca_file.name,
        "ca.pem",
    ),
    ("notifications.digest_time", "07:30", lambda w: w.programme.digest_time, time(7, 30)),
    ("notifications.summary_time", "07:30", lambda w: w.programme.summary_time, time(7, 30)),
    (
        "files.blossom",
        "https://blossom.example.com",
        lambda w: (w.file_server.url, w.programme.sends_files),
        ("https://blossom.example.com", True),
    ),
    ("backup.path", "other", lambda w: w.jobs.backups.folder.name, "other"),
    ("backup.every_hours", 7, lambda w: w.jobs.backups.every, timedelta(hours=7)),
    (
        "backup.keep",
        7,
        lambda w: (w.jobs.backups.keep, w.jobs.offsite.keep),
        (7, 7),
    ),
    (
        "backup.to",
        ["usb", "ssh://a@b.example/c", "https://c.example"],
        lambda w: [type(place).__name__ for place in build_places(w.config, w.key)],
        ["FolderPlace", "SftpPlace", "BlossomPlace"],
    ),
    ("backup.ssh_key_file", "other", lambda w: ssh_place(w).private_key_file.name, "other"),
    ("backup.ssh_known_hosts_file", "other", lambda w: ssh_place(w).known_hosts_file.name, "other"),
    ("backup.recipients_file", "other.pub", lambda w: recipients(w.config), [RECOVERY.public]),
]


def beside(key):
    """Return what else has to be set for a key to count."""
    if key.startswith("lamassu.directory"):
        return {"lamassu.source": "directory"}
    if key in ("lamassu.postgres.tls", "lamassu.postgres.ca_file"):
        direct = {"lamassu.source": "postgres", "lamassu.postgres.tunnel": False}
        return direct | {"lamassu.postgres.host": "db.example"}
    return {"lamassu.source": "postgres"} if key.startswith("lamassu.postgres") else {}


@pytest.mark.parametrize(
    ("key", "value", "look", "expected"), [*CASES, *MORE], ids=[key for key, *_ in CASES + MORE]
)
async def test_key_that_is_changed_is_changed_where_it_counts(tmp_path, key, value, look, expected):
    async with wired(tmp_path / "before", **beside(key)) as before:
        assert look(before) != expected
    async with wired(tmp_path / "after", **beside(key), **{key: value}) as after:
        assert look(after) == expected


async def test_first_profile_is_in_the_bots_language(tmp_path):
    async with (
        wired(tmp_path / "en") as bot,
        wired(tmp_path / "es", **{"bot.language": "es"}) as es,
    ):
        assert bot.presence.first_profile["about"].startswith("Savings in bitcoin.")
        assert es.presence.first_profile["about"].startswith("Ahorro en bitcoin.")


async def test_every_job_has_the_programme(tmp_path):
    async with wired(tmp_path / "bot") as bot:
        jobs, programme = bot.jobs, bot.programme
    for job in (jobs.ingest, jobs.fixed_mode, jobs.outbox, jobs.digests, jobs.daily_summary):
        assert job.programme is programme
    assert jobs.payments["payouts"].context.programme is programme
    assert jobs.payments["payouts"].context.funds.programme is programme


def test_table_has_every_key_there_is():
    assert [key for key, *_ in CASES] == list(keys_of(spec_values()))
    all_keys = keys_of(Config.model_validate(spec_values()).model_dump())
    assert {key for key, *_ in CASES + MORE} == set(all_keys)


def test_contract_loads_as_it_is_written(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(SPEC.read_text("utf-8").replace("npub1...", OPERATOR.npub), "utf-8")
    assert load_config(path).nostr.operators == (OPERATOR.npub,)


def test_defaults_are_the_contracts():
    values = spec_values()
    # A key of the profile that is left out leaves what is published: its default is no value.
    assert all(
        value is None for value in NostrConfig.model_fields["profile"].default.model_dump().values()
    )
    del values["nostr"]["profile"]
    written = Config.model_validate(values)
    values["lamassu"]["ssh"].pop("port")
    least = {
        "nostr": {name: values["nostr"][name] for name in ("relays", "operators")},
        "lamassu": {name: values["lamassu"][name] for name in ("source", "start_at", "ssh")},
        "lnbits": {"url": values["lnbits"]["url"]},
    }
    assert Config.model_validate(least) == written


@pytest.mark.parametrize(
    "key",
    [KEY.nsec(), f'"{"1" * 32}"', "A" * 32, "1" * 31],
    ids=["nsec", "quoted", "capitals", "cut"],
)
def test_what_is_no_key_of_lnbits_is_sent_to_nobody(tmp_path, key):
    """An nsec in the wrong file would be in a header of the first request."""
    write_secret(tmp_path / "lnbits.key", key)
    config = Config.model_validate(spec_values()).model_copy(update={"base": tmp_path})
    with pytest.raises(ConfigError, match=r"lnbits.key has no key of LNbits") as refused:
        build_wallet(config, {})
    assert key not in str(refused.value)


async def test_relays_of_an_operators_nprofile_are_known_from_the_start(tmp_path):
    address = nprofile(OTHER.public_key, ["wss://hint.example"])
    operators = {"nostr.operators": [OPERATOR.npub, address]}
    async with wired(tmp_path / "hints", **operators) as bot:
        read = bot.jobs.outbox.database.read
        assert await read(lambda tx: person_relays.hints_of(tx, OTHER.public_key)) == (
            "wss://hint.example",
        )
        assert await read(lambda tx: person_relays.hints_of(tx, OPERATOR.public_key)) == ()
