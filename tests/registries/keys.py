"""Certificates and signatures by the openssl program."""

import base64
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A key with its certificate."""

    key_path: Path
    certificate_path: Path

    def sign(self, content: bytes) -> bytes:
        """Return an RSA signature over SHA-256."""
        command = ["openssl", "dgst", "-sha256", "-sign", str(self.key_path)]
        return subprocess.run(command, input=content, check=True, capture_output=True).stdout

    def read_der(self) -> str:
        """Return the certificate as base64 of DER, the way `x5c` has it."""
        command = ["openssl", "x509", "-in", str(self.certificate_path), "-outform", "DER"]
        return base64.b64encode(subprocess.run(command, check=True, capture_output=True).stdout).decode()


def make_authority(path: Path, name: str) -> Identity:
    """Return a new authority, whose certificate nobody vouches for."""
    identity = Identity(key_path=path / f"{name}.key", certificate_path=path / f"{name}.crt")
    _openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
        "-keyout", str(identity.key_path), "-out", str(identity.certificate_path),
        "-addext", "keyUsage=critical,digitalSignature,keyCertSign",
    )  # fmt: skip
    return identity


def make_server_identity(path: Path, authority: Identity, address: str) -> Identity:
    """Return a key and a certificate for a server at an IP address, signed by an authority."""
    identity = Identity(key_path=path / "server.key", certificate_path=path / "server.crt")
    request_path, extensions_path = path / "server.csr", path / "server.ext"
    extensions_path.write_text(f"subjectAltName=IP:{address}\n")
    _openssl(
        "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=registry",
        "-keyout", str(identity.key_path), "-out", str(request_path),
    )  # fmt: skip
    _openssl(
        "x509", "-req", "-in", str(request_path), "-days", "2", "-CAcreateserial",
        "-CA", str(authority.certificate_path), "-CAkey", str(authority.key_path),
        "-extfile", str(extensions_path), "-out", str(identity.certificate_path),
    )  # fmt: skip
    return identity


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)
