"""`[auth.*]`: named ways to know the user at the far end of a call."""

from dataclasses import replace

from minimesh.model.auth import (
    ALGORITHMS,
    Algorithm,
    Auth,
    Basic,
    Forward,
    Jwt,
    Keys,
    Missing,
    Provider,
)
from minimesh.spec import codes
from minimesh.spec.authplaces import DecidesUrl, JwksPlace, UsersPlace
from minimesh.spec.fieldname import FIELD_NAME, MADE_FIELD, check_made_field
from minimesh.spec.kinds import DURATION, DURATION_OR_ZERO, Choice, Flag, Off, Parsed, quote
from minimesh.spec.many import ListOf, MapOf, OneOrMore
from minimesh.spec.names import check_name
from minimesh.spec.node import Node, table_name
from minimesh.spec.schema import Fields, Key, Kind, Table
from minimesh.spec.suggest import closest

OFF = "off"


def _written(text: str) -> str:
    return text


# ---- what every method has

COPY = Key(
    "copy",
    MapOf(Parsed("the name of a claim", '"sub"', _written), '{ x-user = "sub" }', check_made_field),
    "fields that the service gets, each with the claim in it; nobody else can send them",
    "{}",
)
PASS_ON_TOKEN = Key("pass_on", Flag(), "the service gets the token too", "true")
PASS_ON = Key("pass_on", Flag(), "the service gets it too", "false")

# ---- tokens

ISSUER = Key("issuer", Parsed("a string", '"https://id.example.test"', _written), "who the tokens are from (`iss`)")
JWKS = Key("jwks", JwksPlace(), "the issuer's public keys: a file, or an URL; looked at again when they change")
AUDIENCE = Key(
    "audience",
    OneOrMore(Parsed("a string", '"shop"', _written)),
    "for whom the tokens are: one of these is in `aud`; left out: no token has it",
)
LEEWAY = Key("leeway", DURATION_OR_ZERO, "how far the issuer's clock may be off", '"30s"')
ACCEPTED = Key(
    "algorithms",
    ListOf(Choice(Algorithm), "a list of algorithms"),
    f"of signatures: {', '.join(ALGORITHMS)}; left out: all of them",
)
DEV = Key("dev", Flag(), "tokens of `minimesh token` are taken too", "false")


def _jwt(fields: Fields) -> Provider:
    default = Jwt()
    dev = fields.get(DEV, False)
    if not dev or fields.wrote("issuer", "jwks"):
        for key in (ISSUER, JWKS):
            if not fields.wrote(key.name):
                message = f"`{key.name}` is missing in {table_name(fields.node.path)}"
                fields.node.note_key(codes.MISSING, message, f"{key.name} = {key.kind.example}")
    return Provider(
        "",
        Jwt(
            fields.get(ISSUER, ""),
            fields.get(JWKS, None),
            fields.get(AUDIENCE, ()),
            fields.get(LEEWAY, default.leeway),
            fields.get(ACCEPTED, ALGORITHMS),
            dev,
        ),
        fields.get(COPY, {}),
        fields.get(PASS_ON_TOKEN, True),
    )


# ---- keys, passwords, programs

HEADER = Key("header", FIELD_NAME, 'the field that the key is in; "authorization": after Bearer', '"x-api-key"')


def _keys(fields: Fields) -> Provider:
    return Provider("", Keys(fields.get(HEADER, Keys().header)), fields.get(COPY, {}), fields.get(PASS_ON, False))


USERS = Key("users", UsersPlace(), "a file as `htpasswd -B` writes it, or hashes of bcrypt by name", required=True)
REALM = Key(
    "realm", Parsed("a string", '"shop"', _written), "what a browser says it is for; left out: the provider's name"
)


def _basic(fields: Fields) -> Provider:
    realm = fields.get(REALM, "")
    if realm and not all(" " <= character <= "~" and character not in '"\\' for character in realm):
        fields["realm"].reject(codes.VALUE, f"{fields['realm'].label} has characters that no field can have", '"shop"')
    method = Basic(fields.get(USERS, {}), realm)
    return Provider("", method, fields.get(COPY, {}), fields.get(PASS_ON, False))


