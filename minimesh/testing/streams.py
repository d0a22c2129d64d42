"""Fake streams: they write down what an exchange asks of them, and complain when it breaks the contract."""

from collections.abc import Callable

from minimesh.dataplane.heads import Fields, OutgoingHead, ResponseHead
from minimesh.dataplane.streams import ClientEvents, ServerEvents
from minimesh.model.caller import Caller
from minimesh.model.identity import Identity

Note = Callable[[str], None]


class ContractError(AssertionError):
    """A call that `minimesh.dataplane.streams` rules out."""


def show(*parts: object) -> str:
    """One line of a conversation: texts as they are, bytes in quotes, what is empty left out."""
    words = [repr(part) if isinstance(part, bytes) else str(part) for part in parts if part not in ("", b"", None)]
    return " ".join(words)


def show_trailers(trailers: Fields | None) -> str:
    return "" if trailers is None else "trailers " + ",".join(f"{n.decode()}={v.decode()}" for n, v in trailers.pairs)


class FakeServerStream:
    """Towards a caller; `note` gets a line for each call. `exchange` is whom to tell."""

    caller = Caller(Identity("test.local", "web"))
    loopback = True
    protocol = "http/1.1"
    peer = "127.0.0.1:50000"

    def __init__(self, name: str, note: Note) -> None:
        self.name = name
        self.exchange: ServerEvents | None = None
        self.due: float | None = None
        self.head: ResponseHead | None = None
        self.body = b""
        self.over_or_ended = False
        self._note = note
        self._tunnel = False

    def send_informational(self, head: ResponseHead) -> None:
        self._expect(self.head is None, "an interim head after the head")
        self._say("informational", head.status)

    def send_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        self._expect(self.head is None, "a second head")
        self._say("head", head.status, data, "end" if end else "")
        self.head = head
        self._tunnel = bool(head.upgrade)
        self.over_or_ended = end
        self._carry(data)

    def send_data(self, data: bytes) -> None:
        self._expect(self.head is not None, "data before the head")
        self._say("data", data)
        self._carry(data)

    def send_end(self, trailers: Fields | None) -> None:
        self._expect(self.head is not None, "an end before the head")
        self._say("end", show_trailers(trailers))
        self.over_or_ended = not self._tunnel

    def reset(self) -> None:
        self._say("reset")
        self.over_or_ended = True

    def over(self) -> None:
        self._expect(self._tunnel, "over, and no tunnel")
        self._say("over")
        self.over_or_ended = True

    def pause(self) -> None:
        self._say("pause")

    def resume(self) -> None:
        self._say("resume")

    def arm(self, due: float) -> None:
        self.due = due

    def _carry(self, data: bytes) -> None:
        self.body += data

    def _say(self, *parts: object) -> None:
        self._expect(not self.over_or_ended, f"{show(*parts)!r} although it is over")
        self._note(show(self.name, *parts))

    def _expect(self, held: bool, what: str) -> None:
        if not held:
            raise ContractError(f"{self.name}: {what}")


class FakeClientStream:
    """Towards an endpoint, for one exchange. `kept`: it has served before."""

    def __init__(self, name: str, note: Note, *, kept: bool = False) -> None:
        self.name = name
        self.kept = kept
        self.exchange: ClientEvents | None = None
        self.request: OutgoingHead | None = None
        self.request_id = self.traceparent = self.body = b""
        self.request_ended = self.was_reset = False
        self._note = note

    def send_head(self, request: OutgoingHead, request_id: bytes, traceparent: bytes, data: bytes, end: bool) -> None:
        self._expect(self.request is None, "a second head")
        self._say("head", request.method.decode(), request.target.decode(), data, "end" if end else "")
        self.request, self.request_id, self.traceparent = request, request_id, traceparent
        self.request_ended = end
        self._carry(data)

    def send_data(self, data: bytes) -> None:
        self._expect(self.request is not None, "data before the head")
        self._expect(not self.request_ended, "data after the end")
        self._say("data", data)
        self._carry(data)

    def send_end(self, trailers: Fields | None) -> None:
        self._expect(self.request is not None, "an end before the head")
        self._expect(not self.request_ended, "a second end")
        self._say("end", show_trailers(trailers))
        self.request_ended = True

    def reset(self) -> None:
        self._say("reset")
        self.was_reset = True
        self.exchange = None

    def pause(self) -> None:
        self._say("pause")

    def resume(self) -> None:
        self._say("resume")

    def _carry(self, data: bytes) -> None:
        self.body += data

    def _say(self, *parts: object) -> None:
        self._expect(not self.was_reset, f"{show(*parts)!r} although it was reset")
        self._note(show(self.name, *parts))

    def _expect(self, held: bool, what: str) -> None:
        if not held:
            raise ContractError(f"{self.name}: {what}")
