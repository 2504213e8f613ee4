"""The outside parts as the jobs see them: protocols for the adapters, and the values exchanged.

The adapters (`lamassu`, `lnbits`, `nostr`, `blossom`, `charts`, `monitoring`) are handed in, and no job
imports an adapter: a simulated world can take an adapter's place.
"""

from dca_bot.core.ports.addresses import Addresses, AddressInvoice, LnurlLimits, VerifyAnswer
from dca_bot.core.ports.clock import Clock, Uptime
from dca_bot.core.ports.files import Draw, FileServer
from dca_bot.core.ports.lamassu import (
    NOTHING_KNOWN,
    CashIn,
    CashOutSource,
    Copy,
    Export,
    KnownRows,
    LeftOut,
    Passed,
    RowFault,
    RowKind,
)
from dca_bot.core.ports.lnbits import (
    Credit,
    Invoice,
    KeyKind,
    ListMark,
    PayAnswer,
    Payment,
    PaymentStatus,
    PayReply,
    Wallet,
)
from dca_bot.core.ports.monitoring import Alert, Beat, Metrics
from dca_bot.core.ports.nostr import (
    UNHEARD,
    DmProtocol,
    IncomingMessage,
    Messenger,
    OutgoingMessage,
    PastReading,
    RelayHeard,
    SoughtPerson,
)
from dca_bot.core.ports.offsite import CopyPlace, Seal, Sealed, Take

__all__ = [
    "NOTHING_KNOWN",
    "UNHEARD",
    "AddressInvoice",
    "Addresses",
    "Alert",
    "Beat",
    "CashIn",
    "CashOutSource",
    "Clock",
    "Copy",
    "CopyPlace",
    "Credit",
    "DmProtocol",
    "Draw",
    "Export",
    "FileServer",
    "IncomingMessage",
    "Invoice",
    "KeyKind",
    "KnownRows",
    "LeftOut",
    "ListMark",
    "LnurlLimits",
    "Messenger",
    "Metrics",
    "OutgoingMessage",
    "Passed",
    "PastReading",
    "PayAnswer",
    "PayReply",
    "Payment",
    "PaymentStatus",
    "RelayHeard",
    "RowFault",
    "RowKind",
    "Seal",
    "Sealed",
    "SoughtPerson",
    "Take",
    "Uptime",
    "VerifyAnswer",
    "Wallet",
]
