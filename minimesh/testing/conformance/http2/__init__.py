"""What any codec of HTTP/2 must do, frame by frame: `for case in CASES: case.check(codec)`.

Driven through connections in memory, at once and byte by byte: no socket, no loop, no sleep.
"""

from minimesh.testing.conformance.case import Case
from minimesh.testing.conformance.http2.client import CLIENT_CASES
from minimesh.testing.conformance.http2.faults import FAULT_CASES
from minimesh.testing.conformance.http2.floods import FLOOD_CASES
from minimesh.testing.conformance.http2.harness import Asked, Caller, Endpoint
from minimesh.testing.conformance.http2.requests import REQUEST_CASES
from minimesh.testing.conformance.http2.server import SERVER_CASES

CASES: tuple[Case, ...] = (*FAULT_CASES, *REQUEST_CASES, *SERVER_CASES, *FLOOD_CASES, *CLIENT_CASES)

__all__ = ["CASES", "Asked", "Caller", "Case", "Endpoint"]
