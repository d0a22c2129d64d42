"""`watch`: the files whose change concerns a running service. Globs, which tasks know too."""

from minimesh.model.service import Watch
from minimesh.spec import codes
from minimesh.spec.kinds import Parsed, quote
from minimesh.spec.many import ListOf
from minimesh.spec.process import stop_signal
from minimesh.spec.schema import Fields, Key, Table
from minimesh.spec.suggest import closest
from minimesh.spec.text_error import TextError

RESTART = "restart"
SIGNAL = "signal:"


def pattern(text: str) -> str:
    """A glob of files below a folder: "web/**/*.py"."""
    if not text.strip():
        raise TextError(codes.VALUE, f"{quote(text)} names no files", fix='"web/**/*.py"')
    if text.startswith(("/", "~")):
        message = f"the pattern {quote(text)} is absolute; patterns count from the folder of their file"
        raise TextError(codes.VALUE, message, fix=quote(text.lstrip("/~") or "**"))
    return text


def action(text: str) -> str:
    """The name of a signal, without SIG; "" for a restart."""
    if text == RESTART:
        return ""
    if text.startswith(SIGNAL):
        try:
            return stop_signal(text.removeprefix(SIGNAL))
        except TextError as error:
            fix = f'"{SIGNAL}{(error.fix or "HUP").strip(chr(34))}"'
            raise TextError(error.code, error.message, fix=fix) from None
    meant = quote(closest(text, (RESTART, f"{SIGNAL}HUP")) or RESTART)
    raise TextError(codes.VALUE, f'{quote(text)} is no action; expected "restart" or "signal:HUP"', fix=meant)


PATTERN = Parsed("a pattern of files", '"web/**/*.py"', pattern)
PATTERNS = ListOf(PATTERN, "a list of patterns")

PATHS = Key("paths", PATTERNS, "these files; what .gitignore names is left out", required=True)
IGNORE = Key("ignore", PATTERNS, "but not these", "[]")
ACTION = Key("action", Parsed("an action", '"restart"', action), '"restart", or a signal: "signal:HUP"', '"restart"')


def _watch(fields: Fields) -> Watch | None:
    paths = fields.get(PATHS, ())
    if not paths:
        if not fields.refused(PATHS) and fields.wrote(PATHS.name):
            node = fields[PATHS.name]
            node.note(codes.VALUE, f"{node.label} names no files", node.pair(f"[{PATTERN.example}]"))
        return None
    return Watch(fields[PATHS.name].folder, paths, fields.get(IGNORE, ()), fields.get(ACTION, ""))


WATCH = Key(
    "watch",
    Table((PATHS, IGNORE, ACTION), _watch, short=PATHS, example='["web/**/*.py"]'),
    "files whose change restarts it, from the folder of this file",
)
