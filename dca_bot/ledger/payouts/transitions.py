"""What a payout may do, as recorded steps.

The invariant: every move is a compare-and-set along the table `payout_move`, committed before the
request that it announces leaves.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from dca_bot.core.names import short_id
from dca_bot.core.payout import (
    PayoutState,
    PlannedShare,
    Wait,
    Waiting,
    group_shares,
    lives_for,
    payout_id,
)
from dca_bot.core.ports import Invoice, Payment, PaymentStatus
from dca_bot.core.witness import Outcome, Witness, proves
from dca_bot.errors import StateChanged
from dca_bot.ledger.payouts import holds, payouts, witnesses
from dca_bot.ledger.payouts.holds import Hold, HoldKind, HoldOutcome
from dca_bot.ledger.payouts.payouts import Payout, collecting_clients
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.accounts import (
    CONVERTED,
    OPERATOR,
    PAID,
    Cause,
    Move,
    balance_of,
    owed_to,
    post,
)
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros, micros_of


def plan(tx: Tx, client_id: int, *, now: datetime) -> None:
    """Put a client's shares that belong to no payout into payouts, as their destination allows."""
    client = clients.by_id(tx, client_id)
    rows = tx.execute(
        "SELECT share.id, distribution_id, sat, at, kind = 'commission' AS is_commission FROM share"
        " JOIN distribution ON distribution.id = distribution_id"
        " WHERE client_id = ? AND payout_id IS NULL ORDER BY at, share.id",
        (client_id,),
    ).fetchall()
    # Commission is paid apart, so that no payout mixes what was bought with what was earned.
    piles = [
        [
            PlannedShare(row["id"], row["distribution_id"], row["sat"])
            for row in rows
            if bool(row["is_commission"]) is is_commission
        ]
        for is_commission in (False, True)
    ]
    due_at = {row["id"]: row["at"] for row in rows}
    min_sat = client.destination.min_sat if client.destination else 1
    for group in (group for pile in piles for group in group_shares(pile, min_sat)):
        _plan_group(tx, client, group, due_at=due_at[group[0].id], now=now)


def adopt(tx: Tx, payout_id: str, client_id: int, distribution_id: str, *, now: datetime) -> None:
    """Plan the payout of a client's one share under the id that LNbits knows it by."""
    share = tx.execute(
        "SELECT share.id, sat, at FROM share JOIN distribution ON distribution.id = distribution_id"
        " WHERE distribution_id = ? AND client_id = ? AND payout_id IS NULL",
        (distribution_id, client_id),
    ).fetchone()
    tx.execute(
        "INSERT INTO payout (id, client_id, amount_sat, try_at, due_at) VALUES (?, ?, ?, ?, ?)",
        (payout_id, client_id, share["sat"], micros(now), share["at"]),
    )
    tx.execute("UPDATE share SET payout_id = ? WHERE id = ?", (payout_id, share["id"]))


def plan_all(tx: Tx, *, now: datetime) -> None:
    """Look again at all shares that wait for more, as a destination's minimum may have sunk."""
    for client in collecting_clients(tx):
        plan(tx, client.id, now=now)


def merge(tx: Tx, payout: Payout, *, min_sat: int, now: datetime) -> None:
    """Take a payout back that is too small for its destination; its shares wait for more.

    Raise StateChanged if the client has another destination by now.
    """
    clients.set_minimum(tx, payout.client_id, payout.destination, min_sat)
    move(tx, payout, PayoutState.MERGED)
    tx.execute("UPDATE share SET payout_id = NULL WHERE payout_id = ?", (payout.id,))
    plan(tx, payout.client_id, now=now)


def move(tx: Tx, payout: Payout, to: PayoutState, **columns: str | int | None) -> None:
    """Move a payout from the state it was read in; raise StateChanged if it isn't there any more."""
    sets = "".join(f", {name} = :{name}" for name in columns)
    done = tx.execute(
        f"UPDATE payout SET state = :to{sets} WHERE id = :id AND state = :was AND attempt = :last",
        {**columns, "to": to, "id": payout.id, "was": payout.state, "last": payout.attempts},
    )
    if done.rowcount != 1:
        raise StateChanged(f"Payout {short_id(payout.id)} has changed meanwhile; look again.")


