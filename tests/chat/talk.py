"""A conversation on a real ledger; only the wallet and the address servers are scripted."""

import asyncio
import hashlib
import random
import re
import textwrap
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

from beginnings import Beginning
from scaffold import FLOW, cash_out_row, in_english, programme

from dca_bot.chat.conversation import Conversation
from dca_bot.chat.services import Services
from dca_bot.core.cash_out import Amounts, Decision, Reason, Verdict
from dca_bot.core.lnurl_code import host_of
from dca_bot.core.ports import (
    Credit,
    DmProtocol,
    IncomingMessage,
    Invoice,
    KeyKind,
    ListMark,
    LnurlLimits,
    Payment,
    PaymentStatus,
    Uptime,
)
from dca_bot.core.reach import Part, Reach
from dca_bot.core.row_amounts import row_amounts
from dca_bot.errors import DestinationRefused, DestinationUnavailable, LnbitsUnavailable, Refusal
from dca_bot.faults import LnbitsFault
from dca_bot.jobs.threads import aside
from dca_bot.ledger.audit.audit import audit_beside, audit_ledger
from dca_bot.ledger.correspondence.outbox import Urgency
from dca_bot.ledger.distributions import cash_outs, changes, distributions, flow_mode
from dca_bot.ledger.payouts import booking, holds, payouts, queue, transitions
from dca_bot.ledger.programme import clients, machines
from dca_bot.ledger.reports.export import Form
from dca_bot.ledger.reports.export_shelf import export_to_shelf
from dca_bot.ledger.store.database import reading_beside
from dca_bot.ledger.store.ledger_files import LEDGER_FILE
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts
from dca_bot.nostr.keys import generate, npub, parse_npub, relay_hints

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
INVOICE_KEY = "1a" * 16
OTHER_KEY = "2b" * 16
ADMIN_KEY = "ad0be5" + "c3" * 13
SOURCE_KEY = "4d" * 16
KEYS = {
    INVOICE_KEY: KeyKind.INVOICE,
    OTHER_KEY: KeyKind.INVOICE,
    ADMIN_KEY: KeyKind.ADMIN,
    SOURCE_KEY: KeyKind.SOURCE,
}
FULL = (
    "This wallet has reached the limit of its plan. Write to help@full.example to raise the limit."
)
WIDTH = 40
"""How many characters stand in a line of a phone."""
CODE = re.compile(r"confirm(?:ar)? ([2-9A-Z]{4})")
KNOCK = re.compile(r"KNOCK-[2-9A-Z]{6}")
_chance = random.Random(7)
PEOPLE = {
    name: generate(_chance).public_key
    for name in ("op", "op2", "maria", "juan", "lena", "stranger", "fresh")
}
NPUBS = {name: npub(key) for name, key in PEOPLE.items()}


def height(text):
    """Return how many lines of a phone a text takes."""
    return sum(max(1, len(textwrap.wrap(line, WIDTH))) for line in text.split("\n"))


class Clock:
    def __init__(self):
        self.at = START

    def now(self):
        return self.at

    def uptime(self):
        return Uptime("boot", self.at - START)

    async def sleep(self, delay_s):
        self.at += timedelta(seconds=delay_s)


