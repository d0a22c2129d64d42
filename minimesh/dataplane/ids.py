"""What makes an exchange findable: a W3C trace context of its own for each (Trace Context, level 1)."""

from collections.abc import Callable

RandomBits = Callable[[int], int]


def traceparent(incoming: bytes, random_bits: RandomBits) -> bytes:
    """Continue a valid incoming `traceparent` with a span of ours, or begin a sampled trace.

    The result is always 55 bytes, `00-<trace, 32>-<span, 16>-<flags, 2>`; the span names the exchange.
    """
    if incoming:
        return b"%b%016x%b" % (incoming[:36], random_bits(64) | 1, incoming[52:])
    return b"00-%032x-%016x-01" % (random_bits(128) | 1, random_bits(64) | 1)


def trace_id(context: bytes) -> bytes:
    return context[3:35]


def span_id(context: bytes) -> bytes:
    return context[36:52]
