"""`cors`: which web pages of other origins may call a route."""

import re

from minimesh.model.cors import ANY, Cors
from minimesh.spec import codes
from minimesh.spec.kinds import DURATION_OR_ZERO, Flag, Parsed, quote
from minimesh.spec.many import ListOf
from minimesh.spec.schema import Fields, Key, Table
from minimesh.spec.text_error import TextError

_ORIGIN = re.compile(
    r"[a-z][a-z0-9+.-]*://(?:(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::(?:\*|\d{1,5}))?", re.ASCII
)
_DEFAULT_PORT = {"http": ":80", "https": ":443"}
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_KNOWN_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def origin(text: str) -> str:
    """An origin as browsers send it, "https://*.a.test", "http://localhost:*", or "*"."""
    if text == ANY:
        return text
    if text == "null":
        message = '"null" is the origin of sandboxed pages and of files, whoever made them: it stands for anybody'
        raise TextError(codes.VALUE, message, fix='"http://localhost:5173"')
    meant = _meant(text)
    if text != meant or not _ORIGIN.fullmatch(text):
        fix = quote(meant) if _ORIGIN.fullmatch(meant) else None
        message = f'{quote(text)} is not an origin; expected scheme and host as browsers send them, "https://app.test"'
        raise TextError(codes.VALUE, message, fix=fix)
    return text


def _meant(text: str) -> str:
    """As a browser would send it: lower case, no path, no port that the scheme has by itself."""
    scheme, colon, rest = text.lower().partition("://")
    if not colon:
        scheme, rest = "https", text.lower()
    host = rest.partition("/")[0]
    return f"{scheme}://{host.removesuffix(_DEFAULT_PORT.get(scheme, ' '))}"


def method(text: str) -> str:
    """A method as it is sent, or "*"."""
    if text.upper() in _KNOWN_METHODS and text != text.upper():
        message = f"the method {quote(text)} is another one than {quote(text.upper())}: their case matters"
        raise TextError(codes.VALUE, message, fix=quote(text.upper()))
    return _token(text, "a method", '"GET"')


def header(text: str) -> str:
    """The name of a field, in lower case, or "*"."""
    return _token(text, "the name of a header", '"content-type"').lower()


def _token(text: str, what: str, example: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise TextError(codes.VALUE, f"{quote(text)} is not {what}", fix=example)
    return text


HEADER = Parsed("the name of a header", '"content-type"', header)

ORIGINS = Key(
    "origins",
    ListOf(Parsed("an origin", '"http://localhost:5173"', origin), "a list of origins"),
    'whose pages may call: "https://app.test", "https://*.app.test", "http://localhost:*"; "*" for all',
    required=True,
)
METHODS = Key(
    "methods",
    ListOf(Parsed("a method", '"GET"', method), "a list of methods"),
    'they may use; "*": any',
    '["GET", "HEAD", "POST"]',
)
HEADERS = Key("headers", ListOf(HEADER, "a list of names"), 'of requests that they may set; "*": any', "[]")
EXPOSE = Key("expose", ListOf(HEADER, "a list of names"), "headers of answers that they may read", "[]")
CREDENTIALS = Key("credentials", Flag(), "whether they may send cookies and other credentials", "false")
MAX_AGE = Key("max_age", DURATION_OR_ZERO, "that a browser may remember the answer to a preflight", '"5s"')


def _cors(fields: Fields) -> Cors:
    default = Cors(())
    cors = Cors(
        fields.get(ORIGINS, ()),
        fields.get(METHODS, default.methods),
        fields.get(HEADERS, default.headers),
        fields.get(EXPOSE, default.expose),
        fields.get(CREDENTIALS, default.credentials),
        fields.get(MAX_AGE, default.max_age),
        fields.node.where,
    )
    _check(cors, fields)
    return cors


def _check(cors: Cors, fields: Fields) -> None:
    """A page of anybody may not call as the user who is logged in: browsers refuse it, and so is it here."""
    if fields.get(ORIGINS, None) == ():
        fields["origins"].note(codes.VALUE, "`origins` is empty: no page could call", "take `cors` out")
    if ANY in cors.origins and len(cors.origins) > 1:
        fields["origins"].note(codes.CONFLICT, 'origins has "*" and others, which add nothing', 'origins = ["*"]')
    if not cors.credentials:
        return
    for name, values, fix in (
        ("origins", cors.origins, '["http://localhost:5173"]'),
        ("expose", cors.expose, '["x-total"]'),
    ):
        if ANY in values:
            message = f'`{name}` is "*" beside credentials = true, which no browser takes; name them'
            fields[name].note(codes.CONFLICT, message, f"{name} = {fix}")


CORS = Key(
    "cors",
    Table(
        (ORIGINS, METHODS, HEADERS, EXPOSE, CREDENTIALS, MAX_AGE),
        _cors,
        short=ORIGINS,
        example='{ origins = ["http://localhost:5173"] }',
    ),
    "which web pages of other origins may call; preflights are answered by the mesh",
)
