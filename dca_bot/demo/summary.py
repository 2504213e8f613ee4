"""The end of the story in ten lines: who got what, and what was proven."""

from collections.abc import Sequence

from dca_bot.commands.status import run_audit
from dca_bot.config import load_config
from dca_bot.core.money import fiat_text, sat_text
from dca_bot.demo.stage import PayeeLine
from dca_bot.demo.world import World
from dca_bot.ledger.store.database import Database, Tx

_CURRENCY = "GTQ"


async def summary(
    world: World,
    database: Database,
    payees: Sequence[PayeeLine],
    *,
    messages: int,
    took_s: float,
) -> list[str]:
    """Return the lines; `messages` were shown on the screen, and the story took `took_s`."""
    audit = (await run_audit(load_config(world.config))).values
    equal = sum(payee.is_equal for payee in payees)
    return [
        *await database.read(lambda tx: [_shared_out(tx), *(_got(tx, one) for one in payees)]),
        "One sale wasn't clear: it was held, and shared out as far as the operator said",
        "The source wallet ran short once: payouts waited for the top-up and went on by themselves",
        f"Ledger and wallets: equal to the sat for {equal} of {len(payees)}",
        f"Audit: {audit['entries']} entries, {audit['payouts']} payouts, {audit['payments']} payments at"
        f" LNbits, {len(audit['findings'])} findings",
        f"{messages} messages, each encrypted for its reader, in {took_s:.0f} seconds",
    ]


def _shared_out(tx: Tx) -> str:
    flow, fixed, minor = tx.execute(
        "SELECT sum(kind = 'flow'), sum(kind = 'fixed'), sum(iif(kind = 'commission', 0, principal_minor))"
        " FROM distribution"
    ).fetchone()
    return f"Shared out: {flow} cash-outs and {fixed} fixed run, {fiat_text(minor, _CURRENCY)}"


def _got(tx: Tx, payee: PayeeLine) -> str:
    (minor,) = tx.execute(
        "SELECT sum(minor) FROM share JOIN client ON client.id = client_id WHERE name = ?",
        (payee.name,),
    ).fetchone()
    what = f"for {fiat_text(minor, _CURRENCY)}" if minor else "of commission"
    return f"{payee.name}: {sat_text(payee.paid_sat)} {what}"
