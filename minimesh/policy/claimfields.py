"""What a service gets to read of claims: fields of its requests."""

from collections.abc import Mapping
from urllib.parse import quote

_AS_IT_IS = "!#$&'()*+/:;<=>?@[]^_`{|}~\" "
_LONGEST = 4096


def fields_of(claims: Mapping[str, object], copy: Mapping[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    """copy: the claim that each field holds. A claim that is not there, or is an object, makes no field."""
    fields = ((name.encode(), _value(claims.get(claim))) for name, claim in copy.items())
    return tuple((name, value) for name, value in fields if value and len(value) <= _LONGEST)


def _value(value: object) -> bytes:
    """In printable ASCII, whatever a token says: anything else, commas and "%" are percent-encoded; lists have commas
    between."""
    match value:
        case bool():
            return b"true" if value else b"false"
        case int() | float():
            return str(value).encode()
        case str():
            return quote(value, _AS_IT_IS, errors="replace").strip(" ").encode()
        case list():
            return b",".join(_value(each) for each in value if not isinstance(each, list))
    return b""