class ScriptedWallet:
    """Answers what `look` asks; `down` makes LNbits silent, and what `hanging` names never answers."""

    def __init__(self):
        self.down = False
        self.hanging = set()
        self.balance = 5_000_000_000
        self.payments = []
        self.while_listing = None
        self.invoice_max_sat = 10**9
        self.coin = Decimal("800000.00")

    def _answer(self):
        if self.down:
            raise LnbitsUnavailable("LNbits did not answer.", fault=LnbitsFault.UNREACHABLE)

    async def _hang(self, name):
        while name in self.hanging:
            await asyncio.Event().wait()

    async def balance_msat(self):
        await self._hang("balance")
        self._answer()
        return self.balance

    async def price(self, currency):
        await self._hang("price")
        self._answer()
        assert currency == "GTQ"
        return self.coin

    async def identify(self, key):
        await self._hang("key")
        self._answer()
        if key not in KEYS:
            raise DestinationRefused(Refusal.KEY)
        return KEYS[key]

    async def top_up_invoice(self, *, amount_sat, memo, expiry_s):
        await self._hang("invoice")
        self._answer()
        if amount_sat > self.invoice_max_sat:
            raise LnbitsUnavailable(
                "LNbits answered HTTP 520: Invoice amount is too high.",
                fault=LnbitsFault.UNREACHABLE,
            )
        assert memo
        expires_at = START + timedelta(seconds=expiry_s)
        return Invoice("lnbcrt1topup", "ab" * 32, amount_sat * 1000, expires_at)

    async def payments_of(self, external_id):
        self._answer()
        return [payment for payment in self.payments if payment.external_id == external_id]

    async def payment(self, payment_hash):
        self._answer()
        found = [payment for payment in self.payments if payment.payment_hash == payment_hash]
        return found[0] if found else None

    async def credits_of(self, _invoice_key):
        self._answer()
        for payment in self.payments:
            yield payment.payment_hash, Credit(payment.status, -payment.amount_msat)

    async def list_mark(self):
        self._answer()
        return ListMark(0, frozenset())

    async def tagged_payments(self, _since=None):
        self._answer()
        for payment in self.payments:
            yield payment
        if self.while_listing:
            await self.while_listing()


class ScriptedAddresses:
    def __init__(self):
        self.min_sat = 1

    async def limits(self, payee):
        address = host_of(payee) or payee
        if address == "gift.example":
            raise DestinationRefused(Refusal.WITHDRAW_CODE, "gift.example: tag")
        if address.endswith("down.example"):
            raise DestinationUnavailable(Refusal.UNREACHABLE, "The server did not answer.")
        if address.endswith("bad.example"):
            raise DestinationRefused(Refusal.NOT_PUBLIC, "bad.example")
        if address.endswith("full.example"):
            raise DestinationRefused(Refusal.SAID, said=FULL)
        return LnurlLimits(self.min_sat, 10**9, "https://pay.example/cb")


