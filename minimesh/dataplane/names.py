"""Names of fields that the mesh alone may say."""

_OURS = b"x-minimesh-"
_BELIEVED = (_OURS, b"x-forwarded-", b"x-real-ip")


def is_forged(name: bytes) -> bool:
    """Whether a field that came (its name in lower case) claims to be of ours: x-minimesh-*. And with `_` for `-` also
    those that services believe of a proxy: CGI, and WSGI after it, cannot tell the two apart."""
    if name.startswith(_OURS):
        return True
    return b"_" in name and name.replace(b"_", b"-").startswith(_BELIEVED)
