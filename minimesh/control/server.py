"""uvicorn's HTTP/1.1 on the control socket, in the mesh's own loop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from minimesh.control.peer import peer_of

LAST_PATIENCE = 1.0
"""Seconds for answers that are under way when the API ends."""


PROCESS = "process"
"""Whose `client` is no host and port, but this and its pid."""


class OwnerProtocol(H11Protocol):
    """Talks to processes of the same user and of root only. The mode of the socket says so too, where it counts."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        peer = peer_of(transport.get_extra_info("socket"))
        if not peer.may_talk:
            transport.abort()
            return
        super().connection_made(transport)
        self.client = (PROCESS, peer.pid)


@asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Serves until the context is left; then answers under way have a second to end, and the socket is removed."""
    path = Path(listener.getsockname())
    loop = asyncio.get_running_loop()
    config = Config(
        app, loop="none", http=OwnerProtocol, ws="none", lifespan="off", access_log=False, log_config=None,
        server_header=False, date_header=False, proxy_headers=False, timeout_keep_alive=60,
    )  # fmt: skip
    config.load()
    state = ServerState()
    server = await loop.create_unix_server(
        lambda: OwnerProtocol(config=config, server_state=state, app_state={}), sock=listener
    )
    try:
        yield
    finally:
        server.close()
        _remove(path)
        with anyio.CancelScope(shield=True):
            await _end(state)


async def _end(state: ServerState) -> None:
    for connection in tuple(state.connections):
        connection.shutdown()
    with anyio.move_on_after(LAST_PATIENCE):
        while state.connections or state.tasks:  # noqa: ASYNC110 - uvicorn tells nobody
            await anyio.sleep(0.01)
    for task in tuple(state.tasks):
        task.cancel()
    for connection in tuple(state.connections):
        transport = getattr(connection, "transport", None)
        if transport is not None:
            transport.abort()


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
