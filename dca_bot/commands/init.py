"""`dca-bot init`: asks, writes the configuration and the keys, helps on Lamassu's server, and checks it all.

The invariant: until everything is answered no file is written, and then all or none.
"""

import asyncio
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import segno
import typer

from dca_bot.commands.check import run_checks
from dca_bot.commands.console import can_write, columns, say
from dca_bot.commands.init_config import Answers, config_text
from dca_bot.commands.init_knock import find_operator
from dca_bot.commands.init_lamassu import (
    SCRIPT,
    lamassu_files,
    note_host_keys,
    refuse_unusable_secrets,
    show_script,
)
from dca_bot.commands.init_questions import Questions, is_terminal
from dca_bot.commands.lamassu_setup import Way
from dca_bot.commands.recovery_key import offer_recovery_key
from dca_bot.config import Config, load_config
from dca_bot.config_sections import BackupConfig
from dca_bot.core.relay_urls import normalize
from dca_bot.errors import ConfigError, DcaBotError, KeyRefused
from dca_bot.files.rights import refuse_unfit_new_file
from dca_bot.files.secret_files import NOSTR_KEY_VARIABLE, read_secret_file, write_secret
from dca_bot.nostr.announcement.own_events import INBOX_RELAYS_MAX
from dca_bot.nostr.keys import SecretKey, generate, nprofile, parse_secret_key
from dca_bot.program import command, with_config

_SYSTEMD = Path("/run/systemd/system")
"""This folder is there if systemd runs the computer (sd_booted)."""


def ask_and_write(config_path: Path) -> None:
    """Ask for the values without a default and write all files; at a terminal see to Lamassu, and check.

    Keys and passwords that are there already are used. Raise DcaBotError.
    """
    folder = config_path.parent
    _refuse_existing(config_path)
    refuse_unusable_secrets(folder)
    key, new_key = _bot_key(folder / "bot.nsec")
    questions = Questions(key, folder, is_terminal())
    answers = questions.ask_all()
    if not answers.operator:
        answers = replace(answers, operator=_find_operator(answers, key) or questions.ask_npub())
    files = {
        folder / "bot.nsec": new_key,
        config_path: config_text(answers),
        folder / "lnbits.key": answers.admin_key,
    }
    files = {path: text for path, text in files.items() if text}
    files |= lamassu_files(folder, answers.lamassu)
    _write_all(files)
    say(f"\nWrote {', '.join(str(path) for path in files)}.")
    kept = NOSTR_KEY_VARIABLE if os.environ.get(NOSTR_KEY_VARIABLE) else folder / "bot.nsec"
    say(f"Keep a copy of {kept}: it is the bot's identity.")
    if not (folder / "lnbits.key").exists():
        say(f"Put the source wallet's admin key into {folder / 'lnbits.key'} (chmod 600).")
    try:
        _make_recovery_key(config_path)
        _show_bot(key, answers.relays)
        if questions.is_terminal:
            _finish(config_path, answers)
            return
    except (typer.Abort, KeyboardInterrupt):
        say("")
        raise DcaBotError(f"All files are written. {_left_to_do(config_path, files)}") from None
    if folder / SCRIPT in files:
        say(f"\n{folder / SCRIPT} has to be run once on {answers.lamassu.server}, as root.")
    say(f"\nNext: {_command('check', config_path)}")


def _left_to_do(config_path: Path, files: Mapping[Path, str]) -> str:
    """Say what is still to be done after an `init` that was broken off."""
    script = config_path.parent / SCRIPT
    steps = (
        [f"If it hasn't yet, have root run {script} on Lamassu's server."]
        if script in files
        else []
    )
    if not os.path.lexists(config_path.parent / BackupConfig().recipients_file):
        steps.append(f"No recovery key was kept: {_command('recovery-key', config_path)}")
    return " ".join([*steps, f"Go on with: {_command('check', config_path)}"])


def _make_recovery_key(config_path: Path) -> None:
    """Have a recovery key made; the bot works without."""
    say("")
    try:
        offer_recovery_key(config_path)
    except DcaBotError as error:
        say(f"{error} Later: {_command('recovery-key', config_path)}")


