"""`[identity]`: how the certificates of services are issued."""

import shlex
from pathlib import Path

from minimesh.model.issuing import CaFiles, Issuing, SignCommand
from minimesh.spec import codes, units
from minimesh.spec.authplaces import content
from minimesh.spec.kinds import Parsed, Quantity, quote
from minimesh.spec.many import ListOf
from minimesh.spec.node import Node
from minimesh.spec.schema import Fields, Key, Kind, Table
from minimesh.spec.source import path_from
from minimesh.spec.text_error import TextError

SHORTEST, LONGEST = 10.0, 30 * 24 * 3600.0
OTHERS = 0o077


class CertificateFile(Kind[Path]):
    """A file with certificates that is there, from the folder of its file."""

    noun = "the path of a file"
    example = '"ca.pem"'
    holds = b"-----BEGIN CERTIFICATE-----"
    what = "certificate"

    def read(self, node: Node) -> Path:
        if not isinstance(node.value, str):
            self.wrong_type(node)
        path = node.folder / node.text()
        if self.holds not in content(node, path):
            message = f"{node.label}: there is no {self.what} in {quote(path_from(node.folder, path))} (PEM)"
            node.reject(codes.VALUE, message, node.pair(self.example))
        return path


class PrivateKeyFile(CertificateFile):
    """A file with a key that nobody else can read."""

    example = '"ca.key"'
    holds = b"PRIVATE KEY-----"
    what = "private key"

    def read(self, node: Node) -> Path:
        path = super().read(node)
        mode = path.stat().st_mode & 0o777
        if mode & OTHERS:
            message = (
                f"{node.label}: {quote(path_from(node.folder, path))} can be read or changed by others ({mode:04o})"
            )
            node.reject(codes.OPEN_KEY, message, f"chmod 600 {shlex.quote(path_from(Path.cwd(), path))}")
        return path


def _word(text: str) -> str:
    if not text or "\0" in text:
        raise TextError(codes.VALUE, f"{quote(text)} is no word of a command", fix='"step"')
    return text


CERT = Key("cert", CertificateFile(), "your authority, and those above it up to the root")
KEY = Key("key", PrivateKeyFile(), "its key, which nobody else may read")
SIGN = Key(
    "sign",
    ListOf(Parsed("a string", '"step"', _word), "a command as a list of words"),
    "a command instead: it signs the mesh's intermediate, a request on stdin, the chain up to the root on stdout",
)


def _ca(fields: Fields) -> CaFiles | SignCommand | None:
    node = fields.node
    if fields.wrote("sign"):
        if fields.wrote("key"):
            fields["key"].note_key(
                codes.CONFLICT, "`key` cannot stand beside `sign` in `ca`", "take `key` or `sign` out"
            )
        argv = fields.get(SIGN, ())
        if not argv and not fields.refused(SIGN):
            fields["sign"].reject(
                codes.VALUE, f"{fields['sign'].label} is not a command", 'sign = ["step", "ca", "sign"]'
            )
        return SignCommand(argv, node.folder, node.where) if argv else None
    for key, other in ((CERT, KEY), (KEY, CERT)):
        if not fields.wrote(key.name):
            message = f"`{key.name}` is missing in `ca`" + (
                f" beside `{other.name}`" if fields.wrote(other.name) else ""
            )
            node.note_key(codes.MISSING, message, 'ca = { cert = "ca.pem", key = "ca.key" }')
            return None
    cert, key_file = fields.get(CERT, None), fields.get(KEY, None)
    return CaFiles(cert, key_file, node.where) if cert and key_file else None


CA = Key(
    "ca",
    Table((CERT, KEY, SIGN), _ca, one_of=("cert", "sign"), example='{ cert = "ca.pem", key = "ca.key" }'),
    "an authority of yours instead of the project's own root",
)


def ttl(text: str) -> float:
    """Seconds that a certificate lives."""
    seconds = units.duration(text)
    if not SHORTEST <= seconds <= LONGEST:
        fix = '"10s"' if seconds < SHORTEST else '"720h"'
        raise TextError(codes.VALUE, f'{quote(text)} is no life for a certificate; expected "10s" to "720h"', fix=fix)
    return seconds


SVID_TTL = Key(
    "svid_ttl",
    Quantity("a duration", "s", '"24h"', ttl),
    "how long a certificate lives; it is renewed at half of that",
    '"24h"',
)


def _identity(fields: Fields) -> Issuing:
    default = Issuing()
    return Issuing(fields.get(SVID_TTL, default.svid_ttl), fields.get(CA, default.ca))


IDENTITY = Key(
    "identity", Table((SVID_TTL, CA), _identity, example='{ svid_ttl = "24h" }'), "the certificates of services"
)
