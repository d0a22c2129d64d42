"""The virtual clock, the connection in memory, and fake streams: they must behave as what they stand for."""

import asyncio

import pytest

from minimesh.dataplane.heads import ResponseHead
from minimesh.model.reason import Cut
from minimesh.testing import MemoryTransport, Multiplex, VirtualClock
from minimesh.testing.conformance import Seen
from minimesh.testing.multiplexed import MultiplexedServerStream


def test_the_clock_stands_still_until_it_is_told() -> None:
    clock = VirtualClock(monotonic=5.0, wall=100.0)
    assert (clock.monotonic(), clock.wall()) == (5.0, 100.0)
    clock.advance(1.5)
    assert (clock.monotonic(), clock.wall()) == (6.5, 101.5)
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(-1)


class Noted(asyncio.Protocol):
    """Writes down what it is told; keeps its side open after an end if asked to."""

    def __init__(self, *, keep_open: bool = False) -> None:
        self.told: list[object] = []
        self._keep_open = keep_open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        self.told.append(data)

    def eof_received(self) -> bool:
        self.told.append("end")
        return self._keep_open

    def connection_lost(self, error: Exception | None) -> None:
        self.told.append("lost")

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


def test_bytes_pass_both_ways() -> None:
    protocol = Noted()
    transport = MemoryTransport(protocol)
    transport.feed(b"abc", size=2)
    transport.write(b"x")
    transport.writelines([b"y", b"z"])
    assert protocol.told == ["made", b"ab", b"c"]
    assert transport.taken() == b"xyz"
    assert transport.taken() == b""


@pytest.mark.parametrize("keep_open", [True, False])
def test_an_end_closes_unless_the_protocol_keeps_its_side(keep_open: bool) -> None:
    protocol = Noted(keep_open=keep_open)
    transport = MemoryTransport(protocol)
    transport.end()
    assert protocol.told == (["made", "end"] if keep_open else ["made", "end", "lost"])
    transport.write(b"more")
    assert transport.sent == (b"more" if keep_open else b"")


def test_paused_reading_waits() -> None:
    protocol = Noted()
    transport = MemoryTransport(protocol)
    transport.pause_reading()
    transport.feed(b"later")
    assert protocol.told == ["made"]
    transport.resume_reading()
    transport.settle()
    assert protocol.told == ["made", b"later"]


def test_a_stall_fills_the_buffer_and_taking_empties_it() -> None:
    protocol = Noted()
    transport = MemoryTransport(protocol)
    transport.set_write_buffer_limits(high=8)
    transport.stall()
    transport.write(b"12345678")
    assert protocol.told == ["made"]
    transport.write(b"9")
    assert protocol.told == ["made", "pause"]
    transport.write_eof()
    assert not transport.ended
    transport.take(3)
    assert (transport.sent, transport.get_write_buffer_size()) == (b"123", 6)
    transport.take()
    assert (transport.sent, transport.ended) == (b"123456789", True)
    assert protocol.told == ["made", "pause", "resume"]
    with pytest.raises(AssertionError, match="after the end"):
        transport.write(b"x")


def test_close_waits_for_what_is_unsent_and_abort_does_not() -> None:
    for cut, told in ((False, ["made"]), (True, ["made", "lost"])):
        protocol = Noted()
        transport = MemoryTransport(protocol)
        transport.stall()
        transport.write(b"x")
        (transport.abort if cut else transport.close)()
        transport.settle()
        assert protocol.told == told
        transport.take()
        assert protocol.told == ["made", "lost"]
        assert transport.aborted is cut


def test_a_multiplexed_stream_tells_of_its_window_once() -> None:
    connection = Multiplex(window=4)
    stream = MultiplexedServerStream("caller", lambda line: None, connection)
    seen = Seen(stream, None, None)  # type: ignore[arg-type]  # no head is looked at
    stream.exchange = seen
    stream.send_head(ResponseHead(200), b"four", False)
    assert seen.blocked
    connection.grant(1)
    assert seen.blocked
    connection.grant(1, stream)
    assert not seen.blocked
    stream.break_off()
    stream.break_off()
    assert seen.cut is Cut.CLIENT_GONE
