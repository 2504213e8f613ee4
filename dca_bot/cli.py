"""The command line: each command reads options, calls one function and sets the exit status.

0: done. 1: failed, with one sentence on stderr. 2: wrong words.
"""

import asyncio
import json as json_text
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from dca_bot import __version__
from dca_bot.commands.console import close_stdout, complain, flush, say, settle_streams
from dca_bot.core.moving_in import Unit
from dca_bot.errors import DcaBotError, in_words
from dca_bot.program import CONFIG_DEFAULT, extras

app = typer.Typer(
    help="Shares the bitcoin of Lamassu cash-outs among savings clients, by encrypted Nostr messages.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# `readable=False`: whether a file can be read is found out by reading it, so that a wrong file ends
# with 1 and a sentence, and only wrong words with 2.
ConfigPath = Annotated[
    Path, typer.Option("--config", readable=False, help="The configuration file.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Commit = Annotated[
    bool, typer.Option("--commit", help="Carry it out; without it, the import is only tried.")
]
CopySource = Annotated[
    str | None,
    typer.Option("--from", help="A place as in [backup] to; by default all of them."),
]
CopyName = Annotated[
    str | None, typer.Option("--copy", help="The name of a copy; by default the newest.")
]
BotNpub = Annotated[
    str | None,
    typer.Option("--bot", metavar="NPUB", help="The bot: the copy must be of it."),
]
RecoveryKeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key", readable=False, help="A file with the recovery key; by default it is asked for."
    ),
]
_QUIET = ("httpx", "httpcore", "asyncssh", "aiosqlite", "websockets")
"""Libraries whose own INFO lines would show addresses and requests."""


@app.command()
def init(config: ConfigPath = CONFIG_DEFAULT) -> None:
    """Ask a few questions, write configuration and keys, prepare Lamassu's server, and check all of it."""
    from dca_bot.commands.init import ask_and_write

    # The questions' trials and the check say what is wrong; the journal's lines belong to `run`.
    logging.disable()
    try:
        ask_and_write(config)
    except (typer.Abort, KeyboardInterrupt):
        complain("")
        raise DcaBotError(
            "The questions were not answered to the end, so nothing is written. Start again at a"
            " terminal."
        ) from None
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise DcaBotError(
            f"The answer can't be read as {error.encoding}, so nothing is written. Set the terminal"
            " to UTF-8, or type it without accents."
        ) from None


@app.command()
def check(
    config: ConfigPath = CONFIG_DEFAULT,
    alert: Annotated[bool, typer.Option("--alert", help="Send a test alert too.")] = False,
) -> None:
    """Try each outside part, step by step, and say what to do where it fails; change nothing."""
    from dca_bot.commands.check import run_checks

    # The steps say what is wrong; the journal's lines belong to `run`.
    logging.disable()
    if not asyncio.run(run_checks(config, sends_alert=alert)):
        raise DcaBotError("Not everything is in order yet; see each ✗ above.")


@app.command()
def run(
    config: ConfigPath = CONFIG_DEFAULT,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log details too.")] = False,
) -> None:
    """Run the bot until it is told to stop (SIGTERM, Ctrl-C)."""
    from dca_bot.app import run as run_bot
    from dca_bot.config import load_config
    from dca_bot.event_loop import EventLoop
    from dca_bot.stalls import StallWatch

    _log_to_stderr(verbose=verbose)
    stalls = StallWatch()
    with asyncio.Runner(loop_factory=lambda: EventLoop(stalls.selector)) as runner:
        runner.run(run_bot(load_config(config), stalls))


@app.command()
def status(
    config: ConfigPath = CONFIG_DEFAULT,
    json: AsJson = False,
    healthy: Annotated[
        bool, typer.Option("--healthy", help="Fail unless a bot runs and all is well.")
    ] = False,
) -> None:
    """Show what the ledger says now; the bot may be running."""
    from dca_bot.commands.status import read_status, render_status
    from dca_bot.config import load_config

    loaded = load_config(config)
    values = asyncio.run(read_status(loaded))
    say(json_text.dumps(values) if json else render_status(values, loaded))
    if healthy and not values["health"]["well"]:
        raise DcaBotError("Not all is well; see above.")


@app.command()
def audit(config: ConfigPath = CONFIG_DEFAULT, json: AsJson = False) -> None:
    """Prove the ledger from its entries up, and against LNbits; the bot may be running."""
    from dca_bot.commands.status import run_audit
    from dca_bot.config import load_config

    report = asyncio.run(run_audit(load_config(config)))
    result, why = report.values, report.unasked
    if json:
        say(json_text.dumps(result))
    else:
        for finding in report.findings:
            say(f"✗ {finding}")
        for note in report.notes:
            say(f"· {note}")
        say(
            f"{result['entries']} entries, {result['distributions']} distributions,"
            f" {result['payouts']} payouts, {result['payments'] or 'no'} payments at LNbits looked at."
        )
        if not result["findings"] and not why:
            say("All is well: everything adds up.")
    if result["findings"]:
        raise DcaBotError(f"{len(result['findings'])} finding(s): hold payments until it is clear.")
    if why:
        raise DcaBotError(
            "The ledger is in order, but LNbits could not be asked, so payments were not compared:"
            f" {why} Then audit again."
        )


