"""Moves a payout from state to state.

The invariant: every move is a compare-and-set along the ledger's table `payout_move`, and is committed
before the request leaves that the move announces. Every function here raises StateChanged if the payout
has moved since the caller read the payout. `booking` has the moves that move money; `deferral` says when
a waiting payout is tried again.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from dca_bot.core.attempt import lives_for
from dca_bot.core.names import short_id
from dca_bot.core.payout import PayoutState
from dca_bot.core.ports import Invoice, PaymentStatus, Uptime
from dca_bot.core.witness import Outcome, Witness
from dca_bot.errors import Changed, DestinationRefused, Refusal, StateChanged
from dca_bot.ledger.payouts import holds, payouts, witnesses
from dca_bot.ledger.payouts.holds import Hold, HoldKind
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.store import clock
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros, micros_of

_UNTRIED: Mapping[str, str | int | None] = {
    "waiting": "",
    "tries": 0,
    "source_status": "",
    "said": "",
    "slow_told_at": None,
    "doubt_told_at": None,
}
"""Columns of a payout whose current attempt has an invoice and no pay request."""


def move(tx: Tx, payout: Payout, to: PayoutState, **columns: str | int | None) -> None:
    """Move a payout to a state, with these columns.

    Raise StateChanged if state or attempt differ from the payout that the caller has read.
    """
    sets = "".join(f", {name} = :{name}" for name in columns)
    done = tx.execute(
        f"UPDATE payout SET state = :to{sets} WHERE id = :id AND state = :was AND attempt = :last",
        {**columns, "to": to, "id": payout.id, "was": payout.state, "last": payout.attempts},
    )
    if done.rowcount != 1:
        raise StateChanged(Changed.PAYOUT, id=short_id(payout.id))


def accept_invoice(
    tx: Tx, payout: Payout, invoice: Invoice, *, verify_url: str, now: datetime, uptime: Uptime
) -> Payout:
    """Record a new invoice as `record_invoice`, with the time that the bot has witnessed so far.

    Raise DestinationRefused if any attempt had the same invoice, and StateChanged if the client has another
    destination by now.
    """
    if payouts.has_invoice(tx, invoice.payment_hash):
        raise DestinationRefused(Refusal.SAME_INVOICE)
    if not payout.has_same_destination(payouts.get(tx, payout.id)):
        raise StateChanged(Changed.WALLET)
    witnessed = clock.witnessed(tx, uptime)
    return record_invoice(tx, payout, invoice, now=now, verify_url=verify_url, witnessed=witnessed)


def record_invoice(
    tx: Tx,
    payout: Payout,
    invoice: Invoice,
    *,
    now: datetime,
    verify_url: str = "",
    witnessed: timedelta | None = None,
) -> Payout:
    """Record the checked invoice of a new attempt: PLANNED becomes INVOICED; return the payout.

    `verify_url`: where the payee's server tells whether the invoice is settled (LUD-21), or empty.
    `witnessed`: how much time the bot has witnessed so far. Raise StateChanged as `move`.
    """
    move(
        tx,
        payout,
        PayoutState.INVOICED,
        attempt=payout.attempts + 1,
        destination=payout.goes_to.value,
        destination_kind=payout.goes_to.kind,
        **_UNTRIED,
    )
    tx.execute(
        "INSERT INTO attempt (payout_id, number, bolt11, payment_hash, expires_at, created_at,"
        " verify_url, witnessed_end) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            payout.id,
            payout.attempts + 1,
            invoice.bolt11,
            invoice.payment_hash,
            micros(invoice.expires_at),
            micros(now),
            verify_url,
            None if witnessed is None else micros_of(witnessed + lives_for(invoice, now)),
        ),
    )
    return payouts.get(tx, payout.id)


def discard_invoice(tx: Tx, payout: Payout) -> None:
    """Drop an invoice that no pay request was sent for: INVOICED becomes PLANNED again.

    Raise StateChanged in any other state.
    """
    if payout.state is not PayoutState.INVOICED:
        raise StateChanged(Changed.NO_UNSENT_INVOICE, id=short_id(payout.id))
    move(tx, payout, PayoutState.PLANNED, **_unfixed(payout))


def submit(tx: Tx, payout: Payout, *, now: datetime) -> Payout:
    """Record that the pay request leaves now, which fixes the destination; return the payout."""
    move(tx, payout, PayoutState.SUBMITTED, submitted_at=micros(now), waiting="", tries=0)
    witnesses.expect(tx, payout, now=now)
    return payouts.get(tx, payout.id)


def put_in_doubt(tx: Tx, payout: Payout) -> Payout:
    """Record that LNbits calls a payment failed, which proves nothing; return the payout.

    Raise StateChanged if an operator or the payee's proof has decided about the payout meanwhile.
    """
    move(tx, payout, PayoutState.IN_DOUBT)
    return payouts.get(tx, payout.id)


def finish(tx: Tx, payout: Payout, *, now: datetime) -> None:
    """Record that the sats arrived, or left for a payee who can't be asked: DEBITED or ALERT becomes DONE."""
    move(tx, payout, PayoutState.DONE, done_at=micros(now), waiting="")


