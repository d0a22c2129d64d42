"""The format as a JSON Schema, for editors: what `load` accepts it accepts, and it refuses what it can tell.

Draft 7, because taplo, which most TOML editors stand on, knows that one whole.
"""

import tomllib
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import singledispatch
from itertools import combinations
from typing import TypeAlias

from minimesh.model.service import Condition
from minimesh.spec import (
    addresses,
    auth,
    authorization,
    authplaces,
    cors,
    egress,
    fieldname,
    identity,
    names,
    networks,
    paths,
    process,
    task,
    transcode,
    units,
    watch,
)
from minimesh.spec.egress import Addresses, Authorities
from minimesh.spec.entries import limits
from minimesh.spec.grpc import SERVICE_NAME, method_match
from minimesh.spec.include import Included
from minimesh.spec.kinds import Choice, Either, Flag, Folder, Integer, Off, Parsed, Positive, ShellText, TemplateText
from minimesh.spec.many import ListOf, MapOf, OneOrMore
from minimesh.spec.needs import Needs
from minimesh.spec.node import Node
from minimesh.spec.process import EnvFileName, Run
from minimesh.spec.project import DEFAULTS, FILE, Version
from minimesh.spec.ready import Health, Yes
from minimesh.spec.schema import Key, Kind, Table
from minimesh.spec.service import SERVICE
from minimesh.spec.task import Occasions
from minimesh.spec.telemetry import LogFile
from minimesh.spec.transcode import DescriptorSet

Schema: TypeAlias = dict[str, object]

DRAFT = "http://json-schema.org/draft-07/schema#"
SERVICE_DEFINITION = "#/definitions/service"
FROM_ENVIRONMENT: dict[str, object] = {"type": "string", "pattern": r"\$\{"}


def _quantity(known: units.Units) -> str:
    return rf"\d{{1,9}}(\.\d{{1,6}})?({'|'.join(known)})"


_DURATION = _quantity(units.DURATIONS)
_SIGNAL = "[A-Z][A-Z0-9]*"
_HOST = addresses.HOST_AND_PORT.pattern
_PLACE = _HOST.removesuffix("?")

# How a text must look that one of these parsers takes; they look closer.
PATTERNS: Mapping[Callable[[str], object], str] = {
    units.duration: _DURATION,
    units.duration_or_zero: _DURATION,
    identity.ttl: _DURATION,
    units.duration_range: rf"\s*{_DURATION}\s*(\.\.\s*{_DURATION}\s*)?",
    units.size: _quantity(units.SIZES),
    names.name: names.NAME.pattern,
    names.trust_domain: names.TRUST_DOMAIN.pattern,
    addresses.address: rf"https?://({_HOST})/?|{_PLACE}|{addresses.UNIX}(?!//|@|~/).+",
    egress.listed: r"(?![a-zA-Z]+://)\S+:\d{1,5}",
    paths.path_match: r"/[^*]*(/\*)?|/\*|~[\s\S]*",
    paths.prefix: r"/.+",
    fieldname.field_name: fieldname.FIELD.pattern,
    fieldname.made_field: fieldname.FIELD.pattern,
    method_match: r"[^/\s]+(/[^/\s]+)?",
    paths.target: r"/.*",
    paths.host: r"[^:/\s]+",
    cors.origin: r"\*|[^\s/]+://[^\s/]+",
    cors.method: r"\S+",
    cors.header: r"\S+",
    networks.network: r"[0-9a-fA-F:.]+(/\d{1,3})?",
    authorization.method: authorization.METHOD.pattern,
    authorization.hours: authorization.HOURS.pattern,
    process.stop_signal: _SIGNAL,
    transcode.way: transcode.REFLECTION,
    watch.pattern: r"[^/~].*",
    watch.action: rf"{watch.RESTART}|{watch.SIGNAL}{_SIGNAL}",
    task.occasion: rf"{task.ALWAYS}|{task.ONCE}|{task.CHANGED}[^/~].*",
}
# How the names of a map must look, by what checks them.
NAMES: Mapping[Callable[[Node], bool], str] = {
    names.check_name: names.NAME.pattern,
    auth.check_provider_name: names.NAME.pattern,
    fieldname.check_made_field: fieldname.FIELD.pattern,
    names.check_task_name: names.NAME.pattern,
    authorization.check_header: authorization.HEADER.pattern,
    process.check_variable: process.VARIABLE.pattern,
}


