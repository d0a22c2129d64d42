"""The user's own authority: files that hold it, or a command that signs for it. Every mistake with its line."""

import subprocess
from pathlib import Path

from minimesh.control import codes
from minimesh.control.report import Problem
from minimesh.control.settle import StartError
from minimesh.identity import brought as reading
from minimesh.identity.authority import Authority
from minimesh.model.issuing import CaFiles, SignCommand
from minimesh.store.keyfiles import KeyFileError, read_key

LARGEST = 1 << 20
PATIENCE = 30.0
"""Seconds that the command gets."""
TOLD = 3
"""Lines of its stderr that are shown."""


def brought(ca: CaFiles, now: float) -> Authority:
    """The authority in the user's files. Raises StartError."""
    try:
        with ca.cert.open("rb") as file:
            chain = file.read(LARGEST)
    except OSError as error:
        raise _refused(ca, f"{ca.cert} cannot be read: {error.strerror}", f"ls -l {ca.cert}") from error
    try:
        key = read_key(ca.key)
    except KeyFileError as error:
        raise _refused(ca, str(error), error.fix) from error
    try:
        authority = reading.assembled(chain, key)
    except ValueError as error:
        raise _refused(ca, f"{ca.cert}: {error}", _look(ca.cert)) from error
    if wrong := reading.flaw(authority, now):
        raise _refused(ca, f"{ca.cert}: {wrong}", "write the `cert` and `key` of an authority that is valid now")
    try:
        matches = reading.matches(authority)
    except ValueError as error:
        raise _refused(ca, f"{ca.key}: {error}", f"openssl pkey -in {ca.key} -noout -text") from error
    if not matches:
        raise _refused(ca, f"{ca.key} is not the key of {ca.cert}", f"openssl x509 -in {ca.cert} -noout -pubkey")
    return authority


def signed(command: SignCommand, project: str, trust_domain: str, now: float) -> Authority:
    """An intermediate that the user's command has signed. Raises StartError."""
    request, key = reading.request(project, trust_domain)
    answer = _answer(command, request)
    try:
        authority = reading.assembled(answer, key)
        if not reading.matches(authority):
            raise ValueError("it is for another key than the request")
    except ValueError as error:
        raise _refused(command, f"what {command.argv[0]} answered is of no use: {error}", _by_hand(command)) from error
    if not authority.chain:
        message = f"{command.argv[0]} answered one certificate, and what signed it is missing"
        raise _refused(command, message, "let it answer the whole chain, the signed certificate first, the root last")
    if wrong := reading.flaw(authority, now):
        message = f"what {command.argv[0]} answered cannot sign: {wrong}"
        raise _refused(command, message, "let it sign the request as an intermediate, as it asks for")
    return authority


def _answer(command: SignCommand, request: bytes) -> bytes:
    name = command.argv[0]
    try:
        ran = subprocess.run(
            command.argv, cwd=command.folder, input=request, capture_output=True, timeout=PATIENCE, check=False
        )
    except OSError as error:
        message = f"{name} cannot be started: {error.strerror}"
        raise _refused(command, message, f"which {name}") from error
    except subprocess.TimeoutExpired as error:
        raise _refused(command, f"{name} did not answer in {PATIENCE:g} s", _by_hand(command)) from error
    if ran.returncode:
        said = tuple(line for line in ran.stderr.decode(errors="replace").splitlines() if line.strip())[-TOLD:]
        raise _refused(command, f"{name} ended with {ran.returncode}", _by_hand(command), said)
    return ran.stdout[:LARGEST]


def _refused(ca: CaFiles | SignCommand, message: str, help_: str, evidence: tuple[str, ...] = ()) -> StartError:
    return StartError(Problem(codes.CA, message, str(ca.where), evidence, help_))


def _look(path: Path) -> str:
    return f"openssl x509 -in {path} -noout -text"


def _by_hand(command: SignCommand) -> str:
    return f"try it by hand with a request on its stdin: {' '.join(command.argv)}"
