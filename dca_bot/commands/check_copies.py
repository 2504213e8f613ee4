"""The step of `check` that looks at the places to which copies of the ledger are sent."""

import asyncio
import os
from pathlib import Path

from dca_bot.config import Config
from dca_bot.core.offsite import offsite_copies
from dca_bot.core.ports import CopyPlace
from dca_bot.errors import OffsiteFailed
from dca_bot.offsite_places import build_places, recipients
from dca_bot.outside import bot_key


async def check_places(config: Config) -> str:
    """Report the places; raise OffsiteFailed if one fails, ConfigError without a recovery key.

    Nothing is written: whether a place takes a copy is found by the first one.
    """
    keys = len(recipients(config))
    lines = [
        await _look(config, place) for place in build_places(config, bot_key(config, os.environ))
    ]
    return (
        f"{', '.join(lines) or 'none in a rehearsal'}; {keys} recovery key{'s' if keys > 1 else ''}"
    )


async def _look(config: Config, place: CopyPlace) -> str:
    try:
        names = await place.names()
    except OffsiteFailed as error:
        raise OffsiteFailed(f"{place.label}: {error}", fault=error.fault, **error.fields) from error
    count = len(offsite_copies(names))
    folder = config.path(Path(place.label))
    is_here = "://" not in place.label and await asyncio.to_thread(
        _on_disk_of_ledger, config, folder
    )
    here = ", ON THE LEDGER'S OWN DISK, which it doesn't survive" if is_here else ""
    return f"{place.label} has {count} copies{here}"


def _on_disk_of_ledger(config: Config, folder: Path) -> bool:
    data_dir = config.path(config.bot.data_dir)
    existing = next(one for one in (data_dir, *data_dir.absolute().parents) if one.exists())
    return folder.stat().st_dev == existing.stat().st_dev
