"""Certificates for the TLS tests: authorities, and what they sign."""

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Signed:
    """A certificate and its key, each in a PEM file of its own."""

    certificate: Path
    key: Path


@dataclass
class Authority:
    """An authority of its own; `file` is its certificate, which whoever trusts it names."""

    folder: Path
    name: str = "ca"
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        own = _builder(self.name, self.name, self._key, days=1)
        certificate = own.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.file.write_bytes(_pem(certificate.sign(self._key, hashes.SHA256())))

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}.pem"

    def signs(self, name: str, *, days: int = 1, passphrase: str | None = None, host: str | None = None) -> Signed:
        """A certificate that this authority signed; negative days have passed since it expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _builder(name, self.name, key, days=days)
        if host:
            certificate = certificate.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        lock = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else None
        stem = f"{self.name}-{name}"
        signed = Signed(self.folder / f"{stem}.pem", self.folder / f"{stem}.key")
        signed.certificate.write_bytes(_pem(certificate.sign(self._key, hashes.SHA256())))
        signed.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                lock or serialization.NoEncryption(),
            )
        )
        return signed


def server_context(signed: Signed, wanted: Authority | None = None, *, required: bool = True) -> ssl.SSLContext:
    """How a server shows a certificate, and whose client certificates it wants to see."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed.certificate, signed.key)
    if wanted:
        context.load_verify_locations(wanted.file)
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    return context


def _builder(name: str, issuer: str, key: ec.EllipticCurvePrivateKey, *, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
