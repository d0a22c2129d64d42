"""Base64 that comes in pieces, each of which may be padded on its own (the text form of gRPC-Web)."""

from binascii import Error, a2b_base64, b2a_base64


class Base64Reader:
    """Pieces may be cut anywhere, also within four characters."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, text: bytes) -> bytes:
        """What can be read by now. Raises ValueError where this is not base64."""
        text = self._rest + text if self._rest else text
        whole = len(text) - len(text) % 4
        self._rest = text[whole:]
        pieces: list[bytes] = []
        start = 0
        while start < whole:
            padding = text.find(b"=", start, whole)
            end = whole if padding < 0 else padding - padding % 4 + 4
            pieces.append(_read(text[start:end]))
            start = end
        return b"".join(pieces)

    @property
    def whole(self) -> bool:
        """Nothing is left over."""
        return not self._rest


def write(data: bytes) -> bytes:
    return b2a_base64(data, newline=False)


def _read(text: bytes) -> bytes:
    try:
        return a2b_base64(text, strict_mode=True)
    except Error as error:
        raise ValueError(str(error)) from None
