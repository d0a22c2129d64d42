"""Integers with a prefix (RFC 7541, 5.1)."""

from minimesh.dataplane.http2.hpack.errors import HpackError

MOST = 2**31 - 1
_MOST_BITS = 7 * 5


def read(data: bytes, at: int, prefix: int) -> tuple[int, int]:
    """The integer whose prefix (a mask: 0x7f, 0x3f, 0x1f, 0x0f) is in the byte at `at`, and where it ends."""
    try:
        value = data[at] & prefix
        at += 1
        if value < prefix:
            return value, at
        for shift in range(0, _MOST_BITS, 7):
            byte = data[at]
            at += 1
            value += (byte & 0x7F) << shift
            if byte < 0x80:
                break
        else:
            raise HpackError("an integer goes on for more than 5 bytes")
    except IndexError:
        raise HpackError("the block ends within an integer") from None
    if value > MOST:
        raise HpackError("an integer is larger than 2^31 - 1")
    return value, at


def written(value: int, prefix: int, flags: int = 0) -> bytes:
    """The bytes of `value` with the prefix mask `prefix`; `flags`: the first byte's other bits."""
    if value < prefix:
        return bytes((flags | value,))
    data = bytearray((flags | prefix,))
    value -= prefix
    while value >= 0x80:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)