def document() -> Schema:
    """The schema of a whole minimesh.toml."""
    return {
        "$schema": DRAFT,
        "title": "minimesh.toml",
        "description": "A service mesh in one process, for a project folder. Version 1 of the format.",
        **_table(FILE, whole=True),
        "definitions": {"service": _table(SERVICE)},
    }


def text(pattern: str) -> Schema:
    """A string of this form, or one that ${…} completes."""
    return {"type": "string", "pattern": rf"^({pattern})$|\$\{{"}


def any_of(*schemas: Schema) -> Schema:
    """One of several, without nesting."""
    flat: list[object] = []
    for schema in schemas:
        inner = schema.get("anyOf") if len(schema) == 1 else None
        flat += inner if isinstance(inner, list) else [schema]
    return {"anyOf": flat}


@singledispatch
def schema_of(kind: Kind[object]) -> Schema:
    """The schema of a kind of values."""
    raise TypeError(f"{type(kind).__name__} has no JSON Schema yet: register it in minimesh/spec/jsonschema.py")


@schema_of.register(Folder)
@schema_of.register(ShellText)
@schema_of.register(TemplateText)
@schema_of.register(EnvFileName)
@schema_of.register(LogFile)
@schema_of.register(Included)
@schema_of.register(Authorities)
@schema_of.register(DescriptorSet)
@schema_of.register(names.Callee)
@schema_of.register(auth.ProviderName)
@schema_of.register(authplaces.JwksPlace)
@schema_of.register(authorization.CallerName)
@schema_of.register(identity.CertificateFile)
def _any_text(_: Kind[object]) -> Schema:
    return {"type": "string"}


@schema_of.register(authplaces.DecidesUrl)
def _decides(_: Kind[object]) -> Schema:
    return text("https?://.+")


