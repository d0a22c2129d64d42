"""`minimesh call`: one request to a service, as the gateway or as another service."""

from __future__ import annotations

import http.client
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from minimesh.cli.context import Context
from minimesh.cli.errors import CommandError, Exit, usage
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.text import escape, milliseconds
from minimesh.cli.values import duration, header

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
    address = urlsplit(f"http://{way['address']}")
    body = _body(data)
    headers = [*_host(way), *header]
    began = time.monotonic()
    connection = http.client.HTTPConnection(address.hostname or "", address.port or 80, timeout=max_time)
    try:
        _send(connection, request or ("GET" if body is None else "POST"), _path(path), headers, body)
        answer = connection.getresponse()
        took = (time.monotonic() - began) * 1000
        if include:
            _head(context, answer)
        _copy(context, answer)
    except (OSError, http.client.HTTPException) as error:
        raise CommandError(
            "MM409",
            f"no answer from {way['address']}: {str(error) or type(error).__name__}",
            help=f"minimesh ps; minimesh logs {svc}",
        ) from None
    finally:
        connection.close()
    reason = answer.getheader("x-minimesh-reason")
    told = f"{answer.status} {answer.reason} from {'the mesh: ' + reason if reason else svc}"
    context.note(escape(f"{told}   as {way['caller']}, {milliseconds(took)}"))
    return Exit.FAILED if fail and answer.status >= 400 else Exit.OK


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
    return quote(whole, safe="/%?=&+,;:@!$'()*~#[]-._")


def _body(data: str | None) -> bytes | None:
    if data is None:
        return None
    if data == "@-":
        return sys.stdin.buffer.read()
    return Path(data[1:]).read_bytes() if data.startswith("@") else data.encode()


def _send(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: list[tuple[str, str]],
    body: bytes | None,
) -> None:
    names = {name.lower() for name, _ in headers}
    own = [name for name, _ in headers if name.lower() == "host"]
    connection.putrequest(method, path, skip_host=bool(own), skip_accept_encoding=True)
    sent: set[str] = set()
    for name, value in reversed(headers):  # of two Hosts the one that was typed
        if name.lower() != "host" or "host" not in sent:
            connection.putheader(name, value.encode())
        sent.add(name.lower())
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


def _copy(context: Context, answer: http.client.HTTPResponse) -> None:
    """As it is to a file or pipe; to a terminal with what might steer it spelt out."""
    context.out.flush()
    while piece := answer.read1(SLICE):
        if context.out.width is None:
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        else:
            text = piece.decode("utf-8", "replace")
            context.out.stream.write("\n".join("\t".join(map(escape, line.split("\t"))) for line in text.split("\n")))
            context.out.flush()


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
            Option(("-X", "--request"), "the method; default GET, with -d POST", "METHOD", str.upper),
            Option(("-H", "--header"), "a header; may be repeated", "K:V", header, repeat=True),
            Option(("-d", "--data"), "the body; @FILE is a file, @- is stdin", "TEXT"),
            Option(("-i", "--include"), "print the head of the answer too"),
            Option(("--fail",), "exit code 1 at 4xx and 5xx"),
            Option(("--max-time",), "how long to wait for the answer; default 60s", "TIME", duration, default=60.0),
        ),
        outputs=("table",),
    )
}
