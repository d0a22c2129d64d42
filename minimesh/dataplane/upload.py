"""A request's body on its way: what could not be sent yet, and what may have to be sent again."""

from minimesh.dataplane.heads import Fields
from minimesh.policy.resend import KEPT_BODY


class Upload:
    """Keeps the body while it is small; beyond that, only until it has been sent once."""

    __slots__ = ("_pieces", "_size", "ended", "resendable", "trailers")

    def __init__(self, data: bytes, ended: bool) -> None:
        self._pieces = [data] if data else []
        self._size = len(data)
        self.ended = ended
        self.trailers: Fields | None = None
        self.resendable = True

    def keep(self, data: bytes, sent: bool) -> None:
        """`sent`: it went to the endpoint already."""
        if not self.resendable:
            return
        self._pieces.append(data)
        self._size += len(data)
        if sent:
            self._give_up()

    def take(self) -> bytes:
        """All of the body so far, to be sent now."""
        data = b"".join(self._pieces)
        self._pieces = [data]
        self._give_up()
        return data

    def _give_up(self) -> None:
        if self._size > KEPT_BODY:
            self._pieces.clear()
            self.resendable = False

    @property
    def full(self) -> bool:
        return self._size > KEPT_BODY
