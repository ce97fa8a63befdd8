# SPDX-License-Identifier: GPL-2.0-only
"""Certificates for tests: a CA, what it signed, and what is wrong with the others."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
LOCAL = (
    x509.DNSName("localhost"),
    x509.DNSName("device.test"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
)


@dataclass
class Pair:
    """A certificate and its key, as PEM; `chain` are the certificates a server sends."""

    crt: x509.Certificate
    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

    @property
    def cert(self) -> bytes:
        return self.crt.public_bytes(serialization.Encoding.PEM)

    @property
    def cert_der(self) -> bytes:
        return self.crt.public_bytes(serialization.Encoding.DER)

    def key_as(self, encoding, form, password=None) -> bytes:
        locked = (
            serialization.BestAvailableEncryption(password)
            if password
            else serialization.NoEncryption()
        )
        return self.private.private_bytes(encoding, form, locked)

    @property
    def key(self) -> bytes:
        return self.key_as(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)

    @property
    def key_der(self) -> bytes:
        return self.key_as(
            serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL
        )

    @property
    def key_encrypted(self) -> bytes:
        return self.key_as(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, b"secret")

    def files(self, folder) -> tuple[str, str]:
        """The names of a certificate's and a key's file."""
        (folder / "cert.pem").write_bytes(self.cert)
        (folder / "key.pem").write_bytes(self.key)
        return str(folder / "cert.pem"), str(folder / "key.pem")


def make(name, ca=None, sans=(), begin=NOW - DAY, end=NOW + 30 * DAY, bits=0, usage=None) -> Pair:
    """A certificate; `bits` makes it RSA. Without `ca` it signs itself."""
    if bits:
        key = rsa.generate_private_key(65537, bits)
    else:
        key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(ca.crt.subject if ca else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )
    if sans:
        builder = builder.add_extension(x509.SubjectAlternativeName(sans), False)
    else:
        builder = builder.add_extension(x509.BasicConstraints(True, None), True)
        builder = builder.add_extension(
            x509.KeyUsage(True, False, False, False, False, True, True, False, False), True
        )
    if ca:
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.private.public_key())
        builder = builder.add_extension(authority, False)
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
    return Pair(builder.sign((ca or Pair(None, key)).private, hashes.SHA256()), key)


@cache
def pki() -> dict[str, Pair]:
    ca = make("Test CA")
    other = make("Another CA")
    return {
        "ca": ca,
        "other_ca": other,
        "ec": make("localhost", ca, LOCAL),
        "rsa": make("localhost", ca, LOCAL, bits=2048),
        "client": make("A client", ca, (x509.DNSName("client"),)),
        "stranger": make("A stranger", other, (x509.DNSName("client"),)),
        "expired": make("localhost", ca, LOCAL, NOW - 20 * DAY, NOW - 10 * DAY),
        "future": make("localhost", ca, LOCAL, NOW + 10 * DAY, NOW + 20 * DAY),
        "elsewhere": make("elsewhere.test", ca, (x509.DNSName("elsewhere.test"),)),
        "unknown": make("localhost", other, LOCAL),
        "self_signed": make("localhost", None, LOCAL),
        "wrong_usage": make("localhost", ca, LOCAL, usage=ExtendedKeyUsageOID.CLIENT_AUTH),
    }
