"""What any HTTP/1 codec must do, byte for byte: `for case in CASES: case.check(codec)`.

Driven through connections in memory: no socket, no loop, no sleep.
"""

from minimesh.testing.conformance.answers import ANSWER_CASES
from minimesh.testing.conformance.case import Case
from minimesh.testing.conformance.client import CLIENT_CASES
from minimesh.testing.conformance.harness import ClientHarness, Heard, Seen, ServerHarness
from minimesh.testing.conformance.requests import REQUEST_CASES
from minimesh.testing.conformance.server import SERVER_CASES

CASES: tuple[Case, ...] = (*REQUEST_CASES, *SERVER_CASES, *ANSWER_CASES, *CLIENT_CASES)

__all__ = ["CASES", "Case", "ClientHarness", "Heard", "Seen", "ServerHarness"]
