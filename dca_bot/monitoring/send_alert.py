"""Sends one alert: `python -m dca_bot.monitoring.send_alert` reads JSON and writes a line for each URL.

The line has the URL's number, and says whether the place took the alert; without a text nothing is sent, and
the line says whether apprise knows the URL. All places are told at once, so that none waits for one that
hangs; who runs this ends it after a while.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed

import apprise

_ASSET = apprise.AppriseAsset(
    app_id="dca-bot", app_desc="dca-bot", app_url="", plugin_paths=(), secure_logging=True
)


def send(place: apprise.NotifyBase | None, title: str, text: str) -> bool:
    """Send an alert to one place; tell whether the place took it, or without a text whether it is known."""
    if place is None or not text:
        return place is not None
    try:
        return bool(place.notify(title=title, body=text))
    except Exception:  # noqa: BLE001 - the plug-ins are many, and none may keep another place from being told
        return False


def main() -> None:
    """Read what to send, send it, and say of each place at once what became of it."""
    told, answers = json.load(sys.stdin), sys.stdout
    title, text = told.get("title", ""), told.get("text", "")
    sys.stdout = sys.stderr  # a plug-in may print
    with ThreadPoolExecutor(len(told["urls"])) as pool:
        places = [
            apprise.Apprise.instantiate(url, asset=_ASSET, suppress_exceptions=True)
            for url in told["urls"]
        ]
        sent = {pool.submit(send, place, title, text): n for n, place in enumerate(places)}
        for one in as_completed(sent):
            print(sent[one], "taken" if one.result() else "-", file=answers, flush=True)


if __name__ == "__main__":
    main()
