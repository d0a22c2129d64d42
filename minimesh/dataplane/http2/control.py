"""What a peer says of the connection, not of a request: SETTINGS, windows, PING, GOAWAY (RFC 9113, section 6)."""

from minimesh.dataplane.http2.fields import Field
from minimesh.dataplane.http2.frames import (
    ACK,
    CONTINUATION,
    FRAME_SIZE,
    GOAWAY,
    LARGEST_WINDOW,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    SETTINGS_ACK,
    WINDOW_UPDATE,
    Code,
    ConnectionFault,
    Setting,
    number_in,
    ping,
    settings_in,
)
from minimesh.dataplane.http2.hpack import Decoder
from minimesh.dataplane.http2.windows import Windows
from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.wheel import Wheel


class Control(Windows):
    """`_settled`: the peer has acknowledged our SETTINGS."""

    __slots__ = ("_decoder", "_settled")

    def __init__(self, wheel: Wheel, outbox: Outbox, decoder: Decoder[Field]) -> None:
        super().__init__(wheel, outbox)
        self._decoder = decoder
        self._settled = False

    # --- for the role --------------------------------------------------------------------------------------------

    def changed(self, setting: int, value: int) -> None:
        """A setting of the peer that the role alone knows."""

    # --- its frames ----------------------------------------------------------------------------------------------

    def _control(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if kind == WINDOW_UPDATE:
            self._window_update(number, payload)
        elif kind == RST_STREAM:
            self._rst_stream(number, payload)
        elif kind == SETTINGS:
            self._settings(flags, number, payload)
        elif kind == PING:
            self._ping(flags, number, payload)
        elif kind == GOAWAY:
            if number or len(payload) < 8:
                raise ConnectionFault(Code.PROTOCOL_ERROR if number else Code.FRAME_SIZE_ERROR, "GOAWAY is malformed")
            self.nuisance()
            self.going_away(number_in(payload), number_in(payload, 4), payload[8:264].decode("latin-1"))
        elif kind == PRIORITY:
            if len(payload) != 5 or not number:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR if number else Code.PROTOCOL_ERROR, "PRIORITY is malformed")
            if number_in(payload) == number:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "a stream depends on itself")
            self.nuisance()
        elif kind in (PUSH_PROMISE, CONTINUATION):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a frame came that may not come here")
        else:
            # RFC 9113, section 4.1: frames that are not known are ignored.
            self.nuisance()

    def _window_update(self, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "WINDOW_UPDATE has not four bytes")
        size = number_in(payload)
        if not number:
            if not size:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "a window is opened by nothing")
            self.window += size
            if self.window > LARGEST_WINDOW:
                raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "the window is over 2^31 - 1")
            if self.stalled:
                self._pump_stalled()
            else:
                self._bookkeeping(0.1)
            return
        stream = self.streams.get(number)
        if stream is None:
            if self.is_idle(number):
                raise ConnectionFault(
                    Code.PROTOCOL_ERROR, f"the window of stream {number} is opened, which is not open"
                )
            self._bookkeeping(0.1)
            return
        stream.window += size
        if not size or stream.window > LARGEST_WINDOW:
            code = Code.FLOW_CONTROL_ERROR if size else Code.PROTOCOL_ERROR
            self.break_stream(stream, code, "its window is opened by nothing, or too far")
        elif stream.unsent:
            stream.pump()
        else:
            self._bookkeeping(0.1)

    def _rst_stream(self, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "RST_STREAM has not four bytes")
        if not number or self.is_idle(number):
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"stream {number} is reset, which is not open")
        stream = self.streams.get(number)
        if stream is None:
            if self.forgiven.pop(number, None) is None:
                self.nuisance()
            return
        young = stream.is_young()
        self.forget(stream)
        stream.was_reset(number_in(payload))
        if young:
            self.reset_again()
        else:
            self._bookkeeping(1.0)

    def _settings(self, flags: int, number: int, payload: bytes) -> None:
        """RFC 9113, section 6.5."""
        if number:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "SETTINGS came on a stream")
        if len(payload) % 6 or (flags & ACK and payload):
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "SETTINGS has a wrong size")
        if flags & ACK:
            if self._settled:
                self.nuisance()
            else:
                self._settled = True
                self._decoder.announce(0)
            return
        self.nuisance(1.0 + len(payload) / 60)
        before = self.first_window
        for setting, value in settings_in(payload):
            self._set(setting, value)
        # Before anything that makes use of them: a peer may count by the old ones until it sees this.
        self.write(SETTINGS_ACK)
        if self.first_window > before:
            for stream in tuple(self.streams.values()):
                stream.pump()

    def _set(self, setting: int, value: int) -> None:
        if setting == Setting.INITIAL_WINDOW_SIZE:
            if value > LARGEST_WINDOW:
                raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "the first window is over 2^31 - 1")
            more = value - self.first_window
            self.first_window = value
            for stream in self.streams.values():
                stream.window += more
                if stream.window > LARGEST_WINDOW:
                    raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "a window is over 2^31 - 1")
        elif setting == Setting.MAX_FRAME_SIZE:
            if not FRAME_SIZE <= value < 1 << 24:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "the size of frames is out of bounds")
        elif setting in (Setting.ENABLE_PUSH, Setting.ENABLE_CONNECT_PROTOCOL):
            if value > 1:
                raise ConnectionFault(Code.PROTOCOL_ERROR, f"{Setting(setting).name} is neither 0 nor 1")
            self.changed(setting, value)
        else:
            self.changed(setting, value)

    def _ping(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "PING came on a stream")
        if len(payload) != 8:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "PING has not eight bytes")
        self._bookkeeping(1.0)
        if flags & ACK:
            self.ponged()
        else:
            self.write(ping(payload, ACK))
