"""Provenance: content credentials (C2PA) in the files that leave us, signed with the operator's certificate.

Files are signed last, when nothing changes them any more, and here rather than in an engine's process, which gets no
key. The library is the extra `provenance`; this module is loaded where the settings name a certificate.
"""

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Self

import c2pa
import orjson
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates

from jobs.seals import Claim
from server.errors import EngineFailed, Unavailable
from server.settings import Settings

SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
TRACK_LABEL = "org.libretto.track"


class Seal:
    """Signs files for one worker process."""

    def __init__(self, chain: bytes, key: bytes) -> None:
        private_key = load_pem_private_key(key, None)
        if load_pem_x509_certificates(chain)[0].public_key() != private_key.public_key():
            raise ValueError("the key is not that of the first certificate")
        algorithm = _find_algorithm(private_key)
        self._signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(algorithm, chain, key, None))

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """With the certificate that the settings name; Unavailable when it cannot be used."""
        try:
            chain, key = (Path(path) for path in (settings.provenance_certificate, settings.provenance_key))
            return cls(chain.read_bytes(), key.read_bytes())
        except (OSError, ValueError, TypeError, c2pa.C2paError) as error:
            raise Unavailable(f"PROVENANCE_CERTIFICATE and PROVENANCE_KEY cannot be used: {error}") from error

    def mark(self, path: Path, claim: Claim) -> None:
        """Put a signed manifest into the file, which stays as it was for whoever plays or shows it."""
        signed = path.with_name(f"signed-{path.name}")
        try:
            with c2pa.Builder(orjson.dumps(_write_manifest(claim)).decode()) as builder:
                builder.sign_file(path, signed, self._signer)
        except c2pa.C2paError as error:
            raise EngineFailed(f"The file could not be marked with where it comes from: {error}") from error
        signed.replace(path)


def _find_algorithm(key: PrivateKeyTypes) -> str:
    match key:
        case ec.EllipticCurvePrivateKey() if key.curve.name in CURVES:
            return CURVES[key.curve.name]
        case rsa.RSAPrivateKey():
            return "ps256"
        case ed25519.Ed25519PrivateKey():
            return "ed25519"
    raise ValueError("the key must be on a NIST curve, of RSA, or Ed25519")


def _write_manifest(claim: Claim) -> dict[str, object]:
    agent = {"name": "Libretto", "version": version("libretto")}
    created = {
        "action": "c2pa.created",
        "digitalSourceType": SOURCES + claim.source,
        "softwareAgent": agent,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return {
        "claim_generator_info": [agent],
        "title": claim.title,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [created]}},
            {"label": TRACK_LABEL, "data": {"sha256": claim.track_hash}},
        ],
    }
