"""One stream of a connection as both sides of the mesh know it, whichever codec of HTTP/2 carries it.

Three classes make one: this, which says what there is; the codec's own, which sends and receives; and the role, towards
a caller or towards an endpoint, which stands before the codec's and joins it to an exchange.
"""

from minimesh.dataplane.heads import Fields
from minimesh.dataplane.http2.frames import Code

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
