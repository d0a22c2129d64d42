"""A connection of HTTP/2 and its streams, whichever codec carries them.

Three classes make each: one of these, which says what there is; the codec's own, which sends and receives; and the
role, towards a caller or towards an endpoint, which stands before the codec's.
"""

import asyncio
from collections.abc import Mapping

from minimesh.dataplane.heads import Fields
from minimesh.dataplane.http2.frames import Code, Setting
from minimesh.dataplane.wheel import Timed, Wheel

NO_SLOTS: tuple[str, ...] = ()
"""Of a class that others stand beside: only one of several bases can have slots, so the class itself has them."""


class StreamLife:
    """`expected`: bytes that the peer's body still has to have, -1 where nobody said. `blocked`: the exchange knows
    that something waits. `due`: its deadline, `touched`: when a byte last passed."""

    __slots__ = NO_SLOTS

    number: int
    expected: int
    due: float
    touched: float
    paused: bool
    blocked: bool
    local_ended: bool
    remote_ended: bool

    # --- the role ------------------------------------------------------------------------------------------

    def data(self, data: bytes, end: bool) -> None:
        """Some of the peer's body."""
        raise NotImplementedError

    def broken(self, code: Code, detail: str) -> None:
        """The peer broke the rules for this stream, which has been reset."""
        raise NotImplementedError

    def was_reset(self, code: int) -> None:
        """By the peer."""
        raise NotImplementedError

    def tell(self, blocked: bool) -> None:
        """The exchange: something waits now, or nothing any more."""
        raise NotImplementedError

    def is_young(self) -> bool:
        """Whether it was opened just now, so that a reset of it is one of those that attack."""
        raise NotImplementedError

    def timed_out(self, now: float) -> float:
        """Whatever is due by now; when to look again."""
        raise NotImplementedError

    # --- the codec ---------------------------------------------------------------------------------------------

    @property
    def unsent(self) -> bool:
        """Something waits for a window, or for the transport."""
        raise NotImplementedError

    def send_data(self, data: bytes) -> None:
        raise NotImplementedError

    def finish(self, trailers: Fields | None) -> None:
        """Our side is whole once what waits is sent."""
        raise NotImplementedError

    def pause(self) -> None:
        raise NotImplementedError

    def resume(self) -> None:
        raise NotImplementedError

    def cancel(self, code: Code) -> None:
        """Reset it, unless it is over already."""
        raise NotImplementedError

    def drop(self) -> None:
        """Nothing more of it is sent."""
        raise NotImplementedError

    def leave(self) -> None:
        """It is over, both ways: the connection forgets it."""
        raise NotImplementedError


class ConnectionLife(Timed):
    """`blocked`: the transport takes no more. `ending`: the last is said, and nothing that comes is read any more.
    `forgiven`: streams that we have reset. `_last`: the highest stream that the peer has opened."""

    __slots__ = NO_SLOTS

    wheel: Wheel
    streams: Mapping[int, StreamLife]
    blocked: bool
    ending: bool
    forgiven: dict[int, int]
    _last: int
    _transport: asyncio.Transport

    # --- the role ----------------------------------------------------------------------------------------------

    def is_idle(self, number: int) -> bool:
        """No stream of this number was opened yet."""
        raise NotImplementedError

    def empty(self) -> None:
        """The last stream is over."""
        raise NotImplementedError

    def going_away(self, last: int, code: int, detail: str) -> None:
        """The peer opens or takes no more streams above `last`."""
        raise NotImplementedError

    def continuing(self, begins: bool) -> None:
        """A head is not whole yet, or it is now: for the time that it may take."""

    def ponged(self) -> None:
        """A PING of ours came back."""

    # --- the codec ---------------------------------------------------------------------------------------------

    def greet(self, ours: dict[Setting, int], window: int) -> None:
        """Say our SETTINGS, and let all streams together have `window` bytes on their way."""
        raise NotImplementedError

    def say_ping(self, payload: bytes) -> None:
        raise NotImplementedError

    def say_farewell(self, last: int) -> None:
        """GOAWAY, without ending: the streams up to `last` go on."""
        raise NotImplementedError

    def pause_writing(self) -> None:
        raise NotImplementedError

    def resume_writing(self) -> None:
        raise NotImplementedError

    def take_streams(self) -> tuple[StreamLife, ...]:
        """All that there are, which are no longer this connection's."""
        raise NotImplementedError

    def reset_again(self) -> None:
        """A stream was reset, by the peer or because of it: rapid reset, and made-you-reset."""
        raise NotImplementedError

    def fail(self, code: Code, detail: str) -> None:
        """The peer broke a rule that concerns all: no stream goes on."""
        raise NotImplementedError

    def end(self, code: Code = Code.NO_ERROR, detail: str = "") -> None:
        """Say GOAWAY, and close: our side first, so that it arrives."""
        raise NotImplementedError
