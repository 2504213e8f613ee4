"""The people of the simulated world: clients who save, and an operator who minds the bot by its messages."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from dca_bot.nostr.keys import SecretKey
from simulation.books import Books, OpenHold
from simulation.lamassu import Lamassu
from simulation.lnbits import Lnbits
from simulation.relays import Letter, Mailbox, Relays
from simulation.virtual_time import WorldTime

_CODE = re.compile(r"Reply: confirm (\w{4})")
_TO_CONFIRM = re.compile(r"is pending.* deposit confirm (\d+)", re.DOTALL)
_CONFIRMED = re.compile(r"^Deposit \d+ is confirmed: Q([\d,.]+) for (\w+)")
_ARRIVED = re.compile(r"^Record payout (\w{8}), .* as arrived on your word")
_SILENT = "Messages about payments from now on: none"
_PAID = re.compile(r"^[\d,]+ sats? (?:of commission )?ha(?:s|ve) arrived in your wallet")
_BOLT11 = re.compile(r"\blnbc\w+")
_SAYINGS = (
    "thanks!",
    "when",
    "balance",
    "history",
    "help",
    "how much do I have?",
    "asdf qwer",
    "price",
)
_CHECKED_AFTER = timedelta(hours=25)
"""How long after an invoice's expiry an operator can say that the payment did not arrive."""


@dataclass
class Person:
    """Somebody with a key and an app, who answers the bot's questions for a code.

    `plans` counts the changes of mind: what was to be written before the last one is not written.
    """

    key: SecretKey
    relays: Relays
    time: WorldTime
    random: Random
    plans: int = 0

    def __post_init__(self) -> None:
        self.mailbox.heard = self._hear

    @property
    def pubkey(self) -> str:
        """Return the public key in hex."""
        return self.key.public_key

    @property
    def mailbox(self) -> Mailbox:
        """Return the person's app."""
        return self.relays.mailbox(self.pubkey)

    def write(self, text: str) -> None:
        """Send the bot a message now."""
        self.relays.write(self.pubkey, text)

    def write_in(self, delay_s: float, text: str) -> None:
        """Send the bot a message after a delay, unless the person drops all plans before."""
        self.time.loop.call_later(delay_s, self._write_if_still, self.plans, text)

    def drop_plans(self) -> None:
        """Write nothing of what was going to be written: the number of a question may mean another by now."""
        self.plans += 1

    def _write_if_still(self, plans: int, text: str) -> None:
        if plans == self.plans:
            self.write(text)

    def wants(self, _question: str) -> bool:
        """Tell whether the person confirms what a question describes; some change their minds."""
        return self.random.random() < 0.97

    def _hear(self, letter: Letter) -> None:
        code = _CODE.search(letter.text)
        if code:
            answer = f"confirm {code[1]}" if self.wants(letter.text) else "cancel"
            self.write_in(self.random.uniform(3, 90), answer)


@dataclass
class Saver(Person):
    """A client: where the sats go, and whether the client ever chose to hear of no payment."""

    name: str = ""
    destination: str = ""
    _last: dict[str, str] = field(default_factory=dict)
    was_silent: bool = False
    destinations: set[str] = field(default_factory=set)
    """All that the client has ever chosen."""
    paused_at: datetime | None = None
    """When the client was told that nothing is bought, until the client wants to go on."""
    silent_at: datetime | None = None
    """When the client was told that no messages of payments come, until the client wants some again."""
    told_in_vain: str = ""
    """A message of a payment that came while the client wanted none."""

    def write(self, text: str) -> None:
        """Send the bot a message now."""
        super().write(text)
        if text == "resume":
            self.paused_at = None
        if text.startswith("notify"):
            self.silent_at = None
        if text.startswith(("resume", "pause", "notify")):
            self._last[text.replace("pause", "resume").split()[0]] = text

    def _hear(self, letter: Letter) -> None:
        super()._hear(letter)
        if letter.text.startswith("Paused.") and self._last.get("resume") == "pause":
            self.paused_at = letter.at
        elif letter.text.startswith(_SILENT) and self._last.get("notify") == "notify off":
            self.silent_at = letter.at
        elif self.silent_at is not None and _PAID.search(letter.text):
            self.told_in_vain = letter.text

    def act(self) -> None:
        """Write something, as a client does now and then."""
        random = self.random
        match random.choice(("mode", "limit", "pause", "notify", "say", "say", "say")):
            case "mode":
                self.write(random.choice(("mode flow", "mode fixed")))
            case "limit":
                self.write(f"limit {random.randint(1, 20) * 50}")
            case "pause":
                self.write("pause")
                self.write_in(random.uniform(600, 20 * 3600), "resume")
            case "notify":
                how = random.choice(("each", "daily", "weekly", "off"))
                self.was_silent |= how == "off"
                self.write(f"notify {how}")
            case _:
                self.write(random.choice(_SAYINGS))


