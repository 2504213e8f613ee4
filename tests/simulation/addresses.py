"""Simulated servers of Lightning addresses, which make invoices at the simulated Lightning network."""

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from dca_bot.core.ports import AddressInvoice, LnurlLimits, VerifyAnswer
from dca_bot.errors import DestinationRefused, DestinationUnavailable, Refusal
from simulation.lnbits import Lnbits, Mischief
from simulation.network import Line

_MAX_SAT = 10_000_000


@dataclass
class Address:
    """A Lightning address: what the server takes, and whether the server tells of invoices (LUD-21)."""

    name: str
    min_sat: int = 1
    has_verify: bool = False


@dataclass
class AddressServers:
    """The servers of all Lightning addresses."""

    lnbits: Lnbits
    random: Random
    mischief: Mischief
    addresses: dict[str, Address] = field(default_factory=dict)

    def add(self, name: str, *, min_sat: int, has_verify: bool) -> Address:
        """Open an address."""
        address = self.addresses[name] = Address(name, min_sat, has_verify)
        return address

    def limits(self, name: str) -> LnurlLimits:
        """Return what an address takes."""
        address = self._up(name)
        return LnurlLimits(address.min_sat, _MAX_SAT, f"https://payee.example/{name}")

    def make_invoice(self, callback: str, amount_sat: int) -> AddressInvoice:
        """Make an invoice, as a callback does."""
        address = self._up(callback.removeprefix("https://payee.example/"))
        if amount_sat < address.min_sat:
            raise DestinationRefused(Refusal.SAID, "The amount is too small.")
        if self.mischief.strikes():
            # A server that makes invoices of other amounts than it was asked for.
            amount_sat += self.random.choice((-1, 1, 999 * amount_sat))
        life = timedelta(seconds=self.random.choice((600, 3600, 86_400)))
        made = self.lnbits.make_invoice(
            amount_msat=amount_sat * 1000, life=life, payee=address.name
        )
        url = f"https://payee.example/verify/{made.payment_hash}" if address.has_verify else ""
        return AddressInvoice(made.bolt11, url)

    def verify(self, url: str) -> VerifyAnswer:
        """Tell whether an invoice was paid, as the payee's server knows."""
        made = self.lnbits.by_hash[url.rpartition("/")[2]]
        self._up(made.payee)
        is_settled = made.received_at is not None
        if not is_settled and self.mischief.strikes():
            return VerifyAnswer(
                is_settled=True, preimage="", bolt11=made.invoice.bolt11
            )  # Said, and not proven.
        return VerifyAnswer(is_settled, made.preimage if is_settled else "", made.invoice.bolt11)

    def _up(self, name: str) -> Address:
        address = self.addresses.get(name)
        if address is None:
            raise DestinationRefused(Refusal.UNKNOWN)
        return address


@dataclass
class AddressClient:
    """The way of one bot process to the addresses; fulfils `core.ports.Addresses`."""

    servers: AddressServers
    line: Line

    async def limits(self, payee: str) -> LnurlLimits:
        return await self.line.ask(lambda: self.servers.limits(payee), _unreachable)

    async def request_invoice(
        self,
        limits: LnurlLimits,
        *,
        amount_sat: int,
        comment: str,  # noqa: ARG002
    ) -> AddressInvoice:
        return await self.line.ask(
            lambda: self.servers.make_invoice(limits.callback, amount_sat), _unreachable
        )

    async def verify(self, verify_url: str) -> VerifyAnswer:
        return await self.line.ask(lambda: self.servers.verify(verify_url), _unreachable)


def _unreachable() -> Exception:
    return DestinationUnavailable(Refusal.UNREACHABLE, "The server does not answer.")
