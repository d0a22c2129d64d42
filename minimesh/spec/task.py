"""`[tasks.NAME]`: what runs to its end before those that depend on it."""

from enum import StrEnum

from minimesh.model.service import Stop, Task
from minimesh.spec import codes
from minimesh.spec.kinds import quote
from minimesh.spec.node import Node
from minimesh.spec.process import CALLS, CWD, DEPENDS_ON, ENV, ENV_FILE, RUN, STOP, process
from minimesh.spec.schema import Fields, Key, Kind, Table


class When(StrEnum):
    ALWAYS = "always"


class Occasion(Kind[When]):
    """When a task runs. "once" and "changed:…" are not built yet."""

    noun = '"always"'
    example = '"always"'

    def read(self, node: Node) -> When:
        if not isinstance(node.value, str):
            self.wrong_type(node)
        text = node.text()
        if text == "once" or text.startswith("changed:"):
            message = f"{node.label}: {quote(text)} is part of minimesh.toml but not built yet"
            node.reject(codes.NOT_BUILT, message, 'when = "always"')
        if text != When.ALWAYS:
            node.reject(codes.VALUE, f'{node.label} is {quote(text)}; expected "always"', 'when = "always"')
        return When.ALWAYS


COMMAND = Key(RUN.name, RUN.kind, RUN.doc, required=True)
WHEN = Key("when", Occasion(), "when it runs", '"always"')


def _task(fields: Fields) -> Task:
    return Task(
        fields.node.name,
        process(fields),
        depends_on=fields.get(DEPENDS_ON, ()),
        calls=tuple(dict.fromkeys(fields.get(CALLS, ()))),
        stop=fields.get(STOP, Stop()),
        where=fields.node.key_where,
    )


TASK = Table(
    (COMMAND, CWD, ENV, ENV_FILE, DEPENDS_ON, CALLS, STOP, WHEN), _task, example='{ run = "python migrate.py" }'
)
