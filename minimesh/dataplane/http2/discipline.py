"""What a peer may ask of us and what it is forgiven, whichever codec reads it (see life.py)."""

from minimesh.dataplane.http2.frames import WINDOW, Code, ConnectionFault
from minimesh.dataplane.http2.life import NO_SLOTS, ConnectionLife, StreamLife
from minimesh.dataplane.http2.patience import Patience

_MOST_RESETS, _RESETS_A_SECOND = 200, 20
_MOST_IDLE_FRAMES, _IDLE_FRAMES_A_SECOND = 2_000, 200
_MOST_FORGIVEN = 1_024

SLOTS = ("_calm", "_resets", "forgiven", "paid")


class Discipline(ConnectionLife):
    """`forgiven`: streams that we have reset, and how much more may be on its way for each. `paid`: frames that the
    peer may send for the data that it got."""

    __slots__ = NO_SLOTS

    forgiven: dict[int, int]
    paid: int
    _resets: Patience
    _calm: Patience

    def be_patient(self) -> None:
        self.forgiven = {}
        self.paid = 0
        self._resets = Patience(_MOST_RESETS, _RESETS_A_SECOND)
        self._calm = Patience(_MOST_IDLE_FRAMES, _IDLE_FRAMES_A_SECOND)

    def forgive(self, number: int) -> None:
        """We reset this stream: what the peer sent before it heard of that is not held against it."""
        forgiven = self.forgiven
        if len(forgiven) >= _MOST_FORGIVEN:
            del forgiven[next(iter(forgiven))]
        forgiven[number] = WINDOW

    def break_stream(self, stream: StreamLife, code: Code, detail: str) -> None:
        """The peer broke a rule that concerns one stream (RFC 9113, section 5.4.2)."""
        stream.cancel(code)
        stream.broken(code, detail)
        self.reset_again()

    def reset_again(self) -> None:
        """A stream was reset, by the peer or because of it: rapid reset, and made-you-reset."""
        if not self._resets.spend(self.wheel.now):
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "too many streams were reset")

    def _bookkeeping(self, cost: float) -> None:
        """A frame that a peer may well send for data that it gets: some do so for each piece of it."""
        if self.paid:
            self.paid -= 1
        else:
            self.nuisance(cost)

    def nuisance(self, cost: float = 1.0) -> None:
        """A frame that is allowed and brings nobody anything."""
        if not self._calm.spend(self.wheel.now, cost):
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "too many frames that carry nothing")

    def fail(self, code: Code, detail: str) -> None:
        """The peer broke a rule that concerns all: no stream goes on."""
        if self.ending:
            return
        streams = self.take_streams()
        self.end(code, detail)
        for stream in streams:
            stream.broken(code, detail)