@schema_of.register(authplaces.UsersPlace)
def _users(_: Kind[object]) -> Schema:
    return any_of({"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}})


@schema_of.register(Parsed)
def _parsed(kind: Parsed[object]) -> Schema:
    pattern = PATTERNS.get(kind.parse)
    return text(pattern) if pattern else {"type": "string"}


@schema_of.register(Choice)
def _choice(kind: Choice[StrEnum]) -> Schema:
    return any_of({"enum": list(kind.choices)}, FROM_ENVIRONMENT)


@schema_of.register(Occasions)
@schema_of.register(Addresses)
def _several(kind: Occasions | Addresses) -> Schema:
    return schema_of(kind.kind)


@schema_of.register(Flag)
def _flag(_: Kind[object]) -> Schema:
    return {"type": "boolean"}


@schema_of.register(Integer)
def _integer(kind: Integer) -> Schema:
    return {"type": "integer", "minimum": kind.low, "maximum": kind.high}


@schema_of.register(Positive)
def _positive(kind: Positive) -> Schema:
    return {"type": "number", "exclusiveMinimum": 0, "maximum": kind.high}


@schema_of.register(addresses.Port)
def _port(_: Kind[object]) -> Schema:
    return {"type": "integer", "minimum": addresses.LOWEST_PORT, "maximum": addresses.HIGHEST_PORT}


@schema_of.register(addresses.PortOrNone)
def _port_or_none(kind: Kind[object]) -> Schema:
    return any_of(_port(kind), {"const": "none"})


@schema_of.register(addresses.Listen)
def _listen(kind: Kind[object]) -> Schema:
    return any_of(_port(kind), text(_PLACE))


@schema_of.register(Version)
def _version(_: Kind[object]) -> Schema:
    return {"const": 1}


@schema_of.register(Yes)
def _yes(_: Kind[object]) -> Schema:
    return {"const": True}


@schema_of.register(Health)
def _health(_: Kind[object]) -> Schema:
    return any_of({"const": True}, text(SERVICE_NAME.pattern))


@schema_of.register(Run)
def _run(_: Kind[object]) -> Schema:
    return any_of({"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1})


@schema_of.register(Needs)
def _needs(_: Kind[object]) -> Schema:
    condition = any_of({"enum": list(Condition)}, FROM_ENVIRONMENT)
    return any_of({"type": "array", "items": {"type": "string"}}, {"type": "object", "additionalProperties": condition})


@schema_of.register(Off)
def _off(kind: Off[object]) -> Schema:
    return any_of({"const": "off"}, schema_of(kind.kind))


@schema_of.register(Either)
def _either(kind: Either[object]) -> Schema:
    return any_of(schema_of(kind.plain), schema_of(kind.kind))


@schema_of.register(ListOf)
def _list(kind: ListOf[object]) -> Schema:
    inner = kind.kind
    if not isinstance(inner, Table):
        return {"type": "array", "items": schema_of(inner)}
    items = _table(inner, whole=True)
    return {"type": "array", "items": any_of(schema_of(inner.short.kind), items) if inner.short else items}


@schema_of.register(OneOrMore)
def _one_or_more(kind: OneOrMore[object]) -> Schema:
    one = schema_of(kind.kind)
    return any_of(one, {"type": "array", "items": one})


@schema_of.register(MapOf)
def _map(kind: MapOf[object]) -> Schema:
    pattern = NAMES[kind.check]
    return {
        "type": "object",
        "propertyNames": {"pattern": f"^({pattern})$"},
        "additionalProperties": schema_of(kind.kind),
    }


@schema_of.register(authorization.Claims)
def _claims(_: Kind[object]) -> Schema:
    return {"type": "object"}


@schema_of.register(Table)
def _short_or_table(kind: Table[object]) -> Schema:
    if kind is SERVICE:
        return {"$ref": SERVICE_DEFINITION}
    return any_of(schema_of(kind.short.kind), _table(kind)) if kind.short else _table(kind)


def _table(table: Table[object], *, whole: bool = False) -> Schema:
    """Its keys, and none that is unknown. What is not built is known by name, and refused.

    `whole`: what it has to hold stands in it. Other tables merge with those of [defaults] and of further files.
    """
    properties: Schema = {key.name: _key(key) for key in table.keys}
    properties |= {name: _not_built() for name in sorted(table.later)}
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    required = [key.name for key in table.keys if key.required]
    if required and whole:
        schema["required"] = required
    elif first := required or list(table.one_of[:1] if not table.short else ()):
        schema["x-taplo"] = {"initKeys": first}
    if pairs := [{"required": list(pair)} for pair in combinations(table.one_of, 2)]:
        schema["not"] = {"anyOf": pairs}
    return schema


def _key(key: Key[object]) -> Schema:
    meaning = f"{key.doc[0].upper()}{key.doc[1:]}."
    if limit := limits(key.kind):
        meaning += f" {limit[0].upper()}{limit[1:]}."
    told: Schema = {"description": f"{meaning} Default: {key.default}" if key.default else meaning}
    if key.default:
        told["default"] = tomllib.loads(f"default = {key.default}")["default"]
    schema = {"$ref": SERVICE_DEFINITION} if key is DEFAULTS else schema_of(key.kind)
    return {**told, "allOf": [schema]} if "$ref" in schema else {**told, **schema}


def _not_built() -> Schema:
    return {
        "description": "Part of the format, but not built in this version of minimesh.",
        "not": {},
        "x-taplo": {"hidden": True},
    }
