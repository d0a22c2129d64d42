"""Certificates for tests, made by the openssl command: nothing of ours has a hand in them."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """The files of a certificate and of its key, PEM."""

    certificate: Path
    key: Path

    @property
    def pem(self) -> bytes:
        return self.certificate.read_bytes()

    @property
    def der(self) -> bytes:
        return ssl.PEM_cert_to_DER_cert(self.certificate.read_text())


class Certificates:
    """Makes them in a folder, each under its file's name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def root(self, name: str) -> Pair:
        return self._make(
            name, None, ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"], "-days", "30"
        )

    def leaf(self, name: str, signer: Pair | None, *names: str) -> Pair:
        """`names`: as in subjectAltName (`DNS:a.test`, `URI:spiffe://…`); signer None: it signs itself."""
        asked = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature"]
        asked += [f"subjectAltName={','.join(names)}"] if names else []
        return self._make(name, signer, asked, "-days", "30")

    def _make(self, name: str, signer: Pair | None, extensions: list[str], *more: str) -> Pair:
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-keyout", str(pair.key), "-out", str(pair.certificate), "-subj", f"/CN={name}", *more]
        command += ["-config", "/dev/null"]
        for extension in extensions:
            command += ["-addext", extension]
        if signer is not None:
            command += ["-CA", str(signer.certificate), "-CAkey", str(signer.key)]
        subprocess.run(command, check=True, capture_output=True)
        return pair
