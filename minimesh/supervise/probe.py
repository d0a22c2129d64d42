"""Readiness: is the program able to work yet, and if not, why not?"""

import re
import signal
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from minimesh.model.address import Address, Dialable, UnixAddress
from minimesh.model.clock import Clock
from minimesh.model.egress import Origination
from minimesh.supervise.dial import DialError, dial, get_status, hear_out, label
from minimesh.supervise.group import end
from minimesh.supervise.lines import telling
from minimesh.supervise.process import Spawner, SpawnError
from minimesh.supervise.program import Program, shell
from minimesh.supervise.restarts import exit_text

_AS_ITS_ADDRESS_SAYS = Origination()


@dataclass(frozen=True, slots=True)
class Answer:
    """What one probe saw: `GET /healthz 200`, or `/healthz 503`.

    `address`: who took the connection, if anybody. `sentence`: the text says all there is to say.
    """

    ok: bool
    text: str
    address: Dialable | None = field(default=None, compare=False)
    sentence: bool = False


class LogWatch:
    """The log probe: waits for a line that matches."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)
        self._seen = anyio.Event()

    def look(self, lines: list[str]) -> None:
        if not self._seen.is_set() and any(self._pattern.search(line) for line in lines):
            self._seen.set()

    async def ask(self, patience: float) -> Answer:
        """Returns as soon as such a line has come, at the latest after `patience` seconds."""
        with anyio.move_on_after(patience):
            await self._seen.wait()
        text = f"log {self._pattern.pattern!r}"
        return (
            Answer(True, text) if self._seen.is_set() else Answer(False, f"no line matches {self._pattern.pattern!r}")
        )


class Cause:
    """What keeps somebody waiting, and since when."""

    def __init__(self) -> None:
        self._text = ""
        self._since = 0.0

    def note(self, answer: Answer, now: float) -> str:
        """`/healthz 503 for 0.6 s`; the time starts again with another text. A whole sentence has no time."""
        if answer.text != self._text:
            self._text, self._since = answer.text, now
        return answer.text if answer.sentence else f"{answer.text} for {now - self._since:.1f} s"


async def ask_tcp(targets: tuple[Dialable, ...], patience: float) -> Answer:
    """Somebody accepts connections on one of the addresses; each is given `patience` seconds."""

    async def one(address: Dialable) -> Answer:
        (await dial(address)).close()
        return Answer(True, label(address), address)

    return await _first(targets, patience, one)


async def ask_http(
    targets: tuple[Dialable, ...], path: str, patience: float, name: str, tls: Origination = _AS_ITS_ADDRESS_SAYS
) -> Answer:
    """2xx or 3xx to `GET path` from the first address that accepts a connection. name: of the service, which is asked
    for where the address has no host. tls: of addresses that speak it."""

    async def one(address: Dialable) -> Answer:
        with await dial(address) as sock:
            try:
                if isinstance(address, Address) and address.tls:
                    from minimesh.supervise import secured  # noqa: PLC0415 - ssl, for who needs it alone

                    status = await secured.get_status(sock, path, address.host, tls)
                else:
                    status = await get_status(sock, path, _authority(address, name))
                if isinstance(address, UnixAddress):
                    await hear_out(sock)
            except OSError:
                return Answer(False, f"{path}: connection lost", address)
        if status is None:
            return Answer(False, f"{path}: no HTTP answer", address)
        ok = 200 <= status < 400
        return Answer(ok, f"GET {path} {status}" if ok else f"{path} {status}", address)

    return await _first(targets, patience, one)


async def ask_grpc(targets: tuple[Dialable, ...], service: str, patience: float, name: str) -> Answer:
    """SERVING from the health service of the first address that accepts a connection. name: as with `ask_http`."""
    from minimesh.supervise.health import check  # noqa: PLC0415 - an HTTP/2 library, which few projects need

    async def one(address: Dialable) -> Answer:
        with await dial(address) as sock:
            try:
                health = await check(sock, service, _authority(address, name))
            except OSError:
                return Answer(False, "health: connection lost", address)
        return Answer(health.ok, health.text, address, sentence=health.final)

    return await _first(targets, patience, one)


def _authority(address: Dialable, name: str) -> str:
    return str(address) if isinstance(address, Address) else name


async def _first(
    targets: tuple[Dialable, ...], patience: float, one: Callable[[Dialable], Awaitable[Answer]]
) -> Answer:
    """The answer of the first address that has one, else why the first of all has none."""
    failed: list[str] = []
    for address in targets:
        try:
            with anyio.fail_after(patience):
                return await one(address)
        except TimeoutError:
            failed.append(f"{label(address)}: no answer in {patience:g} s")
        except DialError as error:
            failed.append(str(error))
    return Answer(False, failed[0] if failed else "it has no port to ask")


async def ask_exec(program: Program, spawner: Spawner, clock: Clock) -> Answer:
    """A shell command in the program's folder and environment: ready when it exits 0 in time."""
    command, timeout = program.ready.target, program.ready.timeout
    said: deque[str] = deque(maxlen=20)
    try:
        process = spawner.spawn(
            shell(command),
            program.cwd,
            program.env,
            lambda _stream, lines: said.extend(lines),
            f"{program.instance}/probe",
        )
    except SpawnError as error:
        return Answer(False, str(error))
    code: int | None = None
    try:
        with anyio.move_on_after(timeout):
            code = await process.wait()
    finally:
        with anyio.CancelScope(shield=True):
            await end(process, signal.SIGKILL, clock.monotonic, clock, spawner.children.bury)
        process.close()
    if code is None:
        return Answer(False, f"`{command}`: no end in {timeout:g} s")
    return Answer(code == 0, f"`{command}`: {exit_text(code, telling(list(said)))}")
