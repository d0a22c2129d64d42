"""Tunnels towards an endpoint (RFC 8441)."""

from minimesh.dataplane.codec import Codec
from minimesh.testing.conformance.http2.case import cases_of
from minimesh.testing.conformance.http2.harness import Endpoint
from minimesh.testing.conformance.http2.wire import Setting, answer, data, settings

_LENGTH = (b"content-length", b"5")


def carries_a_tunnel(codec: Codec, step: int) -> None:
    """Both ways once it is answered, and each end apart."""
    endpoint = Endpoint(codec, step, greeting=settings({Setting.ENABLE_CONNECT_PROTOCOL: 1}))
    asked = endpoint.ask(upgrade=b"websocket")
    (asks,) = endpoint.answers()
    assert asks.startswith("HEADERS 1 :method=CONNECT :protocol=websocket :scheme=http :path=/ :authority=orders")
    endpoint.send(answer(1), data(1, b"hi"))
    assert asked.said() == "101 b'hi'"
    asked.stream.send_data(b"ho")
    endpoint.send(data(1, b"gh", end=True))
    assert asked.said() == "101 b'high' end"
    asked.stream.send_data(b"me")
    asked.stream.send_end(None)
    assert endpoint.answers() == ["DATA 1 b'home' end"]


def a_tunnel_may_be_refused(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step, greeting=settings({Setting.ENABLE_CONNECT_PROTOCOL: 1}))
    asked = endpoint.ask(upgrade=b"websocket")
    endpoint.heard()
    endpoint.send(answer(1, _LENGTH, status=b"403"), data(1, b"hello", end=True))
    assert asked.said() == "403 b'hello' end"
    assert endpoint.answers() == ["DATA 1 end"]
    assert endpoint.connection.active == 0


TUNNEL_CASES = cases_of("towards an endpoint", globals().values(), __name__)
