"""Fixed mode: the distribution of a run.

The invariant: a run is carried out once, ever, by id; state, shares, entries and payouts are recorded in the
same transaction or not at all.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from dca_bot.core.clients import LimitPeriod
from dca_bot.core.fixed_schedule import FixedClient, Run, amounts, limit_of
from dca_bot.core.market import bought_sat, coin_minor
from dca_bot.core.rate import Quote
from dca_bot.ledger.distributions import distributions, fixed_runs
from dca_bot.ledger.distributions.distributions import FIXED, Distribution, Share
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.accounts import TREASURY, Cause
from dca_bot.ledger.store.database import Tx


def fixed_clients(tx: Tx, day: date, *, only_id: int | None = None) -> list[FixedClient]:
    """Return the clients who take part in fixed mode at present, with the fiat given on the date already.

    `only_id`: the client to read alone. Shares of cancelled payouts count too: a date never gives a client
    more than the date's limit.
    """
    only, values = ("", ()) if only_id is None else (" AND id = ?", (only_id,))
    rows = tx.execute(
        "SELECT id, fixed_limit_minor, fixed_period, balance_minor,"
        " (SELECT coalesce(sum(minor), 0) FROM share JOIN client same ON same.id = client_id"
        "   WHERE same.pubkey = participant.pubkey AND day = ?) AS given_minor"
        f" FROM participant WHERE mode = 'fixed'{only} ORDER BY id",
        (day.isoformat(), *values),
    )
    return [
        FixedClient(
            id=row["id"],
            limit_minor=limit_of(day, row["fixed_limit_minor"], LimitPeriod(row["fixed_period"])),
            balance_minor=row["balance_minor"],
            given_minor=row["given_minor"],
        )
        for row in rows
    ]


def is_needed(tx: Tx, run: Run, *, ceiling_minor: int) -> bool:
    """Tell whether anybody has something to give in a run."""
    return bool(amounts(run, fixed_clients(tx, run.day), ceiling_minor))


def work_out(
    tx: Tx, run: Run, quote: Quote | None, *, ceiling_minor: int, currency: str
) -> list[Share]:
    """Work out the shares of a run; a client whose fiat buys no sat gives nothing. Record nothing.

    Only a run in which nobody has something to give may lack a quote.
    """
    clients = fixed_clients(tx, run.day)
    wanted = amounts(run, clients, ceiling_minor)
    if quote is None:
        assert not wanted, "a run that gives needs a rate"
        return []
    coin = coin_minor(quote.price, currency)
    bought = {
        id_: bought_sat(minor, coin, margin_bp=quote.margin_bp) for id_, minor in wanted.items()
    }
    limits = {client.id: client.limit_minor for client in clients}
    return [
        Share(id_, minor=wanted[id_], sat=sat, counted_minor=limits[id_])
        for id_, sat in bought.items()
        if sat > 0
    ]


def carry_out(
    tx: Tx,
    run: Run,
    quote: Quote | None,
    *,
    ceiling_minor: int,
    currency: str,
    now: datetime,
    message_id: str | None = None,
) -> Distribution[Share] | None:
    """Record a run as done, and give each client the client's share; return None if there are no shares.

    Raise StateChanged if the run is done, lapsed or held already.
    """
    shares = work_out(tx, run, quote, ceiling_minor=ceiling_minor, currency=currency)
    fixed_runs.note_done(tx, run, quote, clients=len(shares), ceiling_minor=ceiling_minor, now=now)
    return _give(tx, run, shares, now=now, message_id=message_id) if shares else None


def work_out_settling(client: Client, quote: Quote, *, currency: str) -> Share:
    """Work out the share of a client whose whole balance becomes sats, perhaps 0 sats; record nothing."""
    minor = client.balance_minor
    return Share(client.id, minor=minor, sat=bought_sat(minor, coin_minor(quote.price, currency)))


def settle(
    tx: Tx,
    client: Client,
    run: Run,
    quote: Quote,
    *,
    currency: str,
    now: datetime,
    message_id: str,
) -> Distribution[Share]:
    """Carry out a run of one client over the whole balance, without limits and without the quote's margin.

    Raise StateChanged if the run is done already.
    """
    share = work_out_settling(client, quote, currency=currency)
    whole = replace(quote, margin_bp=0)
    fixed_runs.note_done(tx, run, whole, clients=1, settles_client=client.id, now=now)
    return _give(tx, run, [share], now=now, message_id=message_id)


def _give(
    tx: Tx, run: Run, shares: Sequence[Share], *, now: datetime, message_id: str | None
) -> Distribution[Share]:
    given = Distribution(
        id=run.id,
        kind=FIXED,
        at=now,
        principal_sat=sum(share.sat for share in shares),
        principal_minor=sum(share.minor for share in shares),
        shares=tuple(shares),
    )
    cause = Cause(distribution_id=run.id, message_id=message_id)
    day = run.day.isoformat()
    distributions.record(tx, given, source=TREASURY, day=day, cause=cause, now=now)
    distributions.plan_payouts(tx, given, now=now)
    return given