def defer(
    tx: Tx, payout: Payout, *, waiting: str | Wait, until: datetime, counted: bool = True
) -> None:
    """Note why a payout can't be brought further now, and when to try again."""
    wait = waiting if isinstance(waiting, Wait) else Wait(waiting)
    move(
        tx,
        payout,
        payout.state,
        waiting=wait.code,
        waiting_said=wait.said,
        waiting_sat=wait.limit_sat,
        try_at=micros(until),
        tries=payout.tries + int(counted),
    )


def look_again(tx: Tx, payout: Payout, *, now: datetime) -> None:
    """Have a payout looked up now, whatever it waits for."""
    move(tx, payout, payout.state, try_at=micros(now))


def defer_like(tx: Tx, payout: Payout, destination: str) -> None:
    """Let the client's other planned payouts to a destination wait for as long as this one."""
    tx.execute(
        "UPDATE payout SET (waiting, waiting_said, waiting_sat, try_at) ="
        " (SELECT waiting, waiting_said, waiting_sat, try_at FROM payout WHERE id = ?1)"
        " WHERE id IN (SELECT id FROM open_payout WHERE client_id = ?2)"
        " AND state = 'PLANNED' AND waiting <> ?4"
        " AND (SELECT state FROM payout WHERE id = ?1) IN ('PLANNED', 'INVOICED')"
        " AND coalesce(destination, (SELECT destination FROM client WHERE id = ?2)) = ?3",
        (payout.id, payout.client_id, destination, Waiting.FUNDS),
    )


def note_seen(tx: Tx, payout: Payout, status: PaymentStatus) -> None:
    """Record what the source wallet shows of a payout's current attempt."""
    move(tx, payout, payout.state, source_status=status)


def note_said(tx: Tx, payout: Payout, words: str) -> None:
    """Record LNbits' words to a pay request that LNbits did not carry out."""
    move(tx, payout, payout.state, said=words)


def note_slow_told(tx: Tx, payout: Payout, *, now: datetime) -> None:
    """Record that the operators know that a payout's current attempt does not settle."""
    move(tx, payout, payout.state, slow_told_at=micros(now))


def note_doubt_told(tx: Tx, payout: Payout, *, now: datetime) -> None:
    """Record that the operators know that LNbits calls a payout's current attempt failed."""
    move(tx, payout, payout.state, doubt_told_at=micros(now))


