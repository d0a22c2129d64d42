"""Where an exchange can send: what it needs of a service and of its endpoints, whoever implements them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from minimesh.dataplane.heads import OutgoingHead
from minimesh.dataplane.streams import ClientEvents, ClientStream
from minimesh.model import snapshot
from minimesh.policy.admission import Admission

if TYPE_CHECKING:
    from minimesh.dataplane.transcoding.compiled import Compiled


class Dial:
    """A connection that is being made for an exchange. An exchange that is over lets go of it. `tunnel`: it asks for
    an upgrade."""

    __slots__ = ("exchange", "tunnel")

    def __init__(self, exchange: ClientEvents, tunnel: bool = False) -> None:
        self.exchange: ClientEvents | None = exchange
        self.tunnel = tunnel


class Pool(Protocol):
    """One endpoint of a service and the streams to it."""

    name: str

    def take(self, exchange: ClientEvents, request: OutgoingHead, sure: bool) -> ClientStream | None:
        """A stream for `request` that is there already, if there is one; `sure`: only one that the endpoint has not
        closed yet, as far as this machine knows."""
        ...

    def dial(self, exchange: ClientEvents, request: OutgoingHead) -> Dial:
        """A new one, which will come as `client_ready` or `client_failed`, never during this call."""
        ...


class Destination(Protocol):
    """A service as something to send to."""

    spec: snapshot.Upstream
    admission: Admission

    def pick(self, avoid: Pool | None = None) -> Pool | None:
        """The next endpoint, another than `avoid` where there is one; None when none is ready."""
        ...

    @property
    def transcoded(self) -> "Compiled | bool":
        """What it can be asked as REST; False: nothing, True: it has to tell first."""
        ...

    @property
    def takes_grpc(self) -> bool | None:
        """Whether gRPC can be sent to it; None: nobody said, and it has not shown what it speaks."""
        ...

    def find_out(self, then: Callable[[], None]) -> None:
        """What it speaks, as far as it shows it now; `then` is called, never during this call."""
        ...
