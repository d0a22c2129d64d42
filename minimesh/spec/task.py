"""`[tasks.NAME]`: what runs to its end before those that depend on it."""

from pathlib import Path

from minimesh.model.service import Stop, Task, When
from minimesh.spec import codes
from minimesh.spec.egress import LISTED
from minimesh.spec.kinds import Parsed, quote
from minimesh.spec.many import OneOrMore
from minimesh.spec.node import Node
from minimesh.spec.process import CALLS, CWD, DEPENDS_ON, ENV, ENV_FILE, RUN, STOP, process
from minimesh.spec.schema import Fields, Key, Kind, Table
from minimesh.spec.suggest import closest
from minimesh.spec.text_error import TextError
from minimesh.spec.watch import pattern

ALWAYS, ONCE, CHANGED = "always", "once", "changed:"


def occasion(text: str) -> str:
    """ "always", "once" or "changed:GLOB"."""
    if text in (ALWAYS, ONCE):
        return text
    if text.startswith(CHANGED):
        try:
            return CHANGED + pattern(text.removeprefix(CHANGED))
        except TextError as error:
            fix = quote(CHANGED + (error.fix or "").strip('"'))
            raise TextError(error.code, error.message, fix=fix) from None
    meant = quote(closest(text, (ALWAYS, ONCE)) or (f"{CHANGED}{text}" if set("*/.") & set(text) else ALWAYS))
    expected = 'expected "always", "once" or "changed:migrations/**"'
    raise TextError(codes.VALUE, f"{quote(text)} does not say when a task runs; {expected}", fix=meant)


class Occasions(Kind[When]):
    """One or more of "always", "once" and "changed:GLOB"; several globs add up."""

    kind = OneOrMore(Parsed("a string", f'"{ALWAYS}"', occasion))
    noun = kind.noun
    example = kind.example

    def read(self, node: Node) -> When:
        said = self.kind.read(node)
        if not said:
            node.reject(codes.VALUE, f"{node.label} says nothing", node.pair(self.example))
        if ALWAYS in said and len(said) > 1:
            message = f'{node.label}: "{ALWAYS}" leaves nothing to say for the others'
            node.reject(codes.CONFLICT, message, node.pair(self.example))
        changed = tuple(each.removeprefix(CHANGED) for each in said if each.startswith(CHANGED))
        return When(ALWAYS in said, changed, node.folder if changed else Path())


COMMAND = Key(RUN.name, RUN.kind, RUN.doc, required=True)
WHEN = Key(
    "when",
    Occasions(),
    '"always"; "once": until it has completed once; "changed:GLOB": again when such files have changed since',
    '"always"',
)


def _task(fields: Fields) -> Task:
    return Task(
        fields.node.name,
        process(fields),
        depends_on=fields.get(DEPENDS_ON, ()),
        calls=tuple(dict.fromkeys(fields.get(CALLS, ()))),
        stop=fields.get(STOP, Stop()),
        when=fields.get(WHEN, When()),
        egress=fields.get(LISTED, ()),
        where=fields.node.key_where,
    )


TASK = Table(
    (COMMAND, CWD, ENV, ENV_FILE, DEPENDS_ON, CALLS, STOP, WHEN, LISTED), _task, example='{ run = "python migrate.py" }'
)
