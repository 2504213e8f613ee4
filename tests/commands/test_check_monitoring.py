"""`check` reads what those who watch from outside are reached by; `status` tells how the bot is."""

from datetime import UTC, datetime, timedelta

import pytest
from scaffold import ledger_of
from test_check import config

from dca_bot.commands.check import _steps
from dca_bot.commands.check_monitoring import check_monitoring
from dca_bot.commands.status_health import health_lines, health_values
from dca_bot.config_sections import MonitoringConfig
from dca_bot.core.health import Condition, Health, HealthPart, PartHealth
from dca_bot.errors import ConfigError
from dca_bot.files.secret_files import write_secret
from dca_bot.ledger.correspondence import health

NOW = datetime(2026, 3, 1, 18, tzinfo=UTC)


def watched(folder, **monitoring):
    return config(folder).model_copy(update={"monitoring": MonitoringConfig(**monitoring)})


def test_step_is_there_for_who_is_watched_alone(tmp_path):
    step = "Monitoring"
    assert step not in [one.name for one in _steps(config(tmp_path))]
    assert step in [one.name for one in _steps(watched(tmp_path, metrics_listen="[::1]:9108"))]


async def test_check_names_what_it_has_found_and_sends_nothing(tmp_path):
    write_secret(tmp_path / "beat.url", "https://127.0.0.1:1/secret")
    write_secret(tmp_path / "alert.urls", "json://127.0.0.1:1/secret")
    checked = watched(
        tmp_path,
        heartbeat_url_file="beat.url",
        metrics_listen="[::1]:9108",
        alert_url_file="alert.urls",
    )
    assert await check_monitoring(checked, sends_alert=False) == (
        "the heartbeat's URL is there (not called now), metrics at http://[::1]:9108/metrics,"
        " apprise knows the places of alerts (check --alert sends a test there)"
    )
    with pytest.raises(ConfigError, match=r"not taken by the place of URL 1;"):
        await check_monitoring(checked, sends_alert=True)


async def test_url_that_apprise_does_not_know_is_named_by_its_number(tmp_path):
    write_secret(tmp_path / "alert.urls", "ntfy://topic\nhunter2\nhunter3")
    with pytest.raises(ConfigError, match=r"what is meant by URL 2, 3;") as refused:
        await check_monitoring(watched(tmp_path, alert_url_file="alert.urls"), sends_alert=False)
    assert "hunter" not in str(refused.value)


PARTS = {part: PartHealth(Condition.OK, NOW) for part in HealthPart}
DRY = {HealthPart.PAYOUTS: PartHealth(Condition.NO_FUNDS, NOW)}
BACKUPS = {HealthPart.BACKUPS: PartHealth(Condition.FAILING, NOW)}


@pytest.mark.parametrize(
    ("parts", "after_s", "running", "well", "lines"),
    [
        (PARTS, 0, True, True, ["The bot runs, and all is well."]),
        (
            PARTS | DRY,
            0,
            True,
            False,
            ["Payouts: waiting for sats in the source wallet, since 1 Mar 2026 12:00."],
        ),
        (
            PARTS | BACKUPS,
            0,
            True,
            True,
            ["Copies of the ledger: failing, since 1 Mar 2026 12:00."],
        ),
        (
            PARTS,
            61,
            False,
            False,
            [
                "NO BOT HAS LOOKED at this ledger since 2026-03-01 12:00: it was killed, or it hangs."
            ],
        ),
        (None, 0, False, False, ["No bot runs on this ledger now."]),
    ],
)
async def test_status_tells_how_the_bot_is(tmp_path, parts, after_s, running, well, lines):
    def work(tx):
        if parts is not None:
            health.note(tx, Health(NOW, NOW + timedelta(minutes=1), parts))
        return health_values(tx, NOW + timedelta(seconds=after_s))

    async with ledger_of(tmp_path) as ledger:
        values = await ledger.transact(work)
    assert (values["running"], values["well"]) == (running, well)
    assert health_lines(values, config(tmp_path)) == lines