def record_invoice(
    tx: Tx,
    payout: Payout,
    invoice: Invoice,
    *,
    now: datetime,
    verify_url: str = "",
    witnessed: timedelta | None = None,
) -> None:
    """Record the checked invoice of a new attempt: PLANNED becomes INVOICED.

    `verify_url` is where the payee's server tells of the invoice (LUD-21), if anywhere; `witnessed`
    how much time the bot has witnessed so far.
    """
    assert payout.destination is not None
    move(
        tx,
        payout,
        PayoutState.INVOICED,
        attempt=payout.attempts + 1,
        destination=payout.destination.value,
        destination_kind=payout.destination.kind,
        waiting="",
        tries=0,
        source_status="",
        said="",
        slow_told_at=None,
        doubt_told_at=None,
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


def discard_invoice(tx: Tx, payout: Payout) -> None:
    """Drop an invoice that was never sent: INVOICED becomes PLANNED again."""
    if payout.state is not PayoutState.INVOICED:
        raise StateChanged(f"Payout {short_id(payout.id)} has no unsent invoice.")
    move(tx, payout, PayoutState.PLANNED, **_unfixed(payout))


def submit(tx: Tx, payout: Payout, *, now: datetime) -> None:
    """Record that the pay request leaves now; from here on the destination is fixed."""
    move(tx, payout, PayoutState.SUBMITTED, submitted_at=micros(now), waiting="", tries=0)
    witnesses.expect(tx, payout, now=now)


def put_in_doubt(tx: Tx, payout: Payout) -> Payout:
    """Record that LNbits calls a payment failed, which proves nothing; return the payout as it is now.

    Raise StateChanged where somebody has decided meanwhile: what is not in doubt any more stays so.
    """
    move(tx, payout, PayoutState.IN_DOUBT)
    fresh = payouts.by_id(tx, payout.id)
    assert fresh is not None
    return fresh


def debit(tx: Tx, payout: Payout, payment: Payment, *, now: datetime) -> None:
    """Record that the sats have left the source wallet, with LNbits' preimage as the payee's receipt."""
    _book(
        tx,
        payout,
        now=now,
        fee_msat=payment.fee_msat,
        preimage=payment.preimage,
        source_status=PaymentStatus.SUCCESS,
    )
    if payout.is_to_address and proves(payment.preimage, payment.payment_hash):
        witnesses.record_verdict(
            tx, payout, Outcome.ARRIVED, Witness.LNBITS, preimage=payment.preimage, now=now
        )


def book_as_arrived(
    tx: Tx, payout: Payout, *, now: datetime, message_id: str | None = None
) -> None:
    """Book a payout in doubt as paid: the payee's preimage is recorded, or an operator's word is it.

    `message_id` is the operator's message. LNbits calls the payment failed and has taken no fee. Raise
    StateChanged for a payout that is not in doubt, or that nobody says has arrived.
    """
    if payout.state is not PayoutState.IN_DOUBT:
        raise StateChanged(f"Payout {short_id(payout.id)} is {payout.state}, not in doubt.")
    if message_id is not None:
        witnesses.record_verdict(
            tx, payout, Outcome.ARRIVED, Witness.OPERATOR, message_id=message_id, now=now
        )
    verdict = witnesses.verdict_of(tx, payout)
    if verdict is None or verdict.outcome is not Outcome.ARRIVED:
        raise StateChanged(f"Nobody says that payout {short_id(payout.id)} has arrived.")
    _book(tx, payout, now=now, fee_msat=0, preimage=verdict.preimage)
    booked = replace(payout, state=PayoutState.DEBITED)
    move(tx, booked, PayoutState.DONE, done_at=micros(now), waiting="")


def _book(
    tx: Tx, payout: Payout, *, now: datetime, fee_msat: int, preimage: str, **columns: str
) -> None:
    """Move a payout to DEBITED, and its sats from what the payee is owed to what is paid."""
    move(
        tx,
        payout,
        PayoutState.DEBITED,
        debited_at=micros(now),
        try_at=micros(now),
        fee_msat=fee_msat,
        preimage=preimage,
        waiting="",
        tries=0,
        **columns,
    )
    paid = Move(owed_to(payout.client_id), PAID, payout.amount_sat)
    post(tx, "payout", [paid], cause=Cause(payout_id=payout.id), now=now)


def take_over(tx: Tx, payout: Payout, payment: Payment, *, now: datetime) -> None:
    """Record for a payout that is held or in doubt the payment that LNbits had made for it already.

    Raise StateChanged if that payment hasn't succeeded or is of another amount.
    """
    paid_msat = -payment.amount_msat if payment.status is PaymentStatus.SUCCESS else 0
    if paid_msat != payout.amount_sat * 1000:
        raise StateChanged(
            f"LNbits paid {paid_msat} msat for payout {short_id(payout.id)}, not {payout.amount_sat} sats."
        )
    assert payout.destination is not None
    number = _attempt_number(tx, payout, payment.payment_hash)
    move(
        tx,
        payout,
        payout.state,
        attempt=number or payout.attempts + 1,
        submitted_at=micros(payment.seen_at or now),
        destination=payout.destination.value,
        destination_kind=payout.destination.kind,
    )
    if number is None:
        tx.execute(
            "INSERT INTO attempt (payout_id, number, bolt11, payment_hash, expires_at, created_at)"
            " VALUES (?, ?, '', ?, ?, ?)",
            (payout.id, payout.attempts + 1, payment.payment_hash, micros(now), micros(now)),
        )
    debit(tx, replace(payout, attempts=number or payout.attempts + 1), payment, now=now)


def finish(tx: Tx, payout: Payout, *, now: datetime) -> None:
    """Record that the payee has the sats, or that the payee's side can't be asked."""
    move(tx, payout, PayoutState.DONE, done_at=micros(now), waiting="")


def void(tx: Tx, payout: Payout, *, now: datetime) -> None:
    """Record that an attempt is proven unpaid, and can't be paid any more."""
    move(tx, payout, PayoutState.VOID, waiting="", try_at=micros(now))


def void_by_verdict(
    tx: Tx, payout: Payout, witness: Witness, *, now: datetime, message_id: str | None = None
) -> None:
    """Give an attempt to an address up on the word of a second witness, an operator's or the payee's."""
    witnesses.record_verdict(tx, payout, Outcome.UNPAID, witness, now=now, message_id=message_id)
    void(tx, payout, now=now)


def alert(tx: Tx, payout: Payout, why: str, *, look_at: datetime) -> None:
    """Record that what LNbits shows of a payout can't be; it is looked up again then, never paid again."""
    move(tx, payout, PayoutState.ALERT, waiting=why, try_at=micros(look_at))


def hold(tx: Tx, payout: Payout, reason: str, *, now: datetime) -> Hold | None:
    """Stop a payout until the operator decides; return the hold if it is new."""
    move(tx, payout, PayoutState.HELD, waiting=reason, **_unfixed(payout))
    return holds.open_hold(tx, HoldKind.PAYOUT, payout.id, reason, now=now)


def retry(tx: Tx, payout: Payout, *, now: datetime) -> None:
    """Let a void payout have a new attempt, or a held one go; raise StateChanged for any other."""
    if payout.state not in (PayoutState.VOID, PayoutState.HELD):
        raise StateChanged(
            f"Payout {short_id(payout.id)} is {payout.state} and can't be tried again."
        )
    move(tx, payout, PayoutState.PLANNED, waiting="", tries=0, try_at=micros(now))


def cancel(
    tx: Tx,
    payout: Payout,
    *,
    now: datetime,
    message_id: str | None = None,
    is_settled_by_hand: bool = False,
) -> None:
    """Reverse a payout that can never be paid: fiat back to the client, sats to the operator.

    Raise StateChanged where it may be paid yet, or LNbits has a payment of it that the ledger lacks
    and that the operator doesn't settle by hand.
    """
    if not payout.is_cancellable(now):
        raise StateChanged(
            f"Payout {short_id(payout.id)} is {payout.state} and can't be cancelled."
        )
    if not is_settled_by_hand and _is_paid_elsewhere(tx, payout):
        raise StateChanged(
            f"LNbits has paid payout {short_id(payout.id)}, so it can't be cancelled."
        )
    move(tx, payout, PayoutState.CANCELLED, waiting="")
    holds.close(tx, HoldKind.PAYOUT, payout.id, outcome=HoldOutcome.CANCELLED, now=now)
    moves = [
        Move(CONVERTED, balance_of(payout.client_id), payout.minor),
        Move(owed_to(payout.client_id), OPERATOR, payout.amount_sat),
    ]
    post(tx, "cancel", moves, cause=Cause(payout_id=payout.id, message_id=message_id), now=now)


def _plan_group(
    tx: Tx, client: Client, group: Sequence[PlannedShare], *, due_at: int, now: datetime
) -> None:
    """Plan the payout of some shares; one that was taken back as too small comes to life again.

    Where the key has passed from one client to another, who had the same distributions, the id of
    these has the client's number in it.
    """
    for recipient in (client.pubkey, f"{client.pubkey} {client.id}"):
        new_id = payout_id(recipient, [share.distribution_id for share in group])
        done = tx.execute(
            "INSERT INTO payout (id, client_id, amount_sat, try_at, due_at) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET state = 'PLANNED', try_at = excluded.try_at,"
            " tries = 0, waiting = '' WHERE state = 'MERGED' AND client_id = excluded.client_id",
            (new_id, client.id, sum(share.sat for share in group), micros(now), due_at),
        )
        if done.rowcount == 1:
            break
    assert done.rowcount == 1, "an id belongs to one client and its distributions"
    tx.executemany(
        "UPDATE share SET payout_id = ? WHERE id = ?", [(new_id, share.id) for share in group]
    )


def _unfixed(payout: Payout) -> dict[str, None]:
    """Let what was never submitted follow its client to another destination."""
    return {} if payout.submitted_at else {"destination": None, "destination_kind": None}


def _attempt_number(tx: Tx, payout: Payout, payment_hash: str) -> int | None:
    """Find the attempt of a payout that has this hash."""
    row = tx.execute(
        "SELECT number FROM attempt WHERE payout_id = ? AND payment_hash = ?",
        (payout.id, payment_hash),
    ).fetchone()
    return None if row is None else int(row["number"])


def _is_paid_elsewhere(tx: Tx, payout: Payout) -> bool:
    row = tx.execute(
        "SELECT 1 FROM foreign_payment WHERE external_id = ? AND status <> 'failed'", (payout.id,)
    )
    return row.fetchone() is not None
