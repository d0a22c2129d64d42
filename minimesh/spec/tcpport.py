"""`[gateway] tcp`: ports whose connections are passed on as bytes."""

from minimesh.model.address import Address
from minimesh.model.project import TcpPort
from minimesh.spec import codes
from minimesh.spec.addresses import Listen
from minimesh.spec.names import Callee
from minimesh.spec.node import Node
from minimesh.spec.paths import HOST
from minimesh.spec.schema import Fields, Key, Table


class _ListenTcp(Listen):
    """As for HTTP, with the example of another port."""

    example = "15432"


LISTEN = Key("listen", _ListenTcp(), 'port on 127.0.0.1, or "host:port"', required=True)
TO = Key("to", Callee(), "the service that gets the connections", required=True)
SNI = Key("sni", HOST, 'only TLS that asks for this name: "db.test", or "*.db.test" for all below; left out: any')


def _tcp_port(fields: Fields) -> TcpPort:
    if fields.refused(LISTEN) or fields.refused(SNI):
        fields.node.give_up()  # it would be compared with others as what it is not
    return TcpPort(
        fields.get(LISTEN, Address("127.0.0.1", 0)), fields.get(TO, ""), fields.get(SNI, None), fields.node.where
    )


def check_tcp_ports(ports: tuple[TcpPort, ...], http: Address | None, nodes: list[Node]) -> None:
    """Each connection has one place to go to: ports are shared by names alone, and not with HTTP."""
    first: dict[tuple[Address, str | None], TcpPort] = {}
    for port, node in zip(ports, nodes, strict=True):
        other = first.setdefault((port.listen, port.sni), port)
        if other is not port:
            asked = f"with sni {port.sni}" if port.sni else "without sni"
            message = f"{port.listen} {asked} is there twice; line {other.where.line} has it too"
            node.note(codes.DUPLICATE, message, "give one of them another `listen` or `sni`")
        elif port.listen == http:
            message = f"{port.listen} is where the gateway speaks http already"
            node.note(codes.DUPLICATE, message, "give one of them another port")


TCP_PORT = Table((LISTEN, TO, SNI), _tcp_port, example='{ listen = 15432, to = "db" }')
