"""Why a certificate is not believed: the closed list."""

from enum import StrEnum


class Doubt(StrEnum):
    """What is wrong with what a peer showed, as counters, records and reasons name it."""

    NO_CERTIFICATE = "no_certificate"
    NOT_A_CERTIFICATE = "not_a_certificate"
    NOT_A_SVID = "not_a_svid"
    NOT_A_SERVICE = "not_a_service"
    FOREIGN_AUTHORITY = "foreign_authority"
    FOREIGN_TRUST_DOMAIN = "foreign_trust_domain"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    OTHER_IDENTITY = "other_identity"


class Untrusted(Exception):  # noqa: N818 - the peer is, not the program
    """`detail` is a sentence for people, without a full stop; it may quote the peer."""

    def __init__(self, doubt: Doubt, detail: str) -> None:
        super().__init__(f"{doubt}: {detail}")
        self.doubt = doubt
        self.detail = detail
