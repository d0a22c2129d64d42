"""`[defaults]`: any key of a service, for all services. Tables merge, everything else is replaced."""

from minimesh.spec.node import Node
from minimesh.spec.schema import Kind, Table
from minimesh.spec.service import SERVICE, STARTED_KEYS


def with_defaults(root: Node) -> Node:
    """The document in which each service also holds what [defaults] says. Places stay those of the file."""
    defaults = root.children.get("defaults")
    services = root.children.get("services")
    if defaults is None or services is None or not (defaults.is_table and services.is_table):
        return root
    merged = {name: _service(defaults, service) for name, service in services.children.items()}
    return root.with_children({**root.children, "services": services.with_children(merged)})


def _service(defaults: Node, service: Node) -> Node:
    if not service.is_table:
        return service
    if "address" in service.children:
        fitting = {name: node for name, node in defaults.children.items() if name not in STARTED_KEYS}
        defaults = defaults.with_children(fitting)
    return merge(defaults, service, SERVICE)


def merge(default: Node, own: Node, kind: Kind[object] | None) -> Node:
    """The own value, with what it leaves out of the default. Short forms merge as the tables that they stand for."""
    nested: dict[str, Kind[object]] = {}
    displaced: tuple[str, ...] = ()
    if isinstance(kind, Table):
        default, own = kind.long(default), kind.long(own)
        nested = {key.name: key.kind for key in kind.keys}
        displaced = kind.one_of if any(name in own.children for name in kind.one_of) else ()
    if not (default.is_table and own.is_table):
        return own
    children = {name: node for name, node in default.children.items() if name not in displaced}
    for name, node in own.children.items():
        children[name] = merge(children[name], node, nested.get(name)) if name in children else node
    return own.with_children(children)
