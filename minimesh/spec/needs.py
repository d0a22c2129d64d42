"""`depends_on`: who has to be there first, and how far."""

from minimesh.model.service import Condition, Dependency
from minimesh.spec import codes
from minimesh.spec.kinds import Choice
from minimesh.spec.many import read_all
from minimesh.spec.names import known
from minimesh.spec.node import Node, Role
from minimesh.spec.schema import Kind

_CONDITION = Choice(Condition)

# The conditions that make sense, the default first.
_SENSIBLE = {
    Role.SERVICE: (Condition.READY, Condition.STARTED),
    Role.WORKER: (Condition.READY, Condition.STARTED),
    Role.EXTERNAL: (Condition.READY,),
    Role.TASK: (Condition.COMPLETED, Condition.STARTED),
}
_WHAT = {
    Role.SERVICE: "a service, which is not expected to end",
    Role.WORKER: "a service, which is not expected to end",
    Role.EXTERNAL: "a service with an address, which the mesh does not start",
    Role.TASK: "a task, which runs to its end",
}


class Needs(Kind[tuple[Dependency, ...]]):
    """A list of names, or a table of names and conditions. Left out: a service ready, a task completed."""

    noun = "a list of names or a table of names and conditions"
    example = '["orders"]'

    def read(self, node: Node) -> tuple[Dependency, ...]:
        if node.is_table:
            return read_all(list(node.children.values()), _conditioned)
        if not node.is_list:
            self.wrong_type(node)
        dependencies = read_all(node.items, self._named)
        first: dict[str, Dependency] = {}
        for dependency in dependencies:
            first.setdefault(dependency.name, dependency)
        return tuple(first.values())

    def _named(self, node: Node) -> Dependency:
        if not isinstance(node.value, str):
            node.reject(codes.TYPE, f"{node.label} must be a name, not {node.type_name}", '"orders"')
        name = node.text()
        role = known(node, name)
        if role is None:
            node.give_up()
        return Dependency(name, _SENSIBLE[role][0], node.where)


def _conditioned(node: Node) -> Dependency:
    role = known(node, node.name, at_key=True)
    condition = _CONDITION.read(node)
    if role is None:
        node.give_up()
    if condition not in _SENSIBLE[role]:
        message = f'`{node.name}` is {_WHAT[role]}: it cannot be waited for until "{condition}"'
        node.reject(codes.CONDITION, message, f'{node.name} = "{_SENSIBLE[role][0]}"')
    return Dependency(node.name, condition, node.key_where)