def _finish(config_path: Path, answers: Answers) -> None:
    """See to Lamassu's server and check everything, until all is well or the person leaves."""
    if answers.lamassu.way is not Way.FOLDER:
        show_script(config_path.parent / SCRIPT, answers.lamassu)
    config = load_config(config_path)
    while not _is_well(config_path, config, answers):
        if not typer.confirm("Try again?", default=True):
            say(f"\nGo on later with: {_command('check', config_path)}")
            return
    say(f"\nNext: {_command('run', config_path)}")
    if _SYSTEMD.exists():
        say("As a service, as root: systemctl enable --now dca-bot (docs/operating.md says more)")
    say("Then write help to the bot, from the app of your npub.")


def _is_well(config_path: Path, config: Config, answers: Answers) -> bool:
    if answers.lamassu.way.uses_ssh:
        note_host_keys(config)
    say("")
    return asyncio.run(run_checks(config_path))


def _command(name: str, config_path: Path) -> str:
    return command(name, *with_config(config_path))


def _refuse_existing(config_path: Path) -> None:
    """Raise ConfigError if the configuration is there already, or can't be made."""
    refuse_unfit_new_file(config_path)
    if os.path.lexists(config_path):
        key_path = config_path.parent / "bot.nsec"
        alone = f" A key alone is made by: {command('chat', '--new', '--key', key_path)}"
        raise ConfigError(
            f"{config_path} is there already; to try it: {_command('check', config_path)}. To answer anew,"
            " move it away: the keys beside it are used again."
            + ("" if os.path.lexists(key_path) else alone)
        )


def _bot_key(path: Path) -> tuple[SecretKey, str]:
    """Return the bot's key, and the text to write; the text is empty for a key that is there already."""
    own = os.environ.get(NOSTR_KEY_VARIABLE)
    if not own and not os.path.lexists(path):
        key = generate()
        return key, key.nsec()
    try:
        key = parse_secret_key(own or read_secret_file(path, remedy="put the bot's key there"))
    except KeyRefused as error:
        raise ConfigError(f"{NOSTR_KEY_VARIABLE if own else path}: {error}") from None
    if not own:
        say(f"{path} is there and is used: the bot is {key.npub}.")
    return key, ""


def _find_operator(answers: Answers, key: SecretKey) -> str:
    """Have the operator write to the bot; return the npub, empty if nobody was found."""
    text = config_text(replace(answers, operator=key.npub))
    config = Config.model_validate(tomllib.loads(text))
    say("\nWrite anything to the bot, from the app that you'll command it with.")
    _show_bot(key, answers.relays)
    say("\nWhat it answers has a code: type that here, within 5 minutes (Enter: type your npub).")
    return find_operator(config, key)


def _write_all(files: Mapping[Path, str]) -> None:
    """Write all of the new files, or none: a failed `init` leaves the folder as before.

    init's own script replaces an earlier one.
    """
    written: list[Path] = []
    try:
        for path, content in files.items():
            if path.name == SCRIPT:
                path.unlink(missing_ok=True)
            write_secret(path, content)
            written.append(path)
    except BaseException as error:
        for path in written:
            path.unlink()
        if isinstance(error, FileExistsError):
            raise ConfigError(
                f"{error.filename} has just been made by another; try again."
            ) from error
        raise


def _show_bot(key: SecretKey, urls: Sequence[str]) -> None:
    """Show the bot's npub and, for apps that don't find the bot, the address with the relays."""
    relays = [url for url in map(normalize, urls) if url is not None]
    address = nprofile(key.public_key, relays[:INBOX_RELAYS_MAX])
    say(f"\nThe bot's npub, for your clients and yourself:\n{key.npub}")
    say(f"\nWith its relays, for apps that don't find it, and in the QR code:\n{address}\n")
    _show_qr(f"nostr:{address}")


def _show_qr(text: str) -> None:
    """Print a QR code, or a line with the reason why none can be shown."""
    code = segno.make(text, error="l")
    width, _ = code.symbol_size()
    if not can_write("█▀▄"):
        say("(No QR code: this terminal's encoding has no blocks.)")
    elif 0 < columns() < width:
        say(f"(No QR code: it needs a terminal of {width} columns.)")
    else:
        code.terminal(compact=True)
