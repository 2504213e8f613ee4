"""Builds the places for copies of the ledger, and what encrypts the copies, from the configuration."""

from functools import partial
from secrets import SystemRandom

from dca_bot.blossom.server import BlossomServer, Tags
from dca_bot.config import Config
from dca_bot.core.offsite import parse_ssh
from dca_bot.core.ports import CopyPlace, Seal
from dca_bot.errors import ConfigError, FileRefused, KeyRefused
from dca_bot.files.rights import read_text
from dca_bot.lamassu.ssh_login import SshServer
from dca_bot.nostr.events import sign
from dca_bot.nostr.keys import SecretKey, generate
from dca_bot.offsite.blossom import BlossomPlace
from dca_bot.offsite.folder import FolderPlace
from dca_bot.offsite.sealing import parse_recipients, seal
from dca_bot.offsite.sftp import SftpPlace
from dca_bot.program import command
from dca_bot.system_clock import SystemClock

_SETTING = "[backup] to:"
_BLOSSOM_LIMIT_S = 3600


def build_place(config: Config, text: str, key: SecretKey | None, bot: str = "") -> CopyPlace:
    """Make the place that a text of `[backup] to` names; a relative folder begins at the configuration's.

    `key` signs uploads to a Blossom server; `bot` is the public key whose uploads it lists, by default that
    of `key`. Raise ConfigError if neither is known.
    """
    if "://" not in text:
        return FolderPlace(text, config.base / text)
    if _is_blossom(text):
        bot = bot or (key.public_key if key else "")
        if not bot:
            raise ConfigError(
                f"{text} has copies by the bot's npub: name it with --bot npub1… (your app shows it)."
            )
        return BlossomPlace(text, partial(_blossom, text, key or generate()), bot)
    there = parse_ssh(text)
    server = SshServer(
        host=there.host,
        port=there.port,
        username=there.username,
        private_key_file=config.secret_path(config.backup.ssh_key_file),
        known_hosts_file=config.path(config.backup.ssh_known_hosts_file),
        setting=_SETTING,
    )
    return SftpPlace(text, server, there.folder)


def build_places(config: Config, key: SecretKey | None, bot: str = "") -> tuple[CopyPlace, ...]:
    """Make the places of `[backup] to`; raise ConfigError as `build_place` does.

    A rehearsal uses no Blossom server: that lists by the bot's key, and the programme may have the same.
    """
    return tuple(
        build_place(config, text, key, bot)
        for text in config.backup.to
        if not (config.bot.rehearsal and _is_blossom(text))
    )


def _is_blossom(text: str) -> bool:
    return "://" in text and not text.startswith("ssh://")


def build_seal(config: Config, key: SecretKey) -> Seal | None:
    """Return what encrypts copies, together with the bot's key; None if no copies are sent away.

    Raise ConfigError if copies are sent away and there is no recovery key.
    """
    if not config.backup.to:
        return None
    return partial(seal, recipients=recipients(config), nsec=key.nsec())


def recipients(config: Config) -> list[str]:
    """Return the public halves of the recovery keys; raise ConfigError for none, or a broken file."""
    path = config.path(config.backup.recipients_file)
    try:
        found = parse_recipients(read_text(path, private=False))
    except FileNotFoundError:
        found = []
    except (FileRefused, KeyRefused) as error:
        raise ConfigError(
            f"{path}: {error}" if isinstance(error, KeyRefused) else str(error)
        ) from None
    if not found:
        raise ConfigError(
            f"backup.to sends copies away, but {path} has no recovery key to encrypt them to. Make one:"
            f" {command('recovery-key')}"
        )
    return found


def _blossom(url: str, key: SecretKey) -> BlossomServer:
    def sign_token(kind: int, created_at: int, tags: Tags, content: str) -> str:
        return sign(key, kind=kind, created_at=created_at, tags=tags, content=content).to_json()

    return BlossomServer(
        url, sign_token, clock=SystemClock(), random=SystemRandom(), limit_s=_BLOSSOM_LIMIT_S
    )
