"""What a listener does with a request: match, then a service."""

from dataclasses import dataclass
from enum import StrEnum

from minimesh.model.auth import Auth
from minimesh.model.cors import Cors
from minimesh.model.where import NOWHERE, Where


class PathKind(StrEnum):
    EXACT = "exact"
    PREFIX = "prefix"
    REGEX = "regex"


@dataclass(frozen=True, slots=True)
class PathMatch:
    """`"/a"` is EXACT `/a`; `"/a/*"` is PREFIX `/a` (whole segments: /a, /a/, /a/b, not /ab), and
    `"/*"` is PREFIX of the empty text; `"~^/v[0-9]+/"` is REGEX, searched from the start of the path.

    `grpc`: only a gRPC call has it, whose path is its method: `/shop.Orders/List`.
    """

    kind: PathKind
    value: str
    grpc: bool = False

    def __str__(self) -> str:
        return f"{'grpc:' if self.grpc else ''}{self.plain}"

    @property
    def plain(self) -> str:
        match self.kind:
            case PathKind.EXACT:
                return self.value
            case PathKind.PREFIX:
                return f"{self.value}/*"
            case PathKind.REGEX:
                return f"~{self.value}"


ANY_PATH = PathMatch(PathKind.PREFIX, "")


@dataclass(frozen=True, slots=True)
class Route:
    """host: None for any, `"a.test"`, or `"*.a.test"` for any name below. Lower case, no port.

    strip_prefix is taken off the path before it is forwarded, where it stands at whole segments.
    timeout None: the service's own. cors None: what is said of other origins is the service's affair. auth None: the
    gateway's own.
    """

    to: str
    path: PathMatch = ANY_PATH
    host: str | None = None
    strip_prefix: str | None = None
    timeout: float | None = None
    where: Where = NOWHERE
    cors: Cors | None = None
    auth: Auth | None = None

    @property
    def name(self) -> str:
        """What people call it: `shop.test/api/*`, or the path alone; `grpc:shop.test/shop.Orders/*`."""
        return f"{'grpc:' if self.path.grpc else ''}{self.host or ''}{self.path.plain}"
