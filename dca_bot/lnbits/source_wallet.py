"""The source wallet's identity at LNbits: whose wallet a key opens, and that nobody shares the source.

LNbits 1.4 and later let an owner share a wallet. A key to a shared wallet may be shown no payments,
or another wallet's. "No such payment" would prove nothing then, and the bot could pay twice: such a
source is refused.
"""

from dataclasses import dataclass
from http import HTTPStatus

from dca_bot.core.destination_text import is_wallet_key
from dca_bot.core.ports import KeyKind
from dca_bot.errors import DestinationRefused, LnbitsRefused, Refusal
from dca_bot.faults import LnbitsFault
from dca_bot.lnbits.api import PAYMENTS, LnbitsApi, read
from dca_bot.lnbits.models import OwnerPage, WalletAnswer

_SHARED = (
    "The source wallet is one that somebody else shares: LNbits doesn't show the bot what it has paid"
    " from it. Put the admin key of a wallet of your own into lnbits.source_admin_key_file."
)


@dataclass(frozen=True, slots=True)
class SourceWallet:
    """The source wallet for `dca-bot check`; `version` is LNbits'."""

    version: str
    id: str
    name: str
    balance_msat: int


class SourceIdentity:
    """The wallet behind the source's admin key (GET /api/v1/wallet)."""

    def __init__(self, api: LnbitsApi, admin_key: str) -> None:
        self._api = api
        self._admin_key = admin_key
        self._is_own = False

    async def fetch(self, version: str) -> SourceWallet:
        """Return the source wallet, proven to be the operator's own.

        Raise LnbitsRefused for an unknown key, an invoice key or a wallet that somebody else shares.
        """
        wallet = await self._wallet(self._admin_key)
        if wallet.id is None:
            raise LnbitsRefused(
                "The source wallet's key is an invoice key, which can't pay. "
                "Put the wallet's admin key into lnbits.source_admin_key_file.",
                fault=LnbitsFault.INVOICE_KEY,
                status=HTTPStatus.OK,
            )
        await self.refuse_shared()
        return SourceWallet(version, wallet.id, wallet.name, wallet.balance)

    async def balance_msat(self) -> int:
        """Return the source wallet's balance; raise LnbitsRefused for an unknown key."""
        return (await self._wallet(self._admin_key)).balance

    async def identify(self, key: str) -> KeyKind:
        """Tell what `key` may do; raise DestinationRefused if LNbits doesn't know the key.

        GET /api/v1/wallet gives the wallet's id to an admin key only. The wallet of an invoice key shows
        only in the wallet's payments: while a wallet has had none, its invoice key counts as foreign.
        """
        if not is_wallet_key(key):
            raise DestinationRefused(Refusal.KEY, "32 characters, 0 to 9 and a to f, are a key")
        try:
            wallet = await self._wallet(key)
        except LnbitsRefused as error:
            raise DestinationRefused(Refusal.KEY, str(error)) from error
        if wallet.id is not None:
            return KeyKind.ADMIN
        owners = await self._owners(key)
        is_source = bool(owners) and (await self.fetch("")).id in owners
        return KeyKind.SOURCE if is_source else KeyKind.INVOICE

    async def refuse_shared(self, *, was_funded: bool = False) -> None:
        """Raise LnbitsRefused for a source wallet that hides its payments, or shows another wallet's.

        `was_funded`: the wallet has had sats. A wallet with sats, now or before, must show at least the
        payment that brought the sats. Once proven to be the operator's own, a wallet stays proven.
        """
        if self._is_own:
            return
        wallet = await self._wallet(self._admin_key)
        owners = await self._owners(self._admin_key)
        if owners - {wallet.id} or (not owners and (was_funded or wallet.balance)):
            raise LnbitsRefused(_SHARED, fault=LnbitsFault.SHARED_WALLET, status=HTTPStatus.OK)
        self._is_own = bool(owners)

    async def _wallet(self, key: str) -> WalletAnswer:
        return read(WalletAnswer, await self._api.get("/api/v1/wallet", key=key))

    async def _owners(self, key: str) -> set[str]:
        """Return the wallet of a payment that LNbits shows to `key`; empty if LNbits shows none."""
        reply = await self._api.get(f"{PAYMENTS}/paginated", key=key, params={"limit": "1"})
        return {row.wallet_id for row in read(OwnerPage, reply).data}
