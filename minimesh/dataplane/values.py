"""Values of fields that a proxy believes only where they are well-formed, whatever the protocol they came in."""

import re

VISIBLE = bytes(range(0x21, 0x7F))

# RFC 3986, section 3.2.2, without user information and without what only a list or an attack would hold.
_AUTHORITY = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_TRACE_CONTEXT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_LONGEST_AUTHORITY = 261
"""A name of 253 characters, brackets, a colon and a port."""
_LONGEST_REQUEST_ID = 128


def authority(value: bytes) -> bytes:
    """A host and perhaps a port, in lower case; b"" where it is anything else."""
    return value.lower() if len(value) <= _LONGEST_AUTHORITY and _AUTHORITY.fullmatch(value) else b""


def request_id(value: bytes) -> bytes:
    """X-Request-Id, or b""."""
    return value if len(value) <= _LONGEST_REQUEST_ID and not value.translate(None, VISIBLE) else b""


def trace_context(value: bytes) -> bytes:
    """`traceparent` of Trace Context, level 1, or b""."""
    return value if _TRACE_CONTEXT.fullmatch(value) else b""
