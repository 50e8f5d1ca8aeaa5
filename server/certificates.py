"""A certificate to try provenance with: made here, vouched for by nobody, so readers call it untrusted."""

from argparse import Namespace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from rich.console import Console

from server.settings import Settings

DAYS = 825
CHAIN, KEY = "chain.pem", "key.pem"


def make_certificate(given: Namespace, _settings: Settings, console: Console) -> int:
    """Write a key and the chain of its certificate into a folder; what is there already stays."""
    chain_path, key_path = given.folder / CHAIN, given.folder / KEY
    if chain_path.exists() or key_path.exists():
        console.print(f"[red]There is a certificate in {given.folder} already; name another folder[/]")
        return 1
    given.folder.mkdir(parents=True, exist_ok=True)
    chain, key = make_chain(given.name)
    key_path.touch(mode=0o600)
    key_path.write_bytes(key)
    chain_path.write_bytes(chain)
    console.print(f"PROVENANCE_CERTIFICATE={chain_path.resolve()}\nPROVENANCE_KEY={key_path.resolve()}", soft_wrap=True)
    return 0


def make_chain(name: str) -> tuple[bytes, bytes]:
    """The certificates, the signer's first, and the signer's key, as PEM."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name, own_name = _name(f"{name} root"), _name(name)
    root = _begin(root_name, root_name, root_key, root_key).add_extension(x509.BasicConstraints(True, 0), True)
    root = root.add_extension(_usage(signs_certificates=True), True)
    own = _begin(own_name, root_name, key, root_key).add_extension(x509.BasicConstraints(False, None), True)
    own = own.add_extension(_usage(signs_certificates=False), True)
    own = own.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
    signed = [builder.sign(root_key, hashes.SHA256()).public_bytes(Encoding.PEM) for builder in (own, root)]
    return b"".join(signed), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _name(name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Libretto"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


def _begin(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, issuer_key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now, public = datetime.now(UTC), key.public_key()
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=DAYS))
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
    issued_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return builder.add_extension(issued_by, False)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
