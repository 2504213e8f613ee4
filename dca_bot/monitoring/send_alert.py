"""Sends one alert: `python -m dca_bot.monitoring.send_alert` reads JSON from stdin, and writes a JSON list.

The list has for each URL whether the place took the alert; without a text nothing is sent, and the list says
whether apprise knows each URL.
"""

import json
import sys

import apprise

_ASSET = apprise.AppriseAsset(
    app_id="dca-bot", app_desc="dca-bot", app_url="", plugin_paths=(), secure_logging=True
)


def send(url: str, title: str, text: str) -> bool:
    """Send an alert to one place; tell whether the place took it, or without a text whether it is known."""
    place = apprise.Apprise.instantiate(url, asset=_ASSET, suppress_exceptions=True)
    if place is None or not text:
        return place is not None
    try:
        return bool(place.notify(title=title, body=text))
    except Exception:  # noqa: BLE001 - the plug-ins are many, and none may keep another place from being told
        return False


def main() -> None:
    """Read what to send, send it, and say what became of it."""
    told = json.load(sys.stdin)
    title, text = told.get("title", ""), told.get("text", "")
    results = [send(url, title, text) for url in told["urls"]]
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
