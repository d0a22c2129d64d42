"""The control socket, bound by us: uvicorn would let everybody in."""

import os
import socket

from minimesh.control.paths import StateFolder, make_private
from minimesh.supervise.privatefile import write_private

BACKLOG = 128


def bind_control_socket(folder: StateFolder) -> socket.socket:
    """Binds the control socket, mode 0600; what an earlier run left at its place goes. Needs the folder's lock.

    Raises OSError or UnsafeFolderError.
    """
    path = folder.socket()
    if path.parent == folder.path:
        folder.socket_hint.unlink(missing_ok=True)
    else:
        make_private(path.parent)
        write_private(folder.socket_hint, f"{path}\n{folder.root}\n")
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def inherited_control_socket(descriptor: int) -> socket.socket:
    """The one that an earlier image of this process has bound."""
    os.set_inheritable(descriptor, False)
    listener = socket.socket(fileno=descriptor)
    listener.setblocking(False)
    return listener
