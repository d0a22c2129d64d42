"""Floor 2: the only place of request bytes: heads, codecs, exchange, listeners, pools, timer wheel."""

from minimesh.dataplane.codec import FAST, Codec
from minimesh.dataplane.codecs import codec_named
from minimesh.dataplane.egress.outside import Seen
from minimesh.dataplane.plane import (
    DataPlane,
    EndpointStatistics,
    ListenError,
    ListenerStatistics,
    Open,
    OpenListener,
    OpenPool,
    Statistics,
)

__all__ = [
    "FAST",
    "Codec",
    "DataPlane",
    "EndpointStatistics",
    "ListenError",
    "ListenerStatistics",
    "Open",
    "OpenListener",
    "OpenPool",
    "Seen",
    "Statistics",
    "codec_named",
]
