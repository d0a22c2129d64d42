"""Who is at the other end of a Unix socket, as the kernel tells it (unix(7), SO_PEERCRED; on macOS LOCAL_PEERCRED)."""

import os
import socket
import struct
import sys
from contextlib import suppress
from typing import NamedTuple

_UCRED = struct.Struct("=iII")
# On macOS: version, user, number of groups, groups; and the options of sys/un.h.
_XUCRED = struct.Struct("=IIhxx16I")
_SOL_LOCAL, _LOCAL_PEERCRED, _LOCAL_PEERPID = 0, 1, 2


class Peer(NamedTuple):
    """pid: 0 where it cannot be told. user: None likewise."""

    pid: int = 0
    user: int | None = None

    @property
    def may_talk(self) -> bool:
        """The same user as this process, or root. Where nothing is told, the mode of the socket has to do."""
        return self.user is None or self.user in (0, os.geteuid())


def peer_of(connected: socket.socket) -> Peer:
    with suppress(OSError, struct.error):
        if sys.platform == "linux":
            pid, user, _ = _UCRED.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
            return Peer(pid, user)
        if sys.platform == "darwin":
            user = _XUCRED.unpack(connected.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size))[1]
            return Peer(connected.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID), user)
    return Peer()
