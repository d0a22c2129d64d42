"""Everything that a minimesh.toml says, and what holds where it says nothing: each value with its place.

The document is walked together with the tables, so whatever becomes a key of the format shows up here by itself.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import inf

from minimesh.model.project import Project
from minimesh.model.service import Probe
from minimesh.model.where import Where
from minimesh.spec.defaults import with_defaults
from minimesh.spec.entries import table_of
from minimesh.spec.include import INCLUDE
from minimesh.spec.kinds import Either, Off
from minimesh.spec.many import ListOf, MapOf
from minimesh.spec.node import Node
from minimesh.spec.positions import KeyPath
from minimesh.spec.process import ENV
from minimesh.spec.project import DEFAULTS, FILE
from minimesh.spec.ready import PROBES
from minimesh.spec.schema import Key, Table
from minimesh.spec.service import SERVICE, STARTED_KEYS
from minimesh.spec.shown import Text, at_root

_LEFT_OUT = re.compile(r"\bleft out: ([^;]+)")


@dataclass(frozen=True, slots=True)
class Setting:
    """`block`: the table with a header that it stands in; `name`: its key from there, dotted.

    `value` is plain TOML; None: there is none, and `note` says what holds then. `where` None: nobody wrote it.
    `default`: it was not written for this one, and `where` is in [defaults].
    """

    block: KeyPath
    name: tuple[str, ...]
    value: object
    where: Where | None
    default: bool = False
    note: str = ""

    @property
    def path(self) -> KeyPath:
        return (*self.block, *self.name)

    @property
    def origin(self) -> str:
        """Who says so: `minimesh.toml:7`, `[defaults] minimesh.toml:7`, `default`."""
        if self.where is None:
            return "default"
        return f"[defaults] {self.where}" if self.default else str(self.where)


@dataclass(frozen=True, slots=True)
class Derived:
    """Defaults that hang on the project: `values` by path, and paths of what was written but is not in force."""

    values: Mapping[KeyPath, object] = field(default_factory=dict)
    idle: frozenset[KeyPath] = frozenset()


def derived(project: Project) -> Derived:
    """What a project has that stands nowhere in its file."""
    values: dict[KeyPath, object] = {("mesh", "name"): project.name, ("mesh", "trust_domain"): project.trust_domain}
    values["mesh", "authorization"] = project.authorization.value
    values["mesh", "egress"] = project.egress.value
    values["mesh", "attest"] = project.attest.value
    idle: set[KeyPath] = set()
    if project.gateway and project.gateway.routes:
        values["gateway", "routes"] = [{"path": str(route.path), "to": route.to} for route in project.gateway.routes]
        by_method = [at for at, route in enumerate(project.gateway.routes) if route.path.grpc]
        idle |= {("gateway", "routes", at, "path") for at in by_method}
    for name, service in project.services.items():
        ready = ("services", name, "ready")
        idle |= {(*ready, probe) for probe in PROBES if probe != service.ready.probe}
        if service.ready.probe is Probe.TCP:
            values[*ready, "tcp"] = True
        if service.timeouts.idle == inf:
            values["services", name, "timeout", "idle"] = "off"
        if service.opaque:
            idle.add(("services", name, "timeout", "request"))
        if service.datagrams:
            values["services", name, "timeout", "idle"] = "1m"
            idle.add(("services", name, "timeout", "connect"))
            idle |= {("services", name, "breaker", *key) for key in ((), ("requests",), ("waiting",))}
    return Derived(values, frozenset(idle))


def written(document: Node, *, reveal: bool = False) -> list[Setting]:
    """What the file says, as it says it."""
    return list(_Walk(Text(document, fill=False, reveal=reveal), None).table(FILE, document, (), ()))


def resolved(document: Node, project: Project, *, reveal: bool = False) -> list[Setting]:
    """What holds: [defaults] merged, ${NAME} replaced, and every default written out.

    Variables that look secret stay as they were written unless `reveal`, and their values in `env` are masked.
    """
    whole = with_defaults(document)
    return list(_Walk(Text(document, fill=True, reveal=reveal), derived(project)).table(FILE, whole, (), ()))


class _Walk:
    """`derived` None: what is written and no more."""

    def __init__(self, text: Text, derived: Derived | None) -> None:
        self._text = text
        self._derived = derived

    def table(self, table: Table[object], node: Node, block: KeyPath, name: tuple[str, ...]) -> Iterator[Setting]:
        """Its keys, then the tables below it that have headers of their own."""
        later: list[Iterator[Setting]] = []
        for key in self._keys(table, node):
            child = node.children.get(key.name)
            own = (*name, key.name)
            below = None if self._is_single(key, child) else table_of(key.kind)
            if below is None:
                yield from self._single(key, child, node, block, own)
            elif isinstance(key.kind, MapOf):
                each = child.children if child else {}
                later += [self.table(below, item, (*block, *own, of), ()) for of, item in each.items()]
            elif isinstance(key.kind, ListOf):
                items = child.items if child else []
                later += [self.table(below, below.long(item), (*block, *own, at), ()) for at, item in enumerate(items)]
            else:
                inner = below.long(child) if child else node.with_children({})
                if not block:
                    later.append(self.table(below, inner, own, ()))
                elif child or not (key.name in table.one_of or any(key.required for key in below.keys)):
                    yield from self.table(below, inner, block, own)
        for settings in later:
            yield from settings

    def _keys(self, table: Table[object], node: Node) -> Iterator[Key[object]]:
        """Those that have a meaning there, where all files are merged."""
        elsewhere = table is SERVICE and "address" in node.children
        for key in table.keys:
            if key is INCLUDE or (key is DEFAULTS and self._derived):
                continue
            if not (elsewhere and key.name in STARTED_KEYS):
                yield key

    def _is_single(self, key: Key[object], child: Node | None) -> bool:
        """Whether it is one value, though its kind may be a table."""
        if child is None:
            return isinstance(key.kind, Off | Either) or (isinstance(key.kind, ListOf) and self._derived is not None)
        kind = key.kind.kind if isinstance(key.kind, Off) else key.kind
        if isinstance(kind, Either) or (isinstance(key.kind, Off) and child.value == "off"):
            return not child.is_table
        if isinstance(key.kind, ListOf):
            return not child.items
        return self._derived is None and isinstance(key.kind, Off | Table) and not child.is_table

    def _single(
        self, key: Key[object], child: Node | None, owner: Node, block: KeyPath, name: tuple[str, ...]
    ) -> Iterator[Setting]:
        path = (*block, *name)
        idle = self._derived is not None and path in self._derived.idle
        if child is not None and not idle:
            if isinstance(key.kind, MapOf):
                show = self._text.variable if key is ENV else self._text.value
                for of, item in child.children.items():
                    yield _setting(item, block, (*name, of), show(item, key.kind.kind))
            else:
                yield _setting(child, block, name, self._text.value(child, key.kind))
        elif self._derived is not None:
            if path in self._derived.values:
                yield Setting(block, name, self._derived.values[path], None)
            elif key.default and not idle and not isinstance(key.kind, MapOf):
                default = tomllib.loads(f"value = {key.default}")["value"]
                yield Setting(block, name, at_root(default, key.kind, owner), None)
            elif (note := _LEFT_OUT.search(key.doc)) and not idle:
                yield Setting(block, name, None, None, note=note[1])


def _setting(node: Node, block: KeyPath, name: tuple[str, ...], value: object) -> Setting:
    return Setting(block, name, value, node.where, default=node.path[0] == DEFAULTS.name and block[0] != DEFAULTS.name)
