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
from simulation.virtual_time import BEGIN, ComputerClock, WorldTime

_CODE = re.compile(r"Reply: confirm (\w{4})")
_TO_CONFIRM = re.compile(r"is pending.* deposit confirm (\d+)", re.DOTALL)
_CONFIRMED = re.compile(r"^Deposit \d+ is confirmed: Q([\d,.]+) for (\w+)")
_ARRIVED = re.compile(r"^Record payout (\w{8}), .* as arrived on your word")
_NOT_IN_TIME = re.compile(r"so I did nothing\..* send (?:it|this) again", re.DOTALL)
_LEAPT = re.compile(r"^The computer's clock (?:went from|shows) ")
_DOUBTED = re.compile(r"^The computer's clock shows ")
_NEW_WALLET = "Your bitcoin would go to"
_SILENT = "Messages about payments from now on: none"
_PAID = re.compile(r"^[\d,]+ sats? (?:of commission )?ha(?:s|ve) arrived in your wallet")
_STOPPED = "Paused: nothing is shared out or paid"
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
    wishes: list[tuple[datetime, str]] = field(default_factory=list)
    """What was written lately, without answers to questions."""

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
        if not text.startswith(("confirm", "cancel")):
            self.wishes = [*self.wishes[-2:], (self.time.now(), text)]
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

    def answer(self, code: str, question: str) -> None:
        """Answer a question for a code: soon, rarely too late, and now and then twice."""
        random = self.random
        answer = f"confirm {code}" if self.wants(question) else "cancel"
        is_late = random.random() < 0.03
        self.write_in(random.uniform(700, 2_000) if is_late else random.uniform(3, 90), answer)
        if random.random() < 0.08:
            self.write_in(random.uniform(20, 300), answer)

    def _hear(self, letter: Letter) -> None:
        code = _CODE.search(letter.text)
        if code:
            self.answer(code[1], letter.text)
        elif _NOT_IN_TIME.search(letter.text):
            # The message came late, or one of the two clocks is wrong.
            since = letter.at - timedelta(hours=3)
            for text in [text for at, text in self.wishes if at > since][-1:]:
                self.write_in(self.random.uniform(3_600, 7_200), text)


