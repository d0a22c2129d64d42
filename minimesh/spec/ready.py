"""`ready`: how it is told that a service can take calls."""

from dataclasses import dataclass, field

from minimesh.model.service import Probe, Ready
from minimesh.spec import codes
from minimesh.spec.grpc import LONGEST_NAME, SERVICE_NAME
from minimesh.spec.kinds import DURATION, REGEX, ShellText, quote
from minimesh.spec.node import Node
from minimesh.spec.paths import TARGET
from minimesh.spec.schema import Fields, Key, Kind, Table


class Yes(Kind[bool]):
    """`true`: there is nothing that `false` would mean."""

    noun = "true"
    example = "true"

    def read(self, node: Node) -> bool:
        if node.value is not True:
            node.reject(codes.VALUE, f"{node.label} can only be true", node.pair("true"))
        return True


class Health(Kind[str]):
    """`true`, which is "", or the full name of a gRPC service."""

    noun = "true or the name of a gRPC service"
    example = "true"

    def read(self, node: Node) -> str:
        if node.value is True:
            return ""
        if not isinstance(node.value, str):
            node.reject(codes.VALUE, f"{node.label} can only be true or a name", node.pair("true"))
        text = node.text()
        if not SERVICE_NAME.fullmatch(text) or len(text) > LONGEST_NAME:
            message = (
                f'{node.label}: {quote(text)} is not the full name of a gRPC service; expected "shop.Orders" or true'
            )
            fix = text.strip("/").split("/")[0]
            node.reject(codes.VALUE, message, node.pair(quote(fix) if SERVICE_NAME.fullmatch(fix) else "true"))
        return text


HTTP = Key("http", TARGET, "ready when a GET of this path answers 200 to 399")
TCP = Key("tcp", Yes(), "ready when its port accepts a connection")
GRPC = Key("grpc", Health(), "ready when its grpc.health.v1 says SERVING: of all, or of one gRPC service by name")
LOG = Key("log", REGEX, "ready when a line of its output matches")
EXEC = Key("exec", ShellText(), "ready when this shell command ends with 0")
EVERY = Key("every", DURATION, "time between two tries", '"500ms"')
TIMEOUT = Key("timeout", DURATION, "time for one try", '"1s"')
WITHIN = Key("within", DURATION, "not ready after this: start has failed", '"30s"')

PROBES = ("http", "tcp", "grpc", "log", "exec")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the file says; `probe` None: the probe that suits the service. `node`: where the probe was written."""

    probe: Probe | None
    target: str
    every: float
    timeout: float
    within: float
    node: Node = field(repr=False, compare=False)

    def ready(self, default: Probe) -> Ready:
        probe = self.probe or default
        return Ready(probe, self.target if self.probe else "", self.every, self.timeout, self.within)


def _asked(fields: Fields) -> Asked:
    texts = {HTTP: Probe.HTTP, LOG: Probe.LOG, EXEC: Probe.EXEC}
    probe, target = next(
        ((probe, text) for key, probe in texts.items() if (text := fields.get(key, ""))),
        (Probe.TCP if fields.get(TCP, False) else None, ""),
    )
    if (service := fields.get(GRPC, None)) is not None:
        probe, target = Probe.GRPC, service
    default = Ready(Probe.RUNNING)
    node = fields[probe.value] if probe else fields.node
    return Asked(
        probe,
        target,
        fields.get(EVERY, default.every),
        fields.get(TIMEOUT, default.timeout),
        fields.get(WITHIN, default.within),
        node,
    )


READY = Key(
    "ready",
    Table((HTTP, TCP, GRPC, LOG, EXEC, EVERY, TIMEOUT, WITHIN), _asked, short=HTTP, one_of=PROBES),
    "the readiness probe; left out: tcp where it has an address, a written port, or speaks tcp or grpc; else, and with "
    "udp: it runs",
)
