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
    if sends_alert:
        _refuse(await alerter.send(BOT_NAME, _TEST), "the test alert was not taken by the place of")
        return "a test alert was taken by each place"
    _refuse(await alerter.known(), "apprise does not know what is meant by")
    return "apprise knows the places of alerts (check --alert sends a test there)"


def _refuse(results: list[bool], what: str) -> None:
    """Raise ConfigError if a URL failed. URLs are secrets: the error has their numbers, counted from 1."""
    numbers = [str(number) for number, is_good in enumerate(results, 1) if not is_good]
    if numbers:
        raise ConfigError(
            f"monitoring.alert_url_file: {what} URL {', '.join(numbers)}; look at how apprise's documentation"
            " writes such a place, and at its password and recipient."
        )
