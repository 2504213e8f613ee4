"""A story of what people are told unasked: each notice that the stories of commands do not bring up.

A step is named after what has happened. The jobs that notice such things have tests of their own; here
stands what people read then, with the words and fields of those jobs.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from talk import PEOPLE, Talk

from dca_bot.chat.operator.greeting import greet_operators
from dca_bot.core.delivery import Undelivered
from dca_bot.core.funds import TopUp, Trouble
from dca_bot.core.lease import Dispute, DisputeReason, LeaseKind, LeaseRow
from dca_bot.core.machine_cash import Contradiction
from dca_bot.core.payout import Wait
from dca_bot.core.programme import Programme
from dca_bot.core.reach import Part, Reach
from dca_bot.core.relay_state import RelayState, RelayTrouble
from dca_bot.errors import LedgerError, LedgerFault, OffsiteFailed
from dca_bot.faults import LnbitsFault, OffsiteFault
from dca_bot.ledger.correspondence.delivery import Loss
from dca_bot.ledger.distributions import cash_outs, recovery
from dca_bot.ledger.payouts import holds, queue
from dca_bot.ledger.payouts.holds import HoldKind, HoldReason
from dca_bot.ledger.payouts.slow_destinations import SlowDestination
from dca_bot.ledger.programme import clients, deposits
from dca_bot.ledger.programme.clients import ADDRESS, Destination
from dca_bot.ledger.programme.start import Start
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros
from dca_bot.messages import describe, reach
from dca_bot.messages.notices import Notices
from dca_bot.messages.say import Fiat, Moment, Rate, Sat, Say, Word
from dca_bot.nostr.keys import npub

EARLIER = timedelta(hours=3)
HASH = "5d" * 32
INVOICE = "lnbcrt1topup"
WALLET = Destination(ADDRESS, "maria@example.com")
RELAY = "wss://relay.example.com"
SALE = "3f9a01bc-7e2d-4c55-9f00-1a2b3c4d5e6f"


@dataclass(frozen=True)
class Scene:
    """What has happened at `now`: `tell` writes a text of the catalogue to all operators."""

    tx: Tx
    notices: Notices
    now: datetime
    programme: Programme

    @property
    def since(self):
        return Moment(self.now - EARLIER)

    @property
    def payout(self):
        """The payout that was sent, and that waits for an answer."""
        return replace(queue.open_payouts(self.tx)[0], waiting="not_arrived")

    @property
    def maria(self):
        return clients.by_name(self.tx, "maria")

    def tell(self, key, **fields):
        self.notices.tell_operators(self.tx, Say(f"notice.{key}", **fields), self.now)

    def tell_maria(self, key, **fields):
        self.notices.tell_client(self.tx, self.maria, Say(f"notice.{key}", **fields), self.now)

    def top_up(self, trouble):
        return TopUp(trouble, self.now + timedelta(hours=24), balance_msat=0, asked_sat=500_000)


def part_lost(scene):
    why = Reach(
        Part.LNBITS,
        reachable=False,
        since=scene.now,
        detail="LNbits did not answer.",
        fault=LnbitsFault.UNREACHABLE,
        fields={"host": "127.0.0.1:5000"},
    )
    told = Say("notice.why", detail=describe.failure(why))
    scene.tell("out_of_reach", part=Word("part", Part.LNBITS), since=scene.since, why=told)


def relay_lost(scene):
    state = RelayState(
        RELAY, listening=False, detail="", since=scene.now, trouble=RelayTrouble.TIMEOUT
    )
    scene.tell("relay_lost", relay=describe.relay_lost(state, scene.now - EARLIER))


def operator_lost(scene):
    loss = Loss(PEOPLE["op2"], scene.now - EARLIER, Undelivered.REFUSED, "blocked: pay")
    scene.tell("operator_lost", operator=reach.operator(npub(PEOPLE["op2"]), loss))


def lease_disputed(scene):
    rival = LeaseRow(2, "ab" * 16, next(iter(LeaseKind)), "ledger", "bot")
    dispute = Dispute(DisputeReason.SECOND_BOT, rival)
    scene.notices.alarms.lease_disputed(scene.tx, dispute, scene.now)


def machine_contradicts(scene):
    (row,) = cash_outs.by_prefix(scene.tx, "sale-1")
    told = describe.contradiction(Contradiction(20_000, 15_000, is_repeated=False))
    scene.notices.report_contradicts(scene.tx, row, told, scene.now)


def destination_slow(scene):
    slow = SlowDestination(scene.maria.id, "maria", WALLET, 2, 36_000, Wait("unreachable"))
    scene.notices.payouts.destination_slow(scene.tx, slow, scene.now)


def payout_slow(scene):
    scene.notices.payouts.slow(scene.tx, scene.payout, scene.now)


def given_up_paid(scene):
    scene.notices.payouts.given_up_paid(scene.tx, scene.payout, HASH, scene.now)


def given_up_paid_void(scene):
    payout = next(one for one in queue.open_payouts(scene.tx) if one.state == "VOID")
    scene.notices.payouts.void(scene.tx, payout, scene.now)
    scene.notices.payouts.given_up_paid(scene.tx, payout, HASH, scene.now)


def funds_low(scene):
    funds = scene.notices.funds
    top_up = scene.top_up(Trouble.LOW)
    funds.low(scene.tx, top_up, INVOICE, free_sat=40_000, now=scene.now)
    funds.low(scene.tx, top_up, "", free_sat=40_000, now=scene.now)


def funds_short(scene):
    funds, top_up = scene.notices.funds, scene.top_up(Trouble.SHORT)
    warned = scene.top_up(Trouble.LOW)
    for bolt11, instead_of in ((INVOICE, None), (INVOICE, warned), ("", None)):
        funds.short(scene.tx, top_up, bolt11, short_sat=9_000, instead_of=instead_of, now=scene.now)


def funds_over(scene):
    funds = scene.notices.funds
    funds.eased(scene.tx, scene.top_up(Trouble.SHORT), free_sat=40_000, now=scene.now)
    funds.enough(scene.tx, Trouble.SHORT, free_sat=400_000, now=scene.now)
    funds.enough(scene.tx, Trouble.LOW, free_sat=400_000, now=scene.now)


def ledger_not_copied(scene):
    error = LedgerError("The disk of data/backups is full.", LedgerFault.DISK_FULL, path="backups")
    scene.notices.alarms.backup_failing(scene.tx, error, scene.now)


def copy_lost_outside(scene):
    error = OffsiteFailed(
        "There is no folder.", fault=OffsiteFault.NO_FOLDER, place="/mnt/usb", path="/mnt/usb"
    )
    scene.notices.alarms.offsite_failing(scene.tx, "/mnt/usb", error, scene.now)


def copy_tried_badly(scene):
    why = describe.ledger_fault(LedgerError("The file is damaged.", LedgerFault.DAMAGED))
    scene.notices.alarms.copy_rehearsed_badly(scene.tx, scene.now - EARLIER, why, scene.now)


def put_back(scene):
    made_at = scene.now - EARLIER
    scene.notices.alarms.put_back(scene.tx, made_at, scene.now)
    rows = [(made_at + timedelta(hours=1), "maria", "balance")]
    scene.notices.alarms.missed(scene.tx, rows, 2, scene.now)


def rehearsal_of_restore_due(scene):
    for last_at in (None, scene.now - 300 * EARLIER):
        scene.notices.alarms.restore_rehearsal_due(scene.tx, last_at, scene.now)


def moved_in(scene):
    for n in (1, 2):
        scene.tell("moved_in", n=n, balance=Fiat(150_000))
        scene.tell("older_than_import", n=n)


def start_moved(scene):
    begun = Start(scene.now - 30 * EARLIER, asks=True, used=scene.now - EARLIER)
    scene.notices.alarms.start_moved_back(scene.tx, begun, scene.now)


def runs_lapsed(scene):
    for n in (1, 2):
        line = Say(
            "fixed.lapsed_line", at=scene.since, reason=Word("reason", "prices_too_far_apart")
        )
        scene.tell("fixed_lapsed", n=n, runs=(line,) * n)


def run_late(scene):
    for n in (1, 3):
        fiat, sats, rate = Fiat(15_000), Sat(18_000), Rate(15_000, 18_000)
        scene.tell("fixed_made_up", at=scene.since, n=n, fiat=fiat, sats=sats, rate=rate)


def rows_lack(scene):
    for n in (1, 4):
        scene.tell("reports_missing", n=n, first=SALE, since=scene.since)
        scene.tell("rows_end_early", n=n, first=SALE, since=scene.since)
        scene.tell("rows_unreadable", n=n, first="a row without an id")
    scene.tell("rows_missing", n=4, first=SALE)
    scene.tell("readings_whole", since=scene.since)


def stale_copy(scene):
    scene.tell("copy_stale", copy=Word("copy", "standby"), since=scene.since)
    scene.tell("copy_renewed", since=scene.since)
    scene.tell("copy_was_stale", since=scene.since, until=Moment(scene.now))


def not_read(scene):
    for key in ("no_polls", "no_polls_yet", "polls_again", "polls_paused"):
        scene.tell(key, since=scene.since)
    scene.tell("polls_missed", since=scene.since, until=Moment(scene.now))


def back_again(scene):
    span = {"since": scene.since, "until": Moment(scene.now)}
    part, who = Word("part", Part.LNBITS), "npub1gylv5z2…"
    scene.tell("back_in_reach", part=part, since=scene.since)
    scene.tell("was_out_of_reach", part=part, **span)
    scene.tell("relay_back", relay=RELAY, **span)
    scene.tell("relay_was_lost", relay=RELAY, **span)
    scene.tell("operator_back", who=who, since=scene.since)
    scene.tell("operator_was_lost", who=who, **span)


def clock_wrong(scene):
    alarms, tx, now = scene.notices.alarms, scene.tx, scene.now
    alarms.clock_doubted(tx, now + timedelta(days=2), now)
    alarms.clock_leapt(tx, now - timedelta(days=2), now)


def clock_right(scene):
    scene.tell("clock_right")


def maria_waits(scene):
    scene.notices.clients.run_missed(scene.tx, scene.now)
    scene.tell_maria("sats_wait", sats=Sat(12_000))
    scene.tell_maria("run_missed", balance=Fiat(50_000))


def maria_gets_commission(scene):
    scene.tell_maria("commission_arrived", sats=Sat(1_200))
    scene.tell_maria("commission_cancelled", sats=Sat(1_200))
    scene.tell_maria("payout_cancelled", sats=Sat(1_200), fiat=Fiat(900), balance=Fiat(90_000))


def maria_runs_low(scene):
    notices = scene.notices.clients
    notices.deposit_low(scene.tx, scene.maria, "low", scene.now)
    notices.deposit_low(scene.tx, scene.maria, "used up", scene.now)
    scene.tell_maria("deposit_arrived", next=Say("notice.next_to_go_on"))
    scene.tell_maria("deposit_arrived", next=Say("notice.next_is_noted", amount=Fiat(30_000)))
    scene.tell_maria("all_arrived")


def hold_opened(scene, kind, ref, reason):
    hold = holds.open_hold(scene.tx, kind, ref, reason, now=scene.now)
    scene.notices.hold_opened(scene.tx, hold, scene.now)


def payouts_held(scene):
    waiting = [one for one in queue.open_payouts(scene.tx) if one.state == "PLANNED"]
    reasons = (
        HoldReason.KNOWN_PAYOUT,
        HoldReason.ALERTED,
        HoldReason.ARRIVED_AFTER_ALL,
        HoldReason.CEILING_DAY,
    )
    for payout, reason in zip(waiting, reasons, strict=True):
        hold_opened(scene, HoldKind.PAYOUT, payout.id, reason)
    hold_opened(scene, HoldKind.PAYOUT, scene.payout.id, HoldReason.FAILED_TO_ADDRESS)


def cash_out_changed(scene):
    hold_opened(scene, HoldKind.CHANGED, "sale-1", "missing")


def maria_is_resumed(scene):
    lines = (Say("notice.client_resumed_but"), Say("wallet.none"))
    scene.notices.tell_client(scene.tx, scene.maria, Say("lines", lines=lines), scene.now)


ALARMS = {
    "LNbits is lost": part_lost,
    "a relay is lost": relay_lost,
    "an operator is not reached": operator_lost,
    "they are back": back_again,
    "Lamassu is not read": not_read,
    "Lamassu's copy is old": stale_copy,
    "Lamassu's rows lack": rows_lack,
    "the machine contradicts": machine_contradicts,
    "the cash does not cover": lambda scene: scene.tell("cash_uncovered", missing=Fiat(12_000)),
    "the cash covers again": lambda scene: scene.tell("cash_covered"),
    "the source wallet is low": funds_low,
    "the source wallet is short": funds_short,
    "the source wallet is full": funds_over,
    "a payout is in doubt": lambda scene: scene.notices.payouts.in_doubt(
        scene.tx, scene.payout, scene.now
    ),
    "a payout has left": lambda scene: scene.notices.payouts.alert(
        scene.tx, scene.payout, scene.now
    ),
    "a payout does not settle": payout_slow,
    "a destination is slow": destination_slow,
    "one payout's destination is slow": lambda scene: scene.notices.payouts.destination_slow(
        scene.tx,
        SlowDestination(scene.maria.id, "maria", WALLET, 1, 18_000, Wait("said", "Wallet full.")),
        scene.now,
    ),
    "a cancelled payout was paid": lambda scene: scene.notices.payouts.cancelled_paid(
        scene.tx, scene.payout, scene.now
    ),
    "an old invoice was paid": given_up_paid,
    "an old invoice is proven": lambda scene: scene.notices.payouts.given_up_proven(
        scene.tx, scene.payout, HASH, scene.now
    ),
    "a payout is void": given_up_paid_void,
    "payouts are held": payouts_held,
    "a cash-out has gone from Lamassu": cash_out_changed,
    "a fixed run waits": lambda scene: scene.tell(
        "fixed_waits", at=scene.since, reason=Word("reason", "no_price")
    ),
    "a fixed run was paid before": lambda scene: scene.tell("fixed_held", at=scene.since),
    "a fixed run is late": run_late,
    "fixed runs lapse": runs_lapsed,
    "two bots run": lease_disputed,
    "LNbits refuses the lease": lambda scene: scene.notices.alarms.lease_refused(
        scene.tx, "Amount too low.", scene.now
    ),
    "the bot first starts": lambda scene: greet_operators(
        scene.tx, scene.notices, scene.programme, scene.now, is_first_start=True
    ),
    "the ledger is restored": lambda scene: scene.notices.alarms.restored(
        scene.tx, scene.now - EARLIER, scene.now
    ),
    "the start is moved": start_moved,
    "the wallet is another": lambda scene: (
        scene.tell("source_is_new"),
        scene.notices.alarms.source_changed(scene.tx, scene.now, is_copy=False),
        scene.notices.alarms.source_changed(scene.tx, scene.now, is_copy=True),
    ),
    "the clock is wrong": clock_wrong,
    "the clock is right": clock_right,
    "no copy of the ledger": ledger_not_copied,
    "copies work again": lambda scene: scene.notices.alarms.backup_works(
        scene.tx, scene.now - EARLIER, scene.now
    ),
    "a place outside has no copy": copy_lost_outside,
    "the place outside has copies again": lambda scene: scene.notices.alarms.offsite_works(
        scene.tx, "/mnt/usb", scene.now - EARLIER, scene.now
    ),
    "the newest copy is damaged": copy_tried_badly,
    "the ledger is put back": put_back,
    "a restore is to be rehearsed": rehearsal_of_restore_due,
    "clients move in": moved_in,
    "a job fails": lambda scene: scene.tell(
        "job_failed", what=Word("job", "poll"), place="ingest.py:120"
    ),
    "an operator is a client": lambda scene: scene.tell("client_operators", names="maria"),
    "names look alike": lambda scene: scene.tell(
        "unclear_names", names=Say("clients.alike", names="Ana, Aná")
    ),
    "a phone's clock is slow": lambda scene: scene.tell(
        "phone_clock",
        name="maria",
        clock=describe.phone_clock(timedelta(hours=5)),
    ),
    "a code is over": lambda scene: scene.notices.code_over(scene.tx, PEOPLE["maria"], scene.now),
    "maria waits": maria_waits,
    "maria gets commission": maria_gets_commission,
    "maria runs low": maria_runs_low,
    "maria is resumed": maria_is_resumed,
    "maria leaves": lambda scene: scene.tell_maria("client_closed"),
}


async def sale_is_unusable(talk: Talk) -> None:
    """Have a sale held whose amounts cannot be used."""
    await talk.hold_cash_out("broken-1", sound=False)


async def run_was_lost(talk: Talk) -> None:
    """Have a fixed run held that LNbits has paid and an older copy of the ledger lacks."""
    await talk.sql(
        "INSERT INTO foreign_payment VALUES"
        " (?, ?, 'fixed:2026-02-24T09:00', 'maria', -12000000, 0, 'success', ?, 10000, NULL)",
        HASH,
        HASH[:32],
        micros(talk.clock.now()),
    )

    def work(tx):
        (ref,) = recovery.distribution_ids(tx)
        opened = holds.open_hold(tx, "lost", ref, HoldReason.LOST, now=talk.clock.now())
        talk.notices.hold_opened(tx, opened, talk.clock.now())

    await talk.database.transact(work)


async def prepare(talk: Talk) -> None:
    """Have maria save, with a payout that is on its way, one that is void and four that wait."""
    await talk.add_client("maria")

    def deposit(tx):
        now, maria = talk.clock.now(), clients.by_name(tx, "maria")
        brought = deposits.add(tx, maria.id, amount_minor=150_000, note="", now=now)
        deposits.confirm(tx, brought, machine=None, now=now)

    await talk.database.transact(deposit)
    for number in range(1, 7):
        await talk.distribute(f"sale-{number}")
    ids = [row["id"] for row in await talk.sql("SELECT id FROM payout ORDER BY due_at, id")]
    await talk.bring_to(ids[0], "invoice", "submit")
    await talk.bring_to(ids[1], "invoice", "submit", "VOID")


async def happen(talk: Talk, what: str) -> None:
    """Have the thing happen, and people told."""
    notices = Notices(talk.programme, talk.texts, npub, bot_name="c0de")
    now = talk.clock.now()
    await talk.database.transact(
        lambda tx: ALARMS[what](Scene(tx, notices, now, talk.programme)) and None
    )


ALARM_STORY = [
    ("", "maria saves"),
    *(("", what) for what in ALARMS),
    ("op", "holds"),
    ("op", "payout retry 4f4055bb"),
    ("op", "confirm"),
    ("op", "payouts stuck"),
    ("op", "payout retry 35b5c77c"),
    ("op", "hold accept 6"),
    ("op", "confirm"),
    ("op", "hold ignore 4"),
    ("", "a sale is unusable"),
    ("", "a run was lost"),
    ("op", "hold accept 8"),
    ("op", "confirm"),
    ("op", "hold ignore 7"),
    ("op", "confirm"),
    ("op", "status"),
]