@dataclass
class Saver(Person):
    """A client: where the sats go, and whether the client ever chose to hear of no payment."""

    name: str = ""
    destination: str = ""
    _last: dict[str, str] = field(default_factory=dict)
    was_silent: bool = False
    was_patient: bool = False
    """Whether the client ever chose to hear of payments once a week."""
    collects: bool = True
    """Whether the client hears of several payments at once: once a day, unless the client chose otherwise."""
    destinations: set[str] = field(default_factory=set)
    """All that the client has ever chosen."""
    wallet_before: str = ""
    held_code: str = ""
    """The code by which the client changes the wallet, once the client wants to."""
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

    def lose_wishes(self) -> None:
        """Count on no pause and no silence: an older copy lacks them; answers may be about earlier ones."""
        self.paused_at = self.silent_at = None
        self._last.clear()

    def answer(self, code: str, question: str) -> None:
        """Answer a question; who changes the wallet does that while an invoice for the old wallet is made."""
        if question.startswith(_NEW_WALLET) and self.wallet_before:
            self.held_code = code
            self.time.loop.call_later(500, self.move)
        else:
            super().answer(code, question)

    def move(self) -> None:
        """Confirm the change of the wallet that waits for the right moment, if one waits."""
        code, self.held_code = self.held_code, ""
        if code:
            self.write(f"confirm {code}")

    def change_wallet(self, destination: str) -> None:
        """Have the sats go somewhere else from now on."""
        self.wallet_before, self.destination = self.destination, destination
        self.destinations.add(destination)
        self.write(f"wallet {destination}")

    def _write_code_of_another(self) -> None:
        """Try a code that somebody else was told within the last minutes, seen over the shoulder."""
        since = self.time.now() - timedelta(minutes=8)
        others = (box for box in self.relays.mailboxes.values() if box.pubkey != self.pubkey)
        lately = [box.letters[-1] for box in others if box.letters and box.letters[-1].at > since]
        codes = [code[1] for letter in lately if (code := _CODE.search(letter.text))]
        self.write(f"confirm {self.random.choice(codes)}" if codes else "help")

    def _amount(self) -> str:
        """Return an amount for fixed mode, perhaps of a week or month."""
        period = self.random.choice(("", "", " weekly", " monthly"))
        return f"{self.random.randint(1, 20) * 50}{period}"

    def act(self) -> None:
        """Write something, as a client does now and then."""
        random = self.random
        match random.choice(
            ("mode", "limit", "cap", "pause", "notify", "peek", "meddle", *("say",) * 3)
        ):
            case "peek":
                self._write_code_of_another()
            case "meddle":
                self.write(random.choice((f"deposit {self.name} 5000", "pause all", "holds")))
            case "mode":
                self.write(
                    random.choice(("mode flow", "mode fixed", f"mode fixed {self._amount()}"))
                )
            case "limit":
                self.write(f"limit {self._amount()}")
            case "cap":
                self.write(random.choice(("cap off", f"cap {random.randint(1, 10) * 20}")))
            case "pause":
                self.write("pause")
                self.write_in(random.uniform(600, 20 * 3600), "resume")
            case "notify":
                how = random.choice(("each", "daily", "weekly", "off"))
                self.was_silent |= how == "off"
                self.was_patient |= how == "weekly"
                self.collects = how in ("daily", "weekly")
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
    clock: ComputerClock = field(kw_only=True)
    notebook: dict[str, int] = field(default_factory=dict)
    asked_of_clock: list[datetime] = field(default_factory=list)
    """When the bot asked whether the computer's clock is right."""
    accepted: set[str] = field(default_factory=set)
    stopped_at: datetime | None = None
    resumed_at: datetime = BEGIN
    """When the operator has stopped or resumed everything for the last time."""
    _last: str = ""
    _is_stopping: bool = False
    _confirmed: set[str] = field(default_factory=set)

    def wants(self, question: str) -> bool:
        """Tell whether a question describes what the operator meant: a hold's number may mean another now."""
        is_unwanted = "The clock then counts as right." in question and not self.clock.is_right()
        if is_unwanted or (question.startswith("Go on:") and self._last == "pause all"):
            return False
        named = _ARRIVED.search(question)
        return super().wants(question) and (named is None or self.lnbits.has_arrived(named[1]))

    def act(self, savers: Sequence[Saver]) -> None:
        """Do something that an operator does now and then."""
        random = self.random
        saver = random.choice(savers)
        match random.choice(("withdraw", "withdraw", "settle", "stop", "percents", "again")):
            case "withdraw":
                self.write(f"withdraw {saver.name} {random.randint(1, 8) * 50}")
            case "settle":
                self.write(f"settle {saver.name}")
            case "stop":
                self.write("pause all")
                self.write_in(random.uniform(1_200, 7_200), "resume all")
            case "percents":
                # Both at once: by the second code, less of the commission is left than was told.
                self.write(f"commission set saver0 {random.randint(10, 40)}")
                self.write(f"commission set saver1 {random.randint(5, 30)}")
            case _:
                self.write(f"deposit confirm {random.randint(1, 30)}")

    def write(self, text: str) -> None:
        """Send the bot a message now."""
        super().write(text)
        if text in ("pause all", "resume all"):
            self._last = text
            self.stopped_at, self._is_stopping = None, text == "pause all"
            self.resumed_at = self.time.now()

    def lose_stop(self) -> None:
        """Count on no pause: an older copy lacks it, and what the bot answers may be about an earlier one."""
        self.stopped_at, self._is_stopping = None, False

    def decide(self) -> None:
        """Answer each open question as somebody who looks at the machine, at LNbits, and asks the clients."""
        is_doubted = self.books.is_clock_doubted() and self.clock.is_right()
        if self.books.is_stopped() or is_doubted:
            self.write("resume all")
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
        if _DOUBTED.search(letter.text):
            self.asked_of_clock.append(letter.at)
        if _LEAPT.search(letter.text):
            self.time.loop.call_later(self.random.uniform(300, 3_600), self._look_at_clock)
        if letter.text.startswith(_STOPPED) and self._is_stopping:
            self.stopped_at = letter.at
        done = _CONFIRMED.search(letter.text)
        if done:
            name, minor = done[2], round(float(done[1].replace(",", "")) * 100)
            self.notebook[name] = self.notebook.get(name, 0) + minor
        pending = _TO_CONFIRM.search(letter.text)
        if pending and pending[1] not in self._confirmed:
            self._confirmed.add(pending[1])
            self.write_in(self.random.uniform(60, 7200), f"deposit confirm {pending[1]}")

    def _look_at_clock(self) -> None:
        """Set the computer's clock if it is wrong; say that it is right if the bot waits for that."""
        if not self.clock.is_right():
            self.clock.set()
        elif self.books.is_clock_doubted():
            self.write("resume all")

    def _answer(self, hold: OpenHold) -> str:
        match hold.kind, hold.reason:
            case "cash-out", _:
                return self._cash_out_answer(hold)
            case "payout", "may_have_left":
                self.lnbits.mend()
                # The bot looks again each hour, where it can.
                return f"hold accept {hold.id}" if hold.looks > 1 else ""
            case "payout", "failed_to_address":
                return self._doubt_answer(hold)
            case "payout", "known_payout" if self.lnbits.has_lied(hold.ref):
                return f"payout cancel {hold.ref[:8]}"
            case "payout", "ceiling_payout" if self.random.random() < 0.2:
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