def void(tx: Tx, payout: Payout, *, now: datetime) -> None:
    """Record that the current attempt is proven unpaid and can't be paid any more."""
    move(tx, payout, PayoutState.VOID, waiting="", try_at=micros(now))


def void_by_verdict(
    tx: Tx, payout: Payout, witness: Witness, *, now: datetime, message_id: str | None = None
) -> None:
    """Give up an attempt to an address, on the word of a second witness: an operator or the payee's server.

    `message_id`: the operator's message. Raise sqlite3.IntegrityError as `witnesses.record_verdict`.
    """
    witnesses.record_verdict(tx, payout, Outcome.UNPAID, witness, now=now, message_id=message_id)
    void(tx, payout, now=now)


def alert(tx: Tx, payout: Payout, why: str, *, look_at: datetime) -> None:
    """Stop paying a payout whose payment contradicts the ledger; look the payout up again at `look_at`."""
    move(tx, payout, PayoutState.ALERT, waiting=why, try_at=micros(look_at))


def hold(tx: Tx, payout: Payout, reason: str, *, now: datetime) -> Hold | None:
    """Stop a payout until an operator decides; return the hold, or None if the payout was held already."""
    move(tx, payout, PayoutState.HELD, waiting=reason, **_unfixed(payout))
    return holds.open_hold(tx, HoldKind.PAYOUT, payout.id, reason, now=now)


def retry(tx: Tx, payout: Payout, *, now: datetime) -> None:
    """Plan a new attempt at a void payout, or let a held payout go on.

    Raise StateChanged in any other state.
    """
    if payout.state not in (PayoutState.VOID, PayoutState.HELD):
        raise StateChanged(Changed.NOT_RETRYABLE, id=short_id(payout.id), state=payout.state)
    move(tx, payout, PayoutState.PLANNED, waiting="", tries=0, try_at=micros(now))


def note_seen(tx: Tx, payout: Payout, status: PaymentStatus) -> None:
    """Record the status of the current attempt's payment at the source wallet."""
    move(tx, payout, payout.state, source_status=status)


def note_said(tx: Tx, payout: Payout, words: str) -> None:
    """Record LNbits' words to a pay request that LNbits refused."""
    move(tx, payout, payout.state, said=words)


def note_slow_told(tx: Tx, payout: Payout, *, now: datetime) -> None:
    """Record that the operators were told of an attempt that does not settle."""
    move(tx, payout, payout.state, slow_told_at=micros(now))


def note_doubt_told(tx: Tx, payout: Payout, *, now: datetime) -> None:
    """Record that the operators were told of an attempt that LNbits calls failed."""
    move(tx, payout, payout.state, doubt_told_at=micros(now))


def _unfixed(payout: Payout) -> dict[str, None]:
    """Let a payout that was never submitted follow the client to another destination."""
    return {} if payout.submitted_at else {"destination": None, "destination_kind": None}
