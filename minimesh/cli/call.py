"""`minimesh call`: one request to a service, as the gateway or as another service."""

from __future__ import annotations

import codecs
import http.client
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from minimesh.cli.context import Context
from minimesh.cli.errors import CommandError, Exit, usage
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.process import vouch
from minimesh.cli.text import escape, milliseconds
from minimesh.cli.values import duration, header, method

if TYPE_CHECKING:
    from minimesh.control.views import PortsView, ReachedView

SLICE = 64 * 1024


def call(
    context: Context,
    *,
    svc: str,
    path: str,
    caller: str | None,
    request: str | None,
    header: tuple[tuple[str, str], ...],
    data: str | None,
    include: bool,
    fail: bool,
    max_time: float,
) -> int:
    """The body goes to stdout, status and time to stderr. Exit code 1 where no answer came, with --fail at 4xx."""
    from minimesh.control.client import segment  # noqa: PLC0415 - the client costs 60 ms

    view: PortsView = context.get(f"/v1/services/{segment(svc)}/ports")
    way = _way(view, caller)
    if way["caller"] != "gateway":
        vouch(context, way["caller"])
    address = urlsplit(f"http://{way['address']}")
    body = _body(data)
    headers = [*_host(way), *header]
    began = time.monotonic()
    connection = http.client.HTTPConnection(address.hostname or "", address.port or 80, timeout=max_time)
    try:
        with _told(f"no answer from {way['address']}", svc):
            _send(connection, request or ("GET" if body is None else "POST"), _path(path), headers, body)
            answer = connection.getresponse()
        took = (time.monotonic() - began) * 1000
        if include:
            _head(context, answer)
        _copy(context, _pieces(answer, svc))
    finally:
        connection.close()
    reason = answer.getheader("x-minimesh-reason")
    told = f"{answer.status} {answer.reason} from {'the mesh: ' + reason if reason else svc}"
    context.note(escape(f"{told}   as {way['caller']}, {milliseconds(took)}"))
    return Exit.FAILED if fail and answer.status >= 400 else Exit.OK


@contextmanager
def _told(what: str, svc: str) -> Iterator[None]:
    """Around what is done on the network alone: that the reader of stdout has left is no fault of the service."""
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        why = str(error) or type(error).__name__
        raise CommandError("MM409", f"{what}: {why}", help=f"minimesh ps; minimesh logs {svc}") from None


def _way(view: PortsView, caller: str | None) -> ReachedView:
    """How the caller reaches the service; without one as the gateway, else as the only one that may call it."""
    name, reached = view["name"], view["reached"]
    callers = [*dict.fromkeys(each["caller"] for each in reached)]
    if caller is None and "gateway" not in callers and len(callers) > 1:
        raise usage(f"{name} is not reached by the gateway: say as whom", f"minimesh call {name} / --as {callers[0]}")
    wanted = caller or ("gateway" if "gateway" in callers else next(iter(callers), None))
    found = next((each for each in reached if each["caller"] == wanted), None)
    if found is None:
        may = f"; {', '.join(callers)} may" if callers else "; nobody may"
        who = f"{wanted} may not call {name}" if wanted else f"nobody may call {name}"
        raise usage(
            who + (may if wanted else ""),
            f'calls = ["{name}"] under [services.{wanted}] lets it'
            if wanted and wanted != "gateway"
            else "minimesh routes",
        )
    return found


def _host(way: ReachedView) -> list[tuple[str, str]]:
    """A route for one host is reached by its name."""
    return [("Host", urlsplit(way["url"]).netloc)] if way["caller"] == "gateway" else []


def _path(path: str) -> str:
    whole = path if path.startswith("/") else f"/{path}"
    return quote(whole, safe="/%?=&+,;:@!$'()*~[]-._", errors="surrogateescape")


def _body(data: str | None) -> bytes | None:
    if data is None:
        return None
    if data == "@-":
        return sys.stdin.buffer.read()
    return Path(data[1:]).read_bytes() if data.startswith("@") else os.fsencode(data)


def _send(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: list[tuple[str, str]],
    body: bytes | None,
) -> None:
    names = {name.lower() for name, _ in headers}
    hosts = [value for name, value in headers if name.lower() == "host"][-1:]  # of two the one that was typed
    connection.putrequest(method, path, skip_host=bool(hosts), skip_accept_encoding=True)
    others = [(name, value) for name, value in headers if name.lower() != "host"]
    for name, value in (*(("Host", host) for host in hosts), *others):
        connection.putheader(name, os.fsencode(value))
    if "accept" not in names:
        connection.putheader("accept", "*/*")
    if body is not None and "content-length" not in names:
        connection.putheader("content-length", str(len(body)))
        if "content-type" not in names:
            connection.putheader("content-type", "application/json" if body[:1] in (b"{", b"[") else "text/plain")
    connection.endheaders(body)


def _head(context: Context, answer: http.client.HTTPResponse) -> None:
    context.out.line(escape(f"HTTP/1.1 {answer.status} {answer.reason}"))
    for name, value in answer.getheaders():
        context.out.line(escape(f"{name}: {value}"))
    context.out.line()


def _pieces(answer: http.client.HTTPResponse, svc: str) -> Iterator[bytes]:
    """The body as it comes. Raises CommandError where it ends too early, which `read1` does not tell."""
    left = answer.length
    while left is None or left > 0:
        with _told(f"the answer of {svc} broke off", svc):
            piece = answer.read1(SLICE if left is None else min(SLICE, left))
            if not piece and left is not None:
                raise http.client.IncompleteRead(b"", left)
        if not piece:
            return
        left = None if left is None else left - len(piece)
        yield piece


def _copy(context: Context, pieces: Iterable[bytes]) -> None:
    """As it is to a file or pipe; to a terminal with what might steer it spelt out, and its last line ended."""
    context.out.flush()
    if context.out.width is None:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        return
    last = "\n"
    for text in codecs.iterdecode(pieces, "utf-8", "replace"):
        last = text[-1]
        context.out.stream.write("\n".join("\t".join(map(escape, line.split("\t"))) for line in text.split("\n")))
        context.out.flush()
    if last != "\n":
        context.out.line()


COMMANDS: dict[str, Command] = {
    "call": Command(
        call,
        "One request to a service by the way that a caller takes: its listener, identity and policies. The\n"
        "body of the answer is all that is printed; status, time and why the mesh answered go to stderr.",
        (
            ("minimesh call orders /orders/1 --as web", "as web calls it"),
            ("minimesh call orders /orders -d '{\"sku\": 7}' --fail", "a POST by the gateway; exit 1 at 4xx and 5xx"),
        ),
        (Argument("SVC", "the service to ask"), Argument("PATH", "with or without a query")),
        (
            Option(("--as",), "who asks; default the gateway, or the only caller", "SVC", name="caller"),
            Option(("-X", "--request"), "the method; default GET, with -d POST", "METHOD", method),
            Option(("-H", "--header"), "a header; may be repeated", "K:V", header, repeat=True),
            Option(("-d", "--data"), "the body; @FILE is a file, @- is stdin", "TEXT"),
            Option(("-i", "--include"), "print the head of the answer too"),
            Option(("--fail",), "exit code 1 at 4xx and 5xx"),
            Option(("--max-time",), "how long to wait for the answer; default 60s", "TIME", duration, default=60.0),
        ),
        outputs=("table",),
    )
}
