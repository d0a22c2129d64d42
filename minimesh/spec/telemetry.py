"""`[telemetry]` and `[logs]`: what is written down, and how much of it is kept."""

from pathlib import Path

from minimesh.model.project import AccessLog, LogFormat, LogLimits
from minimesh.spec import codes
from minimesh.spec.files import is_folder
from minimesh.spec.kinds import SIZE, Choice, Integer, Off, quote
from minimesh.spec.node import Node
from minimesh.spec.schema import Fields, Key, Kind, Table


class LogFile(Kind[Path]):
    """The path of a file to write to, from the folder of its file."""

    noun = "the path of a file"
    example = '".minimesh/access.log"'

    def read(self, node: Node) -> Path:
        if not isinstance(node.value, str):
            self.wrong_type(node)
        text = node.text()
        path = node.folder / text
        if not text or is_folder(path):
            fix = node.pair(quote(f"{text.rstrip('/')}/access.log" if text else ".minimesh/access.log"))
            node.reject(codes.VALUE, f"{node.label}: {quote(text)} is a folder, not a file", fix)
        return path


PATH = Key("path", LogFile(), "the file", required=True)
FORMAT = Key("format", Choice(LogFormat), "a JSON object a line, or text for people", '"json"')


def _access_log(fields: Fields) -> AccessLog:
    return AccessLog(fields.get(PATH, Path()), fields.get(FORMAT, LogFormat.JSON))


ACCESS_LOG = Key("access_log", Off(Table((PATH, FORMAT), _access_log, short=PATH)), "a line for each request", '"off"')


def _telemetry(fields: Fields) -> AccessLog | None:
    return fields.get(ACCESS_LOG, None)


MAX_SIZE = Key("max_size", SIZE, "of each service's log, and of the access log", '"50MiB"')
KEEP = Key("keep", Integer(0, 1000, "3"), "older files that are kept of each", "3")


def _logs(fields: Fields) -> LogLimits:
    default = LogLimits()
    return LogLimits(fields.get(MAX_SIZE, default.max_size), fields.get(KEEP, default.keep))


TELEMETRY = Key(
    "telemetry",
    Table((ACCESS_LOG,), _telemetry, later=("prometheus", "otlp"), example='{ access_log = "off" }'),
    "what is written down of the traffic",
)
LOGS = Key("logs", Table((MAX_SIZE, KEEP), _logs, example='{ max_size = "50MiB" }'), "the logs of the services")
