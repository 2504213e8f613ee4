"""Lightning addresses and LNURL-pay codes (LUD-01, LUD-06, LUD-16, LUD-17, LUD-21)."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LnurlLimits:
    """The payments that an address or a code accepts (LUD-06): whole sats from `min_sat` to `max_sat`.

    `is_own`: the address or code is at the operator's own LNbits, asked at the configured URL.
    """

    min_sat: int
    max_sat: int
    callback: str
    comment_length_max: int = 0
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class AddressInvoice:
    """A callback's answer (LUD-06): a BOLT11 invoice, not checked yet.

    `verify_url`: where the payee's server tells whether the invoice is settled (LUD-21); empty if
    the callback names no URL that may be asked.
    """

    bolt11: str
    verify_url: str = ""


@dataclass(frozen=True, slots=True)
class VerifyAnswer:
    """The payee's server's answer about an invoice (LUD-21), not checked yet.

    `bolt11` is the invoice that the answer names, or empty; `preimage` is in hex, or empty.
    """

    is_settled: bool
    preimage: str = ""
    bolt11: str = ""


class Addresses(Protocol):
    """Lightning addresses (LUD-16) and LNURL-pay codes (LUD-01, LUD-17)."""

    async def limits(self, payee: str) -> LnurlLimits:
        """Fetch the limits of an address or code; raise DestinationRefused or DestinationUnavailable."""
        ...

    async def request_invoice(
        self, limits: LnurlLimits, *, amount_sat: int, comment: str
    ) -> AddressInvoice:
        """Ask the payee's callback for a BOLT11 invoice, which is not checked yet.

        Raise DestinationRefused or DestinationUnavailable.
        """
        ...

    async def verify(self, verify_url: str) -> VerifyAnswer:
        """Ask the payee's server about an invoice; raise DestinationUnavailable without a clear answer."""
        ...
