"""The codecs by their names."""

from minimesh.dataplane.codec import FAST, Codec


def codec_named(name: str) -> Codec:
    """Raises ValueError, with what there is, for a name that is not known.

    The reference codec is loaded when it is asked for: h11 would cost each start 25 ms.
    """
    if name == FAST.name:
        return FAST
    from minimesh.dataplane.reference import CODECS  # noqa: PLC0415 - see above

    if name not in CODECS:
        raise ValueError(f"no codec is called {name!r}: there are {' and '.join(CODECS)}")
    return CODECS[name]
