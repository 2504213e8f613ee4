"""The step of `check` about those who watch the bot from outside."""

from dca_bot.config import Config
from dca_bot.errors import ConfigError
from dca_bot.monitoring.alerts import Alerter
from dca_bot.outside import BOT_NAME, build_alerter, build_heartbeat

_TEST = "This is a test of your alerts: dca-bot check --alert"


async def check_monitoring(config: Config, *, sends_alert: bool) -> str:
    """Read the files and the URLs in them; send a test alert only with `sends_alert`.

    Raise ConfigError for an unusable file or URL, and AlertFailed if apprise doesn't run.
    """
    found = []
    heartbeat, alerter = build_heartbeat(config), build_alerter(config)
    if heartbeat is not None:
        async with heartbeat:
            found.append("the heartbeat's URL is there (not called now)")
    if config.monitoring.metrics_listen is not None:
        host, port = config.monitoring.metrics_listen
        found.append(f"metrics at http://{f'[{host}]' if ':' in host else host}:{port}/metrics")
    if alerter is not None:
        found.append(await _check_alerts(alerter, sends_alert=sends_alert))
    return ", ".join(found)


async def _check_alerts(alerter: Alerter, *, sends_alert: bool) -> str:
    if broken := _numbers(await alerter.known()):
        raise ConfigError(
            f"monitoring.alert_url_file: apprise doesn't know what URL {broken} means; its documentation"
            " lists how each kind of place is written."
        )
    if not sends_alert:
        return "apprise knows the places of alerts (check --alert sends a test there)"
    if broken := _numbers(await alerter.send(BOT_NAME, _TEST)):
        raise ConfigError(
            f"monitoring.alert_url_file: the test alert was not taken by the place of URL {broken}; check"
            " password, port and recipient there."
        )
    return "a test alert was taken by each place"


def _numbers(results: list[bool]) -> str:
    """Return which URLs failed, counted from 1: `2, 3`; empty if none did. The URLs are secrets."""
    return ", ".join(str(number) for number, is_good in enumerate(results, 1) if not is_good)
