"""Contents from files and from URLs, never on the loop."""

import asyncio
import http.client
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO, NoReturn
from urllib.parse import SplitResult, urlsplit

from anyio import to_thread

from minimesh import __version__
from minimesh.control.auth.watched import CannotReadError, Read
from minimesh.dataplane import DataPlane
from minimesh.dataplane.errand import NoAnswer, Wanted
from minimesh.model.address import Address
from minimesh.model.project import Project
from minimesh.spec.files import read_plain_file

LARGEST = 1 << 20
WITHIN = 10.0
"""Seconds for a whole answer."""
ONE_STEP = 5.0
_ACCEPT = {"Accept": "application/json", "User-Agent": f"minimesh/{__version__}"}


def from_file(path: Path) -> Read:
    async def read() -> bytes:
        try:
            return await to_thread.run_sync(read_plain_file, path, LARGEST)
        except OSError as error:
            raise CannotReadError(f"{path} cannot be read: {error.strerror or error}") from None

    return read


def from_url(url: str, plane: Callable[[], DataPlane], project: Callable[[], Project]) -> Read:
    """Through the mesh where it is one of its services; else straight from there."""

    async def read() -> bytes:
        service = service_at(url, project())
        try:
            async with asyncio.timeout(WITHIN):
                return await (_direct(url) if service is None else _through(url, service, plane()))
        except TimeoutError:
            raise CannotReadError(f"{url} did not answer within {WITHIN:g} s") from None

    return read


def service_at(url: str, project: Project) -> str | None:
    """The service that an URL leads to: by its name, or by where it is."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in project.services:
        return host
    address = Address("127.0.0.1" if host == "localhost" else host, port_of(parts))
    for service in project.services.values():
        if address in service.addresses or (service.port == address.port and address.host in ("127.0.0.1", "::1")):
            return service.name
    return None


def port_of(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def target_of(parts: SplitResult) -> bytes:
    return f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}".encode()


async def _through(url: str, service: str, plane: DataPlane) -> bytes:
    parts = urlsplit(url)
    fields = tuple((name.lower().encode(), value.encode()) for name, value in _ACCEPT.items())
    try:
        wanted = Wanted(target_of(parts), parts.netloc.encode(), fields)
        status, body = await plane.fetch(service, wanted, ONE_STEP, LARGEST)
    except NoAnswer as error:
        raise CannotReadError(f"{url} did not answer: {error}") from None
    if status != 200:
        raise CannotReadError(f"{url} answered with status {status}")
    return body


def _direct(url: str) -> Awaitable[bytes]:
    return to_thread.run_sync(_fetched, url, abandon_on_cancel=True)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What is believed comes from where the file says."""

    def redirect_request(
        self, req: object, fp: IO[bytes], code: int, msg: str, headers: object, newurl: str
    ) -> NoReturn:
        fp.close()
        raise CannotReadError(f"it leads elsewhere, to {newurl[:200]!r}")


def _fetched(url: str) -> bytes:
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(urllib.request.Request(url, headers=_ACCEPT), timeout=ONE_STEP) as answer:
            content: bytes = answer.read(LARGEST + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise CannotReadError(f"{url} answered with status {error.code}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise CannotReadError(f"{url} did not answer: {reason}") from None
    if len(content) > LARGEST:
        raise CannotReadError(f"{url} has more than {LARGEST} bytes")
    return content
