"""One end of an HTTP/2 connection in a test's hands: the h2 library over a Peer, one event after the other."""

from collections.abc import Sequence
from typing import TypeVar

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    RemoteSettingsChanged,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import SettingCodes, Settings

from tests.integration.dataplane.wire import Peer, Short

Pairs = Sequence[tuple[bytes, bytes]]
E = TypeVar("E", bound=Event)

TUNNELS = {SettingCodes.ENABLE_CONNECT_PROTOCOL: 1}


class Http2Peer:
    """`credit`: give back what came at once; without it the other end has one window and no more."""

    def __init__(self, peer: Peer, *, client: bool, settings: dict[SettingCodes, int] | None = None) -> None:
        self.peer = peer
        self.credit = True
        config = H2Configuration(client_side=client, header_encoding=None, validate_inbound_headers=False)
        self.h2 = H2Connection(config)
        if settings:
            self.h2.local_settings = Settings(client=client, initial_values=settings)
        self._events: list[Event] = []

    async def begin(self) -> None:
        self.h2.initiate_connection()
        await self.flush()

    async def flush(self) -> None:
        data = self.h2.data_to_send()
        if data:
            await self.peer.send(data)

    # --- out ---------------------------------------------------------------------------------------------------

    async def request(self, path: str, fields: Pairs = (), *, method: str = "GET", end: bool = True) -> int:
        pseudo = [(b":method", method.encode()), (b":scheme", b"http"), (b":path", path.encode())]
        return await self._open([*pseudo, (b":authority", b"api"), *fields], end)

    async def websocket(self, fields: Pairs = (), *, end: bool = False) -> int:
        """Extended CONNECT (RFC 8441, section 5.1)."""
        pseudo = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"http"), (b":path", b"/chat")]
        version = (b"sec-websocket-version", b"13")
        return await self._open([*pseudo, (b":authority", b"api"), version, *fields], end)

    async def _open(self, fields: list[tuple[bytes, bytes]], end: bool) -> int:
        number: int = self.h2.get_next_available_stream_id()
        self.h2.send_headers(number, fields, end_stream=end)
        await self.flush()
        return number

    async def answer(self, number: int, status: int, fields: Pairs = (), *, end: bool = False) -> None:
        self.h2.send_headers(number, [(b":status", b"%d" % status), *fields], end_stream=end)
        await self.flush()

    async def send(self, number: int, data: bytes, *, end: bool = False) -> None:
        """Within the window."""
        self.h2.send_data(number, data, end_stream=end)
        await self.flush()

    async def pour(self, number: int, data: bytes) -> None:
        """As fast as the windows open."""
        h2 = self.h2
        while data:
            size = min(h2.local_flow_control_window(number), h2.max_outbound_frame_size, len(data))
            if size:
                await self.send(number, data[:size])
                data = data[size:]
            else:
                await self._more()

    async def trailers(self, number: int, fields: Pairs) -> None:
        self.h2.send_headers(number, fields, end_stream=True)
        await self.flush()

    async def reset(self, number: int, code: int = 8) -> None:
        self.h2.reset_stream(number, code)
        await self.flush()

    # --- in ----------------------------------------------------------------------------------------------------

    async def _more(self) -> None:
        if not await self.peer._more():
            raise Short(b"", reset=False)
        data, self.peer._kept = self.peer._kept, b""
        for event in self.h2.receive_data(data):
            if isinstance(event, DataReceived) and self.credit and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self._events.append(event)
        await self.flush()

    async def next(self, kind: type[E], number: int = 0) -> E:
        """The next event of a kind, on that stream if given; what came before it stays."""
        while True:
            for event in self._events:
                if isinstance(event, kind) and number in (0, getattr(event, "stream_id", 0)):
                    self._events.remove(event)
                    return event
            await self._more()

    async def told(self) -> dict[int, int]:
        """The other end's first SETTINGS."""
        event = await self.next(RemoteSettingsChanged)
        return {int(code): setting.new_value for code, setting in event.changed_settings.items()}

    async def requested(self) -> tuple[int, dict[bytes, bytes]]:
        event = await self.next(RequestReceived)
        return event.stream_id, dict(event.headers)

    async def head(self, number: int) -> dict[bytes, bytes]:
        return dict((await self.next(ResponseReceived, number)).headers)

    async def interim(self, number: int) -> dict[bytes, bytes]:
        return dict((await self.next(InformationalResponseReceived, number)).headers)

    async def trailing(self, number: int) -> dict[bytes, bytes]:
        return dict((await self.next(TrailersReceived, number)).headers)

    async def exactly(self, number: int, size: int) -> bytes:
        """Pieces that make up `size` bytes."""
        data = b""
        while len(data) < size:
            data += (await self.next(DataReceived, number)).data
        assert len(data) == size
        return data

    async def ended(self, number: int) -> None:
        await self.next(StreamEnded, number)

    async def was_reset(self, number: int) -> int:
        return int((await self.next(StreamReset, number)).error_code)

    async def going_away(self) -> int:
        return int((await self.next(ConnectionTerminated)).error_code or 0)

    def has_trailers(self, number: int) -> bool:
        return any(isinstance(event, TrailersReceived) and event.stream_id == number for event in self._events)
