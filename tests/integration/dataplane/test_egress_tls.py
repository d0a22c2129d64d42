"""Services at https://: verified, by the name that they are asked as, and spoken to in what TLS agrees on."""

import asyncio
import json
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import pytest

from minimesh.model.address import Address
from minimesh.model.egress import Origination
from minimesh.model.service import Protocol, Timeouts
from minimesh.model.snapshot import Endpoint
from tests.certificates import Certificates, Pair
from tests.integration.dataplane.stage import EACH_CODEC, FASTEST, Stage
from tests.integration.dataplane.wire import Service

pytestmark = [pytest.mark.anyio]

GET = b"GET /v1?q HTTP/1.1\r\nHost: shop.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Made:
    """A root, and leaves by what is wrong with them."""

    root: Pair
    leaves: dict[str, Pair] = field(default_factory=dict)

    @property
    def roots(self) -> str:
        return self.root.certificate.read_text()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("certificates")
    maker = Certificates(folder)
    root, stranger = maker.root("root"), maker.root("stranger")
    leaves = {
        "good": maker.leaf("good", root, "DNS:pay.test", "IP:127.0.0.1"),
        "other": maker.leaf("other", root, "DNS:other.test"),
        "stranger": maker.leaf("stranger-leaf", stranger, "DNS:pay.test"),
        "alone": maker.leaf("alone", None, "DNS:pay.test"),
        "expired": _expired(folder, root),
    }
    return Made(root, leaves)


def _expired(folder: Path, root: Pair) -> Pair:
    """`openssl req -x509` knows no past: this signs with `openssl x509` and an end that is over."""
    pair = Pair(folder / "expired.pem", folder / "expired.key")
    asked = folder / "expired.csr"
    (folder / "expired.ext").write_text("subjectAltName=DNS:pay.test\n")
    ask = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x"]
    sign = ["openssl", "x509", "-req", "-in", str(asked), "-CA", str(root.certificate), "-CAkey", str(root.key)]
    for command in (
        [*ask, "-keyout", str(pair.key), "-out", str(asked), "-config", "/dev/null"],
        [*sign, "-days", "-1", "-out", str(pair.certificate), "-extfile", str(folder / "expired.ext")],
    ):
        subprocess.run(command, check=True, capture_output=True)
    return pair


@dataclass
class Seen:
    """What a server of the tests saw: of each connection the name that was asked for and what was agreed on."""

    port: int = 0
    names: list[str | None] = field(default_factory=list)
    agreed: list[str | None] = field(default_factory=list)
    heads: list[bytes | dict[bytes, bytes]] = field(default_factory=list)


@asynccontextmanager
async def serving(pair: Pair, alpn: tuple[str, ...] = ("http/1.1",)) -> AsyncIterator[Seen]:
    """On the standard library's ssl, and the h2 library."""
    seen = Seen()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if alpn:
        context.set_alpn_protocols(list(alpn))

    def note(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        seen.names.append(name)

    context.sni_callback = note

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        agreed = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        seen.agreed.append(agreed)
        try:
            await (_http2 if agreed == "h2" else _http1)(reader, writer, seen.heads.append)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=context)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


async def _http1(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Callable[[bytes], None]) -> None:
    while True:
        note(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)


async def _http2(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Callable[[dict[bytes, bytes]], None]
) -> None:
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
    connection.initiate_connection()
    writer.write(connection.data_to_send())
    while data := await reader.read(65536):
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                note({bytes(name): bytes(value) for name, value in event.headers or ()})
                assert event.stream_id is not None
                connection.send_headers(event.stream_id, [(":status", "200")])
                connection.send_data(event.stream_id, b"ok", end_stream=True)
        writer.write(connection.data_to_send())


def lead_to(
    stage: Stage,
    made: Made,
    *ports: int,
    protocol: Protocol | None = None,
    name: str = "pay.test",
    roots: str | None = None,
    connect: float = 2.0,
) -> None:
    stage.open(ports=ports, protocol=protocol)
    old = stage.snapshot.upstreams["api"]
    api = replace(
        old,
        endpoints=tuple(Endpoint(f"127.0.0.1:{port}", (Address("127.0.0.1", port, tls=True),)) for port in ports),
        host=name.encode(),
        tls=Origination(name, roots=made.roots if roots is None else roots),
        outside=True,
        timeouts=Timeouts(connect=connect),
    )
    stage.apply(replace(stage.snapshot, generation=2, upstreams={"api": api}))


@EACH_CODEC
@pytest.mark.parametrize("alpn", [("http/1.1",), ("h2", "http/1.1"), ()], ids=str)
async def test_a_service_is_asked_by_its_name(bare: Stage, made: Made, alpn: tuple[str, ...]) -> None:
    async with serving(made.leaves["good"], alpn) as seen:
        lead_to(bare, made, seen.port)
        caller = await bare.call("web->api")
        for _ in range(2):
            assert (await caller.ask(GET.replace(b"shop.test", b"api"))).body == b"ok"
        assert seen.names == ["pay.test"], "one connection, kept"
        assert seen.agreed == ["http/1.1" if alpn else None]
        assert len(seen.heads) == 2
        head = seen.heads[0]
        assert isinstance(head, bytes)
        assert head.startswith(b"GET /v1?q HTTP/1.1\r\nhost: pay.test\r\n")
        assert b"x-forwarded-client-cert" not in head, "who calls is not the business of the world"
    record = await bare.record()
    assert (record.destination, record.status, record.endpoint) == ("api", 200, f"127.0.0.1:{seen.port}")
    assert bare.plane.trouble("api") == ""


