"""`receipt`: one purchase in full, with the numbers from which the client's part can be worked out anew."""

from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.params import Param, read_number
from dca_bot.core.money import WHOLE_BP
from dca_bot.core.receipt import Rounding, rounding
from dca_bot.ledger.reports import receipts
from dca_bot.ledger.reports.receipts import PaymentFacts, Receipt, RunFacts
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import (
    NOTHING,
    Fiat,
    Moment,
    Percent,
    Plain,
    Rate,
    Reported,
    Sat,
    Say,
    Word,
)

_ROUNDED = {
    Rounding.NONE: NOTHING,
    Rounding.UP: Say("receipt.up"),
    Rounding.DOWN: Say("receipt.down"),
}


def _receipt_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Tell a purchase in full, by default the newest."""
    number = args.number("ID") if args.has("ID") else None
    found = receipts.receipt(tx, ctx.me.id, number)
    if found is None:
        return Say("balance.nothing") if number is None else Say("receipt.unknown", id=number)
    return told(found, ctx.programme.currency)


def told(found: Receipt, currency: str) -> Say:
    """Say a receipt: the purchase, what the client's part follows from, and the payment."""
    lines = _purchase(found, currency) if found.minor else _commission(found)
    heading = Say("receipt.heading", id=found.id, at=Plain(Moment(found.at)))
    return Say("lines", lines=(heading, *lines, *_payment(found.payment, found)))


RECEIPT = Command(("receipt",), (Param("ID", read_number, optional=True),), answer=_receipt_answer)


def _purchase(found: Receipt, currency: str) -> tuple[Say, ...]:
    bought = Say(
        "receipt.bought",
        sats=Sat(found.sat),
        fiat=Fiat(found.minor),
        rate=Rate(found.minor, found.sat),
    )
    if found.run is not None:
        return (bought, *_run(found, found.run, currency))
    market = Say("receipt.no_market")
    if found.ticker is not None:
        market = Say("receipt.market", price=Reported(found.ticker, currency))
    return (bought, market, *_flow(found))


def _flow(found: Receipt) -> tuple[Say, ...]:
    """Say the sale, the balances, the rule (F of the fiat, S of the sats), and the client's part of both."""
    sale, own = Fiat(found.principal_minor), found.own_minor
    brought = Say("receipt.sale", machine=_machine(found), sats=Sat(found.principal_sat), fiat=sale)
    if own is None or found.pool_minor is None:
        return (brought, Say("receipt.not_counted"))
    pool, minor = Fiat(found.pool_minor), Fiat(found.minor)
    how_minor = rounding(found.minor, found.shared_minor, own, found.pool_minor)
    how_sat = rounding(found.sat, found.shared_sat, found.minor, found.shared_minor)
    return (
        brought,
        Say("receipt.counted", pool=pool, own=Fiat(own)),
        Say("receipt.shared_fiat", fiat=Fiat(found.shared_minor)),
        Say(
            "receipt.shared_sats",
            sats=Sat(found.shared_sat),
            sale=sale,
            all=Sat(found.principal_sat),
        ),
        Say("receipt.own_fiat", own=Fiat(own), pool=pool, fiat=minor, how=_ROUNDED[how_minor]),
        Say("receipt.own_sats", sats=Sat(found.sat), fiat=minor, how=_ROUNDED[how_sat]),
        Say("receipt.rule") if {how_minor, how_sat} != {Rounding.NONE} else NOTHING,
    )


def _run(found: Receipt, run: RunFacts, currency: str) -> tuple[Say, ...]:
    """Say the fixed run, the price and the margin, and the sats that follow from both."""
    named = Say("receipt.settlement" if run.is_settlement else "receipt.run")
    if run.price is None:
        return (named, Say("receipt.no_price"))
    price = Reported(run.price, currency)
    margin = Percent(run.margin_bp)
    worked = Say("receipt.run_sats", fiat=Fiat(found.minor), price=price, sats=Sat(found.sat))
    if run.margin_bp:
        worked = Say(
            "receipt.run_sats_margin",
            fiat=Fiat(found.minor),
            price=price,
            margin=margin,
            sats=Sat(found.sat),
        )
    return (
        named,
        Say("receipt.price", price=price, source=Word("rate_source", run.source)),
        Say("receipt.margin", margin=margin) if run.margin_bp else NOTHING,
        worked,
        NOTHING if found.own_minor is None else Say("receipt.limit", limit=Fiat(found.own_minor)),
        NOTHING
        if run.most_minor is None or run.is_settlement
        else Say("receipt.most", most=Fiat(run.most_minor)),
    )


def _commission(found: Receipt) -> tuple[Say, ...]:
    how = rounding(found.sat, found.principal_sat, found.percent_bp, WHOLE_BP)
    return (
        Say(
            "receipt.commission",
            machine=_machine(found),
            percent=Percent(found.percent_bp),
            all=Sat(found.principal_sat),
            sats=Sat(found.sat),
            how=_ROUNDED[how],
        ),
        Say("receipt.rule") if how is not Rounding.NONE else NOTHING,
    )


def _payment(payment: PaymentFacts, found: Receipt) -> tuple[Say, ...]:
    is_joint = payment.sat != found.sat
    return (
        Say("receipt.payment", state=Word("own_payout", payment.state)),
        Say("receipt.joint", sats=Sat(payment.sat)) if is_joint else NOTHING,
        Say("receipt.hash", hash=payment.payment_hash) if payment.payment_hash else NOTHING,
        Say("receipt.preimage", preimage=payment.preimage) if payment.preimage else NOTHING,
    )


def _machine(found: Receipt) -> Say:
    if not found.machine:
        return NOTHING
    return Say("receipt.machine", machine=describe.short(found.machine))
