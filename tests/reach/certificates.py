"""Certificates of a made-up authority, for relays under `reach.example`: good, expired, of another name."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DOMAIN = "reach.example"
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """Server contexts by kind of certificate; `file` is what clients are to trust (SSL_CERT_FILE).

    `root` serves the authority's own certificate, which signs itself.
    """

    file: Path
    contexts: dict[str, ssl.SSLContext]
    root: ssl.SSLContext


def make_authority(folder: Path) -> Authority:
    key, name = ec.generate_private_key(ec.SECP256R1()), _name("reach tests")
    root = _certificate(name, name, key.public_key(), key, [], is_root=True)
    file = folder / "authority.pem"
    file.write_bytes(root.public_bytes(Encoding.PEM))
    kinds = {
        "good": ([f"*.{DOMAIN}"], 30),
        "expired": ([f"*.{DOMAIN}"], -1),
        "other": (["elsewhere.example"], 30),
    }
    contexts = {}
    for kind, (names, days) in kinds.items():
        own = ec.generate_private_key(ec.SECP256R1())
        made = _certificate(_name(kind), name, own.public_key(), key, names, days=days)
        contexts[kind] = _context(folder / f"{kind}.pem", own, made)
    return Authority(file, contexts, _context(folder / "root.pem", key, root))


def _context(chain: Path, key: ec.EllipticCurvePrivateKey, made: x509.Certificate):
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain.write_bytes(private + made.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context


def _certificate(subject, issuer, public, signer, names: Sequence[str], *, days=30, is_root=False):
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 30 * _DAY)
        .not_valid_after(now + days * _DAY)
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
    )
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(one) for one in names])
        builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(signer, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
