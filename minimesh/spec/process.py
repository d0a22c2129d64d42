"""The keys that services and tasks share: a program, its environment, and whom it needs."""

import re
import signal

from minimesh.model.service import Command, EnvFile, Process, Stop
from minimesh.model.template import Reference, literal
from minimesh.spec import codes
from minimesh.spec.files import is_folder, is_plain_file, is_there
from minimesh.spec.kinds import DURATION_OR_ZERO, Folder, Parsed, ShellText, TemplateText, quote
from minimesh.spec.many import ListOf, MapOf, OneOrMore
from minimesh.spec.names import Callee
from minimesh.spec.needs import Needs
from minimesh.spec.node import Node, Role
from minimesh.spec.schema import Fields, Key, Kind, Table
from minimesh.spec.suggest import closest
from minimesh.spec.text_error import TextError

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SIGNALS = tuple(sorted(known.name.removeprefix("SIG") for known in signal.Signals))


class Run(Kind[Command]):
    """A string for the shell, or a list of arguments."""

    noun = "a string or a list of strings"
    example = '"python app.py"'

    def read(self, node: Node) -> Command:
        if not (node.is_list or isinstance(node.value, str)):
            self.wrong_type(node)
        if not node.is_list:
            return Command((literal(ShellText().read(node)),), shell=True)
        argv = ListOf(TemplateText()).read(node)
        if not argv or not str(argv[0]):
            node.reject(codes.VALUE, f"{node.label} names no program", node.pair('["python", "app.py"]'))
        return Command(argv, shell=False)


class EnvFileName(Kind[EnvFile]):
    """The path of an environment file; with "?" behind it, it may be missing."""

    noun = "the path of a file"
    example = '".env"'

    def read(self, node: Node) -> EnvFile:
        if not isinstance(node.value, str):
            self.wrong_type(node)
        text = node.text()
        path = node.folder / text.removesuffix("?")
        optional = text.endswith("?")
        if is_folder(path):
            fix = node.pair(quote(f"{text.rstrip('/')}/.env"))
            node.reject(codes.NO_FILE, f"{node.label}: {quote(text)} is a folder, not a file", fix)
        if is_there(path) and not is_plain_file(path):
            node.reject(codes.NO_FILE, f"{node.label}: {quote(text)} is a pipe or a device, not a file")
        if not optional and not is_there(path):
            fix = node.pair(quote(f"{text}?"))
            node.reject(codes.NO_FILE, f"{node.label}: the file {quote(text)} is not there", fix)
        return EnvFile(path, optional, node.where)


def check_variable(node: Node) -> bool:
    """Whether a key of `env` can be the name of an environment variable; notes why not."""
    if VARIABLE.fullmatch(node.name):
        return True
    fix = re.sub(r"[^A-Za-z0-9_]", "_", node.name)
    fix = fix if fix.strip("_") else "NAME"
    message = f"{quote(node.name)} cannot be the name of an environment variable"
    node.note_key(codes.NAME, message, fix if VARIABLE.fullmatch(fix) else f"_{fix}")
    return False


def stop_signal(text: str) -> str:
    """The name of a signal, without SIG."""
    if text in _SIGNALS:
        return text
    fix = text.upper().removeprefix("SIG")
    fix = fix if fix in _SIGNALS else closest(fix.lower(), [s.lower() for s in _SIGNALS]) or "TERM"
    raise TextError(codes.VALUE, f"there is no signal {quote(text)}; expected TERM, INT, HUP …", fix=quote(fix.upper()))


SIGNAL = Key("signal", Parsed("the name of a signal", '"TERM"', stop_signal), "sent to all its processes", '"TERM"')
WITHIN = Key("within", DURATION_OR_ZERO, "until those that are left are killed", '"10s"')


def _stop(fields: Fields) -> Stop:
    default = Stop()
    return Stop(fields.get(SIGNAL, default.signal), fields.get(WITHIN, default.within))


RUN = Key("run", Run(), "the command: a string is run by the shell, a list is not")
CWD = Key("cwd", Folder(), "the folder it runs in, from that of this file", '"."')
ENV = Key("env", MapOf(TemplateText(), '{ GREETING = "hello" }', check_variable), "variables for it", "{}")
ENV_FILE = Key("env_file", OneOrMore(EnvFileName()), 'files with variables; "?" behind one: may be missing', "[]")
DEPENDS_ON = Key("depends_on", Needs(), "started after these, and may call them", "[]")
CALLS = Key("calls", ListOf(Callee(), "a list of names"), "may call these; no start order", "[]")
STOP = Key("stop", Table((SIGNAL, WITHIN), _stop, short=WITHIN), "how it is ended", '"10s"')

PROCESS_KEYS: tuple[Key[object], ...] = (RUN, CWD, ENV, ENV_FILE, DEPENDS_ON, CALLS, STOP)

_NOTHING = Command((), shell=False)


def process(fields: Fields) -> Process:
    """The program of a service or task, whose references have been checked."""
    found = Process(
        fields.get(RUN, _NOTHING), fields.get(CWD, fields.node.folder), fields.get(ENV, {}), fields.get(ENV_FILE, ())
    )
    for template in (*found.command.argv, *found.env.values()):
        for reference in template.references:
            _check_reference(reference, fields)
    return found


def _check_reference(reference: Reference, fields: Fields) -> None:
    """The mesh has an address for a pair of caller and callee only where the file says that one calls the other."""
    node, reading = fields.node, fields.node.reading
    name = node.name if reference.service == "self" else reference.service
    role = reading.roles.get(name)
    if role is None:
        meant = closest(name, reading.roles)
        hint = f"; did you mean `{meant}`?" if meant else ""
        fix = f"${{{meant}.{reference.attribute}}}" if meant else ""
        reading.note_reference(
            reference, codes.UNKNOWN_NAME, f"{reference} in {node.name}: there is no service `{name}`{hint}", fix
        )
    elif role in (Role.TASK, Role.WORKER):
        what = "is a task" if role is Role.TASK else 'has port = "none"'
        help_ = f"take {reference} out"
        message = f"{reference} in {node.name}: `{name}` {what} and has no address"
        reading.note_reference(reference, codes.REFERENCE, message, help_)
    elif name != node.name and not _may_call(name, fields):
        calls = ", ".join(quote(callee) for callee in (*fields.get(CALLS, ()), name))
        message = f"{reference} in {node.name}: {node.name} neither depends on nor calls `{name}`"
        reading.note_reference(reference, codes.REFERENCE, message, f"calls = [{calls}]")


def _may_call(name: str, fields: Fields) -> bool:
    if fields.refused(DEPENDS_ON) or fields.refused(CALLS):
        return True
    needs = fields.get(DEPENDS_ON, ())
    return name in fields.get(CALLS, ()) or any(dependency.name == name for dependency in needs)
