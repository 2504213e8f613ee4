"""Sends one alert: `python -m dca_bot.monitoring.send_alert` reads JSON and writes a line for each URL.

The line says whether the place took the alert; without a text nothing is sent, and the line says whether
apprise knows the URL.
"""

import json
import sys
from contextlib import redirect_stdout

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
    """Read what to send, send it, and say of each place at once what became of it."""
    told = json.load(sys.stdin)
    title, text = told.get("title", ""), told.get("text", "")
    for url in told["urls"]:
        with redirect_stdout(sys.stderr):  # a plug-in may print
            is_taken = send(url, title, text)
        print("taken" if is_taken else "-", flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