@EACH_CODEC
async def test_http2_goes_on_as_http2_where_tls_agrees_on_it(bare: Stage, made: Made) -> None:
    async with serving(made.leaves["good"], ("h2", "http/1.1")) as seen:
        lead_to(bare, made, seen.port, protocol=Protocol.H2)
        assert (await (await bare.call()).ask(GET)).body == b"ok"
        assert seen.agreed == ["h2"]
        (head,) = seen.heads
        assert isinstance(head, dict)
        assert (head[b":scheme"], head[b":authority"]) == (b"https", b"pay.test")


@FASTEST
async def test_a_service_that_is_to_speak_http2_and_does_not(bare: Stage, made: Made) -> None:
    async with serving(made.leaves["good"], ()) as seen:
        lead_to(bare, made, seen.port, protocol=Protocol.H2)
        answer = await (await bare.call()).ask(GET)
        assert (answer.status, answer.reason) == (502, "upstream_protocol")
        assert "TLS agreed on HTTP/1.1" in json.loads(answer.body)["detail"]


@FASTEST
async def test_http2_falls_back_where_tls_agrees_on_http1(bare: Stage, made: Made) -> None:
    """As a caller on HTTP/2 finds out: with prior knowledge, over TLS to a service of HTTP/1.1."""
    async with serving(made.leaves["good"], ("http/1.1",)) as seen:
        lead_to(bare, made, seen.port)
        host, port = bare.plane.address("gateway")
        asked = await asyncio.create_subprocess_exec(
            "curl", "-s", "--http2-prior-knowledge", f"http://{host}:{port}/", stdout=asyncio.subprocess.PIPE
        )
        out, _ = await asked.communicate()
        assert out == b"ok"
        assert seen.agreed == ["http/1.1", "http/1.1"]


BAD = {
    "other": ("certificate_wrong_name", "Hostname mismatch, certificate is not valid for 'pay.test'"),
    "stranger": ("certificate_untrusted", "unable to get local issuer certificate"),
    "alone": ("certificate_untrusted", "self-signed certificate"),
    "expired": ("certificate_expired", "certificate has expired"),
}


@EACH_CODEC
@pytest.mark.parametrize("leaf", BAD)
async def test_a_certificate_that_will_not_do_is_told_of(bare: Stage, made: Made, leaf: str) -> None:
    reason, detail = BAD[leaf]
    async with serving(made.leaves[leaf]) as seen:
        lead_to(bare, made, seen.port)
        answer = await (await bare.call()).ask(GET)
        assert (answer.status, answer.reason) == (502, reason)
        told = json.loads(answer.body)["detail"]
        assert told.startswith(f"TLS with pay.test at 127.0.0.1:{seen.port}: ")
        assert detail in told.replace("self signed", "self-signed")
        assert bare.plane.trouble("api") == told
        assert len(seen.names) == 1, "to try again changes nothing"
        assert seen.heads == [], "nothing was sent"


@FASTEST
async def test_what_the_system_trusts_is_not_our_root(bare: Stage, made: Made) -> None:
    async with serving(made.leaves["good"]) as seen:
        lead_to(bare, made, seen.port, roots="")
        assert (await (await bare.call()).ask(GET)).reason == "certificate_untrusted"


@FASTEST
async def test_an_address_is_a_name_too(bare: Stage, made: Made) -> None:
    async with serving(made.leaves["good"]) as seen:
        lead_to(bare, made, seen.port, name="127.0.0.1")
        assert (await (await bare.call()).ask(GET)).status == 200
    async with serving(made.leaves["other"]) as seen:
        lead_to(bare, made, seen.port, name="127.0.0.1")
        assert (await (await bare.call()).ask(GET)).reason == "certificate_wrong_name"


@FASTEST
async def test_a_service_that_speaks_no_tls(bare: Stage, made: Made) -> None:
    bare.services.append(service := Service())
    lead_to(bare, made, service.port)
    caller = await bare.call()
    await caller.send(GET)
    for _ in range(2):  # it may be a mishap, so it is tried once more
        peer = await service.accept()
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    answer = await caller.answer()
    assert (answer.status, answer.reason) == (502, "upstream_tls")


@FASTEST
async def test_a_handshake_that_does_not_come_is_given_up(bare: Stage, made: Made) -> None:
    bare.services.append(service := Service())
    lead_to(bare, made, service.port, connect=0.2)
    answer = await (await bare.call()).ask(GET)
    assert (answer.status, answer.reason) == (504, "connect_timeout")


@FASTEST
async def test_another_endpoint_takes_over_from_one_that_is_not_to_be_trusted(bare: Stage, made: Made) -> None:
    async with serving(made.leaves["good"]) as good:
        lead_to(bare, made, good.port)
        caller = await bare.call()
        assert (await caller.ask(GET)).status == 200
        kept = bare.snapshot.upstreams["api"]
        other = replace(kept, tls=Origination("pay.test", roots=made.leaves["alone"].certificate.read_text()))
        bare.apply(replace(bare.snapshot, generation=3, upstreams={"api": other}))
        answer = await caller.ask(GET)
        assert answer.reason == "certificate_untrusted", "what was verified by other roots is not kept"
