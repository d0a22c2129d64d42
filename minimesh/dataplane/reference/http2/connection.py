"""A connection, whichever side it is on: each frame is screened, then given to the library."""

import asyncio

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, StreamReset
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from minimesh.dataplane.http2.discipline import Discipline
from minimesh.dataplane.http2.frames import LAST_NUMBER, PREFACE, WINDOW, Code, ConnectionFault, Setting
from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.reference.http2.fields import Unpacker
from minimesh.dataplane.reference.http2.frames import Frames
from minimesh.dataplane.reference.http2.stream import ReferenceStream
from minimesh.dataplane.wheel import Wheel

_LINGER = 0.5
_KNOWN = frozenset(Setting)


class ReferenceConnection(Discipline):
    """`_promised`: the highest stream that we have told the peer of."""

    _transport: asyncio.Transport

    def __init__(self, wheel: Wheel, outbox: Outbox, unpacker: Unpacker, *, client: bool) -> None:
        super().__init__()
        self.wheel = wheel
        self.outbox = outbox
        self.streams: dict[int, ReferenceStream] = {}
        self.blocked = self.ending = False
        self.be_patient()
        self._unpacker = unpacker
        self._settled = False
        self._out = b""
        self._last = 0
        self._promised = LAST_NUMBER
        self._frames = Frames()
        # Fields are held to the rules by our own readings, which break one stream where the library breaks all.
        self.library = H2Connection(
            H2Configuration(
                client_side=client,
                header_encoding=None,
                validate_inbound_headers=False,
                normalize_inbound_headers=False,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        # So are streams counted, one too many of which is refused.
        self.library.local_settings = Settings(
            client=client, initial_values={SettingCodes.MAX_CONCURRENT_STREAMS: LAST_NUMBER}
        )

    # --- for the role ------------------------------------------------------------------------------------------

    def head_came(self, number: int, block: bytes, end: bool) -> None:
        """A whole block: whatever becomes of it, it is unpacked, or the connection ends."""
        raise NotImplementedError

    def settings_came(self, settings: dict[int, int]) -> None:
        """Of the peer; the library has taken them."""

    # --- out ---------------------------------------------------------------------------------------------------

    def greet(self, ours: dict[Setting, int], window: int) -> None:
        """Our settings, in our order, in place of the library's."""
        self.library.initiate_connection()
        self.library.clear_outbound_data_buffer()
        preface = PREFACE if self.library.config.client_side else b""
        self._queue(preface + SettingsFrame(0, settings={int(key): value for key, value in ours.items()}).serialize())
        self.library.increment_flow_control_window(window - WINDOW)
        self.write()

    def write(self, *frames: Frame) -> None:
        """What the library has to say, and then what it cannot."""
        self._queue(self.library.data_to_send() + b"".join(frame.serialize() for frame in frames))

    def _queue(self, data: bytes) -> None:
        if data:
            if not self._out:
                self.outbox.add(self)
            self._out += data

    def flush(self) -> None:
        out, self._out = self._out, b""
        if out and not self.ending and not self._transport.is_closing():
            self._transport.write(out)

    def say_ping(self, payload: bytes) -> None:
        self.library.ping(payload)
        self.write()

    def say_farewell(self, last: int) -> None:
        self.write(self.farewell(last, Code.NO_ERROR, "draining"))

    def farewell(self, last: int, code: Code, detail: str) -> GoAwayFrame:
        """The library's own ends the connection at once. No stream may be promised that an earlier one has taken back
        (RFC 9113, section 6.8)."""
        self._promised = min(self._promised, last)
        return GoAwayFrame(0, self._promised, code, detail.encode()[:256])

    def end(self, code: Code = Code.NO_ERROR, detail: str = "") -> None:
        if self.ending:
            return
        self.flush()
        self.ending = True
        transport = self._transport
        if not transport.is_closing():
            transport.write(self.farewell(self._last, code, detail).serialize())
            if transport.can_write_eof():
                transport.write_eof()
            self.wheel.arm(self, self.wheel.now + _LINGER)

    def pause_writing(self) -> None:
        self.blocked = True

    def resume_writing(self) -> None:
        self.blocked = False
        self._pump()

    def _pump(self) -> None:
        for stream in tuple(self.streams.values()):
            if self.streams.get(stream.number) is stream:
                stream.pump()

    # --- frames in ---------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self.ending:
            return
        try:
            for frame in self._frames.cut(data):
                self._take(frame)
                if self.ending:
                    return
        except ConnectionFault as fault:
            self.fail(fault.code, fault.detail)
        except ProtocolError as error:
            self.fail(Code(error.error_code), str(error))

    def _take(self, frame: Frame) -> None:
        match frame:
            case HeadersFrame():
                self.head_came(frame.stream_id, frame.data, "END_STREAM" in frame.flags)
            case DataFrame():
                self._data(frame)
            case RstStreamFrame():
                self._rst_stream(frame)
            case WindowUpdateFrame():
                self._window_update(frame)
            case SettingsFrame():
                self._settings(frame)
            case PingFrame():
                self._bookkeeping(1.0)
                self._give(frame)
                if "ACK" in frame.flags:
                    self.ponged()
            case GoAwayFrame():
                # The library would take nothing more.
                self.nuisance()
                detail = (frame.additional_data or b"")[:256].decode("latin-1")
                self.going_away(frame.last_stream_id & LAST_NUMBER, frame.error_code, detail)
            case _:
                # Priorities, and what nobody knows (RFC 9113, section 4.1).
                self.nuisance()

    def _give(self, frame: Frame) -> list[Event]:
        events = self.library.receive_data(frame.serialize())
        self.write()
        return events

    def give_head(self, number: int, block: bytes, end: bool) -> None:
        """To the library, which has to know of heads, and not what is in them."""
        flags = ["END_HEADERS", "END_STREAM"] if end else ["END_HEADERS"]
        self._give(HeadersFrame(number, data=block, flags=flags))

    def _settings(self, frame: SettingsFrame) -> None:
        if "ACK" in frame.flags:
            if self._settled:
                self.nuisance()
            self._settled = True
            self._unpacker.end_table()
            return
        self.nuisance(1.0 + frame.body_len / 60)
        # hyperframe writes the lower half alone of a setting's number, which would make another of an unknown one.
        known = {number: value for number, value in frame.settings.items() if number in _KNOWN}
        self._give(SettingsFrame(0, settings=known))
        self.settings_came(known)
        self._pump()

    def _window_update(self, frame: WindowUpdateFrame) -> None:
        number, size = frame.stream_id, frame.window_increment
        if not number:
            if not size:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "a window is opened by nothing")
            if not any(stream.unsent for stream in self.streams.values()):
                self._bookkeeping(0.1)
            self._give(frame)
            self._pump()
            return
        stream = self.streams.get(number)
        if stream is None:
            if self.is_idle(number):
                raise ConnectionFault(Code.PROTOCOL_ERROR, f"the window of stream {number} is opened: it is not open")
            self._bookkeeping(0.1)
            return
        if not size:
            self.break_stream(stream, Code.PROTOCOL_ERROR, "its window is opened by nothing")
            return
        if not stream.unsent:
            self._bookkeeping(0.1)
        if any(isinstance(event, StreamReset) for event in self._give(frame)):
            # The library has reset it.
            stream.drop()
            self.forgive(number)
            self.forget(stream)
            stream.broken(Code.FLOW_CONTROL_ERROR, "its window is opened too far")
            self.reset_again()
            return
        stream.pump()

    def _rst_stream(self, frame: RstStreamFrame) -> None:
        number = frame.stream_id
        if self.is_idle(number):
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"stream {number} is reset, which is not open")
        stream = self.streams.get(number)
        if stream is None:
            if self.forgiven.pop(number, None) is None:
                self.nuisance()
            return
        young = stream.is_young()
        self._give(frame)
        self.forget(stream)
        stream.was_reset(frame.error_code)
        if young:
            self.reset_again()
        else:
            self._bookkeeping(1.0)

    # --- bodies in ---------------------------------------------------------------------------------------------

    def _data(self, frame: DataFrame) -> None:
        number, size, end = frame.stream_id, frame.flow_controlled_length, "END_STREAM" in frame.flags
        if size > self.library.inbound_flow_control_window:
            raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "more came than the window of the connection")
        stream = self.streams.get(number)
        if stream is None or stream.remote_ended:
            self._late_data(frame)
            return
        if not frame.data and not end:
            self.nuisance()
        if stream.awaits_head:
            self.break_stream(stream, Code.PROTOCOL_ERROR, "its body comes before its head")
            self._swallow(frame)
            return
        if size > self.library.remote_flow_control_window(number):
            self.break_stream(stream, Code.FLOW_CONTROL_ERROR, "more came than its window")
            self._swallow(frame)
            return
        if stream.expected >= 0:
            stream.expected -= len(frame.data)
            if stream.expected < 0 or (end and stream.expected):
                self.break_stream(stream, Code.PROTOCOL_ERROR, "its body is not as long as Content-Length says")
                self._swallow(frame)
                return
        stream.touched = self.wheel.now
        stream.remote_ended = end
        for event in self._give(frame):
            if isinstance(event, DataReceived):
                stream.data(event.data or b"", end)
        if stream.paused and not end and self.streams.get(number) is stream:
            stream.held += size
        else:
            self.taken(number, size)

    def _late_data(self, frame: DataFrame) -> None:
        """For a stream that is over, or that never was."""
        number, size = frame.stream_id, frame.flow_controlled_length
        if self.is_idle(number):
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"there is data on stream {number}, which is not open")
        left = self.forgiven.get(number, -1) - size
        if left < 0:
            raise ConnectionFault(Code.STREAM_CLOSED, f"there is data on stream {number}, which is over")
        self.forgiven[number] = left
        if not size:
            self.nuisance()
        self._swallow(frame)

    def _swallow(self, frame: DataFrame) -> None:
        """Data for a stream that we have reset still counts in the connection's window. That the library resets it
        once more is left out."""
        self.library.receive_data(frame.serialize())
        said = self.library.data_to_send()
        for again in Frames().cut(said):
            if isinstance(again, WindowUpdateFrame):
                self.write(again)

    def taken(self, number: int, size: int) -> None:
        """`size` more of the stream's data is: the peer may send as much again."""
        self.library.acknowledge_received_data(size, number)
        self.write()

    # --- the end of streams ------------------------------------------------------------------------------------

    def forget(self, stream: ReferenceStream) -> None:
        """It is over, both ways."""
        if self.streams.pop(stream.number, None) is None:
            return
        held, stream.held = stream.held, 0
        self.taken(stream.number, held)
        if not self.streams:
            self.empty()

    def take_streams(self) -> tuple[ReferenceStream, ...]:
        """All that there are, which are no longer this connection's."""
        streams = tuple(self.streams.values())
        self.streams.clear()
        return streams
