"""The step of `check` that asks the file server whether it would take files of this bot."""

import os

from dca_bot.charts.painter import painter
from dca_bot.config import Config
from dca_bot.errors import FileServerFailed
from dca_bot.outside import bot_key, build_file_server


async def check_files(config: Config) -> str:
    """Report the file server; raise FileServerFailed with a remedy. Nothing is uploaded."""
    server = build_file_server(config, bot_key(config, os.environ))
    try:
        is_sure = await server.probe()
    except FileServerFailed as error:
        raise FileServerFailed(
            f"{error}. Meanwhile people get text only. Have the bot's npub let in there, or name another"
            " server in [files]."
        ) from error
    finally:
        await server.aclose()
    taken = "takes files of this bot" if is_sure else "can't be asked before the first file"
    drawn = "" if painter() else "; charts stay text: install dca-bot with its extra `charts`"
    return f"{server.url} {taken}{drawn}"
