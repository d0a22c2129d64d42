"""What leads out of the project: `mesh.egress` and `mesh.intercept`, what a service may reach,
and where one is that lives there."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from minimesh.model.address import Address, Dialable
from minimesh.model.egress import Egress, Intercept, Listed, Origination
from minimesh.model.service import Protocol
from minimesh.spec import codes
from minimesh.spec.addresses import ADDRESS, DEFAULT_PORTS, host_and_port
from minimesh.spec.files import read_plain_file
from minimesh.spec.kinds import Choice, Either, Parsed, quote
from minimesh.spec.many import ListOf, OneOrMore
from minimesh.spec.node import Node
from minimesh.spec.paths import HOST, host
from minimesh.spec.schema import Fields, Key, Kind, Table
from minimesh.spec.text_error import TextError

MODE = Key(
    "egress",
    Choice(Egress),
    'calls through the mesh to hosts that are no service: "observe": they pass and are recorded; "registered": '
    "only those that the service lists",
    '"observe"',
)
INTERCEPT = Key(
    "intercept",
    Choice(Intercept, later=("netns",)),
    "how calls get into the mesh: by the addresses that services are given, or (proxy) by $HTTP_PROXY as well",
    '"address"',
)

# ---- the hosts that a service may reach

_URL = re.compile(r"(?P<scheme>[a-z]+)://(?P<host>[^/?#@\s]+)(?P<rest>.*)", re.ASCII | re.IGNORECASE)
_NETWORK = re.compile(r"\[?(?P<network>[0-9A-Fa-f:.]+/\d{1,3})\]?:(?P<port>\d{1,5})", re.ASCII)


def listed(text: str) -> Listed:
    """What "api.stripe.com:443", "*.amazonaws.com:443", "10.0.0.5:5432" or "10.1.0.0/16:443" names."""
    if url := _URL.fullmatch(text):
        port = DEFAULT_PORTS.get(url["scheme"].lower(), 443)
        fix = url["host"] if re.search(r":\d+$", url["host"]) else f"{url['host']}:{port}"
        raise TextError(codes.VALUE, f'{quote(text)} is a URL; expected a host and a port: "{fix}"', fix=quote(fix))
    if "/" in text:
        return _network(text)
    if text.startswith("*."):
        address = host_and_port(text.removeprefix("*."), None if ":" in text else 443)
        _require_port(text)
        return Listed(host(f"*.{address.host}"), address.port)
    _require_port(text)
    address = host_and_port(text)
    try:
        network = ipaddress.ip_network(address.host)
    except ValueError:
        return Listed(host(address.host.rstrip(".")), address.port)
    return Listed("", address.port, network)


def _require_port(text: str) -> None:
    if not re.search(r":\d+$", text):
        message = f"{quote(text)} names no port; a service may reach a host at one port"
        raise TextError(codes.VALUE, message, fix=quote(f"{text.rstrip(':')}:443"))


def _network(text: str) -> Listed:
    found = _NETWORK.fullmatch(text)
    try:
        if found is not None and 0 < int(found["port"]) < 65536:
            return Listed("", int(found["port"]), ipaddress.ip_network(found["network"]))
    except ValueError as error:
        fix = None
        if "host bits" in str(error) and found is not None:
            fix = quote(str(Listed("", int(found["port"]), ipaddress.ip_network(found["network"], strict=False))))
        raise TextError(codes.VALUE, f"{quote(text)} is not a network: {error}", fix=fix) from None
    message = f'{quote(text)} is not a host and a port; expected "api.test:443", or a network "10.1.0.0/16:443"'
    before, _, behind = text.partition("/")
    near = f"{text}:443" if behind.isdecimal() else before if re.search(r":\d+$", before) else f"{before}:443"
    raise TextError(codes.VALUE, message, fix=quote(near))


LISTED = Key(
    "egress",
    ListOf(Parsed("a host and a port", '"api.stripe.com:443"', listed), "a list of hosts and ports"),
    'what it may reach outside: "api.test:443", "*.api.test:443", "10.1.0.0/16:5432"',
    "[]",
)


# ---- a service that lives elsewhere


class Authorities(Kind[tuple[Path, str]]):
    """A PEM file of certificates, read whole."""

    noun = "the path of a PEM file"
    example = '"ca.pem"'

    def read(self, node: Node) -> tuple[Path, str]:
        if not isinstance(node.value, str):
            self.wrong_type(node)
        path = node.folder / node.text()
        try:
            text = read_plain_file(path).decode("ascii", "replace")
        except OSError as error:
            why = f"cannot be read: {error.strerror or error}"
            node.reject(codes.NO_FILE, f"{node.label}: {quote(node.text())} {why}", node.pair(self.example))
        if problem := _problem(text):
            message = f"{node.label}: {quote(node.text())} {problem}"
            node.reject(codes.VALUE, message, 'a file that begins with "-----BEGIN CERTIFICATE-----"')
        return path, text


def _problem(text: str) -> str:
    """What is wrong with certificates as PEM, "" if nothing is."""
    import ssl  # noqa: PLC0415 - 10 ms, for who has such a file alone

    if "-----BEGIN CERTIFICATE-----" not in text:
        return "holds no certificate"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        return f"holds no certificate that can be read: {error}"
    return ""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where a service is that the mesh does not start, and how it proves who it is."""

    addresses: tuple[Dialable, ...] = ()
    tls: Origination = Origination()


