"""`[defaults]`: any key of a service, for all services. Tables merge, everything else is replaced."""

from minimesh.spec.merge import merge
from minimesh.spec.node import Node
from minimesh.spec.service import SERVICE


def with_defaults(root: Node) -> Node:
    """The document in which each service also holds what [defaults] says. Places stay those of the file."""
    defaults = root.children.get("defaults")
    services = root.children.get("services")
    if defaults is None or services is None or not (defaults.is_table and services.is_table):
        return root
    merged = {
        name: merge(defaults, service, SERVICE, at_lower=False) if service.is_table else service
        for name, service in services.children.items()
    }
    return root.with_children({**root.children, "services": services.with_children(merged)})
