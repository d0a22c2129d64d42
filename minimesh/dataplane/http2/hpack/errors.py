"""What goes wrong with a block of fields."""


class HpackError(Exception):
    """The block cannot be decoded, nor any after it: a connection error, COMPRESSION_ERROR (RFC 9113, 4.3)."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class TooLarge(Exception):  # noqa: N818 - what came is, and the connection may go on
    """More fields, or more bytes of them, than this end takes. The decoder is right for what follows."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
