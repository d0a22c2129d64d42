"""SPIFFE IDs: read strictly, by the SPIFFE-ID specification."""

import re
from dataclasses import dataclass

from minimesh.model.identity import Identity

SCHEME = "spiffe://"
MAX_LENGTH = 2048
MAX_TRUST_DOMAIN = 255

_TRUST_DOMAIN = re.compile(r"[a-z0-9._-]+")
_SEGMENT = re.compile(r"[a-zA-Z0-9._-]+")


@dataclass(frozen=True, slots=True)
class SpiffeId:
    """`path` are its segments, none for a trust domain as such."""

    trust_domain: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return SCHEME + "/".join((self.trust_domain, *self.path))


def parse(text: str) -> SpiffeId:
    """A SPIFFE ID as it must look (SPIFFE-ID, section 2). Raises ValueError that says which rule is broken.

    An upper-case scheme or trust domain is refused, not folded: two spellings of one caller would be two callers to
    whoever compares text.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"SPIFFE-ID 2.3: longer than {MAX_LENGTH} bytes")
    if not text.startswith(SCHEME):
        raise ValueError("SPIFFE-ID 2: the scheme is not spiffe")
    if "?" in text or "#" in text:
        raise ValueError("SPIFFE-ID 2: it has a query or a fragment")
    trust_domain, *path = text.removeprefix(SCHEME).split("/")
    if not _TRUST_DOMAIN.fullmatch(trust_domain) or len(trust_domain) > MAX_TRUST_DOMAIN:
        raise ValueError("SPIFFE-ID 2.1: the trust domain is not 1 to 255 of a to z, 0 to 9, and . _ -")
    for segment in path:
        if segment in (".", "..") or not _SEGMENT.fullmatch(segment):
            raise ValueError(
                "SPIFFE-ID 2.2: a segment of the path is empty, relative, or has characters it may not have"
            )
    return SpiffeId(trust_domain, tuple(path))


def service_of(spiffe_id: SpiffeId) -> Identity | None:
    """The service that an ID names (`/svc/<service>`), if it names one."""
    match spiffe_id.path:
        case ("svc", service):
            return Identity(spiffe_id.trust_domain, service)
    return None
