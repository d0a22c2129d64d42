"""What a codec raises inside itself; it never leaves the codec."""

from minimesh.model.reason import Reason


class Malformed(Exception):  # noqa: N818 - the input is malformed, not the program
    """The peer's bytes are not acceptable: the reason to answer with, and what exactly was wrong."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
