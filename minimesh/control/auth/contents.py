"""What is read, as values; and passwords, hashed. All of it on other threads, where its libraries are loaded too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from minimesh.control.auth.watched import CannotReadError, Read
from minimesh.store.keyfiles import KeyFileError, read_key, write_key

if TYPE_CHECKING:
    from minimesh.dataplane.auth.bearer import Keys

# Each needs a library that takes 0.1 s to load, and that most meshes never need.


def key_set(content: bytes) -> Keys:
    from minimesh.identity.keyset import KeySetError, read_key_set  # noqa: PLC0415

    try:
        return read_key_set(content)
    except KeySetError as error:
        raise CannotReadError(f"it is no set of keys: {error}") from None


def dev_keys(content: bytes) -> Keys:
    from minimesh.identity.devkey import DevKeyError, dev_key_set  # noqa: PLC0415

    try:
        return dev_key_set(content)
    except DevKeyError as error:
        raise CannotReadError(f"the key of `minimesh token` cannot be used: {error}") from None


def from_dev_key(path: Path) -> Read:
    async def read() -> bytes:
        try:
            return await to_thread.run_sync(dev_key, path)
        except (OSError, KeyFileError) as error:
            raise CannotReadError(str(error)) from None

    return read


def dev_key(path: Path) -> bytes:
    """The project's key for tokens of development, made where there is none. Raises OSError or KeyFileError."""
    if not path.exists():
        from minimesh.identity.devkey import new_dev_key  # noqa: PLC0415

        write_key(path, new_dev_key())
    return read_key(path)


def users_in(content: bytes) -> Mapping[str, str]:
    from minimesh.identity.passwords import read_users  # noqa: PLC0415

    users, wrong = read_users(content.decode("utf-8", "replace"))
    if wrong:
        raise CannotReadError("; ".join(wrong[:3]))
    return users


def is_password(users: Mapping[str, str], name: str, password: bytes) -> bool:
    from minimesh.identity import passwords  # noqa: PLC0415

    return passwords.is_password(users, name, password)


def offload(work: Callable[[], bool], then: Callable[[bool], None]) -> None:
    def done(future: asyncio.Future[bool]) -> None:
        if not future.cancelled():
            then(future.exception() is None and future.result())

    asyncio.get_running_loop().run_in_executor(None, work).add_done_callback(done)