class Addresses(Kind[Elsewhere]):
    """One or more of them, and nothing else to say."""

    kind = OneOrMore(ADDRESS)
    noun = kind.noun
    example = kind.example
    takes_list = True

    def read(self, node: Node) -> Elsewhere:
        return Elsewhere(self.kind.read(node))


AT = Key("at", OneOrMore(ADDRESS), "where that is", required=True)
CA = Key(
    "ca", Authorities(), "the authorities that its certificate may come from; left out: those that the system trusts"
)
NAME = Key("name", HOST, "what its certificate must be for, and what it is asked as; left out: the host of `at`")


def _elsewhere(fields: Fields) -> Elsewhere:
    addresses = fields.get(AT, ())
    path, roots = fields.get(CA, (None, ""))
    for key in (CA, NAME):
        if fields.wrote(key.name) and addresses and not _secured(addresses):
            message = f"`{key.name}` needs an address of https://, whose certificate it is about"
            fields[key.name].note_key(codes.CONFLICT, message, 'at = "https://payments.example.test"')
    return Elsewhere(addresses, Origination(fields.get(NAME, None), path, roots))


ELSEWHERE = Key(
    "address",
    Either(
        Addresses(),
        Table((AT, CA, NAME), _elsewhere, example='{ at = "https://payments.example.test", ca = "ca.pem" }'),
    ),
    'where it is, if the mesh does not start it; "https://HOST": by TLS; "unix:PATH": the file of a socket',
)


def check_tls(fields: Fields, elsewhere: Elsewhere, protocol: Protocol | None) -> None:
    """Whether there can be TLS to all of these addresses."""
    name, secured = fields.node.name, _secured(elsewhere.addresses)
    if not secured:
        return
    at = fields["address"].children.get(AT.name, fields["address"])
    hosts = list(dict.fromkeys(address.host for address in secured))
    if len(secured) < len(elsewhere.addresses):
        at.note(
            codes.CONFLICT, f"the addresses of {name} are partly https://, partly not", 'write "https://…" for each'
        )
    elif protocol in (Protocol.TCP, Protocol.UDP):
        message = f"{name} speaks {protocol}: the mesh passes its bytes on as they are, also those of TLS"
        at.note(codes.CONFLICT, message, at.pair(f'"{secured[0]}"'))
    elif len(hosts) > 1 and elsewhere.tls.name is None:
        message = f"the addresses of {name} are several hosts: what are their certificates for?"
        written = ", ".join(f'"{address.url}"' for address in secured)
        at.note(codes.CONFLICT, message, f'address = {{ at = [{written}], name = "{hosts[0]}" }}')


def is_secured(address: Dialable) -> bool:
    return isinstance(address, Address) and address.tls


def _secured(addresses: tuple[Dialable, ...]) -> list[Address]:
    return [address for address in addresses if isinstance(address, Address) and address.tls]
