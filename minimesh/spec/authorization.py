"""`allow` and `deny` of a service: who may call it, and what for."""

import re
from collections.abc import Mapping

from minimesh.model.authorization import ClaimMatch, HeaderMatch, Hours, Rule, Rules, Scalar
from minimesh.model.project import GATEWAY
from minimesh.model.service import Protocol
from minimesh.model.where import NOWHERE
from minimesh.spec import codes
from minimesh.spec.kinds import Flag, Parsed, quote, regex
from minimesh.spec.many import ListOf, MapOf, OneOrMore, read_all
from minimesh.spec.names import known
from minimesh.spec.node import Node
from minimesh.spec.paths import PATH_MATCH
from minimesh.spec.schema import Fields, Key, Kind, Table
from minimesh.spec.suggest import closest
from minimesh.spec.text_error import TextError
from minimesh.spec.unreachable import warn_of_unreachable

METHOD = re.compile(r"[A-Z][A-Z-]*")
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d:[0-5]\d|2[0-3]:[0-5]\d|24:00)")
_NOT_FORWARDED = ("CONNECT", "TRACE")
_OF_REQUESTS = ("methods", "paths", "header", "claim")
# What names the host, and what belongs to one connection, is no field of the request by then.
_NO_FIELDS = frozenset({"host", "connection", "keep-alive", "te", "transfer-encoding", "upgrade", "proxy-connection"})


class CallerName(Kind[str]):
    """The name of a service or task, or `gateway`."""

    noun = "the name of a caller"
    example = '"gateway"'

    def read(self, node: Node) -> str:
        if not isinstance(node.value, str):
            self.wrong_type(node)
        text = node.text()
        if text == GATEWAY:
            return text
        if known(node, text, also=(GATEWAY,)) is None:
            node.give_up()
        return text


def method(text: str) -> str:
    """A method that is forwarded, in capitals."""
    if not METHOD.fullmatch(text):
        upper = text.upper()
        fix = quote(upper) if METHOD.fullmatch(upper) else None
        raise TextError(codes.VALUE, f"{quote(text)} is not a method; expected GET, POST or the like", fix=fix)
    if text in _NOT_FORWARDED:
        raise TextError(codes.VALUE, f"{text} is forwarded to nobody, whatever the rules say", fix='"GET"')
    return text


def hours(text: str) -> tuple[int, int]:
    """Minutes of the day of "08:00-20:00"."""
    found = HOURS.fullmatch(text)
    if found is None:
        message = f'{quote(text)} is not a time of the day; expected "08:00-20:00", or "22:00-06:00" over midnight'
        raise TextError(codes.VALUE, message, fix=_meant_hours(text))
    start, end = (_minutes(part) for part in text.split("-"))
    if start == end:
        raise TextError(codes.VALUE, f"{quote(text)} is no time at all", fix='"00:00-24:00"')
    return start, end


