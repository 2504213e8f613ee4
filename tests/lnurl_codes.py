"""LNURL codes for tests, made by pynostr's bech32."""

from pynostr import bech32

SPECIFIED = (
    "LNURL1DP68GURN8GHJ7UM9WFMXJCM99E3K7MF0V9CXJ0M385EKVCENXC6R2C35XVUKXEFCV5MKVV34X5EKZD3EV56NY"
    "D3HXQURZEPEXEJXXEPNXSCRVWFNV9NXZCN9XQ6XYEFHVGCXXCMYXYMNSERXFQ5FNS"
)
"""The example of LUD-01."""


def code_of(url: str) -> str:
    """Write a URL as an LNURL code (LUD-01)."""
    words = bech32.convertbits(url.encode(), 8, 5)
    return bech32.bech32_encode("lnurl", words, bech32.Encoding.BECH32)


def code_at(lnbits, wallet, name: str) -> str:
    """Give a wallet of a real LNbits an address; return a code for the wallet, without an address."""
    name, _, host = lnbits.lightning_address(wallet, name).partition("@")
    return code_of(f"http://{host}/.well-known/lnurlp/{name}?from=code")