class Talk:
    """People talk to the bot: `tell` returns what it replied, the last of several replies."""

    def __init__(self, database, folder, programme):
        self.database = database
        self.folder = folder
        self.programme = programme
        self.clock = Clock()
        self.wallet = ScriptedWallet()
        self.addresses = ScriptedAddresses()
        self.rung = []
        self.sent = 0
        self.reconciled = True
        self.relays = []
        self.profiles = {}
        self.looked_up = []
        self.profile_addresses = {}
        self.sought = []
        self.parts = [
            Reach(Part.LAMASSU, reachable=True, since=START),
            Reach(Part.LNBITS, reachable=False, since=START),
        ]
        self.texts = load_texts(programme)
        self.notices = Notices(programme, self.texts, npub)
        self.services = Services(
            database=database,
            clock=self.clock,
            random=random.Random(3),
            wallet=self.wallet,
            addresses=self.addresses,
            parse_npub=parse_npub,
            npub=npub,
            relay_hints=relay_hints,
            export_tables=self.export_tables,
            audit_ledger=lambda: aside(partial(audit_beside, self.folder)),
            reading_database=partial(reading_beside, self.folder),
            poll_now=lambda: self.rung.append("poll"),
            wake_payouts=lambda: self.rung.append("payouts"),
            wake_outbox=lambda: None,
            is_reconciled=lambda: self.reconciled,
            currency=programme.currency,
            parts=lambda: self.parts,
            relays=lambda: self.relays,
            profile_names=self.profile_names,
            profile_address=self.profile_address,
        )
        self.start()
        self.beginning = Beginning(self)

    def be_impatient(self):
        """Give LNbits hardly any time."""
        self.services = replace(self.services, answer_limit_s=0.01)
        self.start()

    def start(self):
        """Start the bot's conversation anew, as after a restart."""
        self.conversation = Conversation(self.programme, self.notices, self.texts, self.services)

    async def export_tables(self):
        form = Form(self.programme.currency, self.programme.timezone, npub)
        return await aside(partial(export_to_shelf, self.folder, form, self.clock.now()))

    async def profile_names(self, pubkeys):
        self.looked_up.append(list(pubkeys))
        return {pubkey: self.profiles[pubkey] for pubkey in pubkeys if pubkey in self.profiles}

    async def profile_address(self, person):
        self.sought.append(person)
        return self.profile_addresses.get(person.pubkey, "")

    async def knock(self, who, text="hello"):
        """Have a stranger write, and return the code that the bot answers with."""
        return KNOCK.search(await self.tell(who, text))[0]

    # Talking

    def message(self, who, text, *, age=timedelta(), protocol=DmProtocol.NIP17, relay="wss://r"):
        self.sent += 1
        return IncomingMessage(
            id=hashlib.sha256(f"{self.sent}".encode()).hexdigest(),
            sender=PEOPLE.get(who, who),
            text=text.format_map(NPUBS),
            sent_at=self.clock.now() - age,
            protocol=protocol,
            relay=relay,
        )

    async def tell(self, who, text, **how):
        """Send a message at a calm pace and return the reply, or None."""
        self.clock.at += timedelta(seconds=3)
        return await self.deliver(self.message(who, text, **how))

    async def walk(self, who, text):
        """Send a message whose way through the program is looked at (`tests/walks.py`)."""
        return await self.tell(who, text)

    async def tell_all(self, who, text, **how):
        """Send a message with several commands and return the replies in order."""
        self.clock.at += timedelta(seconds=3)
        return await self.replies_to(self.message(who, text, **how))

    async def replies_to(self, message):
        before = await self.last_letter()
        await self.conversation.handle(message)
        rows = await self.sql(
            "SELECT * FROM outbox WHERE id > ? AND recipient = ? AND protocol IS NOT NULL ORDER BY id",
            before,
            message.sender,
        )
        for row in rows:
            assert (row["protocol"], row["relay"]) == (message.protocol, message.relay)
            assert row["urgency"] == Urgency.ANSWER
        return [row["text"] for row in rows]

    async def deliver(self, message):
        replies = await self.replies_to(message)
        is_export = message.text.startswith("export")
        assert len(replies) <= 1 or is_export, "one reply, but to an export"
        return replies[-1] if replies else None

    async def do(self, who, text):
        """Give a money command and confirm it."""
        asked = await self.tell(who, text)
        return await self.tell(who, f"confirm {code_in(asked)}")

    async def tell_whole(self, who, text):
        """Ask for a list and return all its pages, a line of the next page's command between each two."""
        pages = [await self.tell(who, text)]
        while pages[-1].splitlines()[-1].endswith(f" {len(pages) + 1}"):
            pages.append(await self.tell(who, f"{text} {len(pages) + 1}"))
        return "\n".join(pages)

    async def last_letter(self):
        return (await self.sql("SELECT coalesce(max(id), 0) AS id FROM outbox"))[0]["id"]

    async def letters_to(self, who):
        rows = await self.sql(
            "SELECT text FROM outbox WHERE recipient = ? ORDER BY id", PEOPLE[who]
        )
        return [row["text"] for row in rows]

    # The ledger

    async def sql(self, statement, *values):
        return await self.database.transact(lambda tx: tx.execute(statement, values).fetchall())

    async def count(self, table):
        return (await self.sql(f"SELECT count(*) AS n FROM {table}"))[0]["n"]

    async def client(self, name):
        return await self.database.read(lambda tx: clients.by_name(tx, name))

    async def add_client(self, name, *, balance="0", wallet=INVOICE_KEY):
        """Have a client in the ledger the way operators do it."""
        work = partial(self._add_client, name, balance, wallet)
        await self.beginning.play((name, balance, wallet), work)

    async def _add_client(self, name, balance, wallet):
        await self.tell("op", f"client add {name} {NPUBS[name]}")
        await self.sql("UPDATE client SET notify = 'each' WHERE pubkey = ?", PEOPLE[name])
        if wallet:
            await self.do("op", f"client wallet {name} {wallet}")
        if balance != "0":
            told = await self.do("op", f"deposit {name} {balance}")
            number = re.search(r"Deposit (\d+)", told)[1]
            await self.do("op", f"deposit confirm {number}")

    async def hold_cash_out(
        self, id_, *, fiat_minor=20_000, sat=24_000, reason=None, sound=True, **row
    ):
        """Have Lamassu's poll hold a cash-out; `row` is what else its row says."""
        reason = reason or Reason.NOT_COMPLETE
        amounts = Amounts(sat, fiat_minor, 1_000) if sound else None
        row = replace(cash_out_row(id_, self.clock.now()), **row)
        decision = Decision(Verdict.HOLD, Reason.NOT_COMPLETE, self.clock.now(), amounts, 10_000)

        def work(tx):
            now = self.clock.now()
            machines.record(tx, {"d" * 64: "Market"})
            cash_outs.record(tx, row, decision, state="held", reason=str(reason), now=now)
            changes.note_amounts(tx, id_, row_amounts(row))
            hold = holds.open_hold(tx, "cash-out", id_, str(reason), now=now)
            self.notices.hold_opened(tx, hold, now)
            return hold.id

        return await self.database.transact(work)

    async def distribute(self, id_, *, fiat_minor=20_000, sat=24_000):
        """Have a clean cash-out distributed."""
        row = cash_out_row(id_, self.clock.now())
        decision = Decision(Verdict.WAIT, Reason.NOT_FINAL, self.clock.now())

        def work(tx):
            now = self.clock.now()
            cash_outs.record(tx, row, decision, state="waiting", reason="", now=now)
            flow_mode.distribute(
                tx, id_, Amounts(sat, fiat_minor, 1_000), at=now, now=now, rules=FLOW
            )
            return distributions.by_id(tx, id_)

        return await self.database.transact(work)

    async def hold_payout(self, reason):
        def work(tx):
            payout = queue.open_payouts(tx)[0]
            hold = transitions.hold(tx, payout, reason, now=self.clock.now())
            self.notices.hold_opened(tx, hold, self.clock.now())
            return payout.id

        return await self.database.transact(work)

    async def hold_reason(self, ref, reason):
        now = self.clock.now()
        await self.database.transact(lambda tx: holds.open_hold(tx, "payout", ref, reason, now=now))

    async def bring_to(self, payout_id, *steps):
        """Move a payout on with the ledger's own functions: invoice, submit, void, debit."""

        def work(tx):
            for step in steps:
                payout = payouts.by_id(tx, payout_id)
                now = self.clock.now()
                if step == "invoice":
                    hash_ = hashlib.sha256(f"{payout_id}{payout.attempts}".encode()).hexdigest()
                    expiry = now + timedelta(hours=24)
                    invoice = Invoice("lnbcrt1x", hash_, payout.amount_sat * 1000, expiry)
                    transitions.record_invoice(tx, payout, invoice, now=now)
                elif step == "submit":
                    transitions.submit(tx, payout, now=now)
                elif step == "debit":
                    booking.debit(tx, payout, self.paid(payout), now=now)
                else:
                    transitions.move(tx, payout, payouts.PayoutState(step))

        await self.database.transact(work)

    def paid(self, payout, *, status=PaymentStatus.SUCCESS):
        hash_ = payout.attempt.payment_hash if payout.attempt else "fe" * 32
        return Payment(hash_, -payout.amount_sat * 1000, 0, status, None, external_id=payout.id)

    async def payout(self, client="maria"):
        rows = await self.sql(
            "SELECT payout.id FROM payout JOIN client ON client.id = client_id WHERE name = ?",
            client,
        )
        return await self.database.read(lambda tx: payouts.by_id(tx, rows[0]["id"]))

    async def audit(self):
        return in_english((await self.database.read(audit_ledger)).findings)

    def ledger_bytes(self):
        return b"".join(path.read_bytes() for path in self.folder.glob(f"{LEDGER_FILE}*"))


def code_in(text):
    return CODE.search(text)[1]


def make_programme(**changes):
    operators = PEOPLE["op"], PEOPLE["op2"]
    return programme(
        operators,
        **{"top_up_to_sat": 2_000_000, "sends_files": True, "draws_charts": True, **changes},
    )