@app.command()
def backup(
    file: Annotated[
        Path, typer.Argument(readable=False, help="The new file; nothing is overwritten.")
    ],
    config: ConfigPath = CONFIG_DEFAULT,
) -> None:
    """Copy the ledger into a new file; the bot may be running."""
    from dca_bot.commands.backup import make_copy

    make_copy(config, file)
    say(f"The ledger is copied to {file}.")


@app.command()
def restore(
    source: CopySource = None,
    name: CopyName = None,
    key: RecoveryKeyFile = None,
    bot: BotNpub = None,
    config: ConfigPath = CONFIG_DEFAULT,
) -> None:
    """Put back a copy of the ledger and the bot's key that were sent away; the bot starts paused."""
    from dca_bot.commands.restore import restore as put_back

    logging.disable()
    put_back(config, source=source, name=name, npub_typed=bot, key_file=key)


@app.command("rehearse-restore")
def rehearse_restore(
    source: CopySource = None,
    name: CopyName = None,
    key: RecoveryKeyFile = None,
    bot: BotNpub = None,
    config: ConfigPath = CONFIG_DEFAULT,
) -> None:
    """Try a restore in a folder that is removed, and report; the bot may be running."""
    from dca_bot.commands.rehearse_restore import rehearse

    logging.disable()
    rehearse(config, source=source, name=name, npub_typed=bot, key_file=key)


@app.command("recovery-key")
def recovery_key(config: ConfigPath = CONFIG_DEFAULT) -> None:
    """Make the key that opens the copies of the ledger which are sent away; show it once."""
    from dca_bot.commands.recovery_key import make_recovery_key
    from dca_bot.config import load_config

    make_recovery_key(load_config(config))


@app.command()
def export(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", readable=False, help="A new or empty folder.")
    ],
    config: ConfigPath = CONFIG_DEFAULT,
) -> None:
    """Write the ledger's tables as CSV files for a bookkeeper; the bot may be running."""
    from dca_bot.commands.backup import make_export

    files = make_export(config, folder)
    say(f"{files} files are in {folder}.")


@app.command()
def simulate(
    export: Annotated[
        Path, typer.Option(readable=False, help="A folder with the exported tables as CSV.")
    ],
    clients: Annotated[Path, typer.Option(readable=False, help="A CSV file with name,balance.")],
    currency: Annotated[str, typer.Option(help="The bot's currency.")] = "GTQ",
    now: Annotated[
        str | None, typer.Option(help="Count the 48 hours of waiting to this time (ISO 8601).")
    ] = None,
    json: AsJson = False,
) -> None:
    """Show what would be distributed to whom; needs no configuration, network or ledger."""
    from dca_bot.commands.simulate import run_simulation

    run_simulation(export, clients, currency=currency, now=now, json=json)


@app.command()
def chat(
    key: Annotated[
        Path, typer.Option(readable=False, help="Your own key (nsec or hex), a file of mode 600.")
    ],
    relay: Annotated[
        list[str] | None, typer.Option(help="A relay of the bot; may be given several times.")
    ] = None,
    to: Annotated[str, typer.Option(metavar="NPUB", help="The bot.")] = "",
    nip04: Annotated[bool, typer.Option("--nip04", help="Write old direct messages.")] = False,
    new: Annotated[
        bool, typer.Option("--new", help="Make a key, show its npub, and do nothing else.")
    ] = False,
) -> None:
    """Talk with the bot from this terminal, or from a pipe; needs no configuration."""
    from dca_bot.commands.chat import make_key, run_chat
    from dca_bot.core.ports import DmProtocol

    if new:
        npub = make_key(key)
        say(f"A new key is in {key}. Its npub, for nostr.operators or client add:\n{npub}")
        return
    if not relay or not to:
        raise typer.BadParameter("--relay and --to say where the bot is; both are needed.")
    logging.disable()
    protocol = DmProtocol.NIP04 if nip04 else DmProtocol.NIP17
    asyncio.run(run_chat(key, relay, to, protocol=protocol))


