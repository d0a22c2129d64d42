"""What any codec of HTTP/2 must do, frame by frame: `for case in CASES: case.check(codec)`.

Driven through connections in memory, at once and byte by byte: no socket, no loop, no sleep.
"""

from minimesh.testing.conformance.case import Case
from minimesh.testing.conformance.http2.answers import ANSWER_CASES
from minimesh.testing.conformance.http2.client import CLIENT_CASES
from minimesh.testing.conformance.http2.faults import FAULT_CASES
from minimesh.testing.conformance.http2.floods import FLOOD_CASES
from minimesh.testing.conformance.http2.harness import Asked, Caller, Endpoint
from minimesh.testing.conformance.http2.lifetimes import LIFETIME_CASES
from minimesh.testing.conformance.http2.requests import REQUEST_CASES
from minimesh.testing.conformance.http2.server import SERVER_CASES
from minimesh.testing.conformance.http2.tunnels import TUNNEL_CASES
from minimesh.testing.conformance.http2.windows import WINDOW_CASES

CASES: tuple[Case, ...] = (
    *(*FAULT_CASES, *REQUEST_CASES, *SERVER_CASES, *WINDOW_CASES, *LIFETIME_CASES),
    *(*FLOOD_CASES, *ANSWER_CASES, *CLIENT_CASES, *TUNNEL_CASES),
)

__all__ = ["CASES", "Asked", "Caller", "Case", "Endpoint"]
