"""Values of the document as they are shown: as plain TOML, with or without ${…}, without secrets, in one folder."""

import os
import re
from pathlib import Path

from minimesh.spec.identity import CertificateFile
from minimesh.spec.interpolate import Hole, interpolate
from minimesh.spec.kinds import Either, Folder, Off, Parsed, ShellText, TemplateText
from minimesh.spec.many import ListOf, OneOrMore
from minimesh.spec.node import Node
from minimesh.spec.process import EnvFileName, Run
from minimesh.spec.schema import Kind, Table
from minimesh.spec.secret import MASK, arguments_without_secrets, is_secret, without_secrets
from minimesh.spec.task import CHANGED, Occasions, occasion
from minimesh.spec.telemetry import LogFile
from minimesh.spec.watch import pattern

_ARGUMENT = TemplateText()
_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_KEPT = re.compile("\0([^\0]*)\0")


class Text:
    """`fill`: what the environment gives stands in place of ${NAME}. Without `reveal` secrets are masked."""

    def __init__(self, document: Node, *, fill: bool, reveal: bool) -> None:
        self._fill = fill
        self._reveal = reveal
        self._environment = dict(document.reading.environment)
        if not reveal:
            secrets = [name for name, value in self._environment.items() if value and is_secret(name)]
            self._environment |= {name: f"\0{name}\0" for name in secrets}

    def value(self, node: Node, kind: Kind[object]) -> object:
        """The value of a node as plain TOML, its paths as from the folder of the project."""
        if isinstance(kind, Off | Either) and not node.is_table:
            kind = kind.plain if isinstance(kind, Either) else kind.kind
        if isinstance(kind, Table) and kind.short and not node.is_table:
            return self.value(node, kind.short.kind)
        if isinstance(kind, Occasions):
            return self.value(node, kind.kind)
        if node.is_table:
            return {name: self.value(child, kind) for name, child in node.children.items()}
        if node.is_list:
            inner = kind.kind if isinstance(kind, ListOf | OneOrMore) else _ARGUMENT
            values = [self.value(item, inner) for item in node.items]
            return arguments_without_secrets(values) if isinstance(kind, Run) and not self._reveal else values
        if isinstance(kind, OneOrMore):
            kind = kind.kind
        return at_root(self._string(node.value, isinstance(kind, Run | ShellText)), kind, node)

    def variable(self, node: Node, kind: Kind[object]) -> object:
        """The value of one variable in `env`."""
        value = self.value(node, kind)
        if not value or self._reveal or not is_secret(node.name) or _VARIABLE.fullmatch(str(value)):
            return value
        return MASK

    def _string(self, value: object, of_the_shell: bool) -> object:
        if not isinstance(value, str):
            return value
        if self._fill and not of_the_shell and "$" in value:
            parts = interpolate(value, self._environment)
            whole = "".join(part.written if isinstance(part, Hole) else part.replace("${", "$${") for part in parts)
            value = _KEPT.sub(r"${\1}", whole)
        return value if self._reveal else without_secrets(value)


def at_root(value: object, kind: Kind[object], node: Node) -> object:
    """A path that is written in a file of another folder, as it is from the folder of the project."""
    folder, root = node.folder, node.reading.root
    if folder == root or not isinstance(value, str) or Path(value).is_absolute():
        return value
    before = os.path.relpath(folder, root)
    if isinstance(kind, Folder | EnvFileName | LogFile | CertificateFile):
        return os.path.normpath(Path(before, value))
    if isinstance(kind, Parsed) and kind.parse is pattern:
        return f"{before}/{value}"
    if isinstance(kind, Parsed) and kind.parse is occasion and value.startswith(CHANGED):
        return f"{CHANGED}{before}/{value.removeprefix(CHANGED)}"
    return value