@app.command()
def demo(
    _config: Annotated[
        Path | None,
        typer.Option(
            "--config", readable=False, help="Not used: the demo brings its own configuration."
        ),
    ] = None,
    stay: Annotated[
        bool,
        typer.Option("--stay", envvar="STAY", help="Keep everything running at the end."),
    ] = False,
    address: Annotated[
        str,
        typer.Option(
            envvar="ADDRESS", help="Where the relay listens, for a phone in the same network."
        ),
    ] = "",
) -> None:
    """Show the main job end to end on a relay, an LNbits and a bot of its own."""
    try:
        from dca_bot.demo.relay import LOOPBACK
        from dca_bot.demo.story import run_demo
    except ModuleNotFoundError as error:
        raise DcaBotError(
            f"The demo needs {error.name}, which isn't installed. Run `make demo` in the source folder."
        ) from None
    if not asyncio.run(run_demo(stay=stay, address=address or LOOPBACK)):
        raise DcaBotError("Ledger and wallets differ, or the demo was ended.")


moving = typer.Typer(
    help="Bring clients along from another programme: tried on a copy first.", no_args_is_help=True
)
app.add_typer(moving, name="import")


@moving.command("clients")
def import_clients(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.csv", readable=False, help="A CSV file with name,npub,balance,wallet."
        ),
    ],
    commit: Commit = False,
    config: ConfigPath = CONFIG_DEFAULT,
    json: AsJson = False,
) -> None:
    """Bring along clients with their balances out of a CSV file; with --commit, the bot is stopped."""
    from dca_bot.commands.imports import import_from_csv

    logging.disable()
    import_from_csv(config, file, commit=commit, json=json)


@moving.command("satmachine")
def import_satmachine(
    people: Annotated[
        Path,
        typer.Argument(
            metavar="PEOPLE.csv",
            readable=False,
            help="A CSV file that says whose npub is whose: username,npub or user_id,npub.",
        ),
    ],
    deposits_in: Annotated[
        Unit,
        typer.Option(help="What 1 is in its deposits: a whole unit (quetzal), or the smallest."),
    ],
    payments_in: Annotated[Unit, typer.Option(help="The same of its payments.")] = Unit.MAJOR,
    database: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            help="Its file ext_satoshimachine.sqlite3, or a file of mode 600 with the URL of LNbits'"
            " PostgreSQL.",
        ),
    ] = None,
    schema: Annotated[
        str, typer.Option(help="Its schema in PostgreSQL, if there are several.")
    ] = "",
    commit: Commit = False,
    config: ConfigPath = CONFIG_DEFAULT,
    json: AsJson = False,
) -> None:
    """Bring along clients, deposits and processed cash-outs from satmachineadmin, which is switched off."""
    from dca_bot.commands.import_satmachine import Place
    from dca_bot.commands.imports import import_from_satmachine

    logging.disable()
    place, units = Place(database, schema), (deposits_in, payments_in)
    import_from_satmachine(config, people, place, units, commit=commit, json=json)


@app.command("upgrade-check")
def upgrade_check(
    wheel: Annotated[
        Path | None,
        typer.Option(readable=False, help="A wheel of dca-bot to try, before it is installed."),
    ] = None,
    config: ConfigPath = CONFIG_DEFAULT,
) -> None:
    """Try on a copy of the ledger what the next start would change; the bot may be running."""
    from dca_bot.commands.upgrade_check import check_upgrade
    from dca_bot.commands.upgrade_wheel import check_wheel

    if wheel is None:
        check_upgrade(config)
    else:
        check_wheel(config, wheel)


@app.command()
def understand(
    operator: Annotated[
        bool, typer.Option("--operator", help="Read the lines as an operator's.")
    ] = False,
    language: Annotated[
        str | None, typer.Option(help="Try one language only: en, es …; all by default.")
    ] = None,
    currency: Annotated[str, typer.Option(help="The bot's currency.")] = "GTQ",
) -> None:
    """Read a message from each line of stdin, and print as JSON which command it means."""
    from dca_bot.commands.understand import print_understood

    print_understood(is_operator=operator, language=language, currency=currency)


@app.command()
def version(json: AsJson = False) -> None:
    """Show the version."""
    import platform
    import sqlite3

    from dca_bot.ledger.store.schema import VERSION

    values = {
        "version": __version__,
        "ledger_version": VERSION,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "platform": platform.platform(),
        "extras": extras(),
    }
    say(json_text.dumps(values) if json else __version__)


def main() -> None:
    """Run the command that the words name."""
    settle_streams()
    try:
        try:
            app()
        finally:
            flush()
    except DcaBotError as error:
        _fail(str(error))
    except BrokenPipeError:
        close_stdout()
        sys.exit(1)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _fail(f"{place}{in_words(error)}.")


def _fail(sentence: str) -> None:
    complain(f"dca-bot: {sentence}")
    close_stdout()
    sys.exit(1)


def _log_to_stderr(*, verbose: bool) -> None:
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