@dataclass
class Operator(Person):
    """The operator: adds clients, takes deposits, fills the source wallet, decides about holds.

    `notebook`: what each client has handed in and was confirmed, in minor units, whatever the ledger says.
    `accepted`: the ids of what the operator let go on. `stopped_at`: when the operator was told that
    everything is paused, until the operator wants to go on.
    """

    lnbits: Lnbits = field(kw_only=True)
    lamassu: Lamassu = field(kw_only=True)
    books: Books = field(kw_only=True)
    notebook: dict[str, int] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)
    stopped_at: datetime | None = None
    _confirmed: set[str] = field(default_factory=set)

    def wants(self, question: str) -> bool:
        """Tell whether a question describes what the operator meant: a hold's number may mean another now."""
        named = _ARRIVED.search(question)
        return super().wants(question) and (named is None or self.lnbits.has_arrived(named[1]))

    def decide(self) -> None:
        """Answer each open question as somebody who looks at the machine, at LNbits, and asks the clients."""
        answers = [self._answer(hold) for hold in self.books.open_holds()]
        answers += [f"payout retry {id_[:8]}" for id_ in self.books.void_payouts()]
        for number, answer in enumerate(filter(None, answers)):
            self.write_in(20.0 * number, answer)

    def remind(self, savers: Sequence[Saver]) -> None:
        """Have each client without a wallet set the wallet again."""
        known = self.books.clients()
        for saver in savers:
            if not known.get(saver.pubkey, (0, True))[1]:
                saver.write_in(60, f"wallet {saver.destination}")

    def record_again(self, savers: Sequence[Saver]) -> None:
        """After an older copy was put back: record what the ledger lacks, by the notebook."""
        self._confirmed.clear()
        known = self.books.clients()
        for number, saver in enumerate(savers):
            handed_in, has_wallet = known.get(saver.pubkey, (None, False))
            if handed_in is None:
                self.write_in(30.0 * number, f"client add {saver.name} {saver.key.npub}")
            if not has_wallet:
                saver.write_in(3_600 + 30.0 * number, f"wallet {saver.destination}")
            lacks = self.notebook.get(saver.name, 0) - (handed_in or 0)
            if lacks > 0:
                self.notebook[saver.name] -= lacks
                self.write_in(1_800 + 60.0 * number, f"deposit {saver.name} {lacks / 100:.2f}")

    def _hear(self, letter: Letter) -> None:
        super()._hear(letter)
        for bolt11 in _BOLT11.findall(letter.text):
            self.time.loop.call_later(self.random.uniform(60, 3600), self.lnbits.pay_top_up, bolt11)
        done = _CONFIRMED.search(letter.text)
        if done:
            name, minor = done[2], round(float(done[1].replace(",", "")) * 100)
            self.notebook[name] = self.notebook.get(name, 0) + minor
        pending = _TO_CONFIRM.search(letter.text)
        if pending and pending[1] not in self._confirmed:
            self._confirmed.add(pending[1])
            self.write_in(self.random.uniform(60, 7200), f"deposit confirm {pending[1]}")

    def _answer(self, hold: OpenHold) -> str:
        match hold.kind, hold.reason:
            case "cash-out", _:
                return self._cash_out_answer(hold)
            case "payout", "may_have_left":
                self.lnbits.mend()
                return ""  # The bot looks again each hour.
            case "payout", "failed_to_address":
                return self._doubt_answer(hold)
            case "payout", "known_payout" if self.lnbits.has_lied(hold.ref):
                return f"payout cancel {hold.ref[:8]}"
            case _:
                self.accepted.add(hold.ref)
                return f"hold accept {hold.id}"

    def _cash_out_answer(self, hold: OpenHold) -> str:
        sale = self.lamassu.sales[hold.ref]
        row = sale.row(self.time.now())
        if not sale.left_minor or row is None or row.fiat is None or hold.looks > 3:
            return f"hold ignore {hold.id}"
        is_part = sale.left_minor < int(row.fiat * 100)
        return f"hold accept {hold.id}" + (f" {sale.left_minor // 100}" if is_part else "")

    def _doubt_answer(self, hold: OpenHold) -> str:
        made = self.lnbits.by_hash[hold.payment_hash]
        if made.received_at is not None:
            return f"hold accept {hold.id}"
        is_over = self.time.now() > made.invoice.expires_at + _CHECKED_AFTER
        return f"payout retry {hold.ref[:8]}" if is_over else ""