def _minutes(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


def _meant_hours(text: str) -> str | None:
    """ "8-20", "8:00 - 20.30" """
    numbers = [*re.findall(r"\d{1,2}(?:[:.]\d\d)?", text)]
    if len(numbers) != 2:
        return None
    parts = [number.replace(".", ":").partition(":") for number in numbers]
    meant = "-".join(f"{int(hour):02d}:{minute or '00'}" for hour, _, minute in parts)
    return quote(meant) if HOURS.fullmatch(meant) else None


def timezone(text: str) -> str:
    """A time zone of the IANA database."""
    if text == "UTC":
        return text
    from zoneinfo import ZoneInfo, available_timezones  # noqa: PLC0415 - only where one is written

    try:
        ZoneInfo(text)
    except (ValueError, OSError, LookupError):
        names = available_timezones()
        lower = {name.lower(): name for name in names} | {name.rpartition("/")[2].lower(): name for name in names}
        meant = lower.get(text.lower().replace(" ", "_")) or closest(text, names)
        message = f'{quote(text)} is not a time zone; expected "Europe/Zurich", "UTC" or the like'
        raise TextError(codes.VALUE, message, fix=quote(meant) if meant else None) from None
    return text


def header_value(text: str) -> str:
    """The value itself, or "~" and a regular expression."""
    if text.startswith("~"):
        regex(text[1:])
    return text


def check_header(node: Node) -> bool:
    """Whether the key of a map will do as the name of a field."""
    name = node.name
    if not HEADER.fullmatch(name):
        node.note_key(codes.VALUE, f"{quote(name)} is not the name of a header", 'x-team = "shop"')
    elif name.lower() in _NO_FIELDS or name.startswith(":"):
        message = f"`{name}` cannot be matched: it is of the connection, not of what the service is asked"
        node.note_key(codes.VALUE, message, f"take `{name}` out")
    else:
        return True
    return False


class Claims(Kind[tuple[ClaimMatch, ...]]):
    """A table of claims and their values; tables in it are objects of the token."""

    noun = "a table of claims"
    example = '{ plan = "paid" }'

    def read(self, node: Node) -> tuple[ClaimMatch, ...]:
        if not node.is_table:
            self.wrong_type(node)
        return tuple(self._below(node, ()))

    def _below(self, node: Node, path: tuple[str, ...]) -> list[ClaimMatch]:
        found: list[ClaimMatch] = []
        for name, child in node.children.items():
            own = (*path, name)
            if child.is_table:
                found += self._below(child, own)
            else:
                found.append(ClaimMatch(own, read_all(child.items if child.is_list else [child], self._value)))
        return found

    @staticmethod
    def _value(node: Node) -> Scalar:
        if isinstance(node.value, str):
            return node.text()
        if not isinstance(node.value, bool | int | float):
            message = f"{node.label} must be a string, a number, or true or false, not {node.type_name}"
            node.reject(codes.TYPE, message, node.pair('"paid"'))
        return node.value


FROM = Key("from", OneOrMore(CallerName()), 'who calls: services and tasks by name, or "gateway"; left out: anyone')
METHODS = Key("methods", OneOrMore(Parsed("a method", '"GET"', method)), "of the request; left out: any")
PATHS = Key("paths", OneOrMore(PATH_MATCH), "as the service is asked for it; of gRPC the method; left out: any")
HEADERS = Key(
    "header",
    MapOf(OneOrMore(Parsed("a value", '"beta"', header_value)), '{ x-team = "shop" }', check_header),
    'fields that must be there, with one of these values; "~^v[0-9]+" is a regular expression',
)
CLAIM = Key("claim", Claims(), "claims that a verified token must have, with one of these values")
ATTESTED = Key("attested", Flag(), "whether it is known that the caller's own process calls; left out: does not matter")
HOURS_KEY = Key("hours", Parsed("a time of the day", '"08:00-20:00"', hours), "when; left out: at any time")
TIMEZONE = Key("timezone", Parsed("a time zone", '"Europe/Zurich"', timezone), "of `hours`; left out: UTC")
AUDIT = Key("audit", Flag(), "only record what the rule would change", "false")

_RULE_KEYS: tuple[Key[object], ...] = (
    FROM,
    METHODS,
    PATHS,
    HEADERS,
    CLAIM,
    ATTESTED,
    HOURS_KEY,
    TIMEZONE,
    AUDIT,
)


def _rule(fields: Fields) -> Rule:
    if any(fields.refused(key) for key in _RULE_KEYS):
        fields.node.give_up()  # it would be compared with others as what it is not
    span = fields.get(HOURS_KEY, None)
    if span is None and fields.wrote("timezone"):
        message = "`timezone` has no meaning without `hours`"
        fields["timezone"].note_key(codes.CONFLICT, message, 'hours = "08:00-20:00"')
    return Rule(
        tuple(dict.fromkeys(fields.get(FROM, ()))),
        fields.get(METHODS, ()),
        fields.get(PATHS, ()),
        tuple(_header(name, values) for name, values in fields.get(HEADERS, {}).items()),
        fields.get(CLAIM, ()),
        fields.get(ATTESTED, None),
        None if span is None else Hours(*span, fields.get(TIMEZONE, "UTC")),
        fields.get(AUDIT, False),
        fields.node.where,
    )


def _header(name: str, values: tuple[str, ...]) -> HeaderMatch:
    texts = tuple(value for value in values if not value.startswith("~"))
    return HeaderMatch(name.lower(), texts, tuple(value[1:] for value in values if value.startswith("~")))


RULE = Table(_RULE_KEYS, _rule, short=FROM, example='{ from = "gateway" }')
ALLOW = Key("allow", ListOf(RULE, "a list of rules"), "who may call it; with the first rule nobody else may", "[]")
DENY = Key("deny", ListOf(RULE, "a list of rules"), "who may not, whatever `allow` says", "[]")


def rules(fields: Fields, protocol: Protocol | None) -> Rules:
    """Of a service; what does not fit together in them is noted."""
    allow, deny = fields.get(ALLOW, ()), fields.get(DENY, ())
    if protocol in (Protocol.TCP, Protocol.UDP):
        if fields.wrote("deny") and fields["deny"].path[0] == "defaults":
            deny = tuple(rule for rule in deny if not rule.of_requests)  # they fit nothing that comes here
        _check_opaque(fields, "allow", allow, protocol)
        _check_opaque(fields, "deny", deny, protocol)
    if fields.wrote("allow") and not fields["allow"].items and fields["allow"].is_list:
        message = "`allow` is empty, which is the same as none: who may call is what `mesh.authorization` says"
        fields["allow"].warn(codes.SHADOWED, message, "deny = [{}]")
    nodes = {key: fields[key].items for key in ("allow", "deny") if fields.wrote(key)}
    warn_of_unreachable(allow, nodes.get("allow", []), deny, nodes.get("deny", []))
    return Rules(allow, deny, fields["allow"].key_where if allow else NOWHERE)


def _check_opaque(fields: Fields, key: str, read: tuple[Rule, ...], protocol: Protocol) -> None:
    """Of a service that gets bytes there are no requests. A rule of [defaults] that speaks of them is told too: without
    it everybody might be let in."""
    name = fields.node.name
    nodes = fields[key].items if fields.wrote(key) else []
    for rule, node in zip(read, nodes, strict=False):
        if rule.attested is not None and protocol is Protocol.UDP:
            message = f"{name} speaks udp, of whose datagrams nobody can tell which process has sent them"
            node.children["attested"].note_key(codes.CONFLICT, message, "take `attested` out")
        if rule.of_requests:
            what = next(each for each in _OF_REQUESTS if each in node.children)
            message = f"{name} speaks {protocol}, of which the mesh sees no requests that `{what}` could fit"
            own = f'{key} = ["web"] under [services.{name}]' if node.path[0] == "defaults" else ""
            help_ = own or f"take `{what}` out; `from` says who may connect"
            node.children[what].note_key(codes.CONFLICT, message, help_)


def check_attested(allowing: Mapping[str, Rules], document: Node) -> None:
    """Where nobody looks whose process a caller is, no rule can ask for it."""
    for service, said in allowing.items():
        keys = document.children["services"].children[service].children
        for key, rules_ in (("allow", said.allow), ("deny", said.deny)):
            for rule, node in zip(rules_, keys[key].items if rules_ else (), strict=False):
                if rule.attested is not None:
                    message = f'{service} asks whose process a caller is, and with attest = "off" nobody looks'
                    node.children["attested"].note_key(codes.CONFLICT, message, 'attest = "observe" in [mesh]')


def check_callers(callees: Mapping[str, tuple[str, ...]], allowing: Mapping[str, Rules], document: Node) -> None:
    """Warns of a rule that lets somebody in who has no way to the service.

    callees: of each service and task that this mesh starts, whom it may call. allowing: of each service, its rules.
    """
    for service, said in allowing.items():
        if not said.allow:
            continue
        nodes = document.children["services"].children[service].children["allow"].items
        for rule, node in zip(said.allow, nodes, strict=False):
            for caller in rule.callers:
                if caller in callees and service not in callees[caller] and node.path[0] != "defaults":
                    message = f"{caller} is allowed to call {service}, and does not: it has no address for it"
                    table = "tasks" if caller in document.children.get("tasks", document).children else "services"
                    node.warn(codes.SHADOWED, message, f'calls = ["{service}"] under [{table}.{caller}]')