URL = Key("url", DecidesUrl(), "who is asked: a service, or a program on this machine", required=True)
COPY_NAMES = Key("copy", ListOf(MADE_FIELD, "a list of names"), "fields of its answer that the service gets", "[]")
TIMEOUT = Key("timeout", DURATION, "for its whole answer", '"5s"')


def _forward(fields: Fields) -> Provider:
    default = Forward("")
    method = Forward(fields.get(URL, ""), fields.get(COPY_NAMES, ()), fields.get(TIMEOUT, default.timeout))
    return Provider("", method, pass_on=True)


# ---- the provider

JWT = Key(
    "jwt",
    Table(
        (ISSUER, JWKS, AUDIENCE, LEEWAY, ACCEPTED, DEV, COPY, PASS_ON_TOKEN),
        _jwt,
        example='{ issuer = "https://id.example.test", jwks = "https://id.example.test/jwks.json", audience = "shop" }',
    ),
    "signed tokens (JWT), in Authorization: Bearer",
)
KEYS = Key("keys", Table((HEADER, COPY, PASS_ON), _keys, short=HEADER), "keys of `minimesh key add`")
BASIC = Key(
    "basic", Table((USERS, REALM, COPY, PASS_ON), _basic, short=USERS), "names and passwords, in Authorization: Basic"
)
FORWARD = Key(
    "forward", Table((URL, COPY_NAMES, TIMEOUT), _forward, short=URL), "another program decides about each request"
)
_METHODS: tuple[Key[Provider], ...] = (JWT, KEYS, BASIC, FORWARD)


def _provider(fields: Fields) -> Provider:
    node = fields.node
    made = next((each for key in _METHODS if (each := fields.get(key, None)) is not None), None)
    if made is None:
        if not fields.wrote(*(key.name for key in _METHODS)):
            known = ", ".join(f"`{key.name}`" for key in _METHODS)
            message = f"{table_name(node.path)} says nothing; expected one of {known}"
            node.note_key(codes.MISSING, message, f"keys = {KEYS.kind.example}")
        node.give_up()
    method = made.method
    if isinstance(method, Basic) and not method.realm:
        method = replace(method, realm=node.name)
    return replace(made, name=node.name, method=method, where=node.key_where)


def check_provider_name(node: Node) -> bool:
    if node.name == OFF:
        node.note_key(codes.NAME, '"off" means no provider at all, so none can be called that', "[auth.users]")
        return False
    return check_name(node)


PROVIDER = Table(_METHODS, _provider, one_of=tuple(key.name for key in _METHODS), example='{ keys = "x-api-key" }')
PROVIDERS = Key(
    "auth", MapOf(PROVIDER, f"{{ partners = {PROVIDER.example} }}", check_provider_name), "how users are known"
)

# ---- where they are used


class ProviderName(Kind[str]):
    """The name of a provider that the file has."""

    noun = "the name of a provider"
    example = '"users"'

    def read(self, node: Node) -> str:
        if not isinstance(node.value, str):
            self.wrong_type(node)
        text = node.text()
        known = node.reading.providers
        if text not in known:
            meant = closest(text, known)
            hint = f"; did you mean `{meant}`?" if meant else ""
            fix = node.pair(quote(meant)) if meant else f"[auth.{text}] with `jwt`, `keys`, `basic` or `forward`"
            node.reject(codes.UNKNOWN_NAME, f"{node.label}: there is no [auth.{text}]{hint}", fix)
        return text


USE = Key("use", OneOrMore(ProviderName()), "who is asked; one that knows the user is enough", required=True)
MISSING = Key(
    "missing",
    Choice(Missing),
    "what becomes of a request that shows nothing: 401, or it passes without a user",
    '"refuse"',
)


def _auth(fields: Fields) -> Auth:
    return Auth(tuple(dict.fromkeys(fields.get(USE, ()))), fields.get(MISSING, Missing.REFUSE), fields.node.where)


def auth_key(doc: str, default: str = '"off"') -> Key[Auth | None]:
    return Key("auth", Off(Table((USE, MISSING), _auth, short=USE)), doc, default)


def auth_of(fields: Fields, key: Key[Auth | None]) -> Auth | None:
    """None: nothing is said here; "off" is said by one without providers."""
    found = fields.get(key, None)
    if found is None and fields.wrote(key.name) and not fields.refused(key):
        return Auth(missing=Missing.ANONYMOUS, where=fields[key.name].where)
    return found
