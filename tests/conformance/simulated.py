"""The simulated LNbits as a stage: everybody is honest, and nothing gets lost but what a line says."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from random import Random

from simulation.journal import Journal
from simulation.lightning import Course, Mischief
from simulation.lnbits import SOURCE_KEY, Lnbits
from simulation.lnbits_client import LnbitsClient
from simulation.network import Fate, Life, Line, Weather
from simulation.virtual_time import VirtualLoop, WorldTime

from conformance.node import FEE_MSAT, Will
from dca_bot.core.ports import Invoice, PaymentStatus
from dca_bot.demo.price_stub import GTQ_PER_BTC

_UNKNOWN_KEYS = {"nobody": "0" * 32, "no": "no key"}


class _Muted(Weather):
    """Requests are carried out, and answers get lost."""

    def fate(self) -> Fate:
        return Fate.UNANSWERED


class SimulatedStage:
    """A simulated LNbits on a virtual-time loop."""

    client = LnbitsClient

    def __init__(self, loop: VirtualLoop, expiry_shift: timedelta) -> None:
        self._time = WorldTime(loop)
        self._lnbits = Lnbits(
            self._time,
            Journal(self._time),
            Random("conformance"),
            Mischief(Random("none")),
            price=Decimal(GTQ_PER_BTC),
            expiry_shift=expiry_shift,
        )
        self._loop = loop
        self._wallets = {"source": SOURCE_KEY}
        self.wallet = self._client(Weather(Random("fine")))

    def key(self, name: str) -> str:
        wallet, _, kind = name.partition(".")
        if wallet in _UNKNOWN_KEYS:
            return _UNKNOWN_KEYS[wallet]
        if wallet not in self._wallets:
            self._wallets[wallet] = self._lnbits.open_wallet(wallet)
        invoice_key = self._wallets[wallet]
        return self._lnbits.admin_keys[invoice_key] if kind == "admin" else invoice_key

    def delete(self, name: str) -> None:
        self._lnbits.delete_wallet(self._wallets[name])

    def fund(self, sat: int) -> None:
        self._lnbits.balance_msat += 1000 * sat

    def invoice_elsewhere(self, sat: int) -> str:
        life = timedelta(days=1)
        return self._lnbits.make_invoice(amount_msat=sat * 1000, life=life, payee="payee").bolt11

    def has_received(self, invoice: Invoice) -> bool:
        return self._lnbits.invoices[invoice.bolt11].received_at is not None

    def plan(self, invoice: Invoice, will: str) -> None:
        """A payment that is under way goes on by the new plan."""
        hash_, says = invoice.payment_hash, _SAYS[Will(will)]
        arrives_s = 0 if will in (Will.PAYS, Will.LIES) else None
        self._lnbits.courses[invoice.bolt11] = Course(says, 0, arrives_s, fee_msat=FEE_MSAT)
        if hash_ in self._lnbits.row_of and says is not None:
            self._lnbits.node_says(hash_, says, FEE_MSAT)
            if arrives_s is not None:
                self._lnbits.arrive(hash_)

    def pay_from_the_source(self, invoice: Invoice) -> None:
        self._lnbits.pay(invoice.bolt11, "", {})

    def pay_from_another(self, invoice: Invoice) -> None:
        self._lnbits.pay_from_another(invoice.bolt11)

    def lose_credit(self, invoice: Invoice) -> None:
        self._lnbits.lose_credit(invoice.payment_hash)

    async def let_expire(self, invoice: Invoice) -> None:
        left_s = (invoice.expires_at - self._time.now()).total_seconds()
        await self._time.sleep(max(0, left_s + 0.1))

    @contextmanager
    def away(self) -> Iterator[None]:
        with self._under(Weather(Random("away"), is_away=True)):
            yield

    @contextmanager
    def mute(self) -> Iterator[None]:
        with self._under(_Muted(Random("mute"))):
            yield

    @contextmanager
    def _under(self, weather: Weather) -> Iterator[None]:
        fine, self.wallet = self.wallet, self._client(weather)
        yield
        self.wallet = fine

    def _client(self, weather: Weather) -> LnbitsClient:
        return self.client(self._lnbits, Line(Life(1), weather, self._loop))


_SAYS = {
    Will.PAYS: PaymentStatus.SUCCESS,
    Will.REFUSES: PaymentStatus.FAILED,
    Will.LIES: PaymentStatus.FAILED,
    Will.WAITS: None,
}
